"""The rows of TABLEDATA as they come out of the XML parser.

This runs for every cell, and so has handlers of its own that expect nothing but TR and TD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.votable.upload import UploadLimits, fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.parsers.expat import XMLParserType


class RowScanner:
    """Gathers the cells of complete rows, and the line in which each row begins.

    `prefix` is the namespace prefix of TABLEDATA with its colon; `end` is called with the name of whatever element
    ends outside of a row.
    """

    def __init__(self, parser: XMLParserType, prefix: str, limits: UploadLimits, end: Callable[[str], None]) -> None:
        self._parser = parser
        self._tr, self._td = f"{prefix}TR", f"{prefix}TD"
        self._max_cell = limits.max_cell_bytes
        self._end_rows = end
        self._row: list[str] | None = None
        self._cell: list[str] | None = None
        self._line = 0
        self._rows: list[list[str]] = []
        self._lines: list[int] = []

    @property
    def gathered(self) -> int:
        """The number of rows that `take` would hand over."""
        return len(self._rows)

    def take(self) -> tuple[list[list[str]], list[int]]:
        """Hand over what has gathered."""
        taken = self._rows, self._lines
        self._rows, self._lines = [], []
        return taken

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a row or a cell."""
        if name == self._td and self._row is not None and self._cell is None:
            if attributes and attributes.get("encoding", "none") != "none":
                raise fault(self._parser.CurrentLineNumber, "an encoded TD is not supported, use BINARY2")
            self._cell = []
        elif name == self._tr and self._row is None:
            self._row = []
            self._line = self._parser.CurrentLineNumber
        else:
            raise fault(self._parser.CurrentLineNumber, f"{name} where TABLEDATA has TR with TD with text")

    def end(self, name: str) -> None:
        """End a cell, a row or all."""
        if self._cell is not None and self._row is not None:
            self._row.append("".join(self._cell))
            self._cell = None
        elif self._row is not None:
            self._rows.append(self._row)
            self._lines.append(self._line)
            self._row = None
        else:
            self._end_rows(name)

    def characters(self, data: str) -> None:
        """Take the text of a cell, or a part of it."""
        if self._cell is None:
            if not data.isspace():
                raise fault(self._parser.CurrentLineNumber, f"text {data.strip()[:20]!r} outside of TD")
            return
        if len(data) > self._max_cell or (self._cell and len(data) + sum(map(len, self._cell)) > self._max_cell):
            raise fault(self._parser.CurrentLineNumber, f"a cell is longer than {self._max_cell} bytes")
        self._cell.append(data)
