"""What the encoders do with Arrow columns below the level of values: take them apart and put them together.

`pc` are Arrow's compute functions without types: the published stubs know neither an array beside a scalar nor what
most functions return. What comes back is given its type where it is received.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

if TYPE_CHECKING:
    from numpy.typing import NDArray

pc: Any = pyarrow.compute
# Characters that take two 16-bit units; their bytes begin with one from F0 on, which no others have.
_OUTSIDE_BMP = r"[\x{10000}-\x{10FFFF}]"
_FIRST_OUTSIDE_BMP = 0xF0


def content(column: pa.Array[Any]) -> memoryview:
    """Return the bytes of all cells of a string or binary column, one after the other, without copying."""
    _, offsets, data = column.buffers()
    if offsets is None or data is None:
        return memoryview(b"")
    bounds = np.frombuffer(memoryview(offsets), np.int32)
    # Arrow's bytes have signs, others' have none, and Python does not compare the two.
    return memoryview(data).cast("B")[int(bounds[column.offset]) : int(bounds[column.offset + len(column)])]


def lengths(column: pa.Array[Any]) -> NDArray[np.int32]:
    """Return how many bytes every cell of a string or binary column takes; for null that may be any number."""
    _, offsets, _ = column.buffers()
    if offsets is None:
        return np.zeros(len(column), np.int32)
    bounds = np.frombuffer(memoryview(offsets), np.int32, len(column) + 1, column.offset * 4)
    widths: NDArray[np.int32] = bounds[1:] - bounds[:-1]
    return widths


def numbers(column: pa.Array[Any], nulls: NDArray[np.bool_] | None, filler: float) -> NDArray[Any]:
    """Return the values of a column of numbers, `filler` in the place of those that `nulls` tells to be null."""
    kind, (_, data) = np.dtype(column.type.to_pandas_dtype()), column.buffers()
    if data is None:
        return np.full(len(column), filler, kind)
    values: NDArray[Any] = np.frombuffer(memoryview(data), kind, len(column), column.offset * kind.itemsize)
    return values if nulls is None else np.where(nulls, kind.type(filler), values)


def binary_column(data: NDArray[Any], widths: NDArray[np.integer[Any]]) -> pa.Array[Any]:
    """Return the binary column whose cells take `widths` bytes of `data` each."""
    offsets = np.zeros(len(widths) + 1, np.int32)
    np.cumsum(widths, out=offsets[1:])
    return _binary(data, offsets)


def records_column(records: NDArray[Any]) -> pa.Array[Any]:
    """Return the binary column whose cells are the bytes of numpy records."""
    width = records.itemsize
    return _binary(records.view(np.uint8), np.arange(0, (len(records) + 1) * width, width, dtype=np.int32))


def _binary(data: NDArray[Any], offsets: NDArray[np.int32]) -> pa.Array[Any]:
    buffers = [None, pa.py_buffer(offsets.data), pa.py_buffer(data.data)]
    column: pa.Array[Any] = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)
    return column


def unlisted(column: pa.Array[Any]) -> tuple[NDArray[np.int64], pa.Array[Any]]:
    """Return the length of every cell of a list column, 0 for null, and all their items in one flat column."""
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return counts.astype(np.int64), pc.list_flatten(column)


def relisted(counts: NDArray[np.int64], items: pa.Array[Any], nulls: pa.Array[Any] | None = None) -> pa.Array[Any]:
    """Return the list column whose cells take `counts` items each; the inverse of `unlisted`."""
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    make: Any = pa.ListArray.from_arrays
    column: pa.Array[Any] = make(pa.array(offsets), items, mask=nulls)
    return column


def is_null(column: pa.Array[Any]) -> NDArray[np.bool_]:
    """Return which cells are null."""
    validity = column.buffers()[0]
    if validity is None:  # then none is, but for the type of which every value is null
        return np.full(len(column), column.null_count > 0)
    bits = np.frombuffer(memoryview(validity), np.uint8)
    valid = np.unpackbits(bits, count=column.offset + len(column), bitorder="little")[column.offset :]
    nulls: NDArray[np.bool_] = valid == 0
    return nulls


def byte_range(column: pa.Array[Any]) -> tuple[int, int]:
    """Return the least and the greatest byte in a string or binary column; an empty column has blanks only."""
    data = np.frombuffer(content(column), np.uint8)
    return (int(data.min()), int(data.max())) if len(data) else (0x20, 0x20)


def utf16_length(texts: pa.Array[Any]) -> pa.Array[Any]:
    """Return how many 16-bit units every text takes."""
    length: pa.Array[Any] = pc.utf8_length(texts)
    if byte_range(texts)[1] >= _FIRST_OUTSIDE_BMP:
        length = pc.add(length, pc.count_substring_regex(texts, _OUTSIDE_BMP))
    return length


def emptied(column: pa.Array[Any], nulls: NDArray[np.bool_] | None = None) -> pa.Array[Any]:
    """Return a string or binary column in which empty cells stand for nulls; without copying, as a rule.

    `nulls` is what `is_null` returns, where it is known.
    """
    if not column.null_count:
        return column
    _, offsets, data = column.buffers()
    if offsets is None:
        return column
    if lengths(column)[is_null(column) if nulls is None else nulls].any():  # what lies behind a null is anything
        filled: pa.Array[Any] = pc.fill_null(column, "" if pa.types.is_string(column.type) else b"")
        return filled
    kept = data if data is not None else pa.py_buffer(b"")
    return pa.Array.from_buffers(column.type, len(column), [None, offsets, kept], 0, column.offset)
