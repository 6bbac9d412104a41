"""Image searches over HTTP, on both engines, by hand and with pyvo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import pyvo
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from lxml import etree

from penstock.lake.catalogue import Catalogue
from tap_proxy.core.sia import PARAMETERS, STATES
from tap_proxy.plugin import sia
from tests.support.postgres import fresh_database
from tests.tap_proxy.hosting import observation, resources
from tests.tap_proxy.test_web import infos
from xsd import validate

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGE = observation(1) | {
    "dataproduct_type": "image",
    "s_ra": 10.0,
    "s_dec": 20.0,
    "s_region": "Circle ICRS 10 20 0.5",
    "em_min": 4e-7,
    "em_max": 5e-7,
    "t_min": 55000.0,
    "t_max": 55001.0,
    "pol_states": "/I/Q/",
}
OTHERS = [
    {**observation(2), "dataproduct_type": "image", "s_ra": 10.2, "s_dec": 20.0, "em_min": 1e-6, "em_max": 2e-6},
    {**observation(3), "dataproduct_type": "cube", "s_ra": 200.0, "s_dec": -60.0, "t_min": 59000.0, "t_max": 59001.0},
    {**observation(4), "dataproduct_type": "spectrum", "s_ra": 10.0, "s_dec": 20.0},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestClient]:
    folder = tmp_path_factory.mktemp("sia")
    url = f"sqlite:///{folder / 'test.db'}" if request.param == "sqlite" else fresh_database()
    async with resources(folder, url, rows=0) as opened:
        async with opened.db.write() as connection:
            for row in (IMAGE, *OTHERS):
                await connection.execute(sa.insert(Catalogue.of(opened.db.dialect).obscore), [row])
        app = web.Application()
        app.add_subapp("/sia", await sia.open(opened))
        async with TestClient(TestServer(app)) as client:
            yield client


async def found(client: TestClient, *pairs: tuple[str, str]) -> list[str]:
    params = [*pairs, ("RESPONSEFORMAT", "json")]
    async with client.get("/sia/query", params=params) as response:
        document = await response.json()
        assert response.status == 200, document
    number = [field["name"] for field in document["fields"]].index("obs_id")
    return sorted(row[number].removeprefix("demo:") for row in document["rows"])


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ["1", "2", "3"]),
        ([("POS", "CIRCLE 10 20.6 0.2")], ["1"]),
        ([("POS", "CIRCLE 10 20 0.3")], ["1", "2"]),
        ([("POS", "CIRCLE 10.2 20 0.01"), ("POS", "CIRCLE 200 -60 1")], ["1", "2", "3"]),
        ([("POS", "POLYGON 9 19 11 19 11 21 9 21")], ["1", "2"]),
        ([("POS", "RANGE 9 11 20.3 25")], ["1"]),
        ([("POS", "RANGE 350 11 19 21")], ["1", "2"]),
        ([("POS", "RANGE 0 360 -90 0")], ["3"]),
        ([("BAND", "4.5e-7")], ["1"]),
        ([("BAND", "4.5e-7 1.5e-6")], ["1", "2"]),
        ([("TIME", "58000 +Inf")], ["3"]),
        ([("POL", "Q")], ["1"]),
        ([("CALIB", "2"), ("CALIB", "3")], ["2", "3"]),
        ([("DPTYPE", "cube")], ["3"]),
        ([("TARGET", "target <2>")], ["2"]),
        ([("POS", "CIRCLE 10 20 0.3"), ("BAND", "1e-6")], ["2"]),
        ([("MAXREC", "0")], []),
    ],
)
async def test_a_search_finds_what_it_should(
    client: TestClient, pairs: list[tuple[str, str]], expected: list[str]
) -> None:
    assert await found(client, *pairs) == expected


async def test_an_identifier_is_found_however_its_part_for_registries_is_spelt(client: TestClient) -> None:
    spellings = {"ivo://penstock.example/lake?demo:3.fits": ["3"], "IVO://Penstock.Example/Lake?demo:3.fits": ["3"]}
    for spelling, expected in (spellings | {"ivo://penstock.example/lake?DEMO:3.fits": []}).items():
        assert await found(client, ("ID", spelling)) == expected


async def test_the_result_says_which_protocol_it_answers(client: TestClient) -> None:
    async with client.get("/sia/query", params={"MAXREC": "1"}) as response:
        root = etree.fromstring(await response.read())
    assert root.find(".//{*}INFO[@name='standardID']").get("value") == "ivo://ivoa.net/std/SIA#query-2.0"


async def test_an_error_is_a_votable(client: TestClient) -> None:
    async with client.get("/sia/query", params={"POS": "CIRCLE 1 2"}) as response:
        assert response.status == 400
        ((status, message),) = infos(await response.read())
    assert status == "ERROR"
    assert message.startswith("UsageFault: POS")


async def test_more_than_maxrec_is_told(client: TestClient) -> None:
    async with client.get("/sia/query", params={"MAXREC": "1"}) as response:
        assert [status for status, _ in infos(await response.read())] == ["OK", "OVERFLOW"]


async def test_pyvo_searches_and_follows_to_datalink(client: TestClient) -> None:
    def search() -> pyvo.dal.SIA2Results:
        url = str(client.make_url("/sia/query"))
        return pyvo.dal.SIA2Query(url, pos=(10.0, 20.0, 0.1), band=(4e-7, 4.5e-7)).execute()

    results = await asyncio.to_thread(search)
    assert [record["obs_id"] for record in results] == ["demo:1"]
    assert next(iter(results)).access_format == "application/x-votable+xml;content=datalink"


async def test_capabilities_are_valid(client: TestClient) -> None:
    async with client.get("/sia/capabilities") as response:
        document = await response.read()
    assert "ivo://ivoa.net/std/SIA#query-2.0" in {each.get("standardID") for each in etree.fromstring(document)}
    assert validate(document) == []


@pytest.mark.parametrize("maxrec", ["0", "5"])
async def test_a_result_describes_the_search_itself(client: TestClient, maxrec: str) -> None:
    async with client.get("/sia/query", params={"MAXREC": maxrec}) as response:
        document = await response.read()
    assert validate(document) == []
    (this,) = etree.fromstring(document).iterfind("{*}RESOURCE[@name='this']")
    told = {param.get("name"): param.get("value") for param in this.iterfind("{*}PARAM")}
    assert told == {
        "standardID": "ivo://ivoa.net/std/SIA#query-2.0",
        "accessURL": "https://penstock.example/sia/query",
    }
    inputs = this.findall("{*}GROUP[@name='inputParams']/{*}PARAM")
    assert {param.get("name") for param in inputs} == {*PARAMETERS, "MAXREC", "RESPONSEFORMAT"}
    assert len({param.get("name") for param in inputs}) == len(inputs)
    (states,) = (param for param in inputs if param.get("name") == "POL")
    assert [option.get("value") for option in states.iterfind("{*}VALUES/{*}OPTION")] == list(STATES)
