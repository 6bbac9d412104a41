"""CSV (RFC 4180) and TSV (DALI 1.2 s4.3.3): a line of column names, then a line per row.

Both spell values as TABLEDATA does; null is an empty cell. Neither has a place to say that rows are missing.
"""

from __future__ import annotations

import csv
import io
from typing import Any, ClassVar

import pyarrow as pa

from penstock.votable.compute import byte_range, content, pc
from penstock.votable.datatypes import TEXT_TYPES
from penstock.votable.joining import join_cells
from penstock.votable.model import Field
from penstock.votable.text import text_column
from tap_proxy.core.formats.model import Outcome, ResultHead

_NEEDS_QUOTES = r'[",\r\n]'
_QUOTE_WORTHY = (b'"', b",", b"\r", b"\n")
_BREAKS_TSV = r"[\t\r\n]"


class CsvWriter:
    """Writes CSV with a header line; a cell is quoted where it must be."""

    tells_failure: ClassVar[bool] = False

    def __init__(self, head: ResultHead) -> None:
        self._fields = head.fields

    def begin(self) -> bytes:
        """Return the line of names."""
        line = io.StringIO()
        csv.writer(line).writerow([field.name for field in self._fields])
        return line.getvalue().encode()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return a line per row."""
        pairs = zip(batch.columns, self._fields, strict=True)
        cells = [_cells(array, field) for array, field in pairs]
        if len(cells) == 1:
            # A line without anything would be read as no row at all.
            cells = [pc.if_else(pc.equal(pc.fill_null(cells[0], ""), ""), '""', cells[0])]
        return join_cells(cells, "", ",", "\r\n")

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return nothing: CSV has no end."""
        return (b"",)


class TsvWriter:
    """Writes tab-separated values; tabs and line breaks inside a cell become spaces (TAP 1.1 s3.2)."""

    tells_failure: ClassVar[bool] = False

    def __init__(self, head: ResultHead) -> None:
        self._fields = head.fields

    def begin(self) -> bytes:
        """Return the line of names."""
        names = [" ".join(field.name.split()) for field in self._fields]
        return ("\t".join(names) + "\n").encode()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return a line per row."""
        cells = []
        for array, field in zip(batch.columns, self._fields, strict=True):
            text = text_column(array, field)
            if field.datatype in TEXT_TYPES and byte_range(text)[0] < 0x20:
                text = pc.replace_substring_regex(text, _BREAKS_TSV, " ")
            cells.append(text)
        return join_cells(cells, "", "\t", "\n")

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return nothing: TSV has no end."""
        return (b"",)


def _cells(array: pa.Array[Any], field: Field) -> pa.Array[Any]:
    text = text_column(array, field)
    if field.datatype not in TEXT_TYPES:
        return text
    data = bytes(content(text))
    return _quoted(text) if any(mark in data for mark in _QUOTE_WORTHY) else text


def _quoted(text: pa.Array[Any]) -> pa.Array[Any]:
    special = pc.match_substring_regex(text, _NEEDS_QUOTES)
    doubled = pc.replace_substring(text, '"', '""')
    quoted: pa.Array[Any] = pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)
    return quoted
