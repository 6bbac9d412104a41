"""Parquet and Arrow streams, by pyarrow.

What VOTable says of a column is kept as metadata of the Arrow field, and of the whole result as a VOTable without rows
in the metadata of a Parquet file (Parquet in the VO 1.0 s2).
"""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.votable.conform import conform
from penstock.votable.datatypes import arrow_type
from penstock.votable.document import QueryStatus
from penstock.votable.model import Field
from tap_proxy.core.formats.model import Outcome, ResultHead
from tap_proxy.core.formats.votable import without_data

_VOPARQUET = {"IVOA.VOTable-Parquet.version": "1.0"}
_CONTENT = "IVOA.VOTable-Parquet.content"


class _Outbox(io.RawIOBase):
    """A file that is only written; `take` empties it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]  # pyarrow hands over buffers
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class _ArrowWriter:
    tells_failure: ClassVar[bool] = False

    def __init__(self, head: ResultHead) -> None:
        self._head = head
        self._fields = head.fields
        self._schema = _schema(head)
        self._outbox = _Outbox()

    def _batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        pairs = zip(batch.columns, self._fields, strict=True)
        return pa.RecordBatch.from_arrays([conform(array, field) for array, field in pairs], schema=self._schema)


class ParquetWriter(_ArrowWriter):
    """Writes Parquet, a row group per batch; without its footer, a Parquet file cut short cannot be read."""

    def begin(self) -> bytes:
        """Return the magic number."""
        self._writer = pq.ParquetWriter(pa.PythonFile(self._outbox, "w"), self._schema, compression="zstd")
        return self._outbox.take()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return a row group."""
        if batch.num_rows:
            self._writer.write_batch(self._batch(batch))
        return self._outbox.take()

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return the footer, which keeps the status and a VOTable without rows as metadata."""
        told = without_data(self._head, outcome).decode()
        self._writer.add_key_value_metadata({"QUERY_STATUS": outcome.status.value, **_VOPARQUET, _CONTENT: told})
        self._writer.close()
        return (self._outbox.take(),)


class ArrowStreamWriter(_ArrowWriter):
    """Writes an Arrow IPC stream; it ends with a mark that is missing where it was cut short.

    Where rows are missing because of a limit, a last batch without rows has the status as its metadata.
    """

    def begin(self) -> bytes:
        """Return the schema message."""
        self._writer = pa.ipc.new_stream(self._outbox, self._schema)
        return self._outbox.take()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return a record batch message."""
        self._writer.write_batch(self._batch(batch))
        return self._outbox.take()

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return the end-of-stream mark, and before it the status where it is not OK."""
        if outcome.status is not QueryStatus.OK:
            message = (outcome.message or "").encode()
            told = {b"QUERY_STATUS": outcome.status.value.encode(), b"message": message}
            nothing: Any = pa.RecordBatch.from_pylist([], schema=self._schema)
            self._writer.write_batch(nothing, custom_metadata=pa.KeyValueMetadata(told))
        self._writer.close()
        return (self._outbox.take(),)


def _schema(head: ResultHead) -> pa.Schema:
    return pa.schema([_field(field) for field in head.fields], metadata=dict(head.infos))


def _field(field: Field) -> pa.Field[Any]:
    members = {name: value for name, value in asdict(field).items() if isinstance(value, str) and name != "id"}
    return pa.field(field.name, arrow_type(field), metadata=members)
