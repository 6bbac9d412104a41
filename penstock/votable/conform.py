"""Brings whatever Arrow column a source delivers to the one Arrow type that its `Field` calls for.

Databases and lakes deliver near misses: timestamps where VOTable has text, 64-bit integers where the field says `int`,
large strings, decimals. The encoders see none of that: they call `conform` first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock.dali.errors import InternalError
from penstock.votable.compute import is_null, pc, relisted, unlisted, utf16_length
from penstock.votable.datatypes import PRIMITIVES, TEXT_TYPES, arrow_type, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.votable.model import Field


def conform(array: pa.Array[Any], field: Field) -> pa.Array[Any]:
    """Return the column as the Arrow type that carries `field`, every cell of a length that its arraysize admits.

    VOTable has no null inside an array: in arrays of floats it becomes NaN, in arrays of booleans it stays (VOTable
    spells it ``?``), and an array of integers or bits that contains one becomes null as a whole, since any number
    put in its place would be an invented value.

    Raises
    ------
    InternalError
        A value does not fit the field: the description of the column is wrong.
    """
    try:
        wanted = arrow_type(field)
        column = array if array.type == wanted else _converted(array, wanted)
        if pa.types.is_list(wanted):
            column = _without_holes(column, field)
        _check_lengths(column, field)
    except (pa.ArrowException, ValueError) as error:
        raise InternalError(f"Column {field.name!r} holds what is not {_kind(field)}: {error}.") from error
    return column


def with_room(fields: Sequence[Field], batches: Sequence[pa.RecordBatch]) -> tuple[Field, ...]:
    """Return the fields, of any length where a text is longer than its arraysize.

    Many who write TABLEDATA count characters, where arraysize counts bytes or 16-bit units (VOTable 1.5 s2.1).
    """
    return tuple(
        field if all(_has_room(field, batch.column(number)) for batch in batches) else replace(field, arraysize="*")
        for number, field in enumerate(fields)
    )


def _has_room(field: Field, column: pa.Array[Any]) -> bool:
    if field.datatype in TEXT_TYPES:
        try:
            _check_lengths(column, field)
        except ValueError:
            return False
    return True


def timestamps_as_text(array: pa.Array[Any]) -> pa.Array[Any]:
    """Write times as DALI does, in UTC, without a fraction or with 3, 6 or 9 digits of it (DALI 1.2 s3.3).

    The fraction is of one length throughout the column and never of one or two digits: software that reads the
    fraction as a count of milliseconds exists.
    """
    unit = array.type.unit
    exact = array.cast(pa.timestamp(unit))
    for coarser in ("s", "ms"):
        cut = exact.cast(pa.timestamp(coarser), safe=False)
        if cut.cast(exact.type, safe=False).equals(exact):
            exact = cut
            break
    text: pa.Array[Any] = pc.replace_substring(exact.cast(pa.string()), " ", "T", max_replacements=1)
    return text


def _converted(array: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    source = array.type
    if pa.types.is_dictionary(source):
        return _converted(array.cast(source.value_type), wanted)
    if pa.types.is_string(wanted) and pa.types.is_timestamp(source):
        return timestamps_as_text(array)
    if pa.types.is_list(wanted) and (pa.types.is_binary(source) or pa.types.is_large_binary(source)):
        return _bytes_as_list(array.cast(pa.binary())).cast(wanted)
    # 2**53 + 1 among doubles is rounded, not refused; a fraction among integers is refused, not cut.
    return array.cast(wanted, safe=not pa.types.is_floating(wanted))


def _bytes_as_list(array: pa.Array[Any]) -> pa.Array[Any]:
    full = pc.fill_null(array, b"")
    counts = pc.binary_length(full).to_numpy(zero_copy_only=False).astype(np.int64)
    items = np.frombuffer(b"".join(full.to_pylist()), np.uint8)
    return relisted(counts, pa.array(items), array.is_null())


def _without_holes(column: pa.Array[Any], field: Field) -> pa.Array[Any]:
    counts, items = unlisted(column)
    if items.null_count == 0 or field.datatype == "boolean":
        return column
    if pa.types.is_floating(items.type):
        return relisted(counts, pc.fill_null(items, float("nan")), column.is_null())
    holed = np.unique(np.repeat(np.arange(len(counts)), counts)[is_null(items)])
    whole = np.ones(len(counts), bool)
    whole[holed] = False
    mended: pa.Array[Any] = pc.if_else(pa.array(whole), column, pa.scalar(None, column.type))
    return mended


def _check_lengths(column: pa.Array[Any], field: Field) -> None:
    shape = shape_of(field.arraysize)
    if field.datatype in TEXT_TYPES:
        most = shape.limit if shape.variable else shape.unit
        longest = None if most is None else pc.max(_text_length(column, field)).as_py()
        if most is not None and longest is not None and longest > most:
            raise ValueError(f"a value takes {longest}, arraysize is {field.arraysize or 1}")
    elif pa.types.is_list(column.type):
        parts = PRIMITIVES[field.datatype].parts
        for length in pc.unique(pc.list_value_length(column)).to_pylist():
            if length is not None and (length % parts or not shape.admits(length // parts)):
                raise ValueError(f"a value takes {length // parts}, arraysize is {field.arraysize or 1}")


def _text_length(column: pa.Array[Any], field: Field) -> pa.Array[Any]:
    """Count what arraysize counts: bytes of `char`, 16-bit units of `unicodeChar`."""
    length: pa.Array[Any] = pc.binary_length(column) if field.datatype == "char" else utf16_length(column)
    return length


def _kind(field: Field) -> str:
    return field.datatype if field.arraysize is None else f"{field.datatype}[{field.arraysize}]"
