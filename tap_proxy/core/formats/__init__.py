"""The forms in which results are written (TAP 1.1 s2.7.3); one row of `_WRITERS` per form, the default first."""

from __future__ import annotations

from collections.abc import Callable
from io import IOBase

from penstock.dali.formats import (
    CSV,
    FITS,
    HTML,
    JSON,
    PARQUET,
    TEXT,
    TSV,
    Format,
    FormatRow,
    FormatTable,
    votable_rows,
)
from tap_proxy.core.formats.arrow import ArrowStreamWriter, ParquetWriter
from tap_proxy.core.formats.delimited import CsvWriter, TsvWriter
from tap_proxy.core.formats.html import HtmlWriter
from tap_proxy.core.formats.json import JsonWriter
from tap_proxy.core.formats.model import ResultHead, ResultWriter
from tap_proxy.core.formats.text import TextWriter
from tap_proxy.core.formats.votable import VotableResultWriter

ARROW = FormatRow(
    format=Format(key="arrow", media_type="application/vnd.apache.arrow.stream", extension="arrows"), aliases=("arrow",)
)
TAP_FORMATS = FormatTable([*votable_rows("TABLEDATA", "BINARY2"), CSV, TSV, FITS, JSON, TEXT, HTML, PARQUET, ARROW])

SIA_FORMATS = FormatTable(TAP_FORMATS.rows, parameters=("RESPONSEFORMAT",))
"""For services where FORMAT is a condition on the data, as in SIA."""

_WRITERS: dict[str, Callable[[ResultHead], ResultWriter]] = {
    "csv": CsvWriter,
    "tsv": TsvWriter,
    "json": JsonWriter,
    "html": HtmlWriter,
    "parquet": ParquetWriter,
    "arrow": ArrowStreamWriter,
    "text": TextWriter,
}


def new_writer(output: Format, head: ResultHead, open_spool: Callable[[], IOBase]) -> ResultWriter:
    """Return a writer of the form for one result; `open_spool` is for forms that need all rows before the first."""
    if output.key == "fits":
        from tap_proxy.core.formats.fits import FitsWriter  # brings astropy, which takes a second to import

        return FitsWriter(head, open_spool)
    if output.serialization is not None:
        return VotableResultWriter(head, output.serialization, output.version or "1.4")
    return _WRITERS[output.key](head)


__all__ = ["SIA_FORMATS", "TAP_FORMATS", "new_writer"]
