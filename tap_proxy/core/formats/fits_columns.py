"""The columns of a FITS binary table: what must be known of their values, their kinds, their bytes (FITS 4.0 s7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.votable.compute import byte_range, content, is_null, pc, unlisted
from penstock.votable.datatypes import PRIMITIVES, TEXT_TYPES, shape_of
from penstock.votable.model import Datatype, Field

_LETTERS: dict[Datatype, str] = {
    "boolean": "L",
    "bit": "L",
    "unsignedByte": "B",
    "short": "I",
    "int": "J",
    "long": "K",
    "float": "E",
    "double": "D",
    "floatComplex": "C",
    "doubleComplex": "M",
}
_WIRES: dict[str, np.dtype[Any]] = {"I": np.dtype(">i2"), "J": np.dtype(">i4"), "K": np.dtype(">i8")}
_WIDER = {"B": "I", "I": "J", "J": "K"}
_ALWAYS_FIXED = 64  # bytes: text up to this is never put into the heap
_FILLED_BYTES = 1 << 20  # how many blanks a column may have: astropy reads text in the heap as arrays of characters
_NOT_ASCII = r"[^\x20-\x7e]"


class Census:
    """Counts what the header must say of a column."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.text = field.datatype in TEXT_TYPES
        self.has_null = False
        self.least: int | None = None
        self.longest = 0
        self.items = 0

    def count(self, array: pa.Array[Any]) -> None:
        """Take notice of the values of a batch."""
        self.has_null = self.has_null or array.null_count > 0
        if self.text or pa.types.is_list(array.type):
            lengths = pc.binary_length(array) if self.text else pc.list_value_length(array)
            self.longest = max(self.longest, pc.max(lengths).as_py() or 0)
            self.items += pc.sum(lengths).as_py() or 0
        elif pa.types.is_integer(array.type):
            least = pc.min(array).as_py()
            if least is not None:
                self.least = least if self.least is None else min(self.least, least)

    @property
    def item_bytes(self) -> int:
        """How many bytes an item takes in the heap."""
        return 1 if self.text else PRIMITIVES[self.field.datatype].wire.itemsize

    @property
    def heap_bytes(self) -> int:
        """How many bytes all items take in the heap, if they go there."""
        return self.items * self.item_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as it is written; `wire` is one item, `count` how many a row holds (descriptors have two)."""

    field: Field
    tform: str
    wire: np.dtype[Any]
    count: int = 1
    null: int | None = None
    in_heap: bool = False
    heap_bytes: int = 0

    @property
    def width(self) -> int:
        """How many bytes the column takes in a row."""
        return self.count * self.wire.itemsize


def column_of(census: Census, *, rows: int, long_heap: bool) -> Column:
    """Decide how a column is written."""
    field, letter = census.field, "A" if census.text else _LETTERS[census.field.datatype]
    shape = shape_of(field.arraysize)
    sparse = census.longest > max(_ALWAYS_FIXED, 2 * census.items // max(rows, 1))
    long_text = census.text and sparse and census.longest * rows - census.items > _FILLED_BYTES
    if long_text or (not census.text and shape.variable):
        parts = 1 if census.text else PRIMITIVES[field.datatype].parts
        tform = f"1{'Q' if long_heap else 'P'}{letter}({census.longest // parts})"
        wire = np.dtype(">i8" if long_heap else ">i4")
        return Column(field=field, tform=tform, wire=wire, count=2, in_heap=True, heap_bytes=census.heap_bytes)
    if census.text:
        width = max(1, census.longest)
        return Column(field=field, tform=f"{width}A", wire=np.dtype(f"S{width}"))
    primitive = PRIMITIVES[field.datatype]
    if letter in "BIJK" and shape.scalar and census.has_null:
        return _with_null(census, letter)
    tform = letter if shape.scalar else f"{shape.unit}{letter}"
    return Column(field=field, tform=tform, wire=primitive.wire, count=shape.unit * primitive.parts)


def _with_null(census: Census, letter: str) -> Column:
    if letter == "B" or census.least == _lowest(letter):
        letter = _WIDER.get(letter, letter)
    return Column(field=census.field, tform=letter, wire=_WIRES[letter], null=_lowest(letter))


def _lowest(letter: str) -> int:
    return -(1 << (8 * _WIRES[letter].itemsize - 1))


def block(batch: pa.RecordBatch, columns: Sequence[Column], *, heap_offset: int) -> tuple[bytes, int]:
    """Return the rows of a batch, and how far the heap is used after them.

    The heap holds, batch by batch, the items of one column after those of another, as `tails` writes them.
    """
    record = np.dtype([(str(n), column.wire, (column.count,)) for n, column in enumerate(columns)])
    rows = np.zeros(batch.num_rows, record)
    for number, (array, column) in enumerate(zip(batch.columns, columns, strict=True)):
        if column.in_heap:
            counts, item_bytes = _counts(array, column)
            ends = np.cumsum(counts * item_bytes)
            parts = PRIMITIVES[column.field.datatype].parts
            rows[str(number)][:, 0] = counts // parts
            rows[str(number)][:, 1] = heap_offset + ends - counts * item_bytes
            heap_offset += int(ends[-1]) if len(ends) else 0
        else:
            rows[str(number)] = _cells(array, column).reshape(batch.num_rows, column.count)
    return rows.tobytes(), heap_offset


def tails(batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
    """Return what the heap holds of a batch."""
    return b"".join(
        _tail(array, column) for array, column in zip(batch.columns, columns, strict=True) if column.in_heap
    )


def ascii_column(texts: pa.Array[Any]) -> pa.Array[Any]:
    """Return the texts in printable ASCII."""
    least, greatest = byte_range(texts)
    if least >= 0x20 and greatest <= 0x7E:
        return texts
    plain: pa.Array[Any] = pc.replace_substring_regex(texts, _NOT_ASCII, "?")
    return plain


def ascii_text(text: str) -> str:
    """Return the text in printable ASCII, on one line."""
    one_line = " ".join(text.split())
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in one_line)


def _counts(array: pa.Array[Any], column: Column) -> tuple[NDArray[np.int64], int]:
    if column.field.datatype in TEXT_TYPES:
        lengths = pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False)
        return lengths.astype(np.int64), 1
    return unlisted(array)[0], PRIMITIVES[column.field.datatype].wire.itemsize


def _tail(array: pa.Array[Any], column: Column) -> bytes:
    if column.field.datatype in TEXT_TYPES:
        return bytes(content(pc.fill_null(array, "")))
    items = unlisted(array)[1]
    return _numbers(items, column).astype(PRIMITIVES[column.field.datatype].wire).tobytes()


def _cells(array: pa.Array[Any], column: Column) -> NDArray[Any]:
    if column.field.datatype in TEXT_TYPES:
        padded = pc.utf8_rpad(pc.fill_null(array, ""), column.wire.itemsize, padding="\0")
        return np.frombuffer(content(padded), column.wire)
    if not pa.types.is_list(array.type):
        return _numbers(array, column)
    cells = np.full((len(array), column.count), _filler(column), column.wire)
    cells[~is_null(array)] = _numbers(unlisted(array)[1], column).reshape(-1, column.count)
    return cells


def _numbers(values: pa.Array[Any], column: Column) -> NDArray[Any]:
    if pa.types.is_boolean(values.type):
        letters = np.where(pc.fill_null(values, False).to_numpy(zero_copy_only=False), ord("T"), ord("F"))
        return np.where(is_null(values), 0, letters).astype(np.uint8)
    if not values.null_count:
        numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return numbers
    if pa.types.is_integer(values.type):
        values = values.cast(pa.int64())
    filled: NDArray[Any] = pc.fill_null(values, _filler(column)).to_numpy(zero_copy_only=False)
    return filled


def _filler(column: Column) -> float:
    """Return what stands in the place of a null."""
    if column.null is not None:
        return column.null
    return float("nan") if pa.types.is_floating(PRIMITIVES[column.field.datatype].arrow) else 0
