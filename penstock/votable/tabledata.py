"""TABLEDATA: rows as XML elements (VOTable 1.5 s5.1).

Whole columns become text and are joined cell by cell (`joining`), so that no Python code runs per row.

An empty TD is null, of any type; from TABLEDATA nobody can tell an empty string or array from it (VOTable 1.5 s5.5).
XML 1.0 has no way to write most control characters: they are left out. A carriage return is written as a reference,
because a parser would hand on a newline in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from penstock.votable.compute import byte_range, content, pc
from penstock.votable.datatypes import TEXT_TYPES, arrow_type, fields_schema, shape_of
from penstock.votable.joining import join_cells
from penstock.votable.model import ByIdentity
from penstock.votable.text import FEW, spell_number, spelt_by_python, text_column

if TYPE_CHECKING:
    from penstock.votable.model import Field

ILLEGAL_IN_XML = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
_NONCHARACTERS = ("\ufffe".encode(), "\uffff".encode())
_FIRST_OF_NONCHARACTERS = 0xEF
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))
_Speller = Callable[[Any], str]
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SPECIAL = re.compile("[&<>\x00-\x08\x0b-\x1f\ufffe\uffff]")


def encode(batch: pa.RecordBatch, fields: tuple[Field, ...]) -> bytes:
    """Write the rows of a batch as TR elements in UTF-8; the columns of the batch are `fields`, in order.

    Raises
    ------
    InternalError
        A value does not fit its field.
    """
    if batch.num_rows <= FEW:
        return _encode_few(batch, fields)
    cells = [_cells(array, field) for array, field in zip(batch.columns, fields, strict=True)]
    return join_cells(cells, "<TR><TD>", "</TD><TD>", "</TD></TR>\n")


def _encode_few(batch: pa.RecordBatch, fields: tuple[Field, ...]) -> bytes:
    """Write rows without Arrow's functions: they take longer to begin with a column than Python with a few cells."""
    schema, spellers = _plan(ByIdentity(fields))
    if batch.schema != schema:
        spellers = (None,) * len(fields)
    columns = [
        _few_cells(array, field) if spell is None else [spell(value) for value in array.to_pylist()]
        for array, field, spell in zip(batch.columns, fields, spellers, strict=True)
    ]
    rows = ("<TR><TD>" + "</TD><TD>".join(row) + "</TD></TR>\n" for row in zip(*columns, strict=True))
    return "".join(rows).encode()


@lru_cache(maxsize=256)
def _plan(fields: ByIdentity[tuple[Field, ...]]) -> tuple[pa.Schema | None, tuple[_Speller | None, ...]]:
    """Return how to spell the cells of each column of a schema; None for columns whose values must be looked at."""
    try:
        return fields_schema(fields.held), tuple(_speller(field) for field in fields.held)
    except ValueError:
        return None, ()


def _speller(field: Field) -> _Speller | None:
    kind, shape = arrow_type(field), shape_of(field.arraysize)
    if field.datatype in TEXT_TYPES:
        return escaped if shape.variable and shape.limit is None else None
    return _number if spelt_by_python(kind) else None


def _few_cells(array: pa.Array[Any], field: Field) -> list[str]:
    return [value or "" for value in _cells(array, field).to_pylist()]


def _number(value: float | None) -> str:
    return spell_number(value) or ""


def escaped(value: str | None) -> str:
    """Return one text as a cell holds it; null is empty."""
    if value is None:
        return ""
    if not _SPECIAL.search(value):
        return value
    for character, reference in _ESCAPES:
        value = value.replace(character, reference)
    return _ILLEGAL.sub("", value)


def _cells(array: pa.Array[Any], field: Field) -> pa.Array[Any]:
    text = text_column(array, field)
    return _escaped(text) if field.datatype in TEXT_TYPES else text


def _escaped(text: pa.Array[Any]) -> pa.Array[Any]:
    # One look at the column's bytes decides which of the costlier replacements are needed: mostly none.
    data, (least, greatest) = bytes(content(text)), byte_range(text)
    if least < 0x20 or (greatest >= _FIRST_OF_NONCHARACTERS and any(mark in data for mark in _NONCHARACTERS)):
        text = pc.replace_substring_regex(text, ILLEGAL_IN_XML, "")
    for character, reference in _ESCAPES:
        if character.encode() in data:
            text = pc.replace_substring(text, character, reference)
    return text
