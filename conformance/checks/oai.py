"""OAI-PMH 2.0 and Registry Interfaces 1.1: what the registry says of itself, and its records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from lxml import etree

from conformance.bench import Bench
from conformance.checks.uws_jobs import same
from conformance.client import Request
from conformance.documents import XML_TYPES, XSI_TYPE, child_text, instant, succeeded, valid, xml
from conformance.model import Level, NotApplicable, Violation, require
from conformance.registry import check

OAI = "{http://www.openarchives.org/OAI/2.0/}"
RECORD = "{http://www.ivoa.net/xml/RegistryInterface/v1.0}Resource"
PAGES = 200
MANAGED = {"verb": "ListRecords", "metadataPrefix": "ivo_vor", "set": "ivo_managed"}


async def asked(bench: Bench, **query: str) -> etree._Element:
    """Ask and return the root of the answer, which must be no error."""
    root = xml(await bench.known(bench.url, query), "OAI-PMH")
    require(not _codes(root), f"{query} is answered by the error {', '.join(_codes(root))}")
    return root


def _codes(root: etree._Element) -> list[str]:
    return [one.get("code", "") for one in root.iterfind(f"{OAI}error")]


async def pages(bench: Bench, **query: str) -> AsyncIterator[etree._Element]:
    """Read a list to its end, page by page."""
    for _ in range(PAGES):
        root = await asked(bench, **query)
        yield root
        token = root.find(f"*/{OAI}resumptionToken")
        if token is None or not (token.text or "").strip():
            return
        query = {"verb": query["verb"], "resumptionToken": (token.text or "").strip()}
    raise NotApplicable(f"the list is longer than {PAGES} pages")


async def records(bench: Bench) -> list[etree._Element]:
    """Return every record that the registry manages."""
    return [one async for page in pages(bench, **MANAGED) for one in page.iterfind(f"*/{OAI}record")]


def header_of(record: etree._Element, name: str) -> str:
    """Return a text of the header of a record."""
    return (record.findtext(f"{OAI}header/{OAI}{name}") or "").strip()


async def _own_identifier(bench: Bench) -> str:
    root = await asked(bench, verb="Identify")
    resource = root.find(f"{OAI}Identify/{OAI}description/{RECORD}")
    if resource is None:
        raise Violation("Identify has no description with a ri:Resource")
    return child_text(resource, "identifier") or ""


@check("oai.identify", "4.2")
async def identify(bench: Bench) -> None:
    """Identify is a valid answer, and its base URL is the one that was asked (OAI-PMH 2.0 s4.2)."""
    reply = succeeded(await bench.known(bench.url, {"verb": "Identify"}))
    root = valid(reply, "OAI-PMH")
    base = child_text(root, "baseURL") or ""
    require(same(base, bench.url), f"the baseURL is {base}, the registry was asked at {bench.url}")


@check("oai.content-type", "3.1.2.1")
async def content_type(bench: Bench) -> None:
    """Answers are text/xml in UTF-8 (OAI-PMH 2.0 s3.1.2.1)."""
    reply = succeeded(await bench.known(bench.url, {"verb": "Identify"}))
    require(reply.media_type in XML_TYPES, f"the answer is sent as {reply.media_type or 'nothing'}")
    declared = reply.body[:100].lower()
    require(b"encoding=" not in declared or b"utf-8" in declared, "the answer is not encoded in UTF-8")


@check("oai.identify-registry", "RegistryInterfaces 1.1 s2.5, s3.4")
async def identify_registry(bench: Bench) -> None:
    """Identify holds the record of the registry: a vg:Registry that can be harvested (Registry Interfaces 1.1)."""
    root = await asked(bench, verb="Identify")
    resource = root.find(f"{OAI}Identify/{OAI}description/{RECORD}")
    if resource is None:
        raise Violation("Identify has no description with a ri:Resource")
    kind = str(resource.get(XSI_TYPE, ""))
    require(kind.endswith(":Registry"), f"the record in Identify is a {kind or 'plain resource'}")
    harvest = [one for one in resource.iterfind("capability") if one.get(XSI_TYPE, "").endswith(":Harvest")]
    require(harvest, "the record of the registry has no vg:Harvest capability")
    interfaces = [one for one in harvest[0].iterfind("interface") if one.get(XSI_TYPE, "").endswith(":OAIHTTP")]
    require(interfaces, "the vg:Harvest capability has no vg:OAIHTTP interface")
    role, version = interfaces[0].get("role"), interfaces[0].get("version", "1.0")
    require(role == "std", f"the role of the OAIHTTP interface is {role or 'missing'} instead of std")
    require(version == "1.0", f"the version of the OAIHTTP interface is {version} instead of 1.0")


@check("oai.formats", "RegistryInterfaces 1.1 s2.2")
async def formats(bench: Bench) -> None:
    """Records are to be had as ivo_vor and as oai_dc (Registry Interfaces 1.1 s2.2, OAI-PMH 2.0 s4.4)."""
    root = valid(await bench.known(bench.url, {"verb": "ListMetadataFormats"}), "OAI-PMH")
    found = {one.text for one in root.iter(f"{OAI}metadataPrefix")}
    missing = {"ivo_vor", "oai_dc"} - found
    require(not missing, f"ListMetadataFormats lacks {', '.join(sorted(missing))}")


@check("oai.sets", "RegistryInterfaces 1.1 s2.6")
async def sets(bench: Bench) -> None:
    """There is a set ivo_managed (Registry Interfaces 1.1 s2.6)."""
    root = valid(await bench.known(bench.url, {"verb": "ListSets"}), "OAI-PMH")
    require("ivo_managed" in {one.text for one in root.iter(f"{OAI}setSpec")}, "ListSets lacks ivo_managed")


@check("oai.records-valid", "RegistryInterfaces 1.1 s2.2")
async def records_valid(bench: Bench) -> None:
    """ListRecords and ListIdentifiers are valid answers, in both formats (OAI-PMH 2.0 s4.3, s4.5)."""
    for verb in ("ListRecords", "ListIdentifiers"):
        for prefix in ("ivo_vor", "oai_dc"):
            valid(await bench.known(bench.url, {"verb": verb, "metadataPrefix": prefix}), "OAI-PMH")
    valid(await bench.known(bench.url, MANAGED), "OAI-PMH")


@check("oai.records-wrapped", "RegistryInterfaces 1.1 s2.2")
async def records_wrapped(bench: Bench) -> None:
    """As ivo_vor every record is a ri:Resource with the identifier of the header (Registry Interfaces 1.1 s2.3)."""
    for one in await records(bench):
        resource = one.find(f"{OAI}metadata/{RECORD}")
        if resource is None:
            deleted = one.find(f"{OAI}header").get("status") == "deleted"  # type: ignore[union-attr]
            require(deleted, f"the record of {header_of(one, 'identifier')} is no ri:Resource")
            continue
        said = child_text(resource, "identifier")
        told = header_of(one, "identifier")
        require(said == told, f"the header says {told}, the record {said}")


@check("oai.deleted-empty", "2.5.1")
async def deleted_empty(bench: Bench) -> None:
    """A deleted record is a header without metadata (OAI-PMH 2.0 s2.5.1)."""
    for one in await records(bench):
        if one.find(f"{OAI}header[@status='deleted']") is not None:
            told = header_of(one, "identifier")
            require(one.find(f"{OAI}metadata") is None, f"the deleted record {told} has metadata")


@check("oai.lists-itself", "RegistryInterfaces 1.1 s2.4")
async def lists_itself(bench: Bench) -> None:
    """The records hold that of the registry and those of its authorities (Registry Interfaces 1.1 s2.4)."""
    own = await _own_identifier(bench)
    found = {header_of(one, "identifier"): one for one in await records(bench)}
    require(own in found, f"ListRecords lacks the registry's own record {own}")
    root = await asked(bench, verb="Identify")
    authorities = [one.text or "" for one in root.iter("managedAuthority")]
    require(authorities, "the record of the registry names no managedAuthority")
    missing = [one for one in authorities if f"ivo://{one}" not in found]
    require(not missing, f"ListRecords lacks the authority records of {', '.join(missing)}")
    strange = {name.removeprefix("ivo://").partition("/")[0] for name in found} - set(authorities)
    require(not strange, f"there are records of authorities that are not managed: {', '.join(sorted(strange))}")


@check("oai.datestamps", "2.4")
async def datestamps(bench: Bench) -> None:
    """Datestamps are of the granularity that Identify states, none of them in the future (OAI-PMH 2.0 s2.4)."""
    root = await asked(bench, verb="Identify")
    length = len(child_text(root, "granularity") or "")
    now = datetime.now(UTC)
    for one in await records(bench):
        stamp = header_of(one, "datestamp")
        require(len(stamp) == length, f"the datestamp {stamp} is not of the granularity that Identify states")
        require(instant(stamp) <= now, f"the datestamp {stamp} is in the future")


@check("oai.get-record", "4.1")
async def get_record(bench: Bench) -> None:
    """GetRecord gives the record that was asked for, in both formats (OAI-PMH 2.0 s4.1)."""
    own = await _own_identifier(bench)
    for prefix in ("ivo_vor", "oai_dc"):
        query = {"verb": "GetRecord", "identifier": own, "metadataPrefix": prefix}
        root = valid(await bench.known(bench.url, query), "OAI-PMH")
        require(not _codes(root), f"GetRecord of {own} as {prefix} is answered by {_codes(root)}")
        told = root.findtext(f"{OAI}GetRecord/{OAI}record/{OAI}header/{OAI}identifier")
        require(told == own, f"GetRecord of {own} gives {told}")


@check("oai.post", "3.1.1.2")
async def post(bench: Bench) -> None:
    """Requests can be sent by POST (OAI-PMH 2.0 s3.1.1.2)."""
    form = (("verb", "Identify"),)
    reply = await bench.send(Request(method="POST", url=bench.url, form=form, follow=True))
    root = xml(reply, "OAI-PMH")
    require(root.find(f"{OAI}Identify") is not None, "POST of Identify is not answered by Identify")


@check("oai.whole-list", "3.5")
async def whole_list(bench: Bench) -> None:
    """The pages of a list hold every identifier once; the last token is empty, a whole list has none (s3.5)."""
    seen: list[str] = []
    page = None
    count = 0
    async for page in pages(bench, verb="ListIdentifiers", metadataPrefix="ivo_vor"):
        seen += [one.text or "" for one in page.iter(f"{OAI}identifier") if one.getparent().tag == f"{OAI}header"]  # type: ignore[union-attr]
        count += 1
    token = None if page is None else page.find(f"*/{OAI}resumptionToken")
    require(len(seen) == len(set(seen)), "an identifier is in the list twice")
    require(count > 1 or token is None, "a list of one page has an empty resumptionToken")
    require(count == 1 or token is not None, "the last page of several has no empty resumptionToken")


@check("oai.from-until", "3.3")
async def from_until(bench: Bench) -> None:
    """The arguments from and until are both inclusive (OAI-PMH 2.0 s2.7.1)."""
    found = await records(bench)
    stamp = header_of(found[0], "datestamp")
    query = {"verb": "ListIdentifiers", "metadataPrefix": "ivo_vor", "from": stamp, "until": stamp}
    root = await asked(bench, **query)
    stamps = {one.text for one in root.iter(f"{OAI}datestamp")}
    require(stamps == {stamp}, f"from {stamp} until {stamp} gives the datestamps {sorted(map(str, stamps))[:3]}")


@check("oai.sets-select", "2.6", Level.SHOULD)
async def sets_select(bench: Bench) -> None:
    """Every record of ivo_managed says that it is in that set (OAI-PMH 2.0 s2.6)."""
    for one in await records(bench):
        found = {child.text for child in one.iterfind(f"{OAI}header/{OAI}setSpec")}
        require("ivo_managed" in found, f"the header of {header_of(one, 'identifier')} lacks ivo_managed")
