"""TAP 1.1: how the service describes itself, and TAP_SCHEMA."""

from __future__ import annotations

import re

from lxml import etree

from conformance.bench import Bench
from conformance.capabilities import TAP, Capability, capabilities, of_standard
from conformance.checks.tap_sync import rows_of
from conformance.checks.uws_jobs import same
from conformance.documents import child_text, succeeded, xml
from conformance.model import Level, NotApplicable, Violation, require
from conformance.registry import check

# The columns of the tables of TAP_SCHEMA (TAP 1.1 s4.1 to s4.4).
TAP_SCHEMA = {
    "schemas": "schema_name utype description schema_index",
    "tables": "schema_name table_name table_type utype description table_index",
    "columns": (
        "table_name column_name datatype arraysize xtype size description utype unit ucd indexed principal std"
        " column_index"
    ),
    "keys": "key_id from_table target_table description utype",
    "key_columns": "key_id from_column target_column",
}
# Which column of which table points at which (TAP 1.1 s4.4).
KEYS = {
    ("tables", "schemas"),
    ("columns", "tables"),
    ("keys", "tables"),
    ("key_columns", "keys"),
}
UDF = re.compile(r"^\s*\w+\s*\(.*\)\s*->\s*.+$", re.DOTALL)


async def tap_capability(bench: Bench) -> Capability:
    """Return the capability of TAP."""
    root = xml(await bench.known(f"{bench.url.rstrip('/')}/capabilities"), "capabilities")
    found = [one for one in of_standard(capabilities(root), TAP) if one.standard_id == TAP]
    require(len(found) == 1, f"{len(found)} capabilities are called ivo://ivoa.net/std/TAP")
    return found[0]


@check("tap.capability", "2.4")
async def capability(bench: Bench) -> None:
    """One capability is TAP's; its interface is of version 1.1 and names the base URL (TAP 1.1 s2.4)."""
    found = await tap_capability(bench)
    standard = [one for one in found.interfaces if one.role.startswith("std")]
    require(standard, 'no interface of the TAP capability has role="std"')
    versions = {one.version for one in standard}
    require("1.1" in versions, f"the standard interfaces are of version {', '.join(sorted(versions))}, not 1.1")
    first = next(one for one in standard if one.version == "1.1")
    require(same(first.url, bench.url), f"the base URL is {first.url}, the service was reached at {bench.url}")


@check("tap.capability-detail", "2.4", Level.SHOULD)
async def capability_detail(bench: Bench) -> None:
    """The capability is a TableAccess at a ParamHTTP; it names ADQL and the default output limit (TAP 1.1 s2.4)."""
    found = await tap_capability(bench)
    standard = [one for one in found.interfaces if one.role.startswith("std")]
    require(all(one.kind == "ParamHTTP" for one in standard), "the standard interface is no ParamHTTP")
    require(all(use == "base" for one in standard for use, _ in one.urls), 'the base URL does not say use="base"')
    require(found.kind == "TableAccess", f"the TAP capability has the type {found.kind or 'of a plain capability'}")
    languages = {(child_text(one, "name") or "").upper() for one in found.element.iterfind("{*}language")}
    require("ADQL" in languages, f"the languages are {', '.join(sorted(languages)) or 'none'}, without ADQL")
    limit = found.element.find("{*}outputLimit/{*}default")
    require(limit is not None, "there is no default outputLimit, so clients cannot know when rows are cut")


@check("tap.capability-functions", "TAPRegExt 1.0 s2.4")
async def capability_functions(bench: Bench) -> None:
    """User-defined functions are declared by their signature (TAPRegExt 1.0 s2.4)."""
    found = await tap_capability(bench)
    for features in found.element.iterfind("{*}language/{*}languageFeatures"):
        if features.get("type", "").lower().endswith("#features-udf"):
            for form in features.iterfind("{*}feature/{*}form"):
                text = form.text or ""
                require(UDF.match(text), f"{text!r} is not of the form name(argument TYPE, ...) -> TYPE")


@check("tap.schema-columns", "4")
async def schema_columns(bench: Bench) -> None:
    """The five tables of TAP_SCHEMA can be queried and have their columns (TAP 1.1 s4)."""
    for name, columns in TAP_SCHEMA.items():
        found = await rows_of(bench, f"SELECT * FROM TAP_SCHEMA.{name}", maxrec=1)  # noqa: S608  ADQL, names of ours
        missing = set(columns.split()) - {one.lower() for one in found.names()}
        require(not missing, f"TAP_SCHEMA.{name} lacks {', '.join(sorted(missing))}")


@check("tap.schema-describes-itself", "4")
async def schema_describes_itself(bench: Bench) -> None:
    """TAP_SCHEMA lists its own tables and columns (TAP 1.1 s4)."""
    found = await rows_of(bench, "SELECT table_name, column_name FROM TAP_SCHEMA.columns")
    pairs = zip(found.column("table_name"), found.column("column_name"), strict=True)
    have = {(table.lower(), column.strip('"').lower()) for table, column in pairs}
    for name, columns in TAP_SCHEMA.items():
        missing = [column for column in columns.split() if (f"tap_schema.{name}", column) not in have]
        require(not missing, f"TAP_SCHEMA.columns does not list {', '.join(missing)} of tap_schema.{name}")


