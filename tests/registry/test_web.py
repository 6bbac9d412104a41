"""The registry as a harvester meets it; the checks known of RofR are marked with their codes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from lxml import etree

from datalink.plugin import datalink
from penstock.db import Database
from registry.core.oai import Prefix, Selection
from registry.store import RecordStore
from tests.datalink.builders import NOW
from tests.registry.builders import a_service, migrated, registry_app
from tests.support import official
from xsd.validation import validate

NS = {
    "oai": "http://www.openarchives.org/OAI/2.0/",
    "ri": "http://www.ivoa.net/xml/RegistryInterface/v1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
AUTHORITY = "ivo://penstock.example"
REGISTRY = f"{AUTHORITY}/registry"
LIST = "verb=ListRecords&metadataPrefix=ivo_vor"
SERVICES = (a_service("tap"), a_service("planner", kind="vr:Service"), datalink)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = await migrated(f"sqlite:///{tmp_path / 'test.db'}")
    yield db
    await db.close()


@pytest.fixture
async def client(aiohttp_client: Any, db: Database) -> TestClient:
    return await aiohttp_client(await registry_app(db, SERVICES))


async def ask(client: TestClient, query: str, *, post: bool = False) -> etree._Element:
    """Return an answer, judged by the schemas."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    send = client.post("/registry/oai", data=query, headers=form) if post else client.get(f"/registry/oai?{query}")
    async with send as response:
        body = await response.read()
        assert response.status == 200, body
        assert response.headers["Content-Type"].lower() == "text/xml; charset=utf-8"
    assert validate(body) == []
    return etree.fromstring(body)


def code(root: etree._Element) -> str | None:
    return root.xpath("string(oai:error/@code)", namespaces=NS) or None


def texts(root: etree._Element, path: str) -> list[str]:
    return [str(one) for one in root.xpath(path, namespaces=NS)]


async def test_identify_tells_the_address_that_was_asked_and_holds_the_registry_record(client: TestClient) -> None:
    """(RI3.1.5a, RI3.1.5b1, RI3.1.5b4, RI4.0c, 4.3.2b)."""
    root = await ask(client, "verb=Identify")
    assert texts(root, "oai:Identify/oai:baseURL/text()") == [str(client.make_url("/registry/oai"))]
    assert texts(root, "oai:Identify/oai:granularity/text()") == ["YYYY-MM-DDThh:mm:ssZ"]
    assert texts(root, "oai:Identify/oai:deletedRecord/text()") == ["persistent"]
    (resource,) = root.xpath("//oai:description/ri:Resource", namespaces=NS)
    assert resource.get(TYPE) == "vg:Registry"
    assert texts(resource, "managedAuthority/text()") == ["penstock.example"]
    assert texts(resource, "full/text()") == ["false"]
    (interface,) = resource.xpath("capability[@standardID='ivo://ivoa.net/std/Registry']/interface")
    assert (interface.get(TYPE), interface.get("role"), interface.get("version")) == ("vg:OAIHTTP", "std", "1.0")


async def test_records_are_the_authority_the_registry_and_every_service(client: TestClient) -> None:
    """(RI3.1.2b, RI3.1.3, RI3.1.4a-c, VR3.1b, VR3.2.2a, VRdate)."""
    root = await ask(client, LIST)
    headers = texts(root, "//oai:header/oai:identifier/text()")
    assert headers == texts(root, "//oai:metadata/ri:Resource/identifier/text()")
    assert sorted(headers) == [
        AUTHORITY,
        *(f"{AUTHORITY}/{name}" for name in ("datalink", "planner", "registry", "tap")),
    ]
    assert set(texts(root, "//oai:setSpec/text()")) == {"ivo_managed"}
    for resource in root.iterfind(".//ri:Resource", NS):
        stamps = (resource.get("created"), resource.get("updated"))
        assert stamps == ("2026-11-21T12:00:00Z",) * 2
        assert resource.get("status") == "active"
        assert resource.get(TYPE) == "vg:Authority" or resource.find("capability/interface/accessURL") is not None


async def test_records_are_valid_by_the_official_schemas(client: TestClient) -> None:
    for query in (LIST, "verb=Identify", "verb=ListRecords&metadataPrefix=oai_dc", "verb=ListSets"):
        body = await (await client.get(f"/registry/oai?{query}")).read()
        assert official.findings(body, record=True) == []
    for path in ("capabilities", "availability"):
        body = await (await client.get(f"/registry/{path}")).read()
        assert official.findings(body, record=False) == []


async def test_several_security_methods_become_interfaces_of_their_own(client: TestClient) -> None:
    root = await ask(client, f"verb=GetRecord&metadataPrefix=ivo_vor&identifier={AUTHORITY}/tap")
    interfaces = root.xpath("//capability[@standardID='ivo://x.y/z']/interface")
    assert [texts(one, "securityMethod/@standardID") for one in interfaces] == [[], ["ivo://ivoa.net/sso#BasicAA"]]
    assert texts(root, "//tableset/schema/table/name/text()") == ["demo.main"]


