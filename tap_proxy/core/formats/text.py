"""Plain text for people: a table in columns, as wide as the first rows and the headings call for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pyarrow as pa

from penstock.votable.compute import pc
from penstock.votable.datatypes import TEXT_TYPES
from penstock.votable.document import QueryStatus
from penstock.votable.joining import join_cells
from penstock.votable.text import text_column
from tap_proxy.core.formats.model import Outcome, ResultHead

_WIDEST = 40  # a longer value stands out of its column
_BREAKS = r"[\x00-\x1f\x7f]"


class TextWriter:
    """Writes aligned columns, two blanks between them, numbers to the right."""

    tells_failure: ClassVar[bool] = True

    def __init__(self, head: ResultHead) -> None:
        self._fields = head.fields
        self._widths: list[int] | None = None

    def begin(self) -> bytes:
        """Return nothing: the headings are as wide as the first rows call for."""
        return b""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return a line per row."""
        cells = [
            pc.fill_null(pc.replace_substring_regex(text_column(array, field), _BREAKS, " "), "")
            for array, field in zip(batch.columns, self._fields, strict=True)
        ]
        head = b"" if self._widths else self._headings(cells)
        padded = [
            (pc.utf8_rpad if field.datatype in TEXT_TYPES else pc.utf8_lpad)(cell, width)
            for cell, field, width in zip(cells, self._fields, self._widths or [], strict=True)
        ]
        return head + join_cells(padded, "", "  ", "\n")

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return a last line where rows are missing."""
        head = b"" if self._widths else self._headings([])
        if outcome.status is QueryStatus.OK:
            return (head,)
        return (head + f"# {outcome.status}: {' '.join((outcome.message or '').split())}\n".encode(),)

    def _headings(self, cells: Sequence[pa.Array[Any]]) -> bytes:
        names = [" ".join(field.name.split()) for field in self._fields]
        longest = [pc.max(pc.utf8_length(cell)).as_py() or 0 for cell in cells] or [0] * len(names)
        self._widths = [max(len(name), min(most, _WIDEST)) for name, most in zip(names, longest, strict=True)]
        titles = (name.ljust(width) for name, width in zip(names, self._widths, strict=True))
        rules = ("-" * width for width in self._widths)
        return ("  ".join(titles) + "\n" + "  ".join(rules) + "\n").encode()
