"""Uploaded tables as rows of a database: arrays and geometries as text, numbers with blanks between; NaN is null."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from penstock.votable.compute import pc
from penstock.votable.model import Field
from penstock.votable.text import text_column
from tap_proxy.ports import UploadedTable


def values_of(table: UploadedTable) -> list[list[Any]]:
    """Return the values column by column."""
    columns: list[list[Any]] = [[] for _ in table.fields]
    for batch in table.batches:
        for values, array, field in zip(columns, batch.columns, table.fields, strict=True):
            values += plain(array, field).to_pylist()
    return columns


def is_array(field: Field) -> bool:
    """Tell whether a value holds several numbers, and so is kept as text."""
    return field.arraysize not in (None, "1") or field.datatype in ("floatComplex", "doubleComplex")


def plain(array: pa.Array[Any], field: Field) -> pa.Array[Any]:
    """Return a column as it is kept: arrays as text, bits as 0 and 1, NaN as null."""
    if pa.types.is_string(array.type):
        return array
    if is_array(field):
        return text_column(array, field)
    if field.datatype == "bit":
        return array.cast(pa.int8())
    if pa.types.is_floating(array.type):
        known: pa.Array[Any] = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        return known
    return array
