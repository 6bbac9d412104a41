from __future__ import annotations

import pyarrow as pa
import pytest
from lxml import etree

from penstock.dali.errors import InternalError
from penstock.votable.document import Document, QueryStatus, Serialization
from penstock.votable.stream import VOTableWriter
from tests.penstock.votable.builders import a_batch, a_field, rows_of, text_field

FIELDS = (a_field("short", name="a"), text_field("b"))
GOOD = a_batch(FIELDS, (1, "x"), (2, "yy"))
BAD = pa.RecordBatch.from_arrays([pa.array([1, 2, 70_000]), pa.array(["z"] * 3)], names=["a", "b"])
both = pytest.mark.parametrize("serialization", list(Serialization))


def a_writer(serialization: Serialization) -> VOTableWriter:
    return VOTableWriter(Document(fields=FIELDS), serialization)


@both
def test_batches_of_any_size_make_one_document(serialization):
    writer = a_writer(serialization)
    parts = [writer.begin(), *(writer.rows(GOOD.slice(0, size)) for size in (1, 0, 2, 1)), writer.end()]
    assert rows_of(b"".join(parts)) == [(1, "x"), (1, "x"), (2, "yy"), (1, "x")]


@both
def test_document_without_rows_is_whole(serialization):
    writer = a_writer(serialization)
    assert rows_of(writer.begin() + writer.end()) == []


@both
def test_batch_that_fails_leaves_the_document_as_it_was(serialization):
    writer = a_writer(serialization)
    document = writer.begin() + writer.rows(GOOD)
    with pytest.raises(InternalError):
        writer.rows(BAD)
    document += writer.rows(GOOD) + writer.end(QueryStatus.ERROR, "a value < was lost")
    trailing = etree.fromstring(document).findall(".//{*}TABLE/../{*}INFO")[-1]
    assert (trailing.get("name"), trailing.get("value"), trailing.text) == (
        "QUERY_STATUS",
        "ERROR",
        "a value < was lost",
    )
    assert document.count(b"QUERY_STATUS") == 2


@pytest.mark.parametrize("status", [QueryStatus.OVERFLOW, QueryStatus.ERROR])
def test_final_status_follows_the_table(status):
    writer = a_writer(Serialization.BINARY2)
    results = etree.fromstring(writer.begin() + writer.rows(GOOD) + writer.end(status)).find("{*}RESOURCE")
    assert results[-1].get("value") == status
    assert etree.QName(results[-2]).localname == "TABLE"
