"""Rows of BINARY and BINARY2 as Arrow columns (VOTable 1.5 s5.3, s5.4).

A row is taken apart into segments: cells of fixed width up to and including the count of a variable cell, then that
cell. Python walks from segment to segment; the values of a column are then cut out of all rows at once.

BINARY marks no nulls: there, NaN, an empty text and the number that the field declares are null. BINARY2 marks them
with a mask before every row, so that NaN and an empty text are themselves.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock.dali.errors import UsageError
from penstock.votable.compute import pc, relisted
from penstock.votable.datatypes import PRIMITIVES, TEXT_TYPES, Shape, arrow_type, shape_of
from penstock.votable.read_text import BOOLEANS, mark_null

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from penstock.votable.model import Field
    from penstock.votable.upload import ReadColumn, UploadLimits

_COUNT = struct.Struct(">i")


class Base64Reader:
    """Decodes base64 that arrives in pieces cut anywhere."""

    def __init__(self) -> None:
        self._waiting = ""
        self._padded = False

    def feed(self, text: str, *, final: bool = False) -> bytes:
        """Return what can be decoded by now.

        Raises
        ------
        ValueError
            The text is not base64.
        """
        text = self._waiting + "".join(text.split())
        whole = len(text) if final else len(text) - len(text) % 4
        text, self._waiting = text[:whole], text[whole:]
        if text and self._padded:
            raise ValueError("text after the padding")
        self._padded = self._padded or text.endswith("=")
        return binascii.a2b_base64(text, strict_mode=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """Where a column lies in a row: `offset` into its segment, of which a variable cell is the last.

    `item_bytes` is the width of a primitive, None for bits, of which eight share a byte.
    """

    column: ReadColumn
    shape: Shape
    segment: int
    offset: int
    item_bytes: int | None

    def bytes_of(self, count: int) -> int:
        """Return the bytes that `count` primitives take."""
        return (count + 7) // 8 if self.item_bytes is None else count * self.item_bytes


@dataclass(slots=True)
class _Walk:
    """Where the segments of the rows begin, and how many primitives the variable cell at their end holds."""

    starts: list[list[int]]
    counts: list[list[int]]
    end: int = 0


class RowReader:
    """Turns a stream of bytes into batches of rows; a row that is not complete waits for more bytes."""

    def __init__(self, columns: Sequence[ReadColumn], *, nulls_marked: bool, limits: UploadLimits) -> None:
        self._mask_width = (len(columns) + 7) // 8 if nulls_marked else 0
        self._limits = limits
        self._cells: list[_Cell] = []
        self._widths = [self._mask_width]
        self._steps: list[tuple[int, _Cell, int]] = []
        self._waiting = b""
        self._rows_read = 0
        for column in columns:
            self._place(column)
        self._schema = pa.schema([pa.field(column.field.name, arrow_type(column.field)) for column in columns])

    def take(self, data: bytes, *, final: bool = False) -> pa.RecordBatch:
        """Read all complete rows; at the end there must be no other.

        Raises
        ------
        UsageError
            The bytes are not what the fields say; the message names the row, counted from 1.
        """
        data = self._waiting + data
        walk = self._walk(data)
        self._waiting = data[walk.end :]
        if final and self._waiting:
            row = self._rows_read + len(walk.starts[0]) + 1
            raise UsageError(f"The uploaded VOTable is wrong: its stream ends within row {row}.")
        batch = self._batch(data, walk)
        self._rows_read += batch.num_rows
        return batch

    def _place(self, column: ReadColumn) -> None:
        primitive = PRIMITIVES[column.field.datatype]
        cell = _Cell(
            column=column,
            shape=shape_of(column.field.arraysize),
            segment=len(self._widths) - 1,
            offset=self._widths[-1],
            item_bytes=None if column.field.datatype == "bit" else primitive.parts * primitive.wire.itemsize,
        )
        self._cells.append(cell)
        if cell.shape.variable:
            self._widths[-1] += _COUNT.size
            self._steps.append((self._widths[-1], cell, self._most(cell)))
            self._widths.append(0)
        else:
            self._widths[-1] += cell.bytes_of(cell.shape.unit)

    def _most(self, cell: _Cell) -> int:
        most = self._limits.max_cell_bytes // (cell.item_bytes or 1)
        return most if cell.shape.limit is None else min(most, cell.shape.limit)

    def _walk(self, data: bytes) -> _Walk:
        walk = _Walk([[] for _ in self._widths], [[] for _ in self._steps])
        while (row := self._row(data, walk.end, len(walk.starts[0]))) is not None:
            starts, counts, walk.end = row
            for known, start in zip(walk.starts, starts, strict=True):
                known.append(start)
            for known, count in zip(walk.counts, counts, strict=True):
                known.append(count)
        return walk

    def _row(self, data: bytes, position: int, rows: int) -> tuple[list[int], list[int], int] | None:
        """Return where segments begin, the counts of variable cells and where the row ends; None if it does not yet."""
        starts, counts = [position], []
        for width, cell, most in self._steps:
            position += width
            if position > len(data):
                return None
            (count,) = _COUNT.unpack_from(data, position - _COUNT.size)
            if not 0 <= count <= most or count % cell.shape.unit:
                field = cell.column.field
                raise self._fault(rows, f"{field.name!r} with arraysize {field.arraysize} declares {count} values")
            position += cell.bytes_of(count)
            counts.append(count)
            starts.append(position)
        position += self._widths[-1]
        return (starts, counts, position) if position <= len(data) and position > starts[0] else None

    def _fault(self, row: int, problem: str) -> UsageError:
        return UsageError(f"The uploaded VOTable is wrong in row {self._rows_read + row + 1} of its stream: {problem}.")

    def _batch(self, data: bytes, walk: _Walk) -> pa.RecordBatch:
        nulls = self._nulls(data, walk.starts[0])
        arrays = []
        for index, cell in enumerate(self._cells):
            pieces, counts = self._pieces(data, walk, cell)
            marked = None if nulls is None else nulls[:, index]
            arrays.append(self._column(cell, pieces, counts, marked))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _nulls(self, data: bytes, starts: Sequence[int]) -> NDArray[np.bool_] | None:
        if not self._mask_width:
            return None
        masks = b"".join([data[start : start + self._mask_width] for start in starts])
        packed = np.frombuffer(masks, np.uint8).reshape(-1, self._mask_width)
        return np.unpackbits(packed, axis=1).astype(bool)

    def _pieces(self, data: bytes, walk: _Walk, cell: _Cell) -> tuple[list[bytes], list[int]]:
        """Return the bytes of a column's cells and how many primitives each holds."""
        starts = walk.starts[cell.segment]
        if cell.shape.variable:
            first, ends = cell.offset + _COUNT.size, walk.starts[cell.segment + 1]
            pieces = [data[start + first : end] for start, end in zip(starts, ends, strict=True)]
            return pieces, walk.counts[cell.segment]
        first, last = cell.offset, cell.offset + cell.bytes_of(cell.shape.unit)
        return [data[start + first : start + last] for start in starts], [cell.shape.unit] * len(starts)

    def _column(
        self, cell: _Cell, pieces: list[bytes], counts: list[int], marked: NDArray[np.bool_] | None
    ) -> pa.Array[Any]:
        field = cell.column.field
        if field.datatype in TEXT_TYPES:
            return self._texts(field, pieces, marked)
        items = mark_null(self._items(field, pieces, counts), cell.column)
        if pa.types.is_list(arrow_type(field)):
            lengths = np.array(counts, np.int64) * PRIMITIVES[field.datatype].parts
            nulls = lengths == 0 if marked is None else marked
            # The items under a null are there all the same and are skipped.
            kept = items.filter(pa.array(np.repeat(~nulls, lengths), pa.bool_()))
            return relisted(np.where(nulls, 0, lengths), kept, pa.array(nulls))
        if marked is None and not pa.types.is_floating(items.type):
            return items
        absent = pc.is_nan(items) if marked is None else pa.array(marked)
        values: pa.Array[Any] = pc.if_else(absent, pa.scalar(None, items.type), items)
        return values

    def _texts(self, field: Field, pieces: list[bytes], marked: NDArray[np.bool_] | None) -> pa.Array[Any]:
        codec = "utf-8" if field.datatype == "char" else "utf-16-be"
        texts = []
        for row, piece in enumerate(pieces):
            try:
                # NUL ends a text before its width is used up; what follows is undefined (VOTable 1.5 s6).
                if codec == "utf-8":
                    texts.append(piece.partition(b"\0")[0].decode())
                else:
                    texts.append(piece.decode(codec).partition("\0")[0])
            except UnicodeDecodeError as error:
                raise self._fault(row, f"{field.name!r} is not {codec.upper()}") from error
        column = pa.array(texts, pa.string())
        absent = pc.equal(column, "") if marked is None else pa.array(marked)
        present: pa.Array[Any] = pc.if_else(absent, pa.scalar(None, pa.string()), column)
        return present

    def _items(self, field: Field, pieces: list[bytes], counts: Sequence[int]) -> pa.Array[Any]:
        if field.datatype == "bit":
            return pa.array(_bits(pieces, counts, scalar=shape_of(field.arraysize).scalar), pa.bool_())
        data = b"".join(pieces)
        if field.datatype == "boolean":
            try:
                return pa.array(
                    [BOOLEANS[letter.strip("\0 ")] for letter in data.decode("latin-1").lower()], pa.bool_()
                )
            except KeyError as error:
                row = next(row for row, piece in enumerate(pieces) if error.args[0] in piece.decode("latin-1").lower())
                raise self._fault(row, f"{field.name!r} is boolean, not {error.args[0]!r}") from error
        wire = PRIMITIVES[field.datatype].wire
        return pa.array(np.frombuffer(data, wire).astype(wire.newbyteorder("=")), PRIMITIVES[field.datatype].arrow)


def _bits(pieces: Iterable[bytes], counts: Iterable[int], *, scalar: bool) -> list[bool]:
    if scalar:
        # Writers disagree which of the eight bits of the byte is the one.
        return [piece != b"\0" for piece in pieces]
    flags: list[bool] = []
    for piece, count in zip(pieces, counts, strict=True):
        flags += np.unpackbits(np.frombuffer(piece, np.uint8), count=count).astype(bool).tolist()
    return flags
