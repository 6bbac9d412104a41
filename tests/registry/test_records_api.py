"""Records over HTTP, as operators, programs and people meet them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from lxml import etree

from penstock.db import Database
from registry.store import RecordStore
from tests.registry.builders import NamedCallers, a_record, a_service, migrated, registry_app
from xsd.validation import validate

HAND = "/registry/records/penstock.example/hand"
LIST = "/registry/records"
XML = {"Content-Type": "application/xml"}
ADMIN = {"X-Test-Caller": "admin", **XML}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = await migrated(f"sqlite:///{tmp_path / 'test.db'}")
    yield db
    await db.close()


@pytest.fixture
async def client(aiohttp_client: Any, db: Database) -> TestClient:
    return await aiohttp_client(await registry_app(db, [a_service("tap")], authenticator=NamedCallers()))


async def test_an_admin_writes_a_record_that_harvesters_then_get(client: TestClient) -> None:
    created = await client.post(LIST, data=a_record(), headers=ADMIN)
    assert created.status == 201, await created.text()
    assert created.headers["Location"] == str(client.make_url(HAND))
    got = await client.get(HAND)
    assert got.headers["ETag"] == created.headers["ETag"]
    assert validate(await got.read()) == []
    oai = await client.get("/registry/oai?verb=ListIdentifiers&metadataPrefix=ivo_vor&set=ivo_managed")
    assert "ivo://penstock.example/hand" in await oai.text()


async def test_the_same_content_keeps_its_date_and_a_new_one_gets_another(client: TestClient) -> None:
    first = await client.put(HAND, data=a_record(), headers=ADMIN)
    again = await client.put(HAND, data=a_record(), headers=ADMIN)
    changed = await client.put(HAND, data=a_record(text="Other."), headers=ADMIN)
    assert (first.status, again.status, changed.status) == (201, 200, 200)
    assert first.headers["ETag"] == again.headers["ETag"] != changed.headers["ETag"]


async def test_a_deleted_record_is_gone_for_readers_and_told_to_harvesters(client: TestClient) -> None:
    await client.put(HAND, data=a_record(), headers=ADMIN)
    assert (await client.delete(HAND, headers=ADMIN)).status == 204
    assert (await client.get(HAND)).status == 404
    assert (await client.delete(HAND, headers=ADMIN)).status == 404
    oai = await client.get("/registry/oai?verb=GetRecord&metadataPrefix=ivo_vor&identifier=ivo://penstock.example/hand")
    assert 'status="deleted"' in await oai.text()
    assert (await client.post(LIST, data=a_record(), headers=ADMIN)).status == 201, "it may come back"


@pytest.mark.parametrize(("caller", "status"), [(None, 401), ("somebody", 403)])
@pytest.mark.parametrize(("method", "path"), [("POST", LIST), ("PUT", HAND), ("DELETE", HAND)])
async def test_only_admins_change_records(
    client: TestClient, caller: str | None, status: int, method: str, path: str
) -> None:
    headers = XML | ({"X-Test-Caller": caller} if caller else {})
    response = await client.request(method, path, data=a_record(), headers=headers)
    assert response.status == status
    assert response.content_type == "application/problem+json"
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert (await client.get(HAND)).status == 404


async def test_where_nobody_can_sign_in_the_answer_names_the_command(aiohttp_client: Any, db: Database) -> None:
    client = await aiohttp_client(await registry_app(db))
    response = await client.put(HAND, data=a_record(), headers=XML)
    assert response.status == 403
    assert "penstock registry" in (await response.json())["detail"]


async def test_an_invalid_record_is_refused_with_line_and_rule(client: TestClient) -> None:
    bad = a_record().replace(b"<subject>surveys</subject>", b"").replace(b"https://example.org/q", b"/q")
    response = await client.put(HAND, data=bad, headers=ADMIN)
    problem = await response.json()
    assert (response.status, response.content_type) == (422, "application/problem+json")
    assert [one["line"] for one in problem["findings"]] == sorted(one["line"] for one in problem["findings"])
    assert {one["rule"] for one in problem["findings"]} == {"schema", "VOResource 1.1 s3.2.3"}
    assert (await client.get(HAND)).status == 404


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", ADMIN, 422),
        (b"<a", ADMIN, 422),
        (b"<a/>", ADMIN, 422),
        (b'<!DOCTYPE a [<!ENTITY x "y">]>' + a_record().replace(b"By hand", b"&x;"), ADMIN, 422),
        (
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + a_record().replace(b"By hand", b"&x;"),
            ADMIN,
            422,
        ),
        (a_record("ivo://third.org/x"), ADMIN, 422),
        (a_record("ivo://penstock.example/other"), ADMIN, 400),
        (a_record(), ADMIN | {"Content-Type": "text/plain"}, 415),
        (a_record(text="x" * 20_000), ADMIN, 413),
        (a_record(), ADMIN | {"If-Match": '"other"'}, 412),
        (a_record(), ADMIN | {"If-Match": "*"}, 412),
    ],
)
async def test_what_cannot_be_written_is_refused(
    aiohttp_client: Any, db: Database, body: bytes, headers: dict[str, str], status: int
) -> None:
    app = await registry_app(db, authenticator=NamedCallers(), max_record_bytes=10_000)
    client = await aiohttp_client(app)
    response = await client.put(HAND, data=body, headers=headers)
    assert response.status == status, await response.text()
    assert (await response.json())["detail"]
    assert (await client.get(HAND)).status == 404


async def test_preconditions_keep_one_operator_from_undoing_the_work_of_another(client: TestClient) -> None:
    first = await client.put(HAND, data=a_record(), headers=ADMIN | {"If-None-Match": "*"})
    assert (await client.put(HAND, data=a_record(), headers=ADMIN | {"If-None-Match": "*"})).status == 412
    assert (await client.post(LIST, data=a_record(), headers=ADMIN)).status == 409
    fitting = ADMIN | {"If-Match": first.headers["ETag"]}
    assert (await client.put(HAND, data=a_record(text="Mine."), headers=fitting)).status == 200
    assert (await client.put(HAND, data=a_record(text="Yours."), headers=fitting)).status == 412
    assert (await client.delete(HAND, headers=fitting)).status == 412
    assert "Mine." in await (await client.get(HAND)).text()


async def test_of_writers_at_once_one_wins(client: TestClient) -> None:
    first = await client.put(HAND, data=a_record(), headers=ADMIN)
    fitting = ADMIN | {"If-Match": first.headers["ETag"]}
    answers = await asyncio.gather(
        *(client.put(HAND, data=a_record(text=f"Of {n}."), headers=fitting) for n in range(6))
    )
    assert sorted(one.status for one in answers) == [200, 412, 412, 412, 412, 412]


async def test_records_of_the_deployment_are_not_written_by_hand(client: TestClient) -> None:
    path = "/registry/records/penstock.example/tap"
    for response in (
        await client.put(path, data=a_record("ivo://penstock.example/tap"), headers=ADMIN),
        await client.delete(path, headers=ADMIN),
    ):
        assert response.status == 403
        assert "curation" in (await response.json())["detail"]


async def test_programs_list_and_search_page_by_page(client: TestClient) -> None:
    await client.put(HAND, data=a_record(), headers=ADMIN)
    whole = await (await client.get(LIST, headers={"Accept": "application/json"})).json()
    assert whole["after"] is None
    found = await (await client.get(f"{LIST}?RESPONSEFORMAT=json&q=by+HAND")).json()
    assert [one["ivoid"] for one in found["records"]] == ["ivo://penstock.example/hand"]
    assert found["records"][0]["url"] == str(client.make_url(HAND))
    seen: list[str] = []
    after = ""
    while after is not None:
        page = await (await client.get(f"{LIST}?RESPONSEFORMAT=json&limit=2&after={after}")).json()
        seen += [one["ivoid"] for one in page["records"]]
        after = page["after"]
    assert seen == [one["ivoid"] for one in whole["records"]]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=100000", "RESPONSEFORMAT=pdf"])
async def test_a_list_that_cannot_be_had_is_a_problem(client: TestClient, query: str) -> None:
    response = await client.get(f"{LIST}?{query}")
    assert (response.status, response.content_type) == (400, "application/problem+json")


async def test_people_get_pages_that_escape_what_records_say(client: TestClient) -> None:
    evil = a_record(title="&lt;script&gt;x()&lt;/script&gt;", text="&lt;img src=x&gt;")
    assert (await client.put(HAND, data=evil, headers=ADMIN)).status == 201
    for path in (f"{LIST}?q=%22%3E%3Cscript%3E", LIST, HAND):
        response = await client.get(path, headers=BROWSER)
        text = await response.text()
        assert response.content_type == "text/html"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "<script>" not in text
        assert "<img src=x" not in text
    assert "More records" in await (await client.get(f"{LIST}?limit=1", headers=BROWSER)).text()
    assert "No record" in await (await client.get(f"{LIST}?q=zzz", headers=BROWSER)).text()


async def test_a_link_that_is_no_web_address_is_text(client: TestClient, db: Database) -> None:
    element = etree.fromstring(a_record().replace(b"https://example.org/q", b"javascript:x()"))
    await RecordStore(db).edit("ivo://penstock.example/hand", lambda _known: element, "2026-01-01T00:00:00Z")
    text = await (await client.get(HAND, headers=BROWSER)).text()
    assert "javascript:x()" in text
    assert 'href="javascript' not in text


async def test_a_copy_that_is_still_good_is_not_sent_again(client: TestClient) -> None:
    path = "/registry/records/PENSTOCK.example/TAP"
    tag = (await client.get(path)).headers["ETag"]
    assert (await client.get(path, headers={"If-None-Match": tag})).status == 304
    assert (await client.get(path, headers={"If-None-Match": '"other"'})).status == 200
    facts = await (await client.get(path, headers={"Accept": "application/json"})).json()
    assert facts["type"] == "vs:CatalogService"


@pytest.mark.parametrize("path", ["penstock.example/none", "x", "%00", "..%2f..%2fetc", "a" * 3000])
async def test_a_record_that_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    response = await client.get(f"{LIST}/{path}")
    assert response.status == 404
