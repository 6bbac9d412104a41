"""Reads a VOTable that a caller uploads (TAP 1.1 s2.7.6): in pieces, within limits, trusting nothing it says.

TABLEDATA, BINARY and BINARY2 of all versions are read, with all datatypes. The first TABLE counts; what follows is
read only to make sure that the document is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Protocol

import pyarrow as pa

from penstock.dali.errors import TooLarge
from penstock.votable.datatypes import fields_schema
from penstock.votable.read_binary import Base64Reader, RowReader
from penstock.votable.read_text import text_column
from penstock.votable.read_xml import Scanner
from penstock.votable.upload import UploadLimits, fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.votable.model import Field

__all__ = ["TableFeed", "UploadLimits", "UploadTable", "read"]

_CHUNK_BYTES = 1 << 16
_BATCH_CELLS = 100_000
_BATCH_BYTES = 1 << 20
_BATCH_CHUNKS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTable:
    """A table while it is read: `batches` reads on and raises UsageError where the document turns out wrong."""

    fields: tuple[Field, ...]
    batches: Iterator[pa.RecordBatch]


class _Decoder(Protocol):
    def take(self, *, final: bool) -> pa.RecordBatch | None: ...


def read(source: IO[bytes], limits: UploadLimits | None = None) -> UploadTable:
    """Read a VOTable up to its rows, and these while the caller takes them.

    Raises
    ------
    UsageError
        The document is not a VOTable, or not one that can be read; the message names the line.
    TooLarge
        It goes beyond `limits`.
    """
    feed = TableFeed(limits)
    pieces = _pieces(source)
    batches = (batch for data, final in pieces if (batch := feed.feed(data, final=final)) is not None)
    first: list[pa.RecordBatch] = []
    while feed.fields is None:
        data, final = next(pieces)
        batch = feed.feed(data, final=final)
        first += [] if batch is None else [batch]
    return UploadTable(fields=feed.fields, batches=chain(first, batches))


def _pieces(source: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield every piece with False, then nothing with True."""
    while data := source.read(_CHUNK_BYTES):
        yield data, False
    yield b"", True


class TableFeed:
    """Reads a VOTable that is handed over piece by piece."""

    def __init__(self, limits: UploadLimits | None = None) -> None:
        self._limits = limits or UploadLimits()
        self._scanner = Scanner(self._limits)
        self._decoder: _Decoder | None = None
        self._rows = 0

    @property
    def fields(self) -> tuple[Field, ...] | None:
        """The columns, as soon as they are known."""
        return None if self._decoder is None else tuple(column.field for column in self._scanner.columns)

    @property
    def overflowed(self) -> bool:
        """Whether the document says, as far as it was read, that rows were left out (DALI 1.2 s5.4.1)."""
        return self._scanner.overflowed

    def feed(self, data: bytes, *, final: bool = False) -> pa.RecordBatch | None:
        """Read on; return some rows when enough have gathered, what is left with the last piece.

        Raises
        ------
        UsageError
            The document is not a VOTable that can be read.
        TooLarge
            It goes beyond the limits.
        """
        self._scanner.feed(data, final=final)
        if self._decoder is None:
            if self._scanner.serialization is None:
                return None
            self._decoder = self._new_decoder()
        batch = self._decoder.take(final=final)
        if batch is None or batch.num_rows == 0:
            return None
        self._rows += batch.num_rows
        if self._rows > self._limits.max_rows:
            raise TooLarge(f"The uploaded VOTable has more than {self._limits.max_rows} rows.")
        return batch

    def _new_decoder(self) -> _Decoder:
        if self._scanner.serialization == "TABLEDATA":
            return _TextDecoder(self._scanner)
        return _BinaryDecoder(self._scanner, self._limits)


class _TextDecoder:
    """Takes rows of TABLEDATA from the scanner when enough have gathered."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._chunks = 0
        self._schema = fields_schema(tuple(column.field for column in scanner.columns))

    def take(self, *, final: bool) -> pa.RecordBatch | None:
        columns = self._scanner.columns
        self._chunks += 1
        few = self._scanner.rows.gathered * len(columns) < _BATCH_CELLS and self._chunks < _BATCH_CHUNKS
        if few and not final:
            return None
        self._chunks = 0
        rows, lines = self._scanner.rows.take()
        for row, line in zip(rows, lines, strict=True):
            if len(row) != len(columns):
                raise fault(line, f"the row has {len(row)} TD for {len(columns)} FIELD")
        texts = zip(*rows, strict=True) if rows else [()] * len(columns)
        arrays = [text_column(cells, lines, column) for cells, column in zip(texts, columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


class _BinaryDecoder:
    """Takes base64 from the scanner when enough has gathered."""

    def __init__(self, scanner: Scanner, limits: UploadLimits) -> None:
        self._scanner = scanner
        self._base64 = Base64Reader()
        nulls_marked = scanner.serialization == "BINARY2"
        self._rows = RowReader(scanner.columns, nulls_marked=nulls_marked, limits=limits)
        self._gathered: list[bytes] = []

    def take(self, *, final: bool) -> pa.RecordBatch | None:
        text, self._scanner.base64 = "".join(self._scanner.base64), []
        try:
            self._gathered.append(self._base64.feed(text, final=final))
        except ValueError as error:
            raise fault(self._scanner.line, f"STREAM is not base64: {error}") from error
        if not final and sum(map(len, self._gathered)) < _BATCH_BYTES:
            return None
        data, self._gathered = b"".join(self._gathered), []
        return self._rows.take(data, final=final)
