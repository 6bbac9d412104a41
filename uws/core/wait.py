"""When a request for a job blocks, and until when (UWS 1.1 s2.2.1.2).

It may block only while the job is PENDING, QUEUED or EXECUTING, for WAIT seconds at most (-1: as long as the service
allows), and ends when the phase changes. With PHASE it blocks only while the job is in that phase.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters
from uws.core.filters import parse_phase
from uws.core.job import Phase

MAY_BLOCK = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
_SECONDS = re.compile(r"-1|\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A wish to wait: `seconds` None is for ever; `phase` None is the phase that the job is found in."""

    seconds: int | None
    phase: Phase | None = None

    def timeout_s(self, cap_s: float) -> float:
        """Return for how long to block, given what the service allows."""
        return cap_s if self.seconds is None else min(self.seconds, cap_s)

    def blocks(self, found: Phase, now: Phase) -> bool:
        """Tell whether to go on waiting for a job that was in `found` at first and is in `now`."""
        return now in MAY_BLOCK and now is (self.phase or found)


def parse_wait(params: Parameters) -> Wait | None:
    """Read WAIT and PHASE of a request for a job; None where it does not ask to wait.

    Raises
    ------
    UsageError
        WAIT is not an integer of at least -1, or PHASE is not a phase.
    """
    text = params.single("WAIT")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text.strip()):
        raise UsageError(
            f"WAIT={text[:40]!r} is not a number of seconds: an integer, or -1 to wait for the next change."
        )
    phase = params.single("PHASE")
    seconds = int(text)
    return Wait(seconds=None if seconds < 0 else seconds, phase=None if phase is None else parse_phase(phase))
