"""VOSI 1.1: what the service can do, whether it is up, which tables it has."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from lxml import etree

from conformance.bench import Bench
from conformance.capabilities import (
    VOSI_AVAILABILITY,
    VOSI_CAPABILITIES,
    VOSI_TABLES,
    Capability,
    capabilities,
    of_standard,
)
from conformance.client import Request
from conformance.credentials import Identity
from conformance.documents import XML_TYPES, child_text, duplicates, parsed, succeeded, valid, xml
from conformance.model import Level, NotApplicable, require
from conformance.registry import check


async def _capabilities(bench: Bench) -> tuple[Capability, ...]:
    return capabilities(xml(await bench.known(_place(bench)), "capabilities"))


def _place(bench: Bench) -> str:
    return f"{bench.url.rstrip('/')}/capabilities"


async def _registered(bench: Bench, standard: str) -> str:
    """Return the URL of a VOSI resource: what the capabilities say, or the customary sibling."""
    for one in of_standard(await _capabilities(bench), standard):
        for interface in one.interfaces:
            if interface.url:
                return interface.url
    name = standard.rpartition("#")[2]
    return f"{bench.url.rstrip('/')}/{name}"


@check("vosi.capabilities", "3.1")
async def capabilities_answer(bench: Bench) -> None:
    """The capabilities are there for everyone, as text/xml or application/xml (VOSI 1.1 s3.1)."""
    reply = succeeded(await bench.get(_place(bench), identity=Identity.NOBODY))
    require(reply.media_type in XML_TYPES, f"the capabilities are sent as {reply.media_type or 'nothing'}")
    parsed(reply, "capabilities")


@check("vosi.capabilities-valid", "3.1")
async def capabilities_valid(bench: Bench) -> None:
    """The capabilities are valid by the schema (VOSI 1.1 s3.1)."""
    valid(await bench.known(_place(bench)), "capabilities")


@check("vosi.capabilities-registered", "3.1", Level.SHOULD)
async def capabilities_registered(bench: Bench) -> None:
    """The capabilities list themselves (VOSI 1.1 s3.1)."""
    found = of_standard(await _capabilities(bench), VOSI_CAPABILITIES)
    require(found, "there is no capability ivo://ivoa.net/std/VOSI#capabilities")


@check("vosi.availability-registered", "3.2", Level.SHOULD)
async def availability_registered(bench: Bench) -> None:
    """The capabilities list the availability (VOSI 1.1 s3.2)."""
    found = of_standard(await _capabilities(bench), VOSI_AVAILABILITY)
    require(found, "there is no capability ivo://ivoa.net/std/VOSI#availability")


@check("vosi.access-urls", "3.1")
async def access_urls(bench: Bench) -> None:
    """Every capability has an interface with an absolute URL, and that of VOSI answers (VOSI 1.1 s3.1)."""
    found = await _capabilities(bench)
    for one in found:
        for interface in one.interfaces:
            place = urlsplit(interface.url)
            require(place.scheme and place.netloc, f"{one.standard_id} is at {interface.url!r}, no absolute URL")
    for standard in (VOSI_CAPABILITIES, VOSI_AVAILABILITY, VOSI_TABLES):
        for one in of_standard(found, standard):
            require(one.interfaces, f"{one.standard_id} has no interface")
            reply = await bench.known(one.interfaces[0].url)
            require(reply.status == 200, f"{one.standard_id} is registered at {reply.url}: {reply.status}")


@check("vosi.capabilities-for-all", "4")
async def capabilities_for_all(bench: Bench) -> None:
    """The interface of the capabilities names no way to log in: they are for everyone (VOSI 1.1 s4)."""
    for one in of_standard(await _capabilities(bench), VOSI_CAPABILITIES):
        methods = one.element.findall("{*}interface/{*}securityMethod[@standardID]")
        require(not methods, "the interface of the capabilities has a securityMethod")


@check("vosi.access-url-use", "4")
async def access_url_use(bench: Bench) -> None:
    """The access URLs of VOSI say use="full" (VOSI 1.1 s4)."""
    found = await _capabilities(bench)
    for standard in (VOSI_CAPABILITIES, VOSI_AVAILABILITY, VOSI_TABLES):
        for one in of_standard(found, standard):
            wrong = {use for interface in one.interfaces for use, _ in interface.urls} - {"full"}
            require(not wrong, f"the access URL of {one.standard_id} says use={', '.join(map(repr, wrong))}")


@check("vosi.capabilities-last-modified", "3.1")
async def capabilities_last_modified(bench: Bench) -> None:
    """GET and HEAD of the capabilities tell when they changed (VOSI 1.1 s3.1)."""
    reply = await bench.known(_place(bench))
    head = await bench.send(Request(method="HEAD", url=_place(bench), follow=True))
    require("Last-Modified" in reply.headers, "GET of the capabilities has no Last-Modified")
    require(head.status == 200, f"HEAD of the capabilities is answered by {head.status}")
    require("Last-Modified" in head.headers, "HEAD of the capabilities has no Last-Modified")


@check("vosi.availability", "3.2")
async def availability(bench: Bench) -> None:
    """The availability is a valid document (VOSI 1.1 s3.2)."""
    await _availability(bench)


@check("vosi.available", "3.2", Level.MAY)
async def available(bench: Bench) -> None:
    """The service that is judged says that it is available (VOSI 1.1 s3.2)."""
    said = child_text(await _availability(bench), "available")
    require(said in {"true", "1"}, "the service says that it is not available")


async def _availability(bench: Bench) -> etree._Element:
    reply = await bench.known(await _registered(bench, VOSI_AVAILABILITY))
    if reply.status == 404 and not of_standard(await _capabilities(bench), VOSI_AVAILABILITY):
        raise NotApplicable("the service has no availability")
    return valid(reply, "availability")


async def _tables_url(bench: Bench) -> str:
    place = await _registered(bench, VOSI_TABLES)
    if (await bench.known(place)).status == 404 and not of_standard(await _capabilities(bench), VOSI_TABLES):
        raise NotApplicable("the service has no tables")
    return place


@check("vosi.tables", "3.3")
async def tables(bench: Bench) -> None:
    """The tables are a valid tableset, and no table is there twice (VOSI 1.1 s3.3)."""
    root = valid(await bench.known(await _tables_url(bench)), "tableset")
    names = [child_text(one, "name") or "" for one in root.iter("{*}table", "table")]
    require(not duplicates(names), f"tables that are there twice: {', '.join(sorted(duplicates(names)))}")


@check("vosi.tables-min", "3.3", Level.SHOULD)
async def tables_min(bench: Bench) -> None:
    """The tables without columns are a valid tableset of the same tables (VOSI 1.1 s3.3)."""
    place = await _tables_url(bench)
    full = xml(await bench.known(place), "tableset")
    brief = valid(await bench.get(place, {"detail": "min"}), "tableset")
    have, want = (sorted(child_text(one, "name") or "" for one in root.iter("{*}table")) for root in (brief, full))
    require(have == want, "detail=min does not list the same tables")


@check("vosi.tables-max", "3.3", Level.SHOULD)
async def tables_max(bench: Bench) -> None:
    """The tables with all details are a valid tableset, in which each has its columns (VOSI 1.1 s3.3)."""
    root = valid(await bench.get(await _tables_url(bench), {"detail": "max"}), "tableset")
    bare = [child_text(one, "name") or "" for one in root.iter("{*}table") if one.find("{*}column") is None]
    require(not bare, f"detail=max lists tables without columns: {', '.join(bare[:5])}")


@check("vosi.columns", "3.3")
async def columns(bench: Bench) -> None:
    """No column of a table is there twice (VOSI 1.1 s3.3)."""
    for one in xml(await bench.known(await _tables_url(bench)), "tableset").iter("{*}table"):
        twice = duplicates(_names(one))
        require(not twice, f"columns of {child_text(one, 'name')} that are there twice: {', '.join(sorted(twice))}")


@check("vosi.foreign-keys", "VODataService 1.2 s3.3", Level.SHOULD)
async def foreign_keys(bench: Bench) -> None:
    """A foreign key leads from columns that exist to a table that exists (VODataService 1.2 s3.3)."""
    found = {
        child_text(one, "name") or "": one
        for one in xml(await bench.known(await _tables_url(bench)), "tableset").iter("{*}table")
    }
    keys = [(name, key) for name, one in found.items() for key in one.iterfind("{*}foreignKey")]
    if not keys:
        raise NotApplicable("no table has a foreign key")
    for name, key in keys:
        target = child_text(key, "targetTable") or ""
        require(target in found, f"a foreign key of {name} leads to {target}, which is no table")
        for part, table_ in (("fromColumn", name), ("targetColumn", target)):
            said = {(one.text or "").strip() for one in key.iter(f"{{*}}{part}")}
            missing = said - set(_names(found[table_]))
            require(not missing, f"a foreign key of {name} names {', '.join(missing)}, no column of {table_}")


def _names(element: etree._Element) -> list[str]:
    return [child_text(one, "name") or "" for one in element.iterfind("{*}column")]


@check("vosi.table", "3.3")
async def table(bench: Bench) -> None:
    """A table by itself is a valid document with its columns (VOSI 1.1 s3.3)."""
    place = await _tables_url(bench)
    first = next((child_text(one, "name") for one in xml(await bench.known(place)).iter("{*}table")), None)
    if not first:
        raise NotApplicable("the service has no table")
    root = valid(await bench.get(f"{place.rstrip('/')}/{quote(first)}"), "table")
    require(child_text(root, "name") == first, f"/{first} describes {child_text(root, 'name')}")
    require(root.find("{*}column") is not None, f"/{first} has no columns")


@check("vosi.table-unknown", "RFC 9110 s15.5.5", Level.SHOULD)
async def table_unknown(bench: Bench) -> None:
    """A table that does not exist is answered by 404 (RFC 9110 s15.5.5)."""
    place = await _tables_url(bench)
    unknown = await bench.get(f"{place.rstrip('/')}/no_such_table_anywhere")
    require(unknown.status == 404, f"a table that does not exist is answered by {unknown.status}")
