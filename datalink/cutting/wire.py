"""What goes between the service and the processes that cut: an order one way, an answer the other.

Orders come from us and are pickled. Answers come from a process that has read what anybody may have written, and are
text: one JSON object a line.
"""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson

HEAD = struct.Struct(">II")
"""Before each order: its length in bytes, and the seconds after which the process ends itself."""


class Outcome(StrEnum):
    """What came of an order."""

    DONE = "DONE"
    EMPTY = "EMPTY"  # the cut meets nothing
    REFUSED = "REFUSED"  # the file cannot be cut so
    TOO_LARGE = "TOO_LARGE"
    TROUBLE = "TROUBLE"  # the machine's, not the file's: try again later


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome, and why; of one that is too large, the size in bytes."""

    outcome: Outcome
    message: str = ""

    def encode(self) -> bytes:
        """Write it as one line."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def decode(cls, line: bytes) -> Answer:
        """Read what `encode` wrote.

        Raises
        ------
        ValueError
            It is something else.
        """
        found = orjson.loads(line)
        return cls(outcome=Outcome(found["outcome"]), message=str(found["message"]))
