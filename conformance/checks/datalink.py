"""DataLink 1.1: the links of an identifier. An identifier that exists comes from the profile or the capabilities."""

from __future__ import annotations

from urllib.parse import urlsplit

from lxml import etree

from conformance.bench import Bench
from conformance.client import Reply, Request
from conformance.documents import VOTable, succeeded, valid, votable
from conformance.model import Level, NotApplicable, Violation, require
from conformance.registry import check

UNKNOWN = "ivo://example.org/no-such-collection?no-such-data"
STANDARD = "ivo://ivoa.net/std/DataLink#links-1."
# name: UCD of the fields that must be there (DataLink 1.1 s3.2)
FIELDS = {
    "ID": "meta.id;meta.main",
    "access_url": "meta.ref.url",
    "service_def": "meta.ref",
    "error_message": "meta.code.error",
    "description": "meta.note",
    "semantics": "meta.code",
    "content_type": "meta.code.mime",
    "content_length": "phys.size;meta.file",
}
# name: datatype of the fields that may be there (DataLink 1.1 s3.2)
OPTIONAL = {
    "content_qualifier": "char",
    "local_semantics": "char",
    "link_auth": "char",
    "link_authorized": "boolean",
}
LINK_AUTH = ("false", "optional", "true")
FAULTS = ("NotFoundFault", "UsageFault", "TransientFault", "FatalFault", "DefaultFault")
VOCABULARY = "http://www.ivoa.net/rdf/datalink/core"
# The terms of http://www.ivoa.net/rdf/datalink/core
CORE = """this progenitor derivation auxiliary weight error noise calibration bias dark flat preview preview-image
    preview-plot thumbnail proc cutout documentation detached-header coderived counterpart package"""


async def links(bench: Bench, identifier: str) -> VOTable:
    """Read the links of an identifier."""
    return votable(await bench.known(bench.url, {"ID": identifier}))


def known_id(bench: Bench) -> str:
    """Return an identifier that has links."""
    if not bench.profile.datalink_id:
        raise NotApplicable("no identifier is known: name one in the profile, or in a testQueryString")
    return bench.profile.datalink_id


async def _sample(bench: Bench) -> Reply:
    """Return the links of an identifier that is known, or the empty table that a request without one gives."""
    known = bench.profile.datalink_id
    return succeeded(await bench.known(bench.url, {"ID": known} if known else ()))


async def _all(bench: Bench) -> list[VOTable]:
    """Return the links of an unknown identifier, unless they are an error, and of a known one if there is one."""
    found = []
    for identifier in filter(None, (UNKNOWN, bench.profile.datalink_id)):
        reply = await bench.known(bench.url, {"ID": identifier})
        if reply.status == 200:
            found.append(votable(reply))
    if not found:
        raise NotApplicable("no identifier has links")
    return found


def _filled(found: VOTable, index: int) -> list[str]:
    names = ("access_url", "service_def", "error_message")
    return [name for name in names if found.column(name)[index].strip()]


@check("datalink.content-type", "3.3")
async def content_type(bench: Bench) -> None:
    """The links are sent as a VOTable (DataLink 1.1 s3.3)."""
    votable(await _sample(bench))


@check("datalink.content-parameter", "3.3", Level.SHOULD)
async def content_parameter(bench: Bench) -> None:
    """The links are sent as application/x-votable+xml;content=datalink (DataLink 1.1 s3.1, s3.3)."""
    reply = await _sample(bench)
    media, *parameters = (part.strip() for part in reply.headers.get("Content-Type", "").split(";"))
    told = [part.replace('"', "").replace(" ", "").lower() for part in parameters]
    require(
        media == "application/x-votable+xml" and "content=datalink" in told,
        f"the links are sent as {reply.headers.get('Content-Type', 'nothing')}",
    )


@check("datalink.valid", "3.3.1")
async def links_valid(bench: Bench) -> None:
    """The links are a valid VOTable (DataLink 1.1 s3.3.1)."""
    valid(await _sample(bench), "VOTABLE")


@check("datalink.standard-id", "3.3.1")
async def standard_id(bench: Bench) -> None:
    """The RESOURCE of the results names DataLink in an INFO standardID (DataLink 1.1 s3.3.1)."""
    found = votable(await _sample(bench))
    said = [info.value for info in found.infos if info.name == "standardID"]
    require(any(one.startswith(STANDARD) for one in said), f"the INFO standardID is {said or 'missing'}")


@check("datalink.fields", "3.2")
async def fields(bench: Bench) -> None:
    """The eight fields are there with their UCDs, content_length as long in byte (DataLink 1.1 s3.2)."""
    found = {one.name: one for one in votable(await _sample(bench)).fields}
    for name, ucd in FIELDS.items():
        require(name in found, f"there is no field {name}")
        require(found[name].ucd == ucd, f"{name} has the UCD {found[name].ucd!r} instead of {ucd!r}")
    length = found["content_length"]
    require(length.datatype == "long", f"content_length has the datatype {length.datatype} instead of long")
    require(length.unit == "byte", f"content_length has the unit {length.unit!r} instead of 'byte'")


