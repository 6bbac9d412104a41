"""A small TAP service over a fixed TAP_SCHEMA. It understands the few queries that the checks send, and no others."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from functools import cache
from xml.sax.saxutils import escape

from aiohttp import web
from astropy.io.votable import parse_single_table

from conformance.checks.obscore import COLUMNS
from conformance.checks.regtap import TABLES as RR
from conformance.checks.tap_service import KEYS, TAP_SCHEMA
from tests.conformance.good import adql
from tests.conformance.good.jobs import JobList

VO = (
    'xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
    ' xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0" xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0"'
    ' xmlns:vtm="http://www.ivoa.net/xml/VOSITables/v1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
CAPABILITIES = f"""<vosi:capabilities {VO}>
 <capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">
  <interface xsi:type="vs:ParamHTTP" role="std" version="1.1"><accessURL use="base">BASE</accessURL>
   <securityMethod standardID="ivo://ivoa.net/sso#OAuth"/></interface>
  <language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.1">2.1</version>
   <languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-udf">
    <feature><form>one(x INTEGER) -> INTEGER</form></feature></languageFeatures>FEATURES</language>
  <outputFormat><mime>application/x-votable+xml</mime><alias>votable</alias></outputFormat>
  <outputFormat><mime>text/csv</mime><alias>csv</alias></outputFormat>
  <outputFormat><mime>application/fits</mime><alias>fits</alias></outputFormat>
  <uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-inline"/>
  <outputLimit><default unit="row">1000</default></outputLimit></capability>
 VOSI</vosi:capabilities>"""
RESOURCE = """<capability standardID="ivo://ivoa.net/std/VOSI#{}"><interface xsi:type="vs:ParamHTTP" role="std">
 <accessURL use="full">BASE/{}</accessURL></interface></capability>"""
VOSI = "".join(
    RESOURCE.format(*names)
    for names in (("capabilities", "capabilities"), ("availability", "availability"), ("tables-1.1", "tables"))
)
EXAMPLES = """<html xmlns="http://www.w3.org/1999/xhtml"><head><title>e</title></head>
<body vocab="http://www.ivoa.net/rdf/examples#"><div typeof="example" id="a" resource="#a">
<h2 property="name">n</h2><pre property="query">SELECT 1</pre></div></body></html>"""
QUERY = re.compile(
    r"SELECT (?:TOP (?P<top>\d+) |DISTINCT )?(?P<columns>[\w, *]+) FROM (?:TAP_SCHEMA|TAP_UPLOAD|ivoa)\.(?P<table>\w+)"
    r"(?P<where> WHERE .*)?(?: ORDER BY \w+)?"
)
FORMATS = {
    "votable": "application/x-votable+xml",
    "votable/td": "application/x-votable+xml",
    "application/x-votable+xml": "application/x-votable+xml",
    "text/xml": "text/xml",
    "csv": "text/csv",
    "text/csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "fits": "application/fits",
    "application/fits": "application/fits",
}
FEATURES = "".join(
    f'<languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-{kind}">'
    + "".join(f"<feature><form>{form}</form></feature>" for form in forms.split())
    + "</languageFeatures>"
    for kind, forms in (
        ("adqlgeo", "CONTAINS CIRCLE INTERSECTS POLYGON BOX DISTANCE AREA COORD1 COORD2"),
        ("adql-string", "LOWER UPPER ILIKE"),
        ("adql-sets", "UNION EXCEPT INTERSECT"),
        ("adql-common-table", "WITH"),
        ("adql-type", "CAST"),
        ("adql-conditional", "COALESCE"),
        ("adql-offset", "OFFSET"),
    )
)
OBSCORE = "ivoa.obscore"
FOREIGN_KEY = """<foreignKey><targetTable>tap_schema.tables</targetTable><fkColumn><fromColumn>table_name</fromColumn>
<targetColumn>table_name</targetColumn></fkColumn></foreignKey>"""
JOIN = "SELECT l.a, r.b FROM TAP_UPLOAD.conf AS l JOIN TAP_UPLOAD.other AS r"
Uploads = dict[str, list[dict[str, str]]]
SINGLE = ("LANG", "QUERY", "MAXREC", "FORMAT", "RESPONSEFORMAT")


@cache
def tables() -> dict[str, list[dict[str, str]]]:
    names = [f"tap_schema.{name}" for name in TAP_SCHEMA]
    return {
        "schemas": [{"schema_name": "tap_schema"}, {"schema_name": "ivoa"}, {"schema_name": "rr"}],
        "tables": [{"schema_name": "tap_schema", "table_name": name, "table_type": "table"} for name in names]
        + [{"schema_name": "ivoa", "table_name": OBSCORE, "table_type": "view"}]
        + [{"schema_name": "rr", "table_name": f"rr.{name}", "table_type": "table"} for name in RR],
        "columns": [
            {
                "table_name": f"tap_schema.{name}",
                "column_name": '"size"' if column == "size" else column,
                "datatype": "char",
                "indexed": "0",
                "principal": "1",
                "std": "1",
            }
            for name, columns in TAP_SCHEMA.items()
            for column in columns.split()
        ]
        + [_obscore_column(name, *facts) for name, facts in COLUMNS.items()]
        + [_registry_column(table, name) for table, names in RR.items() for name in names.split()],
        "obscore": [{"obs_id": "1", "dataproduct_type": "image", "calib_level": "2"}],
        "keys": [
            {"key_id": f"{one}-{other}", "from_table": f"tap_schema.{one}", "target_table": f"tap_schema.{other}"}
            for one, other in sorted(KEYS)
        ],
        "key_columns": [{"key_id": "k", "from_column": "schema_name", "target_column": "schema_name"}],
    }


def _obscore_column(name: str, number: bool, unit: str, ucd: str, utype: str) -> dict[str, str]:
    flags = {"indexed": "0", "principal": "1", "std": "1"}
    datatype = "double" if number else "char"
    facts = {"datatype": datatype, "unit": unit, "ucd": ucd, "utype": f"obscore:{utype}"}
    return {"table_name": OBSCORE, "column_name": name, **facts, **flags}


def _registry_column(table: str, name: str) -> dict[str, str]:
    flags = {"indexed": "0", "principal": "1", "std": "1"}
    return {"table_name": f"rr.{table}", "column_name": name, "datatype": "char", **flags}


class Wrong(Exception):
    """A request that the service refuses."""


def answer(form: dict[str, str], uploaded: Uploads | None = None) -> tuple[str, bytes]:
    """Return the media type and the content of the answer to a query."""
    if form.get("LANG") not in {"ADQL", "ADQL-2.0", "ADQL-2.1"}:
        raise Wrong("unknown language")
    wanted = form.get("RESPONSEFORMAT", form.get("FORMAT", "votable"))
    maxrec = form.get("MAXREC", "1000")
    if wanted not in FORMATS or not maxrec.isdigit():
        raise Wrong("not a query that can be answered")
    names, rows = adql.answer(form.get("QUERY", "")) or _selected(form.get("QUERY", ""), uploaded or {})
    kept = rows[: int(maxrec)]
    media = FORMATS[wanted]
    if media == "application/fits":
        return media, fits(names, kept)
    if media.startswith("text/") and media != "text/xml":
        separator = "," if media == "text/csv" else "\t"
        lines = (separator.join(cell.replace('"', "") for cell in row) + "\n" for row in [names, *kept])
        return media, "".join(lines).encode()
    return media, votable(names, kept, overflow=len(kept) < len(rows) or maxrec == "0").encode()


def _selected(query: str, uploaded: Uploads) -> tuple[list[str], list[list[str]]]:
    if query.startswith(JOIN) and len(uploaded) == 2:
        return ["a", "b"], [[row["a"], row["b"]] for row in uploaded["conf"]]
    match = QUERY.fullmatch(query)
    if not match:
        raise Wrong("not a query that can be answered")
    table = uploaded.get(match["table"]) or tables().get(match["table"])
    if table is None:
        raise Wrong("no such table")
    names, sources = (list(table[0]),) * 2 if match["table"] in uploaded and "*" in query else _columns(match)
    rows = [[row.get(source, "") for source in sources] for row in table]
    if match["where"] and OBSCORE in match["where"]:
        rows = [[row.get(source, "") for source in sources] for row in table if row["table_name"] == OBSCORE]
    elif match["where"]:
        rows = []
    return names, rows[: int(match["top"] or len(rows))]


def fits(names: list[str], rows: list[list[str]]) -> bytes:
    """Write a table as FITS."""
    from astropy.io import fits as writer

    columns = [writer.Column(name, "40A", array=[row[n] for row in rows]) for n, name in enumerate(names)]
    content = io.BytesIO()
    writer.HDUList([writer.PrimaryHDU(), writer.BinTableHDU.from_columns(columns)]).writeto(content)
    return content.getvalue()


def _columns(match: re.Match[str]) -> tuple[list[str], list[str]]:
    if match["columns"] == "*":
        names = TAP_SCHEMA[match["table"]].split()
        return names, names
    asked = [one.strip().split(" AS ") for one in match["columns"].split(",")]
    return [one[-1] for one in asked], [one[0] for one in asked]


def votable(names: list[str], rows: list[list[str]], *, overflow: bool) -> str:
    fields = "".join(f'<FIELD name="{name}" datatype="char" arraysize="*"/>' for name in names)
    cells = "".join("<TR>" + "".join(f"<TD>{escape(cell)}</TD>" for cell in row) + "</TR>" for row in rows)
    after = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if overflow else ""
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>"
    return document(f'<INFO name="QUERY_STATUS" value="OK"/>{table}{after}')


def document(inside: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results">{inside}</RESOURCE></VOTABLE>'
    )


def error(text: str) -> str:
    return document(f'<INFO name="QUERY_STATUS" value="ERROR">UsageError: {escape(text)}</INFO>')


def execute(form: dict[str, str]) -> tuple[bool, bytes]:
    try:
        return True, answer(form)[1]
    except Wrong as wrong:
        return False, error(str(wrong)).encode()


async def sync(request: web.Request) -> web.Response:
    pairs, files = list(request.query.items()), {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = value.file.read()
        else:
            pairs.append((name, value))
    try:
        uploads = dict(_upload(value, files) for name, value in pairs if name == "UPLOAD")
        media, content = answer(_single(pairs), uploads)
    except Wrong as wrong:
        return web.Response(status=400, text=error(str(wrong)), content_type="application/x-votable+xml")
    headers = {"Content-Type": "text/csv;header=present" if media == "text/csv" else media}
    return web.Response(body=content, headers=headers)


def _single(pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = [name.upper() for name, _ in pairs]
    if any(names.count(name) > 1 for name in SINGLE):
        raise Wrong("a parameter is given twice")
    return {name.upper(): value for name, value in pairs}


def _upload(value: str, files: dict[str, bytes]) -> tuple[str, list[dict[str, str]]]:
    """Read the table that an UPLOAD names."""
    name, _, place = value.partition(",")
    if not name.isidentifier() or place.removeprefix("param:") not in files:
        raise Wrong("no such upload")
    try:
        table = parse_single_table(io.BytesIO(files[place.removeprefix("param:")]), verify="ignore")
    except Exception as error:
        raise Wrong("not a VOTable") from error
    return name, [dict(zip(table.array.dtype.names, map(str, row), strict=True)) for row in table.array]


def _table(name: str, *, columns: bool) -> str:
    keys = FOREIGN_KEY if columns and name == "columns" else ""
    return f"<name>tap_schema.{name}</name>{_described(TAP_SCHEMA[name].split() if columns else ())}{keys}"


def _described(names: Iterable[str]) -> str:
    return "".join(f"<column><name>{name}</name></column>" for name in names)


async def tableset(request: web.Request) -> web.Response:
    columns = request.query.get("detail") != "min"
    inside = "".join(f"<table>{_table(name, columns=columns)}</table>" for name in TAP_SCHEMA)
    obscore = _described(COLUMNS if columns else ())
    other = f"<schema><name>ivoa</name><table><name>{OBSCORE}</name>{obscore}</table></schema>"
    registry = "".join(
        f"<table><name>rr.{name}</name>{_described(RR[name].split() if columns else ())}</table>" for name in RR
    )
    other += f"<schema><name>rr</name>{registry}</schema>"
    return xml(f"<vtm:tableset {VO}><schema><name>tap_schema</name>{inside}</schema>{other}</vtm:tableset>")


async def table(request: web.Request) -> web.Response:
    name = request.match_info["name"].removeprefix("tap_schema.")
    if name not in TAP_SCHEMA:
        raise web.HTTPNotFound
    return xml(f"<vtm:table {VO}>{_table(name, columns=True)}</vtm:table>")


async def capabilities(request: web.Request) -> web.Response:
    text = (
        CAPABILITIES.replace("VOSI<", f"{VOSI}<")
        .replace("FEATURES", FEATURES)
        .replace("BASE", f"{request.url.origin()}/tap")
    )
    return xml(text, {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})


async def availability(request: web.Request) -> web.Response:
    return xml(
        '<availability xmlns="http://www.ivoa.net/xml/VOSIAvailability/v1.0"><available>true</available></availability>'
    )


async def examples(request: web.Request) -> web.Response:
    return web.Response(text=EXAMPLES, content_type="application/xhtml+xml")


async def page(request: web.Request) -> web.Response:
    return web.Response(text="<html><body>a TAP service</body></html>", content_type="text/html")


def xml(text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(text=text, content_type="text/xml", headers=headers)


def routes() -> list[web.RouteDef]:
    jobs = JobList("/tap/async", execute, "application/x-votable+xml")
    return [
        web.get("/tap", page),
        web.get("/tap/capabilities", capabilities),
        web.get("/tap/availability", availability),
        web.get("/tap/tables", tableset),
        web.get("/tap/tables/{name}", table),
        web.get("/tap/examples", examples),
        *(web.route(method, "/tap/sync", sync) for method in ("GET", "POST")),
        *jobs.routes(),
    ]
