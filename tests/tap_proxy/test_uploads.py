"""Tables that come with a query, over HTTP, on both engines (TAP 1.1 s2.7.6)."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from astropy.io.votable import parse_single_table

from penstock.auth.principal import ANONYMOUS
from penstock.basket.app import open_baskets
from penstock.basket.model import read_item
from penstock.basket.service import Baskets
from penstock.votable.document import Document, Serialization
from penstock.votable.model import Field
from penstock.votable.rows import batch_from_rows
from penstock.votable.stream import VOTableWriter
from tests.support.postgres import fresh_database
from tests.tap_proxy.hosting import RESOURCES, serving
from tests.tap_proxy.test_web import infos

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS = (
    Field(name="id", datatype="int"),
    Field(name="flag", datatype="boolean"),
    Field(name="bits", datatype="bit"),
    Field(name="byte", datatype="unsignedByte"),
    Field(name="small", datatype="short"),
    Field(name="big", datatype="long"),
    Field(name="real", datatype="float"),
    Field(name="number", datatype="double", unit="deg", ucd="pos.eq.ra"),
    Field(name="word", datatype="char", arraysize="*"),
    Field(name="name é", datatype="unicodeChar", arraysize="*"),
    Field(name="instant", datatype="char", arraysize="*", xtype="timestamp"),
    Field(name="pair", datatype="double", arraysize="2", xtype="point"),
    Field(name="shorts", datatype="short", arraysize="*"),
    Field(name="flags", datatype="boolean", arraysize="2"),
    Field(name="complex", datatype="doubleComplex"),
    Field(name="select", datatype="int"),
)
FULL = {
    "id": (1, 2),
    "flag": (True, False),
    "bits": (True, False),
    "byte": (255, 0),
    "small": (-7, 32767),
    "big": (2**60, -1),
    "real": (0.1, -1e30),
    "number": (1 / 3, 1e300),
    "word": ("it's", 'a "b"'),
    "name é": ("žluť", "日本"),
    "instant": ("2026-11-21T00:00:00Z", "2020-01-01T00:00:00Z"),
    "pair": ([1.5, -2.5], [0.0, 90.0]),
    "shorts": ([1, -2], [3]),
    "flags": ([True, False], [False, False]),
    "complex": ([1.0, 2.0], [0.5, -0.5]),
    "select": (4, 5),
}
ROWS: list[tuple[Any, ...]] = [*zip(*FULL.values(), strict=True), (3, *(None for _ in FIELDS[1:]))]


def votable(fields: tuple[Field, ...], rows: list[tuple[Any, ...]], serialization: str = "TABLEDATA") -> bytes:
    writer = VOTableWriter(Document(fields=fields), Serialization(serialization))
    return writer.begin() + writer.rows(batch_from_rows(fields, rows)) + writer.end()


TABLE = votable(FIELDS, ROWS)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestClient]:
    folder = tmp_path_factory.mktemp("tap")
    url = f"sqlite:///{folder / 'test.db'}" if request.param == "sqlite" else fresh_database()
    limits = {"max_upload_bytes": 100_000, "max_upload_rows": 1000}
    async with serving(folder, url, **limits) as app, TestClient(TestServer(app)) as opened:
        yield opened


def form(text: str, upload: str, *files: tuple[str, bytes], **params: str) -> FormData:
    data = FormData({"LANG": "ADQL", "QUERY": text, "UPLOAD": upload} | params)
    data._is_multipart = True
    for name, content in files:
        data.add_field(name, content, filename=f"{name}.vot", content_type="application/x-votable+xml")
    return data


async def ask(
    client: TestClient,
    text: str,
    *files: tuple[str, bytes],
    upload: str = "t,param:t",
    status: int = 200,
    **params: str,
) -> bytes:
    data = form(text, upload, *(files or (("t", TABLE),)), **params)
    async with client.post("/tap/sync", data=data) as response:
        body = await response.read()
        assert response.status == status, body
        return body


async def rows(client: TestClient, text: str, *files: tuple[str, bytes], upload: str = "t,param:t") -> list[list[str]]:
    body = await ask(client, text, *files, upload=upload, RESPONSEFORMAT="csv")
    return list(csv.reader(io.StringIO(body.decode(), newline="")))[1:]


@pytest.mark.parametrize("serialization", ["TABLEDATA", "BINARY2"])
async def test_everything_comes_back_as_it_went(client: TestClient, serialization: str) -> None:
    uploaded = votable(FIELDS, ROWS, serialization)
    body = await ask(client, "SELECT * FROM TAP_UPLOAD.t ORDER BY id", ("t", uploaded))
    sent, got = (parse_single_table(io.BytesIO(document)) for document in (TABLE, body))
    for before, after in zip(sent.fields, got.fields, strict=True):
        assert (before.name, before.datatype, before.arraysize) == (after.name, after.datatype, after.arraysize)
        assert (before.unit, before.ucd, before.xtype) == (after.unit, after.ucd, after.xtype)
    for name in sent.array.dtype.names:
        for before, after in zip(sent.array[name], got.array[name], strict=True):
            np.testing.assert_equal(np.ma.filled(after, 0), np.ma.filled(before, 0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT id FROM TAP_UPLOAD.t WHERE number < 1", [["1"]]),
        ("SELECT id FROM tap_upload.T WHERE number IS NULL", [["3"]]),
        ("""SELECT id FROM TAP_UPLOAD.t WHERE "name é" = '日本'""", [["2"]]),
        ("""SELECT "select" FROM TAP_UPLOAD.t WHERE word = 'it''s'""", [["4"]]),
        ("SELECT id FROM TAP_UPLOAD.t WHERE instant > '2025-01-01'", [["1"]]),
        ("SELECT id FROM t WHERE 1 = CONTAINS(pair, CIRCLE(1.5, -2.5, 0.1))", [["1"]]),
        ("SELECT COUNT(*), SUM(big) FROM TAP_UPLOAD.t", [["3", str(2**60 - 1)]]),
        (
            "SELECT a.id, b.id FROM TAP_UPLOAD.t AS a JOIN TAP_UPLOAD.t AS b ON a.id = b.id - 1 ORDER BY a.id",
            [["1", "2"], ["2", "3"]],
        ),
        (
            "SELECT o.obs_id, t.word FROM ivoa.obscore AS o JOIN TAP_UPLOAD.t AS t ON o.calib_level = t.id "
            "WHERE o.obs_id = 'demo:1'",
            [["demo:1", "it's"]],
        ),
        ("WITH u AS (SELECT id FROM TAP_UPLOAD.t WHERE id > 1) SELECT MAX(id) FROM u", [["3"]]),
    ],
)
async def test_an_uploaded_table_is_a_table_like_others(
    client: TestClient, text: str, expected: list[list[str]]
) -> None:
    assert await rows(client, text) == expected


@pytest.mark.parametrize(
    ("datatype", "arraysize", "text"),
    [
        ("unicodeChar", "2", "M\U0001d4cf"),
        ("char", "3", "été"),
        ("long", "2", "9007199254740993 1"),
        ("bit", "3", "1 0 1"),
    ],
)
async def test_values_that_many_count_or_write_otherwise_come_back(
    client: TestClient, datatype: str, arraysize: str, text: str
) -> None:
    table = (
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        f'<FIELD name="v" datatype="{datatype}" arraysize="{arraysize}"/>'
        f"<DATA><TABLEDATA><TR><TD>{text}</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    body = await ask(client, "SELECT v FROM TAP_UPLOAD.t", ("t", table.encode()))
    sent, got = (parse_single_table(io.BytesIO(document)) for document in (table.encode(), body))
    assert np.array_equal(got.array["v"][0], sent.array["v"][0])


async def test_several_tables_come_with_one_query(client: TestClient) -> None:
    field = Field(name="id", datatype="int")
    files = (("p", votable((field,), [(1,), (2,)])), ("q", votable((field,), [(2,), (3,)])))
    text = "SELECT a.id FROM TAP_UPLOAD.a JOIN TAP_UPLOAD.b USING (id)"
    assert await rows(client, text, *files, upload="a,param:p;b,param:q") == [["2"]]


async def test_a_table_without_rows_is_empty(client: TestClient) -> None:
    assert await rows(client, "SELECT COUNT(*) FROM TAP_UPLOAD.t", ("t", votable(FIELDS, []))) == [["0"]]


async def test_uploads_are_seen_by_their_own_query_only(client: TestClient) -> None:
    assert await rows(client, "SELECT COUNT(*) FROM TAP_UPLOAD.t") == [["3"]]
    async with client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": "SELECT * FROM TAP_UPLOAD.t"}) as response:
        assert response.status == 400
    shown = "SELECT COUNT(*) FROM tap_schema.tables WHERE table_name LIKE 'TAP_UPLOAD%'"
    assert await rows(client, shown) == [["0"]]


@pytest.mark.parametrize(
    ("content", "said", "status"),
    [
        (b"not XML", "UPLOAD 't'", 400),
        (b"<html/>", "UPLOAD 't'", 400),
        (b"", "UPLOAD 't'", 400),
        (TABLE[:1500], "UPLOAD 't'", 400),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><VOTABLE>&b;</VOTABLE>', "UPLOAD 't'", 400),
        (TABLE.replace(b"<TD>255</TD>", b"<TD>256</TD>"), "line", 400),
        (votable((Field(name="n", datatype="int"), Field(name="N", datatype="int")), [(1, 2)]), "called", 400),
        (votable((Field(name="n", datatype="int"),), [(n,) for n in range(1001)]), "1000 rows", 413),
        (b" " * 100_001, "larger", 413),
    ],
)
async def test_what_is_no_table_gets_an_error_document(
    client: TestClient, content: bytes, said: str, status: int
) -> None:
    ((found, message),) = infos(await ask(client, "SELECT * FROM TAP_UPLOAD.t", ("t", content), status=status))
    assert found == "ERROR"
    assert said in message


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/t", "http://localhost/t", "http://169.254.169.254/latest"])
async def test_private_addresses_are_not_fetched(client: TestClient, url: str) -> None:
    ((_, message),) = infos(await ask(client, "SELECT * FROM TAP_UPLOAD.t", upload=f"t,{url}", status=400))
    assert "not a public address" in message


async def test_a_table_is_fetched_from_its_url(tmp_path: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/t":
            return web.Response(body=TABLE, content_type="application/x-votable+xml")
        raise web.HTTPNotFound

    far = web.Application()
    far.router.add_get("/{tail:.*}", answer)
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with (
        serving(tmp_path, url, allow_private=True) as app,
        TestClient(TestServer(app)) as client,
        TestServer(far) as server,
    ):
        there = str(server.make_url("/t"))
        assert await rows(client, "SELECT COUNT(*) FROM TAP_UPLOAD.t", upload=f"t,{there}") == [["3"]]
        missing = await ask(client, "SELECT * FROM TAP_UPLOAD.t", upload=f"t,{there}x", status=400)
        assert "404" in infos(missing)[0][1]


@pytest.mark.requirement("DA-10", "TA-05")
async def test_a_job_takes_an_uploaded_table(client: TestClient) -> None:
    data = form("SELECT COUNT(*) AS n FROM TAP_UPLOAD.t", "t,param:t", ("t", TABLE), PHASE="RUN", RESPONSEFORMAT="csv")
    async with client.post("/tap/async", data=data, allow_redirects=False) as response:
        assert response.status == 303
        job = response.headers["Location"].removeprefix("https://penstock.example")
    await completed(client, job)
    async with client.get(f"{job}/results/result") as response:
        assert (await response.text()).split() == ["n", "3"]


async def completed(client: TestClient, job: str) -> None:
    """Wait until a job is."""
    phase = "QUEUED"
    while phase in {"QUEUED", "EXECUTING"}:
        async with client.get(job, params={"WAIT": "10", "RESPONSEFORMAT": "json"}) as response:
            document = await response.json()
            phase = document["phase"]
    assert phase == "COMPLETED", document


@pytest_asyncio.fixture(loop_scope="module")
async def baskets(client: TestClient, tmp_path: Any) -> AsyncIterator[Baskets]:
    """The baskets of the service; in one of them are two files, of which one is observed, and something else."""
    own = client.app[RESOURCES]
    found = open_baskets(own.settings, own.db, own.clock)
    references = ("demo:7.fits", "https://x.org/links?ID=demo:none.fits", "https://x.org/other")
    await found.add(ANONYMOUS, "mine", [read_item({"reference": one}) for one in references])
    yield found


async def test_a_basket_is_a_table(client: TestClient, baskets: Baskets) -> None:
    query = "SELECT t.kind, o.obs_id FROM TAP_UPLOAD.t AS t LEFT JOIN ivoa.obscore AS o USING (obs_publisher_did)"
    found = await rows(client, query, upload="t,basket:mine")
    assert sorted(found) == [["datalink", ""], ["did", "demo:7"], ["url", ""]]
    missing = await ask(client, "SELECT * FROM TAP_UPLOAD.t", upload="t,basket:none", status=404)
    assert "none" in infos(missing)[0][1]


async def test_a_job_reads_a_basket_and_puts_its_result_into_another(client: TestClient, baskets: Baskets) -> None:
    query = "SELECT reference FROM TAP_UPLOAD.t"
    data = form(query, "t,basket:mine", PHASE="RUN", RESPONSEFORMAT="csv", BASKET="results")
    async with client.post("/tap/async", data=data, allow_redirects=False) as response:
        job = response.headers["Location"]
    await completed(client, job.removeprefix("https://penstock.example"))
    async with client.get(f"{job}/results/result".removeprefix("https://penstock.example")) as response:
        assert len((await response.text()).split()) == 4
    _, items = await baskets.page(ANONYMOUS, "results", after=0, limit=10)
    assert [(item.what.reference, item.what.label, item.what.kind) for item in items] == [
        (f"{job}/results/result", query, "tap")
    ]
