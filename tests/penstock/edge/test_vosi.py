from __future__ import annotations

import gzip
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from lxml import etree

from penstock.edge.app import new_service_app
from penstock.edge.errors import text_error
from penstock.edge.vosi import add_vosi
from penstock.tables import Column, Schema, Table
from penstock.vosi import Availability, capabilities_document, vosi_capabilities
from tests.penstock.edge.builders import running

SCHEMAS = (Schema(name="lake", tables=(Table(name="size", columns=(Column(name="a", datatype="int"),)),)),)


@asynccontextmanager
async def service(*, tables: bool = True, available: bool = True, changed=datetime(2026, 11, 21, tzinfo=UTC)):
    async def availability() -> Availability:
        return Availability(available=available)

    async def schemas():
        return SCHEMAS

    app = new_service_app(text_error)
    add_vosi(
        app,
        base_url=lambda request: "https://penstock.example/tap",
        capabilities=lambda base: capabilities_document(vosi_capabilities(base)),
        availability=availability,
        changed=changed,
        tables=schemas if tables else None,
    )
    async with running(app) as server:
        yield server


@pytest.mark.requirement("VO-02")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/s/capabilities", "/s/tables"])
async def test_documents_say_when_they_changed(method, path) -> None:
    async with service() as server, server.session.request(method, server.url(path)) as answer:
        assert (answer.status, answer.content_type) == (200, "text/xml")
        assert answer.headers["Last-Modified"] == "Sat, 21 Nov 2026 00:00:00 GMT"
        body = await answer.read()
        assert (body == b"") == (method == "HEAD")


@pytest.mark.requirement("VO-02")
@pytest.mark.parametrize("path", ["/s/capabilities", "/s/tables", '/s/tables/lake."size"'])
async def test_a_client_that_has_a_document_is_not_sent_it_again(path) -> None:
    async with service() as server:
        async with server.get(path) as answer:
            tag = answer.headers["ETag"]
        for known, status in ((tag, 304), (f'"other", {tag}', 304), ("*", 304), ('"other"', 200)):
            async with server.get(path, headers={"If-None-Match": known}) as answer:
                assert (answer.status, answer.headers["ETag"]) == (status, tag)


async def test_documents_are_compressed_when_that_is_asked_for() -> None:
    async with service() as server, server.get("/s/tables", headers={"Accept-Encoding": "gzip"}) as answer:
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert etree.fromstring(gzip.decompress(await answer.read())).find(".//column") is not None


async def test_documents_that_change_say_when_they_last_did() -> None:
    times = iter(datetime(2026, 11, day, tzinfo=UTC) for day in (21, 22))
    async with service(changed=lambda: next(times)) as server:
        for day in ("Sat, 21", "Sun, 22"):
            async with server.get("/s/tables") as answer:
                assert answer.headers["Last-Modified"] == f"{day} Nov 2026 00:00:00 GMT"


async def test_capabilities_stand_at_the_public_base_url() -> None:
    async with service() as server, server.get("/s/capabilities") as answer:
        root = etree.fromstring(await answer.read())
    assert root.findtext(".//accessURL") == "https://penstock.example/tap/capabilities"


@pytest.mark.requirement("VO-01")
async def test_a_service_that_is_down_says_so_with_200() -> None:
    async with service(available=False) as server, server.get("/s/availability") as answer:
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        assert etree.fromstring(await answer.read()).findtext("{*}available") == "false"


@pytest.mark.requirement("VO-03")
@pytest.mark.parametrize("path", ["/s/capabilities", "/s/availability", "/s/tables", "/s/tables/lake.x"])
async def test_other_methods_are_405(path) -> None:
    async with service() as server, server.post(path, data={"a": "b"}) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.requirement("VO-03")
async def test_detail_is_min_or_max() -> None:
    async with service() as server:
        for query, columns in (("", 1), ("?detail=max", 1), ("?DETAIL=min", 0)):
            async with server.get(f"/s/tables{query}") as answer:
                assert len(etree.fromstring(await answer.read()).findall(".//column")) == columns
        async with server.get("/s/tables?detail=some") as answer:
            assert answer.status == 400
            assert "min or max" in await answer.text()


@pytest.mark.requirement("VO-03")
async def test_one_table_is_found_by_its_encoded_name() -> None:
    async with service() as server:
        async with server.get("/s/tables/lake.%22size%22") as answer:
            assert etree.fromstring(await answer.read()).findtext("name") == 'lake."size"'
        async with server.get("/s/tables/lake.nothing%2F..") as answer:
            assert answer.status == 404
            assert "/tables lists them all" in await answer.text()


@pytest.mark.requirement("TA-10")
async def test_a_service_without_tables_has_no_such_endpoint() -> None:
    async with service(tables=False) as server, server.get("/s/tables") as answer:
        assert answer.status == 404
