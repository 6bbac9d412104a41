"""DataLink as a caller meets it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from astropy.io.votable import parse_single_table
from lxml import etree
from yarl import URL

from datalink.plugin import datalink as service
from datalink.service import AT_ONCE
from penstock.lake.port import Did, DidType, Entry, Medium, Replica
from tests.datalink.builders import NOW, MemoryLake, a_file, mounted, resources

VOTABLE = {"v": "http://www.ivoa.net/xml/VOTable/v1.3"}
IVOID = "ivo://penstock.example/lake?demo:a.fits"
CONTENT = bytes(range(256)) * 12
MD5 = hashlib.md5(CONTENT).hexdigest()


async def client_of(aiohttp_client: Any, lake: MemoryLake, **settings: Any) -> TestClient:
    return await aiohttp_client(await mounted(service, resources(service, lake, **settings)))


@pytest.fixture
def lake(tmp_path: Path) -> MemoryLake:
    lake = MemoryLake()
    lake.add(a_file("a.fits", content=CONTENT, at=tmp_path))
    lake.add(a_file("run/1/b.fits"))
    return lake


@pytest.fixture
async def client(aiohttp_client: Any, lake: MemoryLake) -> TestClient:
    return await client_of(aiohttp_client, lake)


async def ask(client: TestClient, *ids: str, post: bool = False, **more: str) -> tuple[list[dict[str, str]], bytes]:
    pairs = [("ID", one) for one in ids] + list(more.items())
    send = client.post("/datalink/links", data=pairs) if post else client.get("/datalink/links", params=pairs)
    async with send as response:
        body = await response.read()
        assert response.status == 200, body
    return read(body), body


def read(body: bytes) -> list[dict[str, str]]:
    root = etree.fromstring(body)
    names = root.xpath("//v:TABLE/v:FIELD/@name", namespaces=VOTABLE)
    cells = [[cell.text or "" for cell in row] for row in root.iterfind(".//v:TR", VOTABLE)]
    return [dict(zip(names, row, strict=True)) for row in cells]


def overflowed(body: bytes) -> bool:
    return bool(etree.fromstring(body).xpath("//v:INFO[@name='QUERY_STATUS'][@value='OVERFLOW']", namespaces=VOTABLE))


async def test_no_id_gives_an_empty_table_that_describes_the_service(client: TestClient) -> None:
    rows, body = await ask(client)
    root = etree.fromstring(body)
    assert rows == []
    assert root.xpath("//v:RESOURCE[@utype='adhoc:this']//v:PARAM/@name", namespaces=VOTABLE) == [
        "standardID",
        "accessURL",
        "contentType",
        "ID",
        "SITE",
        "LAT",
        "LON",
        "PAGE",
    ]


@pytest.mark.parametrize("post", [False, True])
async def test_every_id_is_answered_in_order_with_its_own_spelling(client: TestClient, post: bool) -> None:
    ids = ["demo:gone", IVOID, "demo:a.fits", "nonsense", "IVO://Penstock.Example/lake?demo:run%2F1%2Fb.fits", IVOID]
    rows, body = await ask(client, *ids, post=post)
    assert list(dict.fromkeys(row["ID"] for row in rows)) == list(dict.fromkeys(ids))
    runs = [row["ID"] for n, row in enumerate(rows) if n == 0 or rows[n - 1]["ID"] != row["ID"]]
    assert len(runs) == 5, "the rows of an ID stand together"
    assert [row["error_message"].partition(":")[0] for row in rows if row["error_message"]] == [
        "NotFoundFault",
        "UsageFault",
    ]
    assert next(iter(read(body)[0])) == "ID"


async def test_the_lake_is_asked_once_however_many_ids_there_are(client: TestClient, lake: MemoryLake) -> None:
    await ask(client, *(f"demo:{n}" for n in range(500)), "demo:a.fits", IVOID, post=True)
    assert lake.calls == 1


@pytest.mark.parametrize(
    "hostile",
    [
        "demo:a\nb",
        "demo:'; DROP TABLE files --",
        'demo:<a href="x">&amp;</a>]]>',
        "demo:" + "x" * 5000,
        ":",
        "demo:",
        "ivo://elsewhere.example/lake?demo:a.fits",
        "ivo://penstock.example/lake",
        "ivo://penstock.example/lake?%00:%ff",
        "http://example.org/a.fits",
        "../../etc/passwd",
        "demo:%2e%2e",
        " ",
    ],
)
async def test_a_hostile_id_gets_a_row_of_its_own_and_spoils_nothing(client: TestClient, hostile: str) -> None:
    rows, _ = await ask(client, hostile, "demo:a.fits")
    assert rows[0]["ID"].strip() == hostile.strip()
    assert rows[0]["error_message"].startswith(("UsageFault:", "NotFoundFault:"))
    assert {row["ID"] for row in rows[1:]} == {"demo:a.fits"}
    assert len(rows) == 4


async def test_nul_is_refused_as_a_whole(client: TestClient) -> None:
    response = await client.get("/datalink/links?ID=demo:%00")
    assert response.status == 400
    assert b"UsageFault: " in await response.read()


async def test_ids_beyond_the_limit_overflow_at_the_boundary_of_an_id(aiohttp_client: Any, lake: MemoryLake) -> None:
    client = await client_of(aiohttp_client, lake, max_ids=2)
    rows, body = await ask(client, "demo:a.fits", "demo:run/1/b.fits", "demo:c")
    assert overflowed(body)
    assert [row["ID"] for row in rows] == ["demo:a.fits"] * 3 + ["demo:run/1/b.fits"] * 3
    assert not overflowed((await ask(client, "demo:a.fits", "demo:a.fits", "demo:c"))[1])


async def test_maxrec_0_needs_no_lake(client: TestClient, lake: MemoryLake) -> None:
    lake.away = True
    rows, body = await ask(client, "demo:a.fits", MAXREC="0")
    assert (rows, overflowed(body), lake.calls) == ([], True, 0)


@pytest.mark.parametrize(
    ("maxrec", "count", "overflow"),
    [("0", 0, True), ("2", 0, True), ("3", 3, True), ("5", 3, True), ("6", 6, False), ("100", 6, False)],
)
async def test_maxrec_never_cuts_the_links_of_an_id(
    client: TestClient, maxrec: str, count: int, overflow: bool
) -> None:
    rows, body = await ask(client, "demo:a.fits", "demo:run/1/b.fits", MAXREC=maxrec)
    assert (len(rows), overflowed(body)) == (count, overflow)


@pytest.mark.parametrize(
    "query",
    [
        "MAXREC=-1",
        "MAXREC=many",
        "MAXREC=1&maxrec=2",
        "RESPONSEFORMAT=csv",
        "LAT=1",
        "LAT=x&LON=y",
        "SITE=atlantis",
        "RESPONSEFORMAT=image/png",
        "ID=%ff",
    ],
)
async def test_a_wrong_request_is_a_fault_in_a_votable(client: TestClient, query: str) -> None:
    response = await client.get(f"/datalink/links?ID=demo:a.fits&{query}")
    body = await response.read()
    assert response.status == 400
    assert response.content_type == "application/x-votable+xml"
    (info,) = etree.fromstring(body).xpath("//v:INFO[@name='QUERY_STATUS']", namespaces=VOTABLE)
    assert info.get("value") == "ERROR"
    assert info.text.startswith("UsageFault: ")


@pytest.mark.parametrize(
    "asked",
    [None, "votable", "application/x-votable+xml", "application/x-votable+xml;content=datalink", "text/xml"],
)
async def test_the_content_type_is_that_of_datalink_or_what_was_asked_for(
    client: TestClient, asked: str | None
) -> None:
    response = await client.get("/datalink/links", params={"RESPONSEFORMAT": asked} if asked else {})
    named = asked is not None and "/" in asked
    expected = asked if named else "application/x-votable+xml;content=datalink"
    assert response.headers["Content-Type"] == expected


@pytest.mark.parametrize("state", ["away", "stuck"])
async def test_a_lake_that_is_away_or_stuck_is_a_transient_fault_of_each_id(
    aiohttp_client: Any, lake: MemoryLake, state: str
) -> None:
    client = await client_of(aiohttp_client, lake, deadline_s=0.05)
    setattr(lake, state, True)
    rows, _ = await ask(client, "demo:a.fits", "nonsense", IVOID)
    assert [row["error_message"].partition(":")[0] for row in rows] == [
        "TransientFault",
        "UsageFault",
        "TransientFault",
    ]
    data = await client.get("/datalink/data/demo/a.fits")
    assert data.status == 503
    availability = await client.get("/datalink/availability")
    assert b"false" in await availability.read()


async def test_what_the_lake_answered_is_told_though_it_fails_at_another_thousand(
    client: TestClient, lake: MemoryLake
) -> None:
    lake.lost = Did("demo", "late.fits")
    others = [f"demo:{number}" for number in range(AT_ONCE - 1)]
    rows, _ = await ask(client, "demo:a.fits", *others, "demo:late.fits", post=True)
    faults = {row["ID"]: row["error_message"].partition(":")[0] for row in rows}
    assert (faults["demo:a.fits"], faults["demo:0"], faults["demo:late.fits"]) == (
        "",
        "NotFoundFault",
        "TransientFault",
    )


def semantics(rows: list[dict[str, str]]) -> list[str]:
    return [row["semantics"].rpartition("/")[2] for row in rows]


async def test_the_members_of_a_dataset_come_in_pages(aiohttp_client: Any, lake: MemoryLake) -> None:
    client = await client_of(aiohttp_client, lake, max_members=2)
    did = Did("demo", "set")
    lake.add(Entry(did=did, type=DidType.DATASET))
    members = [Did("demo", f"{n}.fits") for n in range(5)]
    lake.members[did] = tuple(members)
    target, seen = client.make_url("/datalink/links").with_query(ID="demo:set"), []
    for _ in range(3):
        rows = read(await (await client.session.get(target)).read())
        seen += [row["access_url"] for row in rows if row["semantics"].endswith("#member")]
        target = URL(next((row["access_url"] for row in rows if row["semantics"].endswith("#more")), ""))
    assert seen == [f"{client.make_url('/datalink/links')}?ID=demo%3A{n}.fits" for n in range(5)]
    assert str(target) == "", "the last page leads nowhere"
    rows, _ = await ask(client, "demo:set")
    assert semantics(rows) == ["#package", "terms#member", "terms#member", "terms#more"]
    rows, _ = await ask(client, "demo:set", PAGE="9")
    assert [row["error_message"] for row in rows] == ["NotFoundFault: demo:set has no page 9 of members"]
    assert (await client.get("/datalink/data/demo/set")).status == 404


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "99999999"])
async def test_a_page_that_cannot_be_is_refused(client: TestClient, page: str) -> None:
    assert (await client.get("/datalink/links", params={"ID": "demo:a.fits", "PAGE": page})).status == 400


async def test_this_redirects_to_the_nearest_replica_where_the_deployment_wants_it(
    aiohttp_client: Any, lake: MemoryLake
) -> None:
    client = await client_of(aiohttp_client, lake, delivery="redirect")
    rows, _ = await ask(client, "demo:a.fits")
    for query, site in (("", "paris"), ("?SITE=perth", "perth"), ("?lat=-30&lon=120", "perth")):
        response = await client.session.get(rows[0]["access_url"] + query, allow_redirects=False)
        assert response.status == 302
        assert response.headers["Location"] == f"{client.make_url('/datalink')}/replicas/{site}/demo/a.fits"


@pytest.mark.parametrize("delivery", ["redirect", "proxy"])
async def test_an_answer_tells_checksums_and_duplicates(aiohttp_client: Any, lake: MemoryLake, delivery: str) -> None:
    client = await client_of(aiohttp_client, lake, delivery=delivery)
    response = await client.get("/datalink/data/demo/a.fits", allow_redirects=False)
    digest = dict(part.split("=", 1) for part in response.headers["Digest"].split(","))
    assert base64.b64decode(digest["md5"]).hex() == MD5
    assert f"md5=:{digest['md5']}:" in response.headers["Repr-Digest"]
    base = client.make_url("/datalink")
    assert response.headers.getall("Link") == [
        f'<{base}/metalink/demo/a.fits>; rel=describedby; type="application/metalink4+xml"',
        f"<{base}/replicas/paris/demo/a.fits>; rel=duplicate; pri=1",
        f"<{base}/replicas/perth/demo/a.fits>; rel=duplicate; pri=2",
    ]


async def test_the_bytes_come_whole_in_part_and_not_at_all(client: TestClient) -> None:
    whole = await client.get("/datalink/data/demo/a.fits")
    assert await whole.read() == CONTENT
    assert whole.headers["ETag"] == f'"{MD5}"'
    assert whole.headers["Content-Type"] == "application/fits"
    part = await client.get("/datalink/data/demo/a.fits", headers={"Range": "bytes=10-19"})
    assert (part.status, await part.read()) == (206, CONTENT[10:20])
    head = await client.head("/datalink/replicas/perth/demo/a.fits")
    assert (head.headers["Content-Length"], await head.read()) == (str(len(CONTENT)), b"")


@pytest.mark.parametrize("route", ["/datalink/data/demo/a.fits", "/datalink/replicas/paris/demo/a.fits"])
async def test_an_embargo_holds_back_the_bytes(client: TestClient, lake: MemoryLake, route: str) -> None:
    lake.add(replace(lake.entries[Did("demo", "a.fits")], public_from=NOW + timedelta(days=1)))
    response = await client.get(route)
    assert response.status == 403
    assert (await response.text()) == "AuthorizationError: demo:a.fits is under embargo until 2026-11-22T12:00:00Z.\n"
    rows, _ = await ask(client, "demo:a.fits")
    assert {(row["link_auth"], row["link_authorized"]) for row in rows} == {("true", "false")}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("data/demo/gone", 404),
        ("data/demo/tape", 503),
        ("data/demo/bare", 404),
        ("data/demo", 404),
        ("data/demo/" + "x" * 600, 400),
        ("data/demo/a%0ab", 404),
        ("data/demo/..%2F..%2Fetc%2Fpasswd", 404),
        ("replicas/atlantis/demo/a.fits", 404),
        ("replicas/paris/demo/run/1/b.fits", 404),
        ("replicas/paris/demo/..%2F..%2F..%2Fetc%2Fpasswd", 404),
        ("replicas/%2Fetc/demo/passwd", 404),
        ("data/demo/dir/links", 404),
        ("nothing", 404),
    ],
)
async def test_what_cannot_be_had_is_told_as_text(client: TestClient, lake: MemoryLake, path: str, status: int) -> None:
    lake.add(a_file("tape", replicas=(Replica(site="vault", medium=Medium.TAPE),)))
    lake.add(a_file("bare", replicas=()))
    response = await client.session.get(URL(f"{client.make_url('/')}datalink/{path}", encoded=True))
    assert response.status == status, await response.text()
    assert response.content_type == "text/plain"


async def test_a_replica_whose_file_has_vanished_is_not_found(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "paris" / "a.fits").unlink()
    assert (await client.get("/datalink/replicas/paris/demo/a.fits")).status == 404


async def test_names_with_slashes_and_odd_characters_go_round(
    client: TestClient, lake: MemoryLake, tmp_path: Path
) -> None:
    names = ["run/1/c d.fits", "a;b&c?d#e%f+g", "α", "x//y", "%2F", "..%2f", "a/../b"]
    for name in names:
        safe = hashlib.md5(name.encode()).hexdigest()
        entry = a_file(safe, "paris", content=name.encode(), at=tmp_path)
        lake.add(replace(entry, did=Did("demo", name)))
    rows, _ = await ask(client, *(f"demo:{name}" for name in names))
    for row, name in zip(rows[::2], names, strict=True):
        response = await client.session.get(URL(row["access_url"], encoded=True))
        assert await response.read() == name.encode(), row["access_url"]


async def test_our_terms_are_explained_where_their_uris_lead(client: TestClient) -> None:
    rows, _ = await ask(client, "demo:a.fits")
    response = await client.session.get(rows[1]["semantics"])
    fragment = rows[1]["semantics"].partition("#")[2]
    assert f'id="{fragment}"' in await response.text()


@pytest.mark.parametrize("path", ["/datalink", "/datalink/"])
async def test_people_get_a_page(client: TestClient, path: str) -> None:
    response = await client.get(path)
    assert response.content_type == "text/html"
    assert "/datalink/links" in await response.text()


async def test_another_method_is_refused_with_those_allowed(client: TestClient) -> None:
    response = await client.delete("/datalink/links")
    assert response.status == 405
    assert "GET" in response.headers["Allow"]


async def test_astropy_reads_the_table(client: TestClient) -> None:
    _, body = await ask(client, "demo:a.fits", "demo:none")
    table = await asyncio.to_thread(lambda: parse_single_table(io.BytesIO(body)).to_table())
    assert list(table["content_length"][:3]) == [len(CONTENT)] * 3
    assert bool(table["link_authorized"][0])
