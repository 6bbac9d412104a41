"""HTML for people: one table, streamed, readable without scripts."""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

import pyarrow as pa

from penstock.votable.compute import pc
from penstock.votable.datatypes import TEXT_TYPES
from penstock.votable.document import QueryStatus
from penstock.votable.joining import join_cells
from penstock.votable.model import Field
from penstock.votable.text import text_column
from tap_proxy.core.formats.model import Outcome, ResultHead

_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:1rem}"
    "table{border-collapse:collapse}th,td{border:1px solid GrayText;padding:.2rem .5rem;text-align:left}"
    "caption{text-align:left}.end{font-weight:bold}"
)
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))
_ILLEGAL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
_URL = r"^(https?://[^\s]+)$"


class HtmlWriter:
    """Writes an HTML page with the rows as a table."""

    tells_failure: ClassVar[bool] = True

    def __init__(self, head: ResultHead) -> None:
        self._head = head

    def begin(self) -> bytes:
        """Return the page up to the rows."""
        headings = "".join(f'<th scope="col"{_hint(field)}>{escape(field.name)}</th>' for field in self._head.fields)
        query = escape(dict(self._head.infos).get("QUERY", ""))
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Query result</title>'
            f"<style>{_STYLE}</style></head><body><main><h1>Query result</h1>\n<table><caption><code>{query}</code>"
            f"</caption>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n"
        ).encode()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return a table row per row."""
        cells = [_cells(array, field) for array, field in zip(batch.columns, self._head.fields, strict=True)]
        return join_cells(cells, "<tr><td>", "</td><td>", "</td></tr>\n")

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return the end of the page, which says when rows are missing."""
        return (f'</tbody></table>\n<p class="end">{escape(_said(outcome))}</p></main></body></html>\n'.encode(),)


def _hint(field: Field) -> str:
    hint = ", ".join(part for part in (field.description, field.unit, field.ucd) if part)
    return f' title="{escape(hint)}"' if hint else ""


def _cells(array: pa.Array[Any], field: Field) -> pa.Array[Any]:
    text = text_column(array, field)
    if field.datatype not in TEXT_TYPES:
        return text
    text = pc.replace_substring_regex(text, _ILLEGAL, "")
    for character, reference in _ESCAPES:
        text = pc.replace_substring(text, character, reference)
    linked: pa.Array[Any] = pc.replace_substring_regex(text, _URL, r'<a href="\1">\1</a>')
    return linked


def _said(outcome: Outcome) -> str:
    match outcome.status:
        case QueryStatus.OK:
            return "All rows are shown."
        case QueryStatus.OVERFLOW:
            return outcome.message or "There are more rows than the limit allows."
        case QueryStatus.ERROR:
            return f"The query failed on its way, rows are missing: {outcome.message}"
