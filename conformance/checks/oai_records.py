"""VOResource 1.1: what is in the records that a registry publishes, beyond what their schemas can say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from lxml import etree

from conformance.bench import Bench
from conformance.checks.oai import OAI, RECORD, asked, header_of, records
from conformance.documents import XSI_TYPE, child_text, instant
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

SERVICES: Final = frozenset({"Service", "DataService", "CatalogService", "Registry"})
TEXTS: Final = ("title", "curation/publisher", "content/subject", "content/description")
# the standards whose services are asked by parameters of a standard interface
BY_PARAMETERS: Final = frozenset(
    f"ivo://ivoa.net/std/{name}" for name in ("tap", "conesearch", "sia", "sia#query-2.0", "ssa", "slap")
)


async def _resources(bench: Bench) -> list[tuple[str, etree._Element, etree._Element]]:
    """Return identifier, record and resource of everything that is not deleted."""
    found = []
    for one in await records(bench):
        resource = one.find(f"{OAI}metadata/{RECORD}")
        if resource is not None:
            found.append((header_of(one, "identifier"), one, resource))
    return found


def _kind(element: etree._Element) -> str:
    return str(element.get(XSI_TYPE, "")).rpartition(":")[2]


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).scheme in {"http", "https", "ftp"} and bool(urlsplit(text).hostname)
    except ValueError:
        return False


@check("oai.record-dates", "VOResource 1.1 s3.1")
async def record_dates(bench: Bench) -> None:
    """A record was created in the past, and not after it was updated (VOResource 1.1 s3.1)."""
    now = datetime.now(UTC)
    for name, _, resource in await _resources(bench):
        created, updated = (instant(resource.get(which, "")) for which in ("created", "updated"))
        require(max(created, updated) <= now, f"{name} was created at {created}, updated at {updated}: in the future")
        require(created <= updated, f"{name} was created at {created}, later than it was updated, at {updated}")


@check("oai.datestamp-follows", "2.4")
async def datestamp_follows(bench: Bench) -> None:
    """The datestamp of a record is not before its update, which harvesters would miss (OAI-PMH 2.0 s2.4)."""
    for name, record, resource in await _resources(bench):
        stamp, updated = header_of(record, "datestamp"), resource.get("updated", "")
        late = (
            instant(stamp).date() < instant(updated).date() if len(stamp) == 10 else instant(stamp) < instant(updated)
        )
        require(not late, f"{name} was updated at {updated}, and its datestamp is {stamp}")


@check("oai.earliest", "4.2")
async def earliest(bench: Bench) -> None:
    """No record is older than the earliest datestamp that Identify states (OAI-PMH 2.0 s4.2)."""
    root = await asked(bench, verb="Identify")
    said = child_text(root, "earliestDatestamp") or ""
    first = min((header_of(one, "datestamp") for one in await records(bench)), default=said)
    require(instant(first) >= instant(said), f"the earliestDatestamp is {said}, and a record is of {first}")


@check("oai.record-texts", "VOResource 1.1 s3.1", Level.SHOULD)
async def record_texts(bench: Bench) -> None:
    """A title, a publisher, a subject and a description say something (VOResource 1.1 s3.1)."""
    for name, _, resource in await _resources(bench):
        for path in TEXTS:
            empty = any(not (one.text or "").strip() for one in resource.iterfind(path))
            require(not empty, f"{path} of {name} is empty")


@check("oai.record-urls", "VOResource 1.1 s3.2.2", Level.SHOULD)
async def record_urls(bench: Bench) -> None:
    """The URLs of a record are absolute (VOResource 1.1 s3.1.3, s3.2.2)."""
    for name, _, resource in await _resources(bench):
        for one in resource.iter("referenceURL", "accessURL"):
            text = (one.text or "").strip()
            require(_is_url(text), f"{one.tag} of {name} is {text!r}, no absolute URL")


@check("oai.service-interfaces", "VOResource 1.1 s3.2.2", Level.SHOULD)
async def service_interfaces(bench: Bench) -> None:
    """A service says what it can do, and each capability where that is to be had (VOResource 1.1 s3.2.2)."""
    for name, _, resource in await _resources(bench):
        found = resource.findall("capability")
        require(found or _kind(resource) not in SERVICES, f"the service {name} has no capability")
        lacking = [one.get("standardID", "one") for one in found if one.find("interface") is None]
        require(not lacking, f"the capabilities {', '.join(lacking)} of {name} have no interface")


@check("oai.standard-interfaces", "VOResource 1.1 s2.2", Level.SHOULD)
async def standard_interfaces(bench: Bench) -> None:
    """A capability of TAP, SIA, SSA or SCS has a vs:ParamHTTP interface with the role std (VOResource 1.1 s2.2)."""
    found = [(name, one) for name, _, resource in await _resources(bench) for one in _by_parameters(resource)]
    if not found:
        raise NotApplicable("no record is of a service of TAP, SIA, SSA or SCS")
    for name, one in found:
        fits = [way for way in one.iterfind("interface") if way.get("role") == "std" and _kind(way) == "ParamHTTP"]
        require(fits, f"{one.get('standardID')} of {name} has no vs:ParamHTTP interface with the role std")


def _by_parameters(resource: etree._Element) -> Iterator[etree._Element]:
    for one in resource.iterfind("capability"):
        if one.get("standardID", "").strip().lower() in BY_PARAMETERS:
            yield one
