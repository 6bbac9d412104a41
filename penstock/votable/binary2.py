"""BINARY2: rows as bytes (VOTable 1.5 s5.4), and the base64 that wraps them.

A row is a mask with one bit per column, the first column in the highest bit, set where the cell is null; then every
cell, big-endian, of its full width even where null. A variable array begins with the count of its primitives
(4 bytes), also where it has several dimensions (VOTable 1.5 s5.3).

So every column is a *head* of fixed width, and where it is variable a *tail* after it; `joining` makes rows of them.

`char` holds ASCII by the letter of the standard (VOTable 1.5 s6). Names of people and places need more, and VOTable
1.6 is about to allow it: `char` is UTF-8 here, its widths counted in bytes. Nothing is lost so, but of the clients of
today some read such bytes as Latin-1 and some refuse them: a column known to hold more than ASCII should be declared
`unicodeChar`, which all read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pybase64

from penstock.votable.compute import (
    binary_column,
    content,
    emptied,
    is_null,
    lengths,
    numbers,
    pc,
    unlisted,
    utf16_length,
)
from penstock.votable.conform import conform
from penstock.votable.datatypes import PRIMITIVES, TEXT_TYPES, Shape, shape_of
from penstock.votable.joining import Fixed, Piece, join_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from penstock.votable.model import Field

_COUNT = np.dtype(">i4")
_BYTE = np.dtype("u1")
_FIRST_OUTSIDE_ASCII = 0x80

_Nulls: TypeAlias = "NDArray[np.bool_] | None"


def encode(batch: pa.RecordBatch, fields: tuple[Field, ...]) -> bytes | memoryview:
    """Write the rows of a batch as BINARY2 bytes, not yet in base64; the columns of the batch are `fields`, in order.

    Raises
    ------
    InternalError
        A value does not fit its field.
    """
    if batch.num_rows == 0:
        return b""
    columns = [conform(array, field) for array, field in zip(batch.columns, fields, strict=True)]
    nulls = [is_null(column) if column.null_count else None for column in columns]
    pieces: list[Piece] = [Fixed(_null_mask(nulls, batch.num_rows), _BYTE)]
    for column, field, missing in zip(columns, fields, nulls, strict=True):
        head, tail = _head_and_tail(column, field, missing)
        pieces.append(head)
        if tail is not None and len(content(tail)):
            pieces.append(tail)
    return join_rows(batch.num_rows, pieces)


class Base64Feeder:
    """Encodes a stream of bytes in base64, piece by piece, without padding before its end.

    Three bytes make four characters; up to two bytes wait for the next piece.
    """

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, data: bytes | memoryview) -> bytes:
        """Return what can be encoded by now."""
        view = memoryview(self._waiting + data if self._waiting else data)
        whole = len(view) - len(view) % 3
        self._waiting = bytes(view[whole:])
        return pybase64.b64encode(view[:whole])

    def finish(self) -> bytes:
        """Return the last characters, padded."""
        rest, self._waiting = self._waiting, b""
        return pybase64.b64encode(rest)


def _null_mask(nulls: Sequence[_Nulls], rows: int) -> NDArray[np.uint8]:
    mask = np.zeros(((len(nulls) + 7) // 8, rows), np.uint8)
    for index, missing in enumerate(nulls):
        if missing is not None:
            mask[index // 8] |= missing.view(np.uint8) << (7 - index % 8)
    return mask.T


def _head_and_tail(column: pa.Array[Any], field: Field, nulls: _Nulls) -> tuple[Fixed, pa.Array[Any] | None]:
    shape = shape_of(field.arraysize)
    if field.datatype in TEXT_TYPES:
        return _text(column, field, shape, nulls)
    if field.datatype == "bit":
        return _bits(column, shape)
    wire = PRIMITIVES[field.datatype].wire
    if not pa.types.is_list(column.type):
        return Fixed(_primitives(column, field, nulls), wire), None
    counts, items = unlisted(column)
    values = _primitives(items, field, is_null(items) if items.null_count else None)
    parts = PRIMITIVES[field.datatype].parts
    if shape.variable:
        return Fixed(counts // parts, _COUNT), binary_column(values.astype(wire).view(np.uint8), counts * wire.itemsize)
    cells = np.full((len(column), shape.unit * parts), _filler(field), wire)
    cells[slice(None) if nulls is None else ~nulls] = values.reshape(-1, shape.unit * parts)
    return Fixed(cells, wire), None


def _filler(field: Field) -> float:
    """Return what stands in the place of a null."""
    if field.datatype == "boolean":
        return ord("?")
    return float("nan") if pa.types.is_floating(PRIMITIVES[field.datatype].arrow) else 0


def _primitives(values: pa.Array[Any], field: Field, nulls: _Nulls) -> NDArray[Any]:
    if field.datatype != "boolean":
        return numbers(values, nulls, _filler(field))
    letters = np.where(pc.fill_null(values, False).to_numpy(zero_copy_only=False), ord("T"), ord("F"))
    return (letters if nulls is None else np.where(nulls, ord("?"), letters)).astype(np.uint8)


def _bits(column: pa.Array[Any], shape: Shape) -> tuple[Fixed, pa.Array[Any] | None]:
    if shape.scalar:
        # The highest bit is the one, the others are padding (VOTable 1.5 s6).
        return Fixed(np.where(pc.fill_null(column, False).to_numpy(zero_copy_only=False), 0x80, 0), _BYTE), None
    # Bits are rare and small: a loop will do.
    width = (shape.unit + 7) // 8
    packed = [np.packbits(np.array(cell or [], bool)).tobytes() for cell in column.to_pylist()]
    if shape.variable:
        counts, _ = unlisted(column)
        return Fixed(counts, _COUNT), pa.array(packed, pa.binary())
    full = b"".join(cell.ljust(width, b"\0") for cell in packed)
    return Fixed(np.frombuffer(full, np.uint8).reshape(-1, width), _BYTE), None


def _text(column: pa.Array[Any], field: Field, shape: Shape, nulls: _Nulls) -> tuple[Fixed, pa.Array[Any] | None]:
    full = emptied(column, nulls)
    unit = PRIMITIVES[field.datatype].wire.itemsize
    data = full.view(pa.binary()) if field.datatype == "char" else _utf16(full)
    if shape.variable:
        return Fixed(lengths(data) // unit, _COUNT), data
    # Text that is shorter than its fixed width ends with NUL (VOTable 1.5 s6).
    padded = np.array(data.to_pylist(), f"S{shape.unit * unit}")
    return Fixed(padded, padded.dtype), None


def _utf16(texts: pa.Array[Any]) -> pa.Array[Any]:
    """Encode a string column without nulls as a whole, and cut it by the length of every text."""
    data = np.frombuffer(content(texts), np.uint8)
    if len(data) == 0 or data.max() < _FIRST_OUTSIDE_ASCII:
        return binary_column(data.astype(">u2").view(np.uint8), 2 * lengths(texts))
    whole = str(content(texts), "utf-8").encode("utf-16-be")
    widths = 2 * utf16_length(texts).to_numpy(zero_copy_only=False)
    return binary_column(np.frombuffer(whole, np.uint8), widths)
