"""Columns joined to rows: the cells one after the other, row by row, so that no Python code runs per row.

The loop is compiled (`_rows.pyx`). Where that was not built, Arrow joins, which takes about twice the time.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from penstock.compiled import compiled
from penstock.votable.compute import content, emptied, pc, records_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_compiled: Any = compiled("penstock.votable._rows")


class Fixed(NamedTuple):
    """Cells of one width: a number, or several in further dimensions, written as `wire` tells."""

    values: NDArray[Any]
    wire: np.dtype[Any]


Piece: TypeAlias = "bytes | Fixed | pa.Array[Any]"
"""What every row has a cell of: the same bytes, a value of fixed width, or a text or bytes of any length."""


def join_rows(rows: int, pieces: Sequence[Piece]) -> bytes | memoryview:
    """Return, for each of so many rows, its cells of all pieces, one after the other; null is empty."""
    if rows == 0:
        return b""
    return join_by_arrow(pieces) if _compiled is None else join_compiled(rows, pieces)


def join_cells(cells: Sequence[pa.Array[Any]], before: str, between: str, after: str) -> bytes:
    """Return rows of text in UTF-8.

    Parameters
    ----------
    cells
        One string column per column of the table, all of one length; null is empty.
    before, between, after
        The text at the beginning of a row, between two cells, and at the end.
    """
    pieces: list[Piece] = [before.encode()]
    for cell in cells:
        pieces += [cell, between.encode()]
    return bytes(join_rows(len(cells[0]), [*pieces[:-1], after.encode()]))


def join_compiled(rows: int, pieces: Sequence[Piece]) -> bytes:
    """Do what `join_rows` does, with the compiled module, which must be there."""
    joined: bytes = _compiled.join(rows, [_for_compiled(piece) for piece in pieces])
    return joined


def _for_compiled(piece: Piece) -> tuple[Any, Any, int, int, int]:
    """Describe a piece as `_rows.join` wants it."""
    if isinstance(piece, bytes):
        return piece, None, len(piece), 0, 1
    if isinstance(piece, Fixed):
        native = piece.wire.newbyteorder("=")
        values = np.ascontiguousarray(piece.values, native)
        width = values.nbytes // len(values)
        return values.reshape(-1).view(np.uint8), None, width, width, 1 if native == piece.wire else native.itemsize
    full = emptied(piece)
    _, offsets, data = full.buffers()
    if offsets is None or data is None:
        return b"", None, 0, 0, 1
    bounds = np.frombuffer(memoryview(offsets), np.int32, len(full) + 1, full.offset * 4)
    return memoryview(data).cast("B"), bounds, 0, 0, 1


def join_by_arrow(pieces: Sequence[Piece]) -> memoryview:
    """Do what `join_rows` does: neighbours of fixed width become numpy records, which Arrow joins with the others."""
    blocks: list[Any] = []
    for fixed, group in groupby(pieces, lambda piece: isinstance(piece, Fixed)):
        neighbours = list(group)
        blocks += [_records(neighbours)] if fixed else map(_for_arrow, neighbours)
    return content(pc.binary_join_element_wise(*blocks, pa.scalar(b"", pa.binary())))


def _for_arrow(piece: Any) -> Any:
    return pa.scalar(piece, pa.binary()) if isinstance(piece, bytes) else emptied(piece).view(pa.binary())


def _records(columns: Sequence[Any]) -> pa.Array[Any]:
    record = _record(tuple((wire, values.shape[1:]) for values, wire in columns))
    records = np.empty(len(columns[0].values), record)
    for name, (values, _) in zip(record.names or (), columns, strict=True):
        records[name] = values
    return records_column(records)


@lru_cache(maxsize=1024)
def _record(columns: tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]) -> np.dtype[Any]:
    return np.dtype([(str(index), wire, shape) for index, (wire, shape) in enumerate(columns)])
