"""A small publishing registry with five records, two to a page."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

VO = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ri="http://www.ivoa.net/xml/RegistryInterface/v1.0"'
    ' xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0" xmlns:vg="http://www.ivoa.net/xml/VORegistry/v1.0"'
    ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
)
COMMON = """<title>t</title><identifier>{id}</identifier><curation><publisher>p</publisher><contact><name>n</name>
 </contact></curation><content><subject>s</subject><description>d</description>
 <referenceURL>https://example.org/</referenceURL></content>"""
REGISTRY = """<capability xsi:type="vg:Harvest" standardID="ivo://ivoa.net/std/Registry">
 <interface xsi:type="vg:OAIHTTP" role="std" version="1.0"><accessURL>BASE</accessURL></interface>
 <maxRecords>2</maxRecords></capability><full>false</full><managedAuthority>example.org</managedAuthority>"""
SCS = """<capability standardID="ivo://ivoa.net/std/ConeSearch"><interface xsi:type="vs:ParamHTTP" role="std">
 <accessURL use="base">https://example.org/scs?</accessURL></interface></capability>"""
OWN = "ivo://example.org/registry"
RECORDS = {
    OWN: ("vg:Registry", REGISTRY, "2026-01-01T00:00:00Z"),
    "ivo://example.org": ("vg:Authority", "<managingOrg>o</managingOrg>", "2026-01-02T00:00:00Z"),
    "ivo://example.org/org": ("vr:Organisation", "", "2026-01-03T00:00:00Z"),
    "ivo://example.org/gone": ("", "", "2026-01-04T00:00:00Z"),
    "ivo://example.org/scs": ("vs:CatalogService", SCS, "2026-01-05T00:00:00Z"),
}
ARGUMENTS = {
    "Identify": (set(), set()),
    "ListSets": (set(), {"resumptionToken"}),
    "ListMetadataFormats": (set(), {"identifier"}),
    "GetRecord": ({"identifier", "metadataPrefix"}, set()),
    "ListRecords": ({"metadataPrefix"}, {"from", "until", "set", "resumptionToken"}),
    "ListIdentifiers": ({"metadataPrefix"}, {"from", "until", "set", "resumptionToken"}),
}
PREFIXES = ("ivo_vor", "oai_dc")


class Wrong(Exception):
    """An error of OAI-PMH; its text is the code."""


def resource(identifier: str) -> str:
    kind, tail, stamp = RECORDS[identifier]
    return (
        f'<ri:Resource xmlns="" {VO} xsi:type="{kind}" created="{stamp}" updated="{stamp}" status="active">'
        f"{COMMON.format(id=identifier)}{tail}</ri:Resource>"
    )


def header(identifier: str) -> str:
    deleted = "" if RECORDS[identifier][0] else ' status="deleted"'
    return (
        f"<header{deleted}><identifier>{identifier}</identifier><datestamp>{RECORDS[identifier][2]}</datestamp>"
        "<setSpec>ivo_managed</setSpec></header>"
    )


def record(identifier: str, prefix: str) -> str:
    if not RECORDS[identifier][0]:
        return f"<record>{header(identifier)}</record>"
    metadata = resource(identifier)
    if prefix == "oai_dc":
        metadata = (
            '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/">'
            f'<identifier xmlns="http://purl.org/dc/elements/1.1/">{identifier}</identifier></oai_dc:dc>'
        )
    return f"<record>{header(identifier)}<metadata>{metadata}</metadata></record>"


def identify(arguments: dict[str, str]) -> str:
    return (
        "<Identify><repositoryName>r</repositoryName><baseURL>BASE</baseURL><protocolVersion>2.0</protocolVersion>"
        "<adminEmail>a@example.org</adminEmail><earliestDatestamp>2026-01-01T00:00:00Z</earliestDatestamp>"
        "<deletedRecord>persistent</deletedRecord><granularity>YYYY-MM-DDThh:mm:ssZ</granularity>"
        f"<description>{resource(OWN)}</description></Identify>"
    )


def formats(arguments: dict[str, str]) -> str:
    if arguments.get("identifier", OWN) not in RECORDS:
        raise Wrong("idDoesNotExist")
    inside = "".join(
        f"<metadataFormat><metadataPrefix>{prefix}</metadataPrefix><schema>urn:s</schema>"
        "<metadataNamespace>urn:n</metadataNamespace></metadataFormat>"
        for prefix in PREFIXES
    )
    return f"<ListMetadataFormats>{inside}</ListMetadataFormats>"


