from __future__ import annotations

import csv
import io
import json
from tempfile import TemporaryFile
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse as parse_votable
from astropy.io.votable import parse_single_table
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.document import QueryStatus
from penstock.votable.model import Field
from penstock.votable.rows import batch_from_rows
from tap_proxy.core.formats import TAP_FORMATS, new_writer
from tap_proxy.core.formats.model import Outcome, ResultHead

FIELDS = (
    Field(name="n", datatype="int", ucd="meta.id"),
    Field(name="text", datatype="unicodeChar", arraysize="*"),
    Field(name="x", datatype="double", unit="deg"),
    Field(name="pair", datatype="double", arraysize="2"),
)
ROWS: list[tuple[object, ...]] = [
    (1, 'a "quoted", <b>&amp;\ttab\nline', 1.5, [1.0, 2.5]),
    (None, None, None, None),
    (-3, "plain", float("nan"), [0.0, -0.0]),
]
OK = Outcome(status=QueryStatus.OK)
OVERFLOW = Outcome(status=QueryStatus.OVERFLOW, message="The result was cut.")
NAMES = tuple(row.aliases[0] if row.aliases[0] != "votable" else row.aliases[1] for row in TAP_FORMATS)


def write(
    name: str,
    rows: list[tuple[object, ...]] = ROWS,
    outcome: Outcome = OK,
    fields: tuple[Field, ...] = FIELDS,
    links_url: str | None = None,
) -> bytes:
    head = ResultHead(fields=fields, infos=(("QUERY", "SELECT <1>"),), links_url=links_url)
    writer = new_writer(TAP_FORMATS.resolve(name), head, TemporaryFile)
    pieces = [writer.begin()]
    pieces += [writer.rows(batch_from_rows(fields, [row])) for row in rows]
    return b"".join([*pieces, *writer.end(outcome)])


@pytest.mark.parametrize("version", ["1.3", "1.4", "1.5"])
def test_a_votable_is_of_the_version_that_was_asked_for(version: str) -> None:
    document = write(f"application/x-votable+xml;serialization=BINARY2;version={version}")
    assert ElementTree.fromstring(document).get("version") == version
    assert ElementTree.fromstring(write("votable/b2")).get("version") == "1.4"


def test_csv_is_read_back() -> None:
    table = list(csv.reader(io.StringIO(write("csv").decode(), newline="")))
    assert table == [
        ["n", "text", "x", "pair"],
        ["1", 'a "quoted", <b>&amp;\ttab\nline', "1.5", "1 2.5"],
        ["", "", "", ""],
        ["-3", "plain", "NaN", "0 -0"],
    ]


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))), max_size=20))
def test_csv_keeps_any_text(values: list[str | None]) -> None:
    fields = (Field(name="a,b", datatype="char", arraysize="*"),)
    text = write("csv", [(value,) for value in values], fields=fields).decode()
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))] == ["a,b", *(value or "" for value in values)]


def test_tsv_has_no_tabs_or_breaks_in_cells() -> None:
    lines = write("tsv").decode().split("\n")
    assert lines[0] == "n\ttext\tx\tpair"
    assert [line.count("\t") for line in lines] == [3, 3, 3, 3, 0]
    assert lines[1] == '1\ta "quoted", <b>&amp; tab line\t1.5\t1 2.5'


def test_json_has_the_documented_shape() -> None:
    document = json.loads(write("json", outcome=OVERFLOW))
    assert document == {
        "infos": {"QUERY": "SELECT <1>"},
        "fields": [
            {"name": "n", "datatype": "int", "ucd": "meta.id"},
            {"name": "text", "datatype": "unicodeChar", "arraysize": "*"},
            {"name": "x", "datatype": "double", "unit": "deg"},
            {"name": "pair", "datatype": "double", "arraysize": "2"},
        ],
        "rows": [[1, ROWS[0][1], 1.5, [1.0, 2.5]], [None] * 4, [-3, "plain", None, [0.0, -0.0]]],
        "status": "OVERFLOW",
        "message": "The result was cut.",
    }


@pytest.mark.parametrize("outcome", [OK, OVERFLOW, Outcome(status=QueryStatus.ERROR, message="broke <here>")])
def test_html_is_well_formed_and_says_how_it_ended(outcome: Outcome) -> None:
    page = write("html", outcome=outcome).decode().replace("<!DOCTYPE html>", "").replace('<meta charset="utf-8">', "")
    root = ElementTree.fromstring(page)
    assert len(root.findall(".//tbody/tr")) == 3
    assert "".join(root.find(".//p[@class='end']").itertext()).endswith(outcome.message or "All rows are shown.")


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x>', "javascript:alert(1)", "http://a/\"'><b>"]
)
def test_html_holds_no_markup_of_the_data(hostile: str) -> None:
    fields = (Field(name=hostile, datatype="char", arraysize="*", description=hostile),)
    page = write("html", [(hostile,)], fields=fields).decode()
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page


