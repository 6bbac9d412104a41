"""Columns as text: the spelling of values that TABLEDATA, CSV and TSV share.

Numbers are written with the fewest digits that read back as the same number. NaN and the infinities are spelt as
VOTable demands, ``NaN``, ``+Inf``, ``-Inf`` (VOTable 1.5 s6). Null stays null: every format has its own mark for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from penstock.compiled import compiled
from penstock.votable.compute import pc, relisted, unlisted
from penstock.votable.conform import conform

_compiled: Any = compiled("penstock.votable._numbers")
_KINDS = {
    pa.uint8(): "u1",
    pa.int16(): "i2",
    pa.int32(): "i4",
    pa.int64(): "i8",
    pa.float32(): "f4",
    pa.float64(): "f8",
}
FEW = 8
"""Up to so many values Python spells numbers faster than Arrow, which takes some 30 µs to begin with a column."""

if TYPE_CHECKING:
    from penstock.votable.model import Field


def text_column(array: pa.Array[Any], field: Field) -> pa.Array[Any]:
    """Spell the values of a column as a string column, null where they are null; nothing is escaped.

    The items of an array are separated by spaces; so are bits, where readers that need no space take one too.

    Raises
    ------
    InternalError
        A value does not fit the field.
    """
    column = conform(array, field)
    if not pa.types.is_list(column.type):
        return _spelt(column, field)
    counts, items = unlisted(column)
    # A null among booleans is the only one that `conform` leaves inside an array (VOTable 1.5 s6).
    spelt = pc.fill_null(_spelt(items, field), "?")
    nulls = column.is_null() if column.null_count else None
    joined: pa.Array[Any] = pc.binary_join(relisted(counts, spelt, nulls), " ")
    return joined


def _spelt(values: pa.Array[Any], field: Field) -> pa.Array[Any]:
    if pa.types.is_string(values.type):
        return values
    if len(values) <= FEW and spelt_by_python(values.type):
        return pa.array([spell_number(value) for value in values.to_pylist()], pa.string())
    if field.datatype == "bit":
        return values.cast(pa.uint8()).cast(pa.string())
    if _compiled is not None and values.type in _KINDS and values.offset == 0:
        return spell_compiled(values)
    return spell_by_arrow(values)


def spell_compiled(values: pa.Array[Any]) -> pa.Array[Any]:
    """Do what `spell_by_arrow` does, with the compiled module, which must be there, for numbers that are no slice."""
    valid, numbers = values.buffers()
    ends, texts = _compiled.spell(_KINDS[values.type], numbers or b"", valid, len(values))
    buffers = [valid, pa.py_buffer(ends), pa.py_buffer(texts)]
    column: pa.Array[Any] = pa.Array.from_buffers(pa.string(), len(values), buffers, values.null_count)
    return column


def spell_by_arrow(values: pa.Array[Any]) -> pa.Array[Any]:
    """Spell numbers in the fewest digits that read back as the same ones."""
    text = values.cast(pa.string())
    return _respelt(values, text) if pa.types.is_floating(values.type) else text


def spelt_by_python(kind: pa.DataType) -> bool:
    """Tell whether `spell_number` spells values of an Arrow type."""
    return pa.types.is_float64(kind) or pa.types.is_signed_integer(kind)


def spell_number(value: float | None) -> str | None:
    """Spell one number as `text_column` does."""
    if value is None:
        return None
    if isinstance(value, int) or math.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _respelt(numbers: pa.Array[Any], text: pa.Array[Any]) -> pa.Array[Any]:
    if pc.all(pc.is_finite(numbers)).as_py() is not False:
        return text
    infinite = pc.if_else(pc.greater(numbers, 0.0), "+Inf", "-Inf")
    spelt: pa.Array[Any] = pc.if_else(pc.is_nan(numbers), "NaN", pc.if_else(pc.is_inf(numbers), infinite, text))
    return spelt
