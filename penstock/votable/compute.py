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
    return memoryview(data)[int(bounds[column.offset]) : int(bounds[column.offset + len(column)])]


def binary_column(data: NDArray[Any], widths: NDArray[np.int64]) -> pa.Array[Any]:
    """Return the binary column whose cells take `widths` bytes of `data` each."""
    offsets = np.zeros(len(widths) + 1, np.int32)
    np.cumsum(widths, out=offsets[1:])
    buffers = [None, *(pa.py_buffer(part.data) for part in (offsets, data))]
    column: pa.Array[Any] = pa.Array.from_buffers(pa.binary(), len(widths), buffers)
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
    nulls: NDArray[np.bool_] = pc.is_null(column).to_numpy(zero_copy_only=False)
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


def emptied(column: pa.Array[Any]) -> pa.Array[Any]:
    """Return a string or binary column in which empty cells stand for nulls; without copying, as a rule."""
    if not column.null_count:
        return column
    _, offsets, data = column.buffers()
    if offsets is None:
        return column
    bounds = np.frombuffer(memoryview(offsets), np.int32)[column.offset : column.offset + len(column) + 1]
    if np.diff(bounds)[is_null(column)].any():  # what lies behind a null is anything
        filled: pa.Array[Any] = pc.fill_null(column, "" if pa.types.is_string(column.type) else b"")
        return filled
    kept = data if data is not None else pa.py_buffer(b"")
    return pa.Array.from_buffers(column.type, len(column), [None, offsets, kept], 0, column.offset)
