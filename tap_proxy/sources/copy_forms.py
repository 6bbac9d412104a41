"""The forms in which PostgreSQL copies rows, and how their columns are read; no value becomes a Python object.

The binary form is read by a compiled module (`_copied_rows.pyx`). Without that, or where a column is `numeric`, which
has digits of its own there, the rows come as CSV, which Arrow reads in about four times the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.csv

from penstock.compiled import compiled
from penstock.dali.errors import InternalError
from penstock.votable.conform import conform
from penstock.votable.datatypes import TEXT_TYPES, fields_schema
from penstock.votable.model import Field

_compiled = compiled("tap_proxy.sources._copied_rows")

_INTEGERS = frozenset({"short", "int", "long", "unsignedByte"})
_FLOATS = frozenset({"float", "double"})
_FITTING: Mapping[str, frozenset[str]] = {
    "int2": _INTEGERS | _FLOATS,
    "int4": _INTEGERS | _FLOATS,
    "int8": _INTEGERS | _FLOATS,
    "float4": _FLOATS,
    "float8": frozenset({"double"}),
    "numeric": frozenset({"double"}),
    "text": TEXT_TYPES,
    "varchar": TEXT_TYPES,
    "bpchar": TEXT_TYPES,
    "bool": frozenset({"boolean"}),
}
"""PostgreSQL's types, and the datatypes of fields that carry their values."""

_BINARY: Mapping[str, tuple[int, pa.DataType]] = {
    "int2": (2, pa.int16()),
    "int4": (4, pa.int32()),
    "int8": (8, pa.int64()),
    "float4": (4, pa.float32()),
    "float8": (8, pa.float64()),
    "text": (0, pa.string()),
    "varchar": (0, pa.string()),
    "bpchar": (0, pa.string()),
    "bool": (1, pa.uint8()),
}
"""The width of a value in the binary form, 0 for texts, and the Arrow type that holds it."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # without flags and extension; no row begins so, it would have 20551 columns


class Form(NamedTuple):
    """A form of COPY, and what reads whole rows of it; InternalError if a value does not fit its field."""

    name: Literal["binary", "csv"]
    read: Callable[[bytes], pa.RecordBatch]


def form_for(types: Sequence[str], fields: tuple[Field, ...]) -> Form | None:
    """Return the form in which to copy columns of these types of PostgreSQL; None if none can be read."""
    if not fields or len(types) != len(fields) or not all(map(_fits, types, fields)):
        return None
    if _compiled is None or not all(kind in _BINARY for kind in types):
        return csv_form(fields)
    kinds = tuple(_BINARY[kind] for kind in types)
    return Form("binary", partial(_read_binary, split=_compiled.split, kinds=kinds, fields=fields))


def csv_form(fields: tuple[Field, ...]) -> Form:
    """Return the form that needs no compiled module."""
    return Form("csv", partial(_read_csv, schema=fields_schema(fields)))


def _fits(kind: str, field: Field) -> bool:
    return field.datatype in _FITTING.get(kind, ()) and (field.datatype in TEXT_TYPES or field.arraysize in (None, "1"))


def _read_binary(
    rows: bytes, *, split: Any, kinds: Sequence[tuple[int, pa.DataType]], fields: tuple[Field, ...]
) -> pa.RecordBatch:
    try:
        count, columns = split(rows.removeprefix(_HEADER), [width for width, _ in kinds])
    except (ValueError, OverflowError) as error:
        raise _unfit(error) from error
    arrays = []
    for (_, kind), (nulls, valid, ends, data) in zip(kinds, columns, strict=True):
        buffers = [None if held is None else pa.py_buffer(held) for held in (valid, ends, data)]
        arrays.append(pa.Array.from_buffers(kind, count, buffers if ends is not None else buffers[::2], nulls))
    conformed = [conform(array, field) for array, field in zip(arrays, fields, strict=True)]
    return pa.RecordBatch.from_arrays(conformed, schema=fields_schema(fields))


def _read_csv(rows: bytes, *, schema: pa.Schema) -> pa.RecordBatch:
    if not rows:
        return pa.RecordBatch.from_pylist([], schema=schema)
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(rows),  # type: ignore[arg-type]  # the stubs do not know Arrow's own files
            read_options=pyarrow.csv.ReadOptions(
                column_names=[str(n) for n in range(len(schema))], use_threads=False, block_size=len(rows) + 1
            ),
            # The line of a row whose only value is null is empty.
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={str(n): kind for n, kind in enumerate(schema.types)},
                # An empty string is quoted, null is nothing at all (PostgreSQL, COPY, "CSV Format").
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
                check_utf8=False,
            ),
        )
    except pa.ArrowException as error:
        raise _unfit(error) from error
    (batch,) = table.combine_chunks().to_batches()
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _unfit(error: Exception) -> InternalError:
    return InternalError(f"The database returned what is not the columns of the result: {error}.")
