"""The service over HTTP, on both engines."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest
import pytest_asyncio
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from lxml import etree

from tests.support.postgres import fresh_database
from tests.support.systems import require_shared
from tests.tap_proxy.hosting import BASE, ROWS, TAP, serving

STAR = "SELECT * FROM ivoa.obscore"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestClient]:
    """Talk to one service on each engine; no test changes what it holds."""
    folder = tmp_path_factory.mktemp("tap")
    url = f"sqlite:///{folder / 'test.db'}" if request.param == "sqlite" else fresh_database()
    limits = {"maxrec_default": 100, "maxrec_hard": 300, "max_query_bytes": 200_000}
    async with serving(folder, url, **limits) as app, TestClient(TestServer(app)) as opened:
        yield opened


async def query(client: TestClient, text: str, *, method: str = "POST", status: int = 200, **params: str) -> bytes:
    fields = {"LANG": "ADQL", "QUERY": text} | params
    given: dict[str, Any] = {"params": fields} if method == "GET" else {"data": fields}
    async with client.request(method, "/tap/sync", **given) as response:
        body = await response.read()
        assert response.status == status, body
        return body


async def rows(client: TestClient, text: str, **params: str) -> list[list[str]]:
    body = await query(client, text, RESPONSEFORMAT="csv", **params)
    return list(csv.reader(io.StringIO(body.decode(), newline="")))[1:]


def infos(document: bytes) -> list[tuple[str, str]]:
    found = ElementTree.fromstring(document).iterfind(".//{*}INFO[@name='QUERY_STATUS']")
    return [(info.get("value", ""), info.text or "") for info in found]


def statuses(document: bytes) -> list[str]:
    return [value for value, _ in infos(document)]


def count(document: bytes) -> int:
    return len(ElementTree.fromstring(document).findall(".//{*}TR"))


@pytest.mark.requirement("DA-04")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_sync_answers_get_and_post(client: TestClient, method: str) -> None:
    document = await query(client, "SELECT TOP 3 obs_id FROM ivoa.obscore", method=method)
    assert (count(document), statuses(document)) == (3, ["OK"])


@pytest.mark.requirement("DA-01")
async def test_sync_reads_multipart_forms(client: TestClient) -> None:
    form = FormData({"LANG": "ADQL", "QUERY": "SELECT TOP 2 obs_id FROM ivoa.obscore"})
    form._is_multipart = True
    async with client.post("/tap/sync", data=form) as response:
        assert count(await response.read()) == 2


@pytest.mark.requirement("DA-09", "TA-09")
@pytest.mark.parametrize(
    ("text", "maxrec", "returned", "expected"),
    [
        (STAR, None, 100, ["OK", "OVERFLOW"]),
        (STAR, "1000000", 300, ["OK", "OVERFLOW"]),
        (STAR, "7", 7, ["OK", "OVERFLOW"]),
        (STAR, "0", 0, ["OK", "OVERFLOW"]),
        ("SELECT TOP 5 * FROM ivoa.obscore", "7", 5, ["OK"]),
        ("SELECT TOP 7 * FROM ivoa.obscore", "7", 7, ["OK"]),
        ("SELECT TOP 8 * FROM ivoa.obscore", "7", 7, ["OK", "OVERFLOW"]),
        ("SELECT * FROM ivoa.obscore WHERE calib_level = 0", "100", 100, ["OK"]),
        ("SELECT * FROM ivoa.obscore WHERE calib_level > 9", "5", 0, ["OK"]),
    ],
)
async def test_maxrec_cuts_and_says_so(
    client: TestClient, text: str, maxrec: str | None, returned: int, expected: list[str]
) -> None:
    document = await query(client, text, **({"MAXREC": maxrec} if maxrec is not None else {}))
    assert (count(document), statuses(document)) == (returned, expected)


@pytest.mark.parametrize("form", ["votable", "votable/b2", "csv", "tsv", "json", "html", "parquet", "arrow"])
async def test_every_format_is_sent_with_its_media_type(client: TestClient, form: str) -> None:
    data = {"LANG": "ADQL", "QUERY": "SELECT TOP 3 s_ra, target_name FROM ivoa.obscore", "RESPONSEFORMAT": form}
    async with client.post("/tap/sync", data=data) as response:
        assert (response.status, len(await response.read()) > 0) == (200, True)
        assert response.headers["Content-Type"]


async def test_a_result_is_a_valid_votable(client: TestClient) -> None:
    schema = etree.XMLSchema(etree.parse(require_shared("xsd", "VOTable-1.4.xsd")))
    for form in ("votable", "votable/b2"):
        schema.assertValid(etree.fromstring(await query(client, STAR, MAXREC="3", RESPONSEFORMAT=form)))
    schema.assertValid(etree.fromstring(await query(client, "DUFF QUERY", status=400)))


async def test_paths_are_urls_wherever_a_query_uses_them(client: TestClient) -> None:
    url = f"{BASE}/datalink/links?ID=7"
    assert await rows(client, f"SELECT obs_id FROM ivoa.obscore WHERE access_url = '{url}'") == [["demo:7"]]
    assert await rows(client, "SELECT UPPER(o.access_url) AS u FROM ivoa.obscore AS o WHERE obs_id = 'demo:7'") == [
        [url.upper()]
    ]
    joined = "SELECT a.access_url, b.access_url FROM ivoa.obscore AS a JOIN ivoa.obscore AS b ON a.obs_id = b.obs_id"
    assert await rows(client, f"{joined} WHERE a.obs_id = 'demo:7'") == [[url, url]]


async def test_a_result_leads_to_datalink(client: TestClient) -> None:
    document = ElementTree.fromstring(await query(client, "SELECT TOP 1 obs_publisher_did AS d FROM ivoa.obscore"))
    service = document.find("{*}RESOURCE[@utype='adhoc:service']")
    assert service is not None
    access_url = service.find("{*}PARAM[@name='accessURL']")
    assert access_url is not None
    assert access_url.get("value") == f"{BASE}/datalink/links"


async def test_a_cone_finds_what_lies_in_it(client: TestClient) -> None:
    text = "SELECT obs_id FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(50, -15, 0.3))"
    assert await rows(client, text) == [["demo:100"]]


async def test_geometries_leave_as_arrays(client: TestClient) -> None:
    assert await rows(client, "SELECT POINT(s_ra, s_dec) AS p FROM ivoa.obscore WHERE obs_id = 'demo:100'") == [
        ["50 -15"]
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DUFF QUERY", "Line 1"),
        ("SELECT nothing FROM ivoa.obscore", "nothing"),
        ("SELECT * FROM ivoa.nothing", "nothing"),
        ("SELECT * FROM uws.job", "job"),
        ("SELECT * FROM sqlite_master", "sqlite_master"),
        ("SELECT * FROM pg_catalog.pg_user", "pg_user"),
        ("SELECT TOP 1 * FROM ivoa.obscore; DROP TABLE ivoa__obscore", "Line 1"),
        ("DELETE FROM ivoa.obscore", "Line 1"),
        ("SELECT TOP 1 obs_id FROM ivoa.obscore WHERE obs_id = 'x' OR 1=1; --", None),
        ("SELECT 'a' AS b FROM", "Line 1"),
        ("SELECT \x01 FROM ivoa.obscore", "Line 1"),
        ("SELECT * FROM ivoa.obscore WHERE obs_id = '" + "x" * 90_000, "Line 1"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000 + " FROM ivoa.obscore", None),
        ("SELECT obs_id FROM ivoa.obscore WHERE " + " OR ".join(["calib_level = 1"] * 5000), None),
    ],
)
async def test_a_bad_query_gets_an_error_that_helps(client: TestClient, text: str, said: str | None) -> None:
    async with client.post("/tap/sync", data={"LANG": "ADQL", "QUERY": text}) as response:
        body = await response.read()
    if response.status == 200:
        assert said is None
        return
    assert response.status == 400, body
    ((status, message),) = infos(body)
    assert status == "ERROR"
    assert (said or "") in message
    assert await rows(client, "SELECT COUNT(*) AS n FROM ivoa.obscore") == [[str(ROWS)]]


@pytest.mark.parametrize("maxrec", ["0", "5"])
async def test_a_result_warns_of_what_is_deprecated(client: TestClient, maxrec: str) -> None:
    text = "SELECT obs_id FROM ivoa.obscore WHERE 1 = CONTAINS(POINT('GALACTIC', s_ra, s_dec), CIRCLE(1, 2, 3))"
    document = ElementTree.fromstring(await query(client, text, MAXREC=maxrec))
    (warning,) = document.iterfind(".//{*}INFO[@name='warning']")
    assert warning.get("value", "").endswith("coordinates are taken as ICRS")


@pytest.mark.parametrize(
    "params",
    [
        {"LANG": "OOBLECK"},
        {"LANG": ""},
        {"QUERY": ""},
        {"MAXREC": "-1"},
        {"MAXREC": "many"},
        {"RESPONSEFORMAT": "application/pdf"},
        {"UPLOAD": "t,param:missing"},
    ],
)
async def test_bad_parameters_get_an_error_document(client: TestClient, params: dict[str, str]) -> None:
    body = await query(
        client, params.get("QUERY", STAR), status=400, **{k: v for k, v in params.items() if k != "QUERY"}
    )
    ((status, message),) = infos(body)
    assert status == "ERROR"
    assert message.startswith("UsageError: ")


async def test_a_parameter_given_twice_gets_an_error_document(client: TestClient) -> None:
    data = [("LANG", "ADQL"), ("QUERY", STAR), ("query", STAR)]
    async with client.post("/tap/sync", data=data) as response:
        assert response.status == 400
        assert infos(await response.read())[0][1].startswith("MultiValuedParamNotSupported")


async def test_a_query_of_ten_megabytes_is_too_large(client: TestClient) -> None:
    body = await query(client, "SELECT " + "1, " * 3_500_000, status=413)
    assert statuses(body) == ["ERROR"]
    assert count(await query(client, STAR, MAXREC="1")) == 1


async def test_tap_schema_can_be_queried(client: TestClient) -> None:
    tables = await rows(client, "SELECT table_name FROM tap_schema.tables ORDER BY table_name")
    assert ["ivoa.obscore"] in tables
    assert ["tap_schema.columns"] in tables
    sized = await rows(client, """SELECT "size" FROM TAP_SCHEMA.columns WHERE column_name = '"size"'""")
    assert sized == [[""]] or sized == [[""]]


@pytest.mark.requirement("VO-03")
async def test_the_documents_are_valid(client: TestClient) -> None:
    schema = etree.XMLSchema(etree.parse(require_shared("xsd", "ALL.xsd")))
    for path in ("capabilities", "availability", "tables", "tables/ivoa.obscore", "tables?detail=min"):
        async with client.get(f"/tap/{path}") as response:
            assert response.status == 200
            schema.assertValid(etree.fromstring(await response.read()))


@pytest.mark.requirement("TA-01")
async def test_capabilities_tell_where_the_service_is(client: TestClient) -> None:
    async with client.get("/tap/capabilities") as response:
        root = ElementTree.fromstring(await response.read())
    (tap,) = root.findall("capability[@standardID='ivo://ivoa.net/std/TAP']")
    assert tap.findtext("interface/accessURL") == TAP
    assert [limit.text for limit in tap.findall("outputLimit/*")] == ["100", "300"]
    assert {model.get("ivo-id") for model in tap.findall("dataModel")} == {"ivo://ivoa.net/std/ObsCore#core-1.1"}
    ways = {method.get("ivo-id", "").rpartition("-")[2] for method in tap.findall("uploadMethod")}
    assert ways == {"inline", "http", "https"}


@pytest.mark.requirement("TA-10")
async def test_the_examples_run(client: TestClient) -> None:
    async with client.get("/tap/examples") as response:
        assert response.content_type == "application/xhtml+xml"
        root = ElementTree.fromstring(await response.read())
    queries = ["".join(element.itertext()) for element in root.iterfind(".//*[@property='query']")]
    assert len(queries) >= 4
    for text in queries:
        assert statuses(await query(client, text))[0] == "OK"


@pytest.mark.parametrize("path", ["/tap", "/tap/"])
async def test_the_base_url_shows_a_page(client: TestClient, path: str) -> None:
    async with client.get(path) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert f"{TAP}/sync" in await response.text()


@pytest.mark.parametrize(("path", "status"), [("/tap/nothing", 404), ("/tap/tables/no.such", 404)])
async def test_what_is_not_there_gets_an_error_document(client: TestClient, path: str, status: int) -> None:
    async with client.get(path) as response:
        assert response.status == status
        assert statuses(await response.read()) == ["ERROR"]


async def test_jobs_have_the_durations_that_the_capabilities_tell(client: TestClient) -> None:
    async with client.get("/tap/capabilities") as response:
        told = etree.fromstring(await response.read())
    for asked, limit in ((None, "default"), ("2147483647", "hard")):
        wish = {} if asked is None else {"EXECUTIONDURATION": asked}
        async with client.post("/tap/async", data=wish, allow_redirects=False) as response:
            job = response.headers["Location"].removeprefix("https://penstock.example")
        async with client.get(f"{job}/executionduration") as response:
            assert await response.text() == told.findtext(f".//executionDuration/{limit}")


async def run_job(client: TestClient, **params: str) -> str:
    async with client.post("/tap/async", data=params, allow_redirects=False) as response:
        assert response.status == 303
        path = "/tap" + response.headers["Location"].removeprefix(TAP)
    await client.post(f"{path}/phase", data={"PHASE": "RUN"}, allow_redirects=False)
    async with asyncio.timeout(30):
        while True:
            async with client.get(path, params={"WAIT": "5"}) as response:
                phase = ElementTree.fromstring(await response.read()).findtext("{*}phase")
            if phase not in ("QUEUED", "EXECUTING"):
                return path if phase == "COMPLETED" else f"{phase} {path}"


@pytest.mark.requirement("TA-02", "U-103")
async def test_a_query_runs_as_a_job(client: TestClient) -> None:
    path = await run_job(client, LANG="ADQL", QUERY=STAR, MAXREC="150")
    async with client.get(f"{path}/results/result") as response:
        document = await response.read()
    assert (count(document), statuses(document)) == (150, ["OK", "OVERFLOW"])
    assert f"{BASE}/datalink/links?ID=" in document.decode()


@pytest.mark.requirement("TA-03", "TA-08")
@pytest.mark.parametrize(
    "params", [{"LANG": "ADQL", "QUERY": "DUFF"}, {"QUERY": STAR}, {"LANG": "X", "QUERY": STAR}, {}]
)
async def test_a_bad_query_is_accepted_and_fails_when_it_runs(client: TestClient, params: dict[str, str]) -> None:
    phase, path = (await run_job(client, **params)).split()
    assert phase == "ERROR"
    async with client.get(f"{path}/error") as response:
        ((status, message),) = infos(await response.read())
    assert (response.status, status) == (200, "ERROR")
    assert message
    async with client.get(f"{path}/results/result") as response:
        ((_, missing),) = infos(await response.read())
    assert (response.status, missing.endswith(message)) == (404, True)
