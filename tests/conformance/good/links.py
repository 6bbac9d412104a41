"""A small links resource: one identifier that is known, faults for the others."""

from __future__ import annotations

from xml.sax.saxutils import escape

from aiohttp import web

from conformance.checks.datalink import FIELDS, OPTIONAL

KNOWN = "ivo://example.org/data?1"
COLUMNS = [*FIELDS, *OPTIONAL]
BLANK = dict.fromkeys(COLUMNS, "")
ROWS = (
    {
        "access_url": "https://example.org/1.fits",
        "semantics": "#this",
        "content_type": "image/fits",
        "content_length": "5",
        "content_qualifier": "#image",
        "link_auth": "optional",
        "link_authorized": "true",
    },
    {"service_def": "cutout", "semantics": "#cutout", "description": "a part"},
)
SERVICE = """<RESOURCE type="meta" utype="adhoc:service" ID="cutout">
 <PARAM name="accessURL" datatype="char" arraysize="*" value="https://example.org/soda"/>
 <GROUP name="inputParams"><PARAM name="ID" datatype="char" arraysize="*" value="" ref="id"/>
 <PARAM name="POL" datatype="char" arraysize="*" value="I"/></GROUP></RESOURCE>"""


def _rows(identifier: str) -> list[dict[str, str]]:
    if identifier != KNOWN:
        fault = {"error_message": "NotFoundFault: not here", "semantics": "#this"}
        return [{**BLANK, "ID": identifier, **fault}]
    return [{**BLANK, "ID": identifier, **row} for row in ROWS]


async def links(request: web.Request) -> web.Response:
    form = [*request.query.items(), *(await request.post()).items()]
    wanted = [str(value) for name, value in form if name.upper() == "RESPONSEFORMAT"]
    if any("votable" not in value for value in wanted):
        return web.Response(status=400, text="UsageError: unknown format")
    rows = [row for name, value in form if name.upper() == "ID" for row in _rows(str(value))]
    cells = "".join("<TR>" + "".join(f"<TD>{escape(row[name])}</TD>" for name in COLUMNS) + "</TR>" for row in rows)
    fields = "".join(_field(name, ucd) for name, ucd in FIELDS.items())
    fields += "".join(_optional(name, datatype) for name, datatype in OPTIONAL.items())
    text = (
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
        '<INFO name="standardID" value="ivo://ivoa.net/std/DataLink#links-1.1"/>'
        f'<INFO name="QUERY_STATUS" value="OK"/><TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>'
        f"</RESOURCE>{SERVICE}</VOTABLE>"
    )
    headers = {"Content-Type": "application/x-votable+xml;content=datalink"}
    return web.Response(body=text.encode(), headers=headers)


def _field(name: str, ucd: str) -> str:
    if name == "content_length":
        return f'<FIELD name="{name}" datatype="long" unit="byte" ucd="{ucd}"/>'
    identifier = 'ID="id" ' if name == "ID" else ""
    return f'<FIELD {identifier}name="{name}" datatype="char" arraysize="*" ucd="{ucd}"/>'


def _optional(name: str, datatype: str) -> str:
    arraysize = 'arraysize="*" ' if datatype == "char" else ""
    return f'<FIELD name="{name}" datatype="{datatype}" {arraysize}/>'


def routes() -> list[web.RouteDef]:
    return [web.get("/links", links), web.post("/links", links)]
