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
