"""Cells of TABLEDATA as Arrow columns (VOTable 1.5 s5.1).

Arrow converts whole columns; only where that fails is every cell looked at, either to accept a spelling that Arrow
does not know (``+5``) or to say in which line the wrong one stands.
An empty cell is null, of text too: TABLEDATA cannot tell an empty text from none (VOTable 1.5 s5.5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock.votable.compute import pc, relisted
from penstock.votable.datatypes import PRIMITIVES, TEXT_TYPES, arrow_type, shape_of
from penstock.votable.upload import fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.votable.model import Field
    from penstock.votable.upload import ReadColumn

_INTEGER = re.compile(r"[+-]?[0-9]+|0[xX][0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.ASCII | re.IGNORECASE
)
# In lower case (VOTable 1.5 s6).
BOOLEANS: dict[str, bool | None] = {"t": True, "1": True, "true": True, "f": False, "0": False, "false": False}
BOOLEANS |= {"?": None, "": None}
_BITS = {"1": True, "0": False}


def text_column(texts: Sequence[str], lines: Sequence[int], column: ReadColumn) -> pa.Array[Any]:
    """Read one column; `lines` say where its cells stand.

    Raises
    ------
    UsageError
        A cell is not what the field says.
    """
    field = column.field
    if field.datatype in TEXT_TYPES:
        return _texts(texts, lines, field)
    if not pa.types.is_list(arrow_type(field)):
        return _items([text.strip() or None for text in texts], lines, column)
    cells = ["".join(text.split()) for text in texts] if field.datatype == "bit" else [text.split() for text in texts]
    parts, shape = PRIMITIVES[field.datatype].parts, shape_of(field.arraysize)
    for cell, line in zip(cells, lines, strict=True):
        if cell and (len(cell) % parts or not shape.admits(len(cell) // parts)):
            raise fault(line, f"{field.name!r} has arraysize {field.arraysize or 1}, the cell {len(cell)} values")
    items = [item for cell in cells for item in cell]
    where = [line for cell, line in zip(cells, lines, strict=True) for _ in cell]
    counts = np.array([len(cell) for cell in cells], np.int64)
    return relisted(counts, _items(items, where, column), pa.array(counts == 0))


def mark_null(values: pa.Array[Any], column: ReadColumn) -> pa.Array[Any]:
    """Make null what equals the number that the field declares for that (VOTable 1.5 s4.7)."""
    if column.null is None or pa.types.is_boolean(values.type) or pa.types.is_string(values.type):
        return values
    try:
        mark = pa.scalar(_parsed(column.null, column.field), values.type)
    except (ValueError, OverflowError, pa.ArrowException):
        # A mark that no value of the type can equal marks none.
        return values
    marked: pa.Array[Any] = pc.if_else(
        pc.fill_null(pc.equal(values, mark), False), pa.scalar(None, values.type), values
    )
    return marked


def _texts(texts: Sequence[str], lines: Sequence[int], field: Field) -> pa.Array[Any]:
    shape = shape_of(field.arraysize)
    most = shape.limit if shape.variable else shape.unit
    if most is not None:
        for text, line in zip(texts, lines, strict=True):
            if len(text) > most:
                advice = "" if field.arraysize else ' (no arraysize is one character, text is arraysize="*")'
                raise fault(line, f"{field.name!r} holds {len(text)} characters, arraysize says {most}{advice}")
    return pa.array([text or None for text in texts], pa.string())


def _items(items: Sequence[str | None], lines: Sequence[int], column: ReadColumn) -> pa.Array[Any]:
    field = column.field
    if field.datatype in {"boolean", "bit"}:
        return pa.array([_flag(item, line, field) for item, line in zip(items, lines, strict=True)], pa.bool_())
    wanted = PRIMITIVES[field.datatype].arrow
    try:
        values = pa.array(items, pa.string()).cast(wanted)
    except pa.ArrowInvalid:
        values = _item_by_item(items, lines, field)
    return mark_null(values, column)


def _item_by_item(items: Sequence[str | None], lines: Sequence[int], field: Field) -> pa.Array[Any]:
    wanted = PRIMITIVES[field.datatype].arrow
    values = []
    for item, line in zip(items, lines, strict=True):
        try:
            values.append(None if item is None else pa.scalar(_parsed(item, field), wanted).as_py())
        except (ValueError, OverflowError, pa.ArrowException) as error:
            raise fault(line, f"{field.name!r} is {field.datatype}, not {item[:40] if item else ''!r}") from error
    return pa.array(values, wanted)


def _parsed(item: str, field: Field) -> float:
    if pa.types.is_integer(PRIMITIVES[field.datatype].arrow):
        if not _INTEGER.fullmatch(item):
            raise ValueError("not an integer")
        return _hexadecimal(item[2:], field) if item[:2] in {"0x", "0X"} else int(item)
    if not _FLOAT.fullmatch(item):
        raise ValueError("not a number")
    return float(item)


def _hexadecimal(digits: str, field: Field) -> int:
    """Read the bits of a number: all the digits that the type has room for may be set (VOTable 1.5 s6)."""
    wire = PRIMITIVES[field.datatype].wire
    if len(digits) > 2 * wire.itemsize:
        raise ValueError("too many digits")
    return int.from_bytes(bytes.fromhex(digits.zfill(2 * wire.itemsize)), "big", signed=wire.kind == "i")


def _flag(item: str | None, line: int, field: Field) -> bool | None:
    if item is None:
        return None
    try:
        return (_BITS if field.datatype == "bit" else BOOLEANS)[item.lower()]
    except KeyError as error:
        raise fault(line, f"{field.name!r} is {field.datatype}, not {item[:40]!r}") from error