def sets(arguments: dict[str, str]) -> str:
    return "<ListSets><set><setSpec>ivo_managed</setSpec><setName>n</setName></set></ListSets>"


def get_record(arguments: dict[str, str]) -> str:
    if arguments["metadataPrefix"] not in PREFIXES:
        raise Wrong("cannotDisseminateFormat")
    if arguments["identifier"] not in RECORDS:
        raise Wrong("idDoesNotExist")
    return f"<GetRecord>{record(arguments['identifier'], arguments['metadataPrefix'])}</GetRecord>"


def _bound(text: str, pad: str) -> str:
    if len(text) not in {10, 20}:
        raise Wrong("badArgument")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Wrong("badArgument") from None
    return text if len(text) == 20 else text + pad


def _selected(arguments: dict[str, str]) -> tuple[list[str], str, int]:
    if "resumptionToken" in arguments:
        prefix, _, offset = arguments["resumptionToken"].partition("-")
        if prefix not in PREFIXES or not offset.isdigit():
            raise Wrong("badResumptionToken")
        return list(RECORDS), prefix, int(offset)
    if arguments["metadataPrefix"] not in PREFIXES:
        raise Wrong("cannotDisseminateFormat")
    first, last = arguments.get("from", "1000-01-01"), arguments.get("until", "9000-01-01")
    low, high = _bound(first, "T00:00:00Z"), _bound(last, "T23:59:59Z")
    if low > high or ({"from", "until"} <= set(arguments) and len(first) != len(last)):
        raise Wrong("badArgument")
    found = [name for name, facts in RECORDS.items() if low <= facts[2] <= high]
    if arguments.get("set", "ivo_managed") != "ivo_managed" or not found:
        raise Wrong("noRecordsMatch")
    return found, arguments["metadataPrefix"], 0


def listed(arguments: dict[str, str]) -> str:
    found, prefix, offset = _selected(arguments)
    verb = arguments["verb"]
    one = (lambda name: record(name, prefix)) if verb == "ListRecords" else header
    more = f"{prefix}-{offset + 2}" if offset + 2 < len(found) else ""
    token = f"<resumptionToken>{more}</resumptionToken>" if more or offset else ""
    return f"<{verb}>{''.join(map(one, found[offset : offset + 2]))}{token}</{verb}>"


VERBS = {
    "Identify": identify,
    "ListSets": sets,
    "ListMetadataFormats": formats,
    "GetRecord": get_record,
    "ListRecords": listed,
    "ListIdentifiers": listed,
}


def _checked(pairs: list[tuple[str, str]]) -> dict[str, str]:
    verbs = [value for name, value in pairs if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in VERBS:
        raise Wrong("badVerb")
    arguments = dict(pairs)
    required, optional = ARGUMENTS[verbs[0]]
    given = set(arguments) - {"verb"}
    if len(arguments) != len(pairs) or given - required - optional:
        raise Wrong("badArgument")
    if "resumptionToken" in given and given != {"resumptionToken"}:
        raise Wrong("badArgument")
    if "resumptionToken" not in given and required - given:
        raise Wrong("badArgument")
    return arguments


async def oai(request: web.Request) -> web.Response:
    pairs = [(name, str(value)) for name, value in [*request.query.items(), *(await request.post()).items()]]
    said = ""
    try:
        arguments = _checked(pairs)
        said = "".join(f' {name}="{value}"' for name, value in arguments.items() if "no-such" not in value)
        inside = VERBS[arguments["verb"]](arguments)
    except Wrong as wrong:
        said = "" if str(wrong) in {"badVerb", "badArgument"} else said
        inside = f'<error code="{wrong}">no</error>'
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<responseDate>2026-01-01T00:00:00Z</responseDate><request{said}>BASE</request>{inside}</OAI-PMH>"
    )
    return web.Response(text=text.replace("BASE", f"{request.url.origin()}/oai"), content_type="text/xml")


def routes() -> list[web.RouteDef]:
    return [web.get("/oai", oai), web.post("/oai", oai)]