@check("tap.schema-values", "4.3")
async def schema_values(bench: Bench) -> None:
    """Flags are 0 or 1, names are not null, a table is a table or a view (TAP 1.1 s4.2, s4.3)."""
    found = await rows_of(
        bench, "SELECT table_name, column_name, datatype, indexed, principal, std FROM TAP_SCHEMA.columns"
    )
    for name in ("indexed", "principal", "std"):
        wrong = set(found.column(name)) - {"0", "1"}
        require(not wrong, f"TAP_SCHEMA.columns.{name} has the values {', '.join(sorted(map(repr, wrong)))}")
    for name in ("table_name", "column_name", "datatype"):
        require("" not in found.column(name), f"TAP_SCHEMA.columns.{name} is empty in some row")
    kinds = (await rows_of(bench, "SELECT table_name, table_type FROM TAP_SCHEMA.tables")).column("table_type")
    wrong = set(kinds) - {"table", "view"}
    require(not wrong, f"table_type has the values {', '.join(sorted(map(repr, wrong)))}")


@check("tap.schema-links", "4.4", Level.SHOULD)
async def schema_links(bench: Bench) -> None:
    """Every table belongs to a schema of the list, every column to a table (TAP 1.1 s4.4)."""
    schemas = set((await rows_of(bench, "SELECT schema_name FROM TAP_SCHEMA.schemas")).column("schema_name"))
    tables = await rows_of(bench, "SELECT schema_name, table_name FROM TAP_SCHEMA.tables")
    columns = await rows_of(bench, "SELECT table_name FROM TAP_SCHEMA.columns")
    lost = set(tables.column("schema_name")) - schemas
    require(not lost, f"tables are in schemas that are not listed: {', '.join(sorted(lost))}")
    astray = set(columns.column("table_name")) - set(tables.column("table_name"))
    require(not astray, f"columns are of tables that are not listed: {', '.join(sorted(astray)[:5])}")


@check("tap.schema-keys", "4.4", Level.SHOULD)
async def schema_keys(bench: Bench) -> None:
    """The foreign keys of TAP_SCHEMA are described in TAP_SCHEMA (TAP 1.1 s4.4)."""
    found = await rows_of(bench, "SELECT from_table, target_table FROM TAP_SCHEMA.keys")
    have = {
        (one.lower(), other.lower())
        for one, other in zip(found.column("from_table"), found.column("target_table"), strict=True)
    }
    missing = [f"{one} to {other}" for one, other in KEYS if (f"tap_schema.{one}", f"tap_schema.{other}") not in have]
    require(not missing, f"TAP_SCHEMA.keys lacks {', '.join(sorted(missing))}")


@check("tap.tables-agree", "2.5", Level.SHOULD)
async def tables_agree(bench: Bench) -> None:
    """The tables resource and TAP_SCHEMA list the same tables (TAP 1.1 s2.5)."""
    reply = await bench.known(f"{bench.url.rstrip('/')}/tables")
    if reply.status == 404:
        raise NotApplicable("the service has no tables resource")
    listed = {(child_text(one, "name") or "").lower() for one in xml(reply, "tableset").iter("{*}table")}
    found = await rows_of(bench, "SELECT table_name FROM TAP_SCHEMA.tables")
    held = {one.lower() for one in found.column("table_name")}
    require(listed == held, f"only in one of the two: {', '.join(sorted(listed ^ held)[:5])}")


@check("tap.examples", "2.6")
async def examples(bench: Bench) -> None:
    """The examples are well-formed XHTML in the vocabulary of the examples, each with its id (DALI 1.2 s2.3)."""
    reply = await bench.get(f"{bench.url.rstrip('/')}/examples")
    if reply.status == 404:
        raise NotApplicable("the service has no examples")
    succeeded(reply)
    require(reply.media_type in {"text/html", "application/xhtml+xml"}, f"the examples are sent as {reply.media_type}")
    try:
        root = etree.fromstring(reply.body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise Violation(f"the examples are not well-formed XML: {error.msg}") from error
    vocabularies = {one.get("vocab", "") for one in root.iter(etree.Element) if one.get("vocab")}
    require(
        any(one.rstrip("#").endswith("ivoa.net/rdf/examples") for one in vocabularies),
        "no element has the vocab http://www.ivoa.net/rdf/examples#",
    )
    for one in root.iter(etree.Element):
        if one.get("typeof") == "example":
            resource, identifier = one.get("resource", ""), one.get("id", "")
            agree = identifier and resource.endswith(f"#{identifier}")
            require(agree, f"an example has the id {identifier!r} and the resource {resource!r}")


@check("tap.base-page", "2", Level.SHOULD)
async def base_page(bench: Bench) -> None:
    """The base URL is a page for people (TAP 1.1 s2)."""
    reply = succeeded(await bench.get(bench.url, headers={"Accept": "text/html"}))
    require("html" in reply.media_type, f"the base URL is sent as {reply.media_type or 'nothing'}")