async def test_dublin_core_has_title_and_identifier(client: TestClient) -> None:
    root = await ask(client, f"verb=GetRecord&metadataPrefix=oai_dc&identifier={AUTHORITY}/tap")
    assert texts(root, "//dc:title/text()") == ["Penstock tap service"]
    assert texts(root, "//dc:identifier/text()")[0] == f"{AUTHORITY}/tap"
    assert texts(root, "//dc:description/text()") == ["What it does & <more>."]


async def test_formats_and_sets(client: TestClient) -> None:
    """(RI3.1.2c, RI3.1.6a)."""
    root = await ask(client, "verb=ListMetadataFormats")
    assert texts(root, "//oai:metadataPrefix/text()") == ["ivo_vor", "oai_dc"]
    assert NS["ri"] in texts(root, "//oai:metadataNamespace/text()")
    assert texts(await ask(client, "verb=ListSets"), "//oai:setSpec/text()") == ["ivo_managed"]
    assert code(await ask(client, f"verb=ListMetadataFormats&identifier={REGISTRY}")) is None


@pytest.mark.parametrize("post", [False, True])
async def test_the_request_is_echoed(client: TestClient, post: bool) -> None:
    root = await ask(client, f"{LIST}&set=ivo_managed&from=2026-01-01", post=post)
    assert dict(root.find("oai:request", NS).attrib) == {
        "verb": "ListRecords",
        "metadataPrefix": "ivo_vor",
        "set": "ivo_managed",
        "from": "2026-01-01",
    }


@pytest.mark.parametrize("post", [False, True])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "badVerb"),
        ("verb=Destroy", "badVerb"),
        ("verb=Identify&verb=Identify", "badVerb"),
        ("verb=Identify&set=x", "badArgument"),
        ("verb=ListRecords", "badArgument"),
        ("verb=GetRecord&metadataPrefix=ivo_vor", "badArgument"),
        (f"{LIST}&from=2026", "badArgument"),
        (f"{LIST}&from=2026-01-01&until=2026-02-01T00:00:00Z", "badArgument"),
        (f"{LIST}&from=2026-02-01&until=2026-01-01", "badArgument"),
        (f"{LIST}&from=2026-02-01&from=2026-02-01", "badArgument"),
        (f"{LIST}&from=%ff", "badArgument"),
        (f"{LIST}&from=%00", "badArgument"),
        ("verb=GetRecord&metadataPrefix=ivo_vor&identifier=a%0ab", "badArgument"),
        ("verb=GetRecord&metadataPrefix=ivo_vor&identifier=a%01%EF%BF%BE", "badArgument"),
        (f"{LIST}&resumptionToken=x", "badArgument"),
        ("verb=ListRecords&metadataPrefix=marc21", "cannotDisseminateFormat"),
        (f"verb=GetRecord&metadataPrefix=marc21&identifier={REGISTRY}", "cannotDisseminateFormat"),
        ("verb=GetRecord&metadataPrefix=ivo_vor&identifier=ivo://penstock.example/gone", "idDoesNotExist"),
        ("verb=GetRecord&metadataPrefix=ivo_vor&identifier=" + "x" * 3000, "idDoesNotExist"),
        ("verb=GetRecord&metadataPrefix=ivo_vor&identifier=%22%27%3C%3E%26", "idDoesNotExist"),
        ("verb=ListMetadataFormats&identifier=oai:nobody", "idDoesNotExist"),
        (f"{LIST}&from=2030-01-01", "noRecordsMatch"),
        (f"{LIST}&until=2000-01-01", "noRecordsMatch"),
        (f"{LIST}&set=ivo_foreign", "noRecordsMatch"),
        ("verb=ListRecords&resumptionToken=junk", "badResumptionToken"),
        ("verb=ListIdentifiers&resumptionToken=", "badResumptionToken"),
        ("verb=ListSets&resumptionToken=junk", "badResumptionToken"),
    ],
)
async def test_every_error_has_its_code(client: TestClient, query: str, expected: str, post: bool) -> None:
    root = await ask(client, query, post=post)
    assert code(root) == expected
    attributes = root.find("oai:request", NS).attrib
    assert bool(attributes) == (expected not in {"badVerb", "badArgument"})


@pytest.mark.parametrize("body", ["x" * 100_000, "&".join(f"a{n}=1" for n in range(100))])
async def test_a_body_that_is_too_large_is_a_bad_argument(client: TestClient, body: str) -> None:
    assert code(await ask(client, body, post=True)) == "badArgument"