@check("datalink.optional-fields", "3.2")
async def optional_fields(bench: Bench) -> None:
    """Of the four fields that may be there each has its datatype (DataLink 1.1 s3.2)."""
    for one in votable(await _sample(bench)).fields:
        due = OPTIONAL.get(one.name, one.datatype)
        require(one.datatype == due, f"{one.name} has the datatype {one.datatype} instead of {due}")


@check("datalink.tabledata", "3.3.1")
async def tabledata(bench: Bench) -> None:
    """The rows are in TABLEDATA unless another serialisation was asked for (DataLink 1.1 s3.3.1)."""
    data = votable(await _sample(bench)).resource.find("{*}TABLE/{*}DATA")
    if data is None:
        raise NotApplicable("a table without rows says nothing of its serialisation")
    require(data.find("{*}TABLEDATA") is not None, "the rows are not in TABLEDATA")


@check("datalink.unknown-id", "3.2", Level.SHOULD)
async def unknown_id(bench: Bench) -> None:
    """An identifier that is not known has a row with an error_message, and the status is 200 (DataLink 1.1 s3.2)."""
    found = await links(bench, UNKNOWN)
    require(found.rows, "an unknown identifier has no row")
    messages = [text for text in found.column("error_message") if text.strip()]
    require(messages, "the row of an unknown identifier has no error_message")


@check("datalink.faults", "3.4")
async def faults(bench: Bench) -> None:
    """An error_message starts with the word of a fault (DataLink 1.1 s3.4)."""
    for found in await _all(bench):
        for text in filter(str.strip, found.column("error_message")):
            require(text.startswith(FAULTS), f"the error_message {text!r} does not start with a fault")


@check("datalink.not-found", "3.4", Level.MAY)
async def not_found(bench: Bench) -> None:
    """The fault of an identifier that does not exist is a NotFoundFault (DataLink 1.1 s3.4)."""
    messages = (await links(bench, UNKNOWN)).column("error_message")
    require(any(text.startswith("NotFoundFault") for text in messages), f"the error_message is {messages}")


@check("datalink.id-echoed", "3.2.1")
async def id_echoed(bench: Bench) -> None:
    """Every row says which of the identifiers it is for, exactly as it was sent (DataLink 1.1 s3.2.1)."""
    for sent in filter(None, (UNKNOWN, bench.profile.datalink_id)):
        reply = await bench.known(bench.url, {"ID": sent})
        wrong = set(votable(reply).column("ID")) - {sent} if reply.status == 200 else set()
        require(not wrong, f"rows of {sent} have the ID {', '.join(sorted(wrong))}")


@check("datalink.one-of-three", "3.2")
async def one_of_three(bench: Bench) -> None:
    """A row has exactly one of access_url, service_def and error_message (DataLink 1.1 s3.2)."""
    for found in await _all(bench):
        for index in range(len(found.rows)):
            have = _filled(found, index)
            require(len(have) == 1, f"row {index + 1} has {' and '.join(have) or 'none of the three'}")


@check("datalink.semantics", "3.2.6")
async def semantics(bench: Bench) -> None:
    """Semantics are a term of the vocabulary, relative to it, or the URI of another concept (DataLink 1.1 s3.2.6)."""
    for found in await _all(bench):
        for text in found.column("semantics"):
            require(not text.startswith(VOCABULARY), f"the term {text} is not relative to the vocabulary")
            local = text.startswith("#") and text[1:] in CORE.split()
            require(local or urlsplit(text).scheme, f"the semantics {text!r} is no term and no URI")


@check("datalink.access-url", "3.2.2")
async def access_url(bench: Bench) -> None:
    """Every access URL is absolute (DataLink 1.1 s3.2.2)."""
    found = await links(bench, known_id(bench))
    wrong = [text for text in found.column("access_url") if text.strip() and not urlsplit(text).netloc]
    require(not wrong, f"access URLs that are not absolute: {', '.join(wrong[:3])}")


@check("datalink.service-def", "3.2.3")
async def service_def(bench: Bench) -> None:
    """Every service_def names a service descriptor with an access URL in the same document (DataLink 1.1 s3.2.3)."""
    found = await links(bench, known_id(bench))
    there = {one.get("ID"): one for one in found.root.iter("{*}RESOURCE") if one.get("type") == "meta"}
    for name in filter(None, map(str.strip, found.column("service_def"))):
        require(name in there, f"there is no RESOURCE with the ID {name}")
        require(there[name].get("utype") == "adhoc:service", f'the RESOURCE {name} is no utype="adhoc:service"')
        urls = [one for one in there[name].iterfind("{*}PARAM") if one.get("name") == "accessURL"]
        require(urls and urls[0].get("value"), f"the service descriptor {name} has no accessURL")


@check("datalink.content-length", "3.2.8")
async def content_length(bench: Bench) -> None:
    """A content_length is a number of bytes (DataLink 1.1 s3.2.8)."""
    found = await links(bench, known_id(bench))
    wrong = [text for text in found.column("content_length") if text.strip() and not text.strip().isdigit()]
    require(not wrong, f"content_length has the values {wrong[:3]}")


