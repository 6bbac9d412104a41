"""Rows as database drivers deliver them, turned into Arrow columns of the types that the fields call for.

Transposing by `zip` and one conversion per column costs a third of what a loop over rows does. The drivers' near misses
(0 and 1 for booleans, Decimal for double, datetime for text) are looked at only where the direct way fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa

from penstock.dali.errors import InternalError
from penstock.votable.datatypes import fields_schema
from penstock.votable.model import ByIdentity, Field

FIRST_ROWS = 128
MOST_ROWS = 2048
_GROWTH = 8

Row = Sequence[Any]


def batch_sizes(maxrows: int) -> Iterator[int]:
    """Yield how many rows to fetch next: few at first, so that the first byte goes out early, `maxrows` in all."""
    size, left = FIRST_ROWS, maxrows
    while left > 0:
        yield min(size, left)
        left -= size
        size = min(size * _GROWTH, MOST_ROWS)


def batch_of(rows: Sequence[Row], fields: tuple[Field, ...]) -> pa.RecordBatch:
    """Make a batch of rows whose values stand in the order of `fields`.

    Raises
    ------
    InternalError
        A value does not fit its field.
    """
    schema, kinds = _schema(ByIdentity(fields))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
    if len(columns) != len(fields):
        raise InternalError(f"The database returned {len(columns)} columns where {len(fields)} were expected.")
    triples = zip(columns, kinds, fields, strict=True)
    return pa.RecordBatch.from_arrays([_array(values, kind, field) for values, kind, field in triples], schema=schema)


@lru_cache(maxsize=256)
def _schema(fields: ByIdentity[tuple[Field, ...]]) -> tuple[pa.Schema, list[pa.DataType]]:
    schema = fields_schema(fields.held)
    return schema, schema.types


def _array(values: Sequence[Any], kind: pa.DataType, field: Field) -> pa.Array[Any]:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    try:
        convert = _converter(kind)
        return pa.array([None if value is None else convert(value) for value in values], kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InternalError(f"Column {field.name!r} holds what is not {field.datatype}: {error}.") from error


def _converter(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_string(kind):
        return _text
    if pa.types.is_boolean(kind):
        return bool
    if pa.types.is_floating(kind):
        return float
    if pa.types.is_integer(kind):
        return _whole
    if pa.types.is_list(kind) and pa.types.is_boolean(kind.value_type):
        return _truths
    if pa.types.is_list(kind) and pa.types.is_integer(kind.value_type):
        return _integers
    return _numbers


def _whole(value: Any) -> int:
    number = int(value)
    if number != value:
        raise ValueError(f"{value} is no whole number")
    return number


def _numbers(value: Any) -> list[float]:
    """Read an array, or a geometry as the translated SQL writes it: numbers with blanks between."""
    return [float(number) for number in value.split()] if isinstance(value, str) else list(value)


def _integers(value: Any) -> list[int]:
    """Read an array of integers, or its text; beyond 2**53 a float would be another number."""
    return [int(number) for number in value.split()] if isinstance(value, str) else list(value)


def _truths(value: Any) -> list[bool | None]:
    """Read an array of booleans or bits, or its text."""
    spelt = {"true": True, "false": False, "1": True, "0": False}
    return [spelt.get(word) for word in value.split()] if isinstance(value, str) else list(value)


def _text(value: Any) -> str:
    match value:
        case datetime():
            utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return utc.isoformat(timespec="auto" if not utc.microsecond else "microseconds")
        case date():
            return value.isoformat()
        case bytes():
            return value.decode(errors="replace")
        case float() if math.isfinite(value) and value == int(value):
            return str(int(value))
        case _:
            return str(value)
