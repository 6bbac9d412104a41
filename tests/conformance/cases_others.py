"""For every check of DataLink and OAI-PMH a fault that it must notice, and what it must say."""

from __future__ import annotations

from tests.conformance.faults import Fault, asked, header, replaced, status
from tests.conformance.good.registry import OWN

LINKS, KNOWN = r"/links.*", r"/links\?ID=ivo://example.org/data\?1"
VOTABLE = "application/x-votable+xml"
EMPTY = "<TR>.*</TR>"


def at(path: str, change: object, method: str = "") -> Fault:
    return Fault(path, change, method)  # type: ignore[arg-type]


def oai(verb: str, change: object) -> Fault:
    return at(rf"/oai\?.*verb={verb}\b.*", change, "GET")


def code(right: str, wrong: str, change: object = None) -> Fault:
    return at("/oai.*", change or replaced(f'code="{right}"', f'code="{wrong}"'))


DATALINK = [
    ("datalink.content-type", at(LINKS, header("Content-Type", "text/html")), "where a VOTable is due"),
    ("datalink.content-parameter", at(LINKS, header("Content-Type", VOTABLE)), "are sent as application/x-votable"),
    ("datalink.valid", at(LINKS, replaced('datatype="long"', 'datatype="bigint"')), "is not valid"),
    ("datalink.standard-id", at(LINKS, replaced('name="standardID"', 'name="standard"')), "missing"),
    ("datalink.fields", at(LINKS, replaced('name="description"', 'name="text"')), "no field description"),
    ("datalink.fields", at(LINKS, replaced('"long"', '"int"')), "the datatype int"),
    ("datalink.fields", at(LINKS, replaced('unit="byte"', 'unit="kB"')), "the unit 'kB'"),
    ("datalink.fields", at(LINKS, replaced("meta.id;meta.main", "meta.id")), "the UCD 'meta.id'"),
    ("datalink.tabledata", at(LINKS, replaced("<TABLEDATA>.*</TABLEDATA>", "<BINARY><STREAM/></BINARY>")), "TABLEDATA"),
    ("datalink.unknown-id", at(LINKS, status(404)), "answered 404"),
    ("datalink.unknown-id", at(LINKS, replaced(EMPTY, "")), "has no row"),
    ("datalink.faults", at(LINKS, replaced("NotFoundFault", "Sorry")), "does not start with a fault"),
    ("datalink.unknown-id", at(LINKS, replaced("NotFoundFault: not here", "")), "no error_message"),
    ("datalink.not-found", at(LINKS, replaced("NotFoundFault", "FatalFault")), "FatalFault"),
    ("datalink.id-echoed", at(LINKS, replaced("data.1<", "data%3F1<")), "have the ID"),
    ("datalink.one-of-three", at(KNOWN, replaced("<TD>cutout</TD>", "<TD></TD>")), "row 2 has none"),
    (
        "datalink.one-of-three",
        at(KNOWN, replaced("(1.fits</TD><TD>)(</TD>)", r"\1cutout\2")),
        "access_url and service_def",
    ),
    ("datalink.semantics", at(KNOWN, replaced("#cutout", "#scissors")), "'#scissors'"),
    (
        "datalink.semantics",
        at(KNOWN, replaced("#cutout", "http://www.ivoa.net/rdf/datalink/core#cutout")),
        "not relative",
    ),
    ("datalink.access-url", at(KNOWN, replaced("https://example.org/1.fits", "/1.fits")), "not absolute"),
    ("datalink.service-def", at(KNOWN, replaced('ID="cutout"', 'ID="other"')), "no RESOURCE with the ID cutout"),
    ("datalink.service-def", at(KNOWN, replaced("adhoc:service", "adhoc:other")), "adhoc:service"),
    ("datalink.service-def", at(KNOWN, replaced('"accessURL"', '"url"')), "no accessURL"),
    ("datalink.content-length", at(KNOWN, replaced("<TD>5</TD>", "<TD>5 kB</TD>")), "5 kB"),
    ("datalink.optional-fields", at(LINKS, replaced('"boolean"', '"char"')), "link_authorized has the datatype char"),
    ("datalink.content-qualifier", at(KNOWN, replaced("#image", "image")), "'image' is no term"),
    ("datalink.link-auth", at(KNOWN, replaced("<TD>optional</TD>", "<TD>maybe</TD>")), "'maybe'"),
    ("datalink.descriptor-url", at(KNOWN, replaced("https://example.org/soda", "/soda")), "'/soda' of cutout"),
    ("datalink.descriptor-inputs", at(KNOWN, replaced('ref="id"', 'ref="none"')), "refers to none"),
    ("datalink.descriptor-inputs", at(KNOWN, replaced('value="" ref', 'value="x" ref')), "both a ref and a value"),
    ("datalink.no-id", at("/links", status(400)), "answered 400"),
    ("datalink.no-id", at("/links", asked(ID="x")), "gives 1 rows"),
    ("datalink.several-ids", at(LINKS, replaced(EMPTY, "")), "no rows for"),
    ("datalink.several-ids", at(r"/links\?ID=.*ID=.*", replaced("(<TR>.*?</TR>)(.*</TR>)", r"\1\2\1")), "not together"),
    ("datalink.post", at("/links", status(405), "POST"), "answered 405"),
    ("datalink.post", at("/links", replaced(EMPTY, ""), "POST"), "POST gives 0 rows"),
    ("datalink.response-format", at(r"/links.*FORMAT=votable", status(400)), "answered 400"),
    ("datalink.format-unknown", at(LINKS, asked(RESPONSEFORMAT=None)), "as if it were not there"),
]