@check("datalink.content-qualifier", "3.2.9")
async def content_qualifier(bench: Bench) -> None:
    """A content_qualifier is a term of the vocabulary of product types or another URI (DataLink 1.1 s3.2.9)."""
    for text in _optional(await links(bench, known_id(bench)), "content_qualifier"):
        require(text.startswith("#") or urlsplit(text).scheme, f"the content_qualifier {text!r} is no term and no URI")


@check("datalink.link-auth", "3.2.11")
async def link_auth(bench: Bench) -> None:
    """A link_auth is false, optional or true (DataLink 1.1 s3.2.11)."""
    for text in _optional(await links(bench, known_id(bench)), "link_auth"):
        require(text in LINK_AUTH, f"link_auth has the value {text!r}")


@check("datalink.descriptor-url", "4.1")
async def descriptor_url(bench: Bench) -> None:
    """The accessURL of a service descriptor is absolute (DataLink 1.1 s4.1)."""
    for name, descriptor in _descriptors(await links(bench, known_id(bench))):
        for param in descriptor.iterfind("{*}PARAM[@name='accessURL']"):
            url = param.get("value", "")
            require(urlsplit(url).netloc, f"the accessURL {url!r} of {name} is not absolute")


@check("datalink.descriptor-inputs", "4.2")
async def descriptor_inputs(bench: Bench) -> None:
    """An input that takes its values from rows refers to a FIELD, and has no value itself (DataLink 1.1 s4.2)."""
    found = await links(bench, known_id(bench))
    columns = {one.get("ID") for one in found.root.iter("{*}FIELD")} - {None}
    for name, descriptor in _descriptors(found):
        for param in descriptor.iterfind("{*}GROUP[@name='inputParams']/{*}PARAM"):
            told, ref = f"{param.get('name')} of {name}", param.get("ref")
            require(ref is None or ref in columns, f"{told} refers to {ref}, which is the ID of no FIELD")
            require(ref is None or not param.get("value"), f"{told} has both a ref and a value")


def _optional(found: VOTable, name: str) -> list[str]:
    """Return what stands in a column that may be missing."""
    if name not in found.names():
        raise NotApplicable(f"there is no column {name}")
    return [text.strip() for text in found.column(name) if text.strip()]


def _descriptors(found: VOTable) -> list[tuple[str, etree._Element]]:
    """Return the service descriptors of a document with what they are called."""
    meta = [one for one in found.root.iter("{*}RESOURCE") if (one.get("utype") or "").startswith("adhoc:")]
    if not meta:
        raise NotApplicable("there is no service descriptor")
    return [(one.get("ID") or one.get("name") or "a descriptor", one) for one in meta]


@check("datalink.no-id", "2.1.1")
async def no_id(bench: Bench) -> None:
    """A request without an identifier gives an empty table (DataLink 1.1 s2.1.1)."""
    found = votable(await bench.get(bench.url))
    require(found.fields, "the table has no fields")
    require(not found.rows, f"a request without an identifier gives {len(found.rows)} rows")


@check("datalink.several-ids", "3.2")
async def several_ids(bench: Bench) -> None:
    """Of several identifiers the rows of each are together (DataLink 1.1 s3.2)."""
    known = bench.profile.datalink_id
    found = votable(await bench.get(bench.url, [("ID", one) for one in (UNKNOWN, known or f"{UNKNOWN}-2")]))
    ids = found.column("ID")
    require(not known or known in ids or found.overflowed(), f"there are no rows for {known}")
    runs = [one for index, one in enumerate(ids) if not index or ids[index - 1] != one]
    require(len(runs) == len(set(runs)), "the rows of one identifier are not together")


@check("datalink.post", "2")
async def post(bench: Bench) -> None:
    """POST gives what GET gives (DataLink 1.1 s2, DALI 1.2 s2.2)."""
    by_get = votable(await bench.known(bench.url, {"ID": known_id(bench)}))
    by_post = votable(await _posted(bench))
    require(by_post.column("ID") == by_get.column("ID"), f"POST gives {len(by_post.rows)} rows")


async def _posted(bench: Bench) -> Reply:
    return await bench.send(Request(method="POST", url=bench.url, form=(("ID", known_id(bench)),), follow=True))


@check("datalink.response-format", "2.1.2")
async def response_format(bench: Bench) -> None:
    """RESPONSEFORMAT=votable and the type of DataLink are accepted (DataLink 1.1 s2.1.2)."""
    for value in ("votable", "application/x-votable+xml", "application/x-votable+xml;content=datalink"):
        votable(await bench.get(bench.url, {"RESPONSEFORMAT": value}))


@check("datalink.format-unknown", "DALI 1.2 s4.3.3", Level.SHOULD)
async def format_unknown(bench: Bench) -> None:
    """A format that the service cannot write is an error of the whole request (DALI 1.2 s4.3.3)."""
    reply = await bench.get(bench.url, {"ID": UNKNOWN, "RESPONSEFORMAT": "application/x-no-such-format"})
    if reply.status == 200 and votable(reply).status() != "ERROR":
        raise Violation("an unknown format is answered as if it were not there")
