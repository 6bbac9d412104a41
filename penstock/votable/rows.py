"""Small results, made row by row, as the Arrow batches that the writers take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from penstock.dali.errors import InternalError
from penstock.votable.datatypes import TEXT_TYPES, arrow_type, fields_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.votable.model import Field


def batch_from_rows(fields: tuple[Field, ...], rows: Iterable[Sequence[object]]) -> pa.RecordBatch:
    """Make a batch of rows whose values stand in the order of `fields`; None is null.

    A `datetime` in a text column is written as DALI does; one without a time zone is taken as UTC.

    Raises
    ------
    InternalError
        A row is not as long as `fields`, or a value does not fit its field.
    """
    listed = list(rows)
    for row in listed:
        if len(row) != len(fields):
            raise InternalError(f"A row of {len(row)} values was made for {len(fields)} columns.")
    columns = zip(*listed, strict=True) if listed else ((),) * len(fields)
    arrays = [_column(values, field) for values, field in zip(columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=fields_schema(fields))


def _column(values: Sequence[object], field: Field) -> pa.Array[Any]:
    wanted, whole = arrow_type(field), cast("list[Any]", values)
    try:
        # Asked for integers, Arrow would cut fractions off; a cast refuses them.
        return pa.array(whole).cast(wanted) if pa.types.is_integer(wanted) else pa.array(whole, wanted)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        if field.datatype in TEXT_TYPES and any(isinstance(value, datetime) for value in values):
            return _column([_timestamp(value) if isinstance(value, datetime) else value for value in values], field)
        raise InternalError(f"Column {field.name!r} was given a value that is not {field.datatype}: {error}") from error


def _timestamp(value: datetime) -> str:
    utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return utc.isoformat(timespec="milliseconds" if utc.microsecond % 1000 == 0 else "microseconds")