@pytest.mark.parametrize("verb", ["ListRecords", "ListIdentifiers"])
async def test_the_union_of_pages_is_the_whole(aiohttp_client: Any, db: Database, verb: str) -> None:
    services = [a_service(f"s{n}") for n in range(7)]
    client = await aiohttp_client(await registry_app(db, services, page_size=2))
    query, seen, cursors = f"verb={verb}&metadataPrefix=oai_dc", [], []
    while True:
        root = await ask(client, query)
        seen += texts(root, "//oai:header/oai:identifier/text()")
        (token,) = root.findall(".//oai:resumptionToken", NS)
        cursors.append((token.get("cursor"), token.get("completeListSize")))
        if not token.text:
            break
        query = f"verb={verb}&resumptionToken={token.text}"
    assert sorted(seen) == sorted([AUTHORITY, REGISTRY, *(f"{AUTHORITY}/s{n}" for n in range(7))])
    assert cursors == [(str(n), "9") for n in (0, 2, 4, 6, 8)]


async def test_a_list_that_fits_has_no_token(client: TestClient) -> None:
    assert (await ask(client, LIST)).find(".//oai:resumptionToken", NS) is None


async def test_a_service_that_is_gone_is_kept_as_deleted_and_an_unchanged_one_keeps_its_date(
    aiohttp_client: Any, db: Database
) -> None:
    """(OAI2.5.1)."""
    await registry_app(db, [a_service("tap"), a_service("old"), a_service("new", text="First.")])
    later = NOW + timedelta(days=1)
    app = await registry_app(db, [a_service("tap"), a_service("new", text="Second.")], now=later)
    root = await ask(await aiohttp_client(app), f"{LIST}&from=2026-11-22")
    assert texts(root, "//oai:header/oai:identifier/text()") == [f"{AUTHORITY}/new", f"{AUTHORITY}/old"]
    (deleted,) = root.xpath("//oai:record[oai:header/@status='deleted']", namespaces=NS)
    assert deleted.find("oai:metadata", NS) is None
    (changed,) = root.iterfind(".//ri:Resource", NS)
    assert (changed.get("created"), changed.get("updated")) == ("2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z")


async def test_curation_comes_from_a_file(aiohttp_client: Any, db: Database, tmp_path: Path) -> None:
    file = tmp_path / "curation.toml"
    file.write_text(
        'title = "Tarn & Co"\npublisher = { name = "A <b>" }\ncontacts = [{ name = "N", email = "n@example.org" }]\n'
        "[services.tap]\npublish = false\n"
    )
    client = await aiohttp_client(await registry_app(db, [a_service("tap")], curation=file))
    root = await ask(client, f"verb=GetRecord&metadataPrefix=ivo_vor&identifier={REGISTRY}")
    assert texts(root, "//title/text()") == ["Tarn & Co Registry"]
    assert texts(root, "//curation//text()[normalize-space()]") == ["A <b>", "N", "n@example.org"]
    assert texts(await ask(client, "verb=Identify"), "//oai:adminEmail/text()") == ["n@example.org"]
    assert code(await ask(client, f"verb=GetRecord&metadataPrefix=ivo_vor&identifier={AUTHORITY}/tap")) is not None


async def test_hosts_with_one_database_do_not_restamp_the_records_of_each_other(
    aiohttp_client: Any, db: Database
) -> None:
    for number, port in enumerate((8001, 8002, 8001)):
        await aiohttp_client(await registry_app(db, SERVICES, port=port, now=NOW + timedelta(days=number)))
    records = await RecordStore(db).select(Selection(prefix=Prefix.IVO_VOR), None, 99)
    assert {one.updated for one in records} == {"2026-11-21T12:00:00Z"}


@pytest.mark.parametrize("path", ["/registry", "/registry/"])
async def test_people_get_a_page(client: TestClient, path: str) -> None:
    response = await client.get(path)
    assert response.content_type == "text/html"
    assert "verb=Identify" in await response.text()


async def test_nothing_else_is_there(client: TestClient) -> None:
    assert (await client.get("/registry/nothing")).status == 404
    assert (await client.delete("/registry/oai")).status == 405


@pytest.mark.parametrize("prefix", ["ivo_vor", "oai_dc"])
async def test_records_and_identify_name_the_address_that_was_asked(client: TestClient, prefix: str) -> None:
    base = str(client.make_url("/")).rstrip("/")
    root = await ask(client, f"verb=ListRecords&metadataPrefix={prefix}")
    urls = texts(root, "//accessURL/text() | //referenceURL/text() | //dc:identifier/text()[starts-with(., 'http')]")
    assert urls
    assert [url for url in urls if not url.startswith(f"{base}/")] == []
    identify = await ask(client, "verb=Identify")
    harvested = texts(identify, "//capability[@xsi:type='vg:Harvest']/interface/accessURL/text()")
    assert harvested == texts(identify, "oai:Identify/oai:baseURL/text()")
