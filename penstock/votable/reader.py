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

__all__ = ["UploadLimits", "UploadTable", "read"]

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
    limits = limits or UploadLimits()
    scanner = Scanner(limits)
    progress = _progress(source, scanner)
    final = False
    while scanner.serialization is None:
        final = next(progress)
    fields = tuple(column.field for column in scanner.columns)
    return UploadTable(fields=fields, batches=_batches(scanner, chain([final], progress), limits))


def _progress(source: IO[bytes], scanner: Scanner) -> Iterator[bool]:
    """Feed the scanner; yield False after every piece and True after the last."""
    while data := source.read(_CHUNK_BYTES):
        scanner.feed(data)
        yield False
    scanner.feed(b"", final=True)
    yield True


def _batches(scanner: Scanner, progress: Iterator[bool], limits: UploadLimits) -> Iterator[pa.RecordBatch]:
    decoder = _TextDecoder(scanner) if scanner.serialization == "TABLEDATA" else _BinaryDecoder(scanner, limits)
    rows = 0
    for final in progress:
        batch = decoder.take(final=final)
        if batch is None or batch.num_rows == 0:
            continue
        rows += batch.num_rows
        if rows > limits.max_rows:
            raise TooLarge(f"The uploaded VOTable has more than {limits.max_rows} rows.")
        yield batch


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
