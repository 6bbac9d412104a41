"""Fields, documents and whole VOTables for tests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from penstock.votable.document import Document, QueryStatus, Serialization
from penstock.votable.model import Datatype, Field
from penstock.votable.reader import UploadLimits, UploadTable, read
from penstock.votable.rows import batch_from_rows
from penstock.votable.stream import VOTableWriter

NAN = float("nan")
INF = float("inf")
GOLDEN = Path(__file__).parent / "golden"


def a_field(datatype: Datatype = "int", arraysize: str | None = None, name: str = "x", **more: str) -> Field:
    return Field(name=name, datatype=datatype, arraysize=arraysize, **more)


def text_field(name: str = "x") -> Field:
    return a_field("char", "*", name)


def a_batch(fields: Sequence[Field], *rows: Sequence[object]) -> pa.RecordBatch:
    return batch_from_rows(tuple(fields), rows)


def a_column(field: Field, *values: object) -> pa.Array:
    return a_batch([field], *[(value,) for value in values]).column(0)


def written(
    serialization: Serialization,
    fields: Sequence[Field],
    rows: Iterable[Sequence[object]],
    document: Document | None = None,
    status: QueryStatus = QueryStatus.OK,
) -> bytes:
    """Write a whole document."""
    writer = VOTableWriter(document or Document(fields=tuple(fields)), serialization)
    batch = batch_from_rows(tuple(fields), rows)
    return writer.begin() + writer.rows(batch) + writer.end(status)


def table(*rows: str, fields: str = '<FIELD name="x" datatype="int"/>', namespace: str = "") -> bytes:
    """Write a document by hand; each of `rows` is the inside of a TR."""
    trs = "".join(f"\n<TR>{row}</TR>" for row in rows)
    return wrapped(f"{fields}<DATA><TABLEDATA>{trs}</TABLEDATA></DATA>", namespace)


def stream(content: str, *, fields: str, kind: str = "BINARY2", attributes: str = 'encoding="base64"') -> bytes:
    """Write a document by hand around a stream."""
    return wrapped(f"{fields}<DATA><{kind}><STREAM {attributes}>{content}</STREAM></{kind}></DATA>")


def wrapped(inside: str, namespace: str = "") -> bytes:
    xmlns = f' xmlns="{namespace}"' if namespace else ""
    return f"<VOTABLE{xmlns}><RESOURCE><TABLE>{inside}</TABLE></RESOURCE></VOTABLE>".encode()


def upload(document: bytes, **limits: int) -> UploadTable:
    return read(io.BytesIO(document), UploadLimits(**limits))


def rows_of(document: bytes, **limits: int) -> list[tuple[object, ...]]:
    """Read the rows of a document."""
    batches = upload(document, **limits).batches
    return [tuple(row.values()) for batch in batches for row in _unique_names(batch).to_pylist()]


def _unique_names(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.rename_columns([str(index) for index in range(batch.num_columns)])


def assert_golden(name: str, content: bytes) -> None:
    """Compare with a file; PENSTOCK_UPDATE_GOLDEN=1 writes it instead."""
    file = GOLDEN / name
    if os.environ.get("PENSTOCK_UPDATE_GOLDEN"):
        file.write_bytes(content)
    assert content.decode() == file.read_text(encoding="utf-8")


def plain(value: object) -> object:
    """Make NaN equal to itself."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return "NaN" if isinstance(value, float) and value != value else value
