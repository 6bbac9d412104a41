"""Cone searches over HTTP, on both engines, by hand and with pyvo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import pytest_asyncio
import pyvo
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from astropy.io.votable import parse_single_table
from lxml import etree

from tap_proxy.plugin import scs
from tests.support.postgres import fresh_database
from tests.tap_proxy.hosting import resources
from xsd import validate

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = {"RA": "50", "DEC": "-15", "SR": "0.6"}  # rows lie on a line: number n at n/2 and n/10 - 25 degrees


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestClient]:
    folder = tmp_path_factory.mktemp("scs")
    url = f"sqlite:///{folder / 'test.db'}" if request.param == "sqlite" else fresh_database()
    async with resources(folder, url, rows=200, maxrec_hard=150, maxrec_default=100) as opened:
        app = web.Application()
        app.add_subapp("/scs", await scs.open(opened))
        async with TestClient(TestServer(app)) as client:
            yield client


async def ask(client: TestClient, status: int = 200, **params: str) -> bytes:
    async with client.get("/scs/query", params=HERE | params) as response:
        body = await response.read()
        assert response.status == status, body
        assert response.content_type == "application/x-votable+xml"
        return body


@pytest.mark.parametrize("verbosity", ["1", "2", "3"])
async def test_a_cone_has_the_three_columns_that_the_standard_wants(client: TestClient, verbosity: str) -> None:
    table = parse_single_table(BytesIO(await ask(client, VERB=verbosity)))
    for ucd in ("ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"):
        assert [field.ucd for field in table.fields].count(ucd) == 1
    assert sorted(table.array["s_ra"]) == [49.5, 50.0, 50.5]


async def test_verbosity_gives_more_columns(client: TestClient) -> None:
    counts = [len(parse_single_table(BytesIO(await ask(client, VERB=verb))).fields) for verb in "123"]
    assert counts == sorted(set(counts))


async def test_a_radius_of_zero_gives_columns_alone(client: TestClient) -> None:
    assert len(parse_single_table(BytesIO(await ask(client, SR="0"))).array) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"RA": ""},
        {"RA": "361"},
        {"RA": "12:30:00"},
        {"DEC": "-91"},
        {"DEC": "NaN"},
        {"SR": "-1"},
        {"SR": "181"},
        {"VERB": "4"},
        {"RA": "1 OR 1=1"},
    ],
)
async def test_an_error_is_told_as_the_standard_wants(client: TestClient, wrong: dict[str, str]) -> None:
    root = etree.fromstring(await ask(client, status=400, **wrong))
    infos = {info.get("name"): info.get("value") for info in root.iter("{*}INFO")}
    assert infos["QUERY_STATUS"] == "ERROR"
    assert next(iter(wrong)) in infos["Error"]


async def test_the_base_url_answers_who_gives_parameters(client: TestClient) -> None:
    async with client.get("/scs", params=HERE) as response, client.get("/scs") as page:
        assert (response.content_type, page.content_type) == ("application/x-votable+xml", "text/html")


async def test_pyvo_searches(client: TestClient) -> None:
    url = str(client.make_url("/scs/query"))
    results = await asyncio.to_thread(pyvo.dal.conesearch, url, (50.0, -15.0), 0.6)
    assert sorted(record.pos.ra.deg for record in results) == [49.5, 50.0, 50.5]
    assert all(record.id.startswith("ivo://") for record in results)


async def test_the_test_query_finds_something(client: TestClient) -> None:
    async with client.get("/scs/capabilities") as response:
        query = etree.fromstring(await response.read()).find(".//testQuery")
    params = {name.upper(): query.findtext(name) for name in ("ra", "dec", "sr", "verb")}
    extra, _, value = query.findtext("extras").partition("=")
    assert len(parse_single_table(BytesIO(await ask(client, **params, **{extra: value}))).array) == 1


async def test_capabilities_are_valid(client: TestClient) -> None:
    async with client.get("/scs/capabilities") as response:
        document = await response.read()
    (cone,) = etree.fromstring(document).findall("capability[@standardID='ivo://ivoa.net/std/ConeSearch']")
    assert cone.findtext("maxRecords") == "150"
    required = {param.findtext("name") for param in cone.iterfind("interface/param[@use='required']")}
    assert required == {"RA", "DEC", "SR"}
    assert validate(document) == []