OAI = [
    (
        "oai.identify",
        oai("Identify", replaced("<baseURL>.*</baseURL>", "<baseURL>http://a.example/</baseURL>")),
        "the baseURL is",
    ),
    ("oai.identify", oai("Identify", replaced("<granularity>.*</granularity>", "")), "is not valid"),
    ("oai.content-type", oai("Identify", header("Content-Type", VOTABLE)), "is sent as"),
    ("oai.content-type", oai("Identify", replaced("UTF-8", "ISO-8859-1")), "not encoded in UTF-8"),
    ("oai.identify-registry", oai("Identify", replaced("<description>.*</description>", "")), "no description"),
    ("oai.identify-registry", oai("Identify", replaced("vg:Registry", "vr:Service")), "vr:Service"),
    ("oai.identify-registry", oai("Identify", replaced("vg:Harvest", "vg:Search")), "no vg:Harvest"),
    ("oai.identify-registry", oai("Identify", replaced("vg:OAIHTTP", "vr:WebBrowser")), "no vg:OAIHTTP"),
    ("oai.identify-registry", oai("Identify", replaced('version="1.0">', 'version="2.0">')), "instead of 1.0"),
    ("oai.identify-registry", oai("Identify", replaced('role="std" version="1.0">', ">")), "instead of std"),
    ("oai.record-dates", oai("ListRecords", replaced('updated="2026', 'updated="2990')), "in the future"),
    ("oai.record-dates", oai("ListRecords", replaced('updated="2026', 'updated="2020')), "later than it was updated"),
    (
        "oai.datestamp-follows",
        oai("ListRecords", replaced('updated="2026-01', 'updated="2026-02')),
        "datestamp is 2026-01",
    ),
    (
        "oai.earliest",
        oai("Identify", replaced("2026-01-01T00:00:00Z</e", "2026-02-01T00:00:00Z</e")),
        "a record is of 2026-01",
    ),
    ("oai.record-texts", oai("ListRecords", replaced("<title>t<", "<title> <")), "title of .* is empty"),
    (
        "oai.record-urls",
        oai("ListRecords", replaced("<referenceURL>https://example.org", "<referenceURL>")),
        "no absolute URL",
    ),
    ("oai.service-interfaces", oai("ListRecords", replaced("<capability .*?</capability>", "")), "has no capability"),
    ("oai.service-interfaces", oai("ListRecords", replaced("<interface .*?</interface>", "")), "have no interface"),
    (
        "oai.standard-interfaces",
        oai("ListRecords", replaced(' role="std">', ">")),
        "ConeSearch of .* has no vs:ParamHTTP",
    ),
    ("oai.standard-interfaces", oai("ListRecords", replaced("vs:ParamHTTP", "vr:WebBrowser")), "has no vs:ParamHTTP"),
    ("oai.formats", oai("ListMetadataFormats", replaced("oai_dc", "dc")), "lacks oai_dc"),
    ("oai.sets", oai("ListSets", replaced("ivo_managed", "all")), "lacks ivo_managed"),
    ("oai.records-valid", oai("ListRecords", replaced("<title>t</title>", "")), "is not valid"),
    ("oai.records-valid", oai("ListIdentifiers", replaced("<datestamp>.*?</datestamp>", "")), "is not valid"),
    (
        "oai.records-wrapped",
        oai("ListRecords", replaced("<header><identifier>ivo:", "<header><identifier>IVO:")),
        "the header says",
    ),
    ("oai.records-wrapped", oai("ListRecords", replaced("<metadata>.*?</metadata>", "")), "no ri:Resource"),
    ("oai.deleted-empty", oai("ListRecords", replaced("<header>", '<header status="deleted">')), "has metadata"),
    ("oai.lists-itself", oai("ListRecords", replaced(f"{OWN}<", f"{OWN}2<")), "lacks the registry's own record"),
    (
        "oai.lists-itself",
        oai("Identify", replaced(">example.org<", ">other.example<")),
        "authority records of other.example",
    ),
    ("oai.lists-itself", oai("ListRecords", replaced("example.org/org<", "a.example/org<")), "not managed: a.example"),
    (
        "oai.datestamps",
        oai("ListRecords", replaced("T00:00:00Z</datestamp>", "</datestamp>")),
        "not of the granularity",
    ),
    (
        "oai.datestamps",
        oai("ListRecords", replaced("2026-01-01T00:00:00Z</d", "2990-01-01T00:00:00Z</d")),
        "in the future",
    ),
    (
        "oai.get-record",
        oai("GetRecord", replaced(f"<identifier>{OWN}</identifier><d", "<identifier>ivo://a</identifier><d")),
        "gives ivo://a",
    ),
    ("oai.get-record", oai("GetRecord", asked(identifier="ivo://no-such")), "idDoesNotExist"),
    ("oai.post", at("/oai", status(405), "POST"), "answered 405"),
    ("oai.post", at("/oai", asked(verb="ListSets"), "POST"), "not answered by Identify"),
    ("oai.whole-list", oai("ListIdentifiers", replaced("(<header>.*?</header>)", r"\1\1")), "in the list twice"),
    (
        "oai.whole-list",
        oai("ListIdentifiers", replaced("<resumptionToken></resumptionToken>", "")),
        "no empty resumptionToken",
    ),
    (
        "oai.whole-list",
        oai("ListIdentifiers", replaced("<resumptionToken>.*</resumptionToken>", "<resumptionToken/>")),
        "a list of one page",
    ),
    ("oai.from-until", oai("ListIdentifiers", asked(until=None)), "gives the datestamps"),
    ("oai.sets-select", oai("ListRecords", replaced("<setSpec>.*?</setSpec>", "")), "lacks ivo_managed"),
    ("oai.bad-verb", code("badVerb", "badArgument"), "instead of badVerb"),
    ("oai.bad-verb", at("/oai.*", status(400)), "answered 400"),
    ("oai.bad-verb-request", at("/oai.*", replaced("<request>", '<request verb="Identify">')), "repeats its arguments"),
    ("oai.bad-verb-request", oai("Identify", replaced(' verb="Identify"', "")), 'lacks verb="Identify"'),
    ("oai.bad-argument", code("badArgument", "badVerb"), "instead of badArgument"),
    ("oai.unknown-format", code("cannotDisseminateFormat", "badArgument"), "instead of cannotDisseminateFormat"),
    ("oai.unknown-identifier", code("idDoesNotExist", "noRecordsMatch"), "instead of idDoesNotExist"),
    ("oai.bad-token", code("badResumptionToken", "badArgument"), "instead of badResumptionToken"),
    ("oai.token-exclusive", at("/oai.*", asked(resumptionToken=None)), "answered by no error"),
    ("oai.no-records", code("noRecordsMatch", "badArgument"), "instead of noRecordsMatch"),
]