def test_html_links_urls() -> None:
    fields = (Field(name="u", datatype="char", arraysize="*"),)
    page = write("html", [("https://example.org/?a=1&b=2",)], fields=fields).decode()
    assert '<a href="https://example.org/?a=1&amp;b=2">https://example.org/?a=1&amp;b=2</a>' in page


def test_parquet_is_read_back() -> None:
    table = pq.read_table(io.BytesIO(write("parquet")))
    assert table.column("n").to_pylist() == [1, None, -3]
    assert table.column("text").to_pylist() == [row[1] for row in ROWS]
    assert table.schema.field("x").metadata[b"unit"] == b"deg"


def test_parquet_takes_along_a_votable_without_rows() -> None:
    metadata = pq.read_metadata(io.BytesIO(write("parquet", outcome=OVERFLOW))).metadata
    assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    content = metadata[b"IVOA.VOTable-Parquet.content"]
    assert b"<DATA" not in content
    (resource,) = parse_votable(io.BytesIO(content)).resources
    assert [(info.name, info.value) for info in resource.infos] == [
        ("QUERY_STATUS", "OK"),
        ("QUERY", "SELECT <1>"),
        ("QUERY_STATUS", "OVERFLOW"),
    ]
    (table,) = resource.tables
    assert [(field.name, field.datatype, field.ucd) for field in table.fields] == [
        (field.name, field.datatype, field.ucd) for field in FIELDS
    ]


def test_arrow_is_read_back() -> None:
    table = pa.ipc.open_stream(io.BytesIO(write("arrow"))).read_all()
    assert table.column("pair").to_pylist() == [row[3] for row in ROWS]


def test_arrow_and_parquet_say_that_rows_are_missing() -> None:
    reader = pa.ipc.open_stream(io.BytesIO(write("arrow", outcome=OVERFLOW)))
    *_, last = reader.iter_batches_with_custom_metadata()
    assert last.batch.num_rows == 0
    assert last.custom_metadata[b"QUERY_STATUS"] == b"OVERFLOW"
    assert pq.read_metadata(io.BytesIO(write("parquet", outcome=OVERFLOW))).metadata[b"QUERY_STATUS"] == b"OVERFLOW"


@pytest.mark.parametrize("name", ["votable/td", "votable/b2"])
def test_votable_is_read_back(name: str) -> None:
    table = parse_single_table(io.BytesIO(write(name))).to_table()
    assert list(table["n"].filled(0)) == [1, 0, -3]
    assert table["text"][0] == ROWS[0][1]


@pytest.mark.parametrize("name", NAMES)
def test_a_result_without_rows_is_complete(name: str) -> None:
    assert write(name, []) or name in ("csv", "tsv")


DID = Field(name="did", datatype="char", arraysize="*", utype="obscore:Curation.publisherDID", ucd="meta.ref.ivoid")


def services(fields: tuple[Field, ...], links_url: str | None = "https://penstock.example/datalink/links") -> list:
    rows = [tuple("x" for _ in fields)]
    root = ElementTree.fromstring(write("votable", rows, fields=fields, links_url=links_url))
    return root.findall("{*}RESOURCE[@utype='adhoc:service']")


def test_a_column_of_publisher_dids_brings_a_links_descriptor() -> None:
    (service,) = services((Field(name="a", datatype="char", arraysize="*"), DID))
    assert service.find("{*}PARAM[@name='accessURL']").get("value") == "https://penstock.example/datalink/links"
    assert service.find("{*}PARAM[@name='standardID']").get("value") == "ivo://ivoa.net/std/DataLink#links-1.1"
    assert service.find("{*}GROUP[@name='inputParams']/{*}PARAM[@name='ID']").get("ref") == "publisher_did_1"


def test_every_such_column_has_a_descriptor_of_its_own() -> None:
    refs = [service.find(".//{*}PARAM[@name='ID']").get("ref") for service in services((DID, DID))]
    assert refs == ["publisher_did_1", "publisher_did_2"]


def test_without_such_a_column_or_without_datalink_there_is_none() -> None:
    assert services((Field(name="obs_publisher_did", datatype="char", arraysize="*"),)) == []
    assert services((DID,), links_url=None) == []


@pytest.mark.parametrize("name", ["votable/td", "votable/b2"])
def test_answers_to_one_statement_share_nothing_but_their_columns(name: str) -> None:
    def begun(query: str, links_url: str) -> bytes:
        head = ResultHead(fields=FIELDS, infos=(("QUERY", query),), links_url=links_url)
        return new_writer(TAP_FORMATS.resolve(name), head, TemporaryFile).begin()

    first, second = begun("SELECT 1", "http://a.example.org"), begun("SELECT 2 < 3", "http://a.example.org")
    assert first.replace(b"SELECT 1", b"SELECT 2 &lt; 3") == second
    assert begun("SELECT 1", "http://a.example.org") == first
