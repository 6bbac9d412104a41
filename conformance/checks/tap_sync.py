"""TAP 1.1: queries by /sync, their results and their errors."""

from __future__ import annotations

import csv
import io

from conformance.bench import Bench, Pairs, pairs
from conformance.client import Reply, Request
from conformance.documents import VOTABLE_TYPES, VOTable, child_text, succeeded, valid, votable, xml
from conformance.model import Level, NotApplicable, require
from conformance.profile import QUERY
from conformance.registry import check

MANY = 20_000
ALL_COLUMNS = "SELECT table_name, column_name FROM TAP_SCHEMA.columns"


def sync(bench: Bench) -> str:
    """Return the URL of /sync."""
    return f"{bench.url.rstrip('/')}/sync"


async def query(bench: Bench, adql: str = QUERY, parameters: Pairs = ()) -> Reply:
    """Send a query by GET, with further parameters."""
    return await bench.get(sync(bench), [("LANG", "ADQL"), ("QUERY", adql), *pairs(parameters)])


async def rows_of(bench: Bench, adql: str, *, maxrec: int = MANY) -> VOTable:
    """Send a query and read its rows; the same query is sent once in a run."""
    asked = [("LANG", "ADQL"), ("QUERY", adql), ("MAXREC", str(maxrec)), ("RESPONSEFORMAT", "votable/td")]
    reply = await bench.known(sync(bench), asked)
    if reply.status != 200:  # the alias is of DALI 1.2
        reply = await bench.known(sync(bench), asked[:-1])
    found = answered(reply)
    if (found.overflowed() and len(found.rows) < maxrec) or len(found.rows) == maxrec == MANY:
        raise NotApplicable("there are more rows than are compared")
    return found


def answered(reply: Reply) -> VOTable:
    """Return the result of a query that must succeed."""
    found = votable(reply)
    said = "; ".join(info.text or info.value for info in found.infos if info.name == "QUERY_STATUS")
    require(found.status() in {"OK", "OVERFLOW"}, f"the query failed: {said or 'there is no QUERY_STATUS'}")
    return found


def refused(reply: Reply, what: str) -> None:
    """Require that a reply says that the query failed: a VOTable or a text says so, or the status (DALI 1.2 s5.2)."""
    if reply.media_type in VOTABLE_TYPES:
        status = votable(reply, any_status=True).status()
        require(status == "ERROR", f"{what} was answered by QUERY_STATUS {status or 'missing'}, not by an error")
    elif reply.status == 200:
        told = reply.media_type or "no Content-Type"
        require(reply.media_type == "text/plain", f"{what} was answered by 200 {told}, not by an error")
    else:
        require(reply.status >= 400, f"{what} was answered by {reply.status}, not by an error")


@check("tap.sync-get", "2.1")
async def sync_get(bench: Bench) -> None:
    """A query by GET is answered by its rows (TAP 1.1 s2.1)."""
    found = answered(await query(bench))
    require(len(found.rows) == 1, f"TOP 1 gave {len(found.rows)} rows")


@check("tap.sync-post", "2.1")
async def sync_post(bench: Bench) -> None:
    """A query by a POST of a form is answered by its rows (TAP 1.1 s2.1)."""
    await _posted(bench, multipart=False)


@check("tap.sync-multipart", "DALI 1.2 s2.2")
async def sync_multipart(bench: Bench) -> None:
    """A query by a POST of multipart/form-data is answered by its rows (DALI 1.2 s2.2)."""
    await _posted(bench, multipart=True)


async def _posted(bench: Bench, *, multipart: bool) -> None:
    form = (("LANG", "ADQL"), ("QUERY", QUERY))
    reply = await bench.send(Request(method="POST", url=sync(bench), form=form, multipart=multipart, follow=True))
    require(len(answered(reply).rows) == 1, "TOP 1 did not give one row")


@check("tap.result-document", "3")
async def result_document(bench: Bench) -> None:
    """A result is one RESOURCE of results with one TABLE after one QUERY_STATUS=OK (TAP 1.1 s3, DALI 1.2 s5.4)."""
    found = answered(await query(bench))
    results = [one for one in found.root.iterfind("{*}RESOURCE") if one.get("type") == "results"]
    require(len(results) == 1, f'{len(results)} RESOURCEs have type="results"')
    tables = results[0].findall("{*}TABLE")
    require(len(tables) == 1, f"the RESOURCE has {len(tables)} TABLEs")
    before = [info.value for info in found.infos if info.name == "QUERY_STATUS" and not info.trailing]
    require(before == ["OK"], f"before the TABLE the QUERY_STATUS is {before or 'missing'}")


@check("tap.result-valid", "3.1")
async def result_valid(bench: Bench) -> None:
    """A result is a valid VOTable of version 1.2 or later (DALI 1.2 s5.4)."""
    root = valid(await query(bench), "VOTABLE")
    version = root.get("version", "")
    require(version >= "1.2", f"the VOTable is of version {version or 'unknown'}")


@check("tap.result-columns", "3.2")
async def result_columns(bench: Bench) -> None:
    """The fields are the columns of the query in their order, under the names that it gave (TAP 1.1 s3.2)."""
    found = answered(
        await query(bench, "SELECT TOP 1 column_name AS conf_b, table_name, column_name FROM TAP_SCHEMA.columns")
    )
    names = [name.lower() for name in found.names()]
    require(names == ["conf_b", "table_name", "column_name"], f"the fields are {', '.join(names)}")


@check("tap.no-rows", "2.2")
async def no_rows(bench: Bench) -> None:
    """A result without rows is a table with its fields (TAP 1.1 s2.2)."""
    found = answered(await query(bench, "SELECT table_name FROM TAP_SCHEMA.tables WHERE table_name = 'no such'"))
    require(found.fields, "a result without rows has no fields")
    require(not found.rows, f"there are {len(found.rows)} rows that the query does not select")


@check("tap.bad-query-refused", "3.3")
async def bad_query_refused(bench: Bench) -> None:
    """A query that is no ADQL is answered by an error (TAP 1.1 s3.3)."""
    refused(await query(bench, "SELECT nonsense FROM FROM WHERE"), "a query that is no ADQL")


@check("tap.error-document", "3.3", Level.SHOULD)
async def error_document(bench: Bench) -> None:
    """The error of a query for a VOTable is a VOTable with QUERY_STATUS=ERROR and a sentence (TAP 1.1 s3.3)."""
    reply = await query(bench, "SELECT nonsense FROM FROM WHERE")
    found = votable(reply, any_status=True)
    status = [info for info in found.infos if info.name == "QUERY_STATUS"]
    require(status and status[0].value == "ERROR", f"the QUERY_STATUS is {[one.value for one in status] or 'missing'}")
    require(status[0].text, "the QUERY_STATUS does not say what is wrong")


@check("tap.error-status", "3.3", Level.SHOULD)
async def error_status(bench: Bench) -> None:
    """A mistake of the client is not reported as a failure of the service, 5xx (TAP 1.1 s3.3)."""
    reply = await query(bench, "SELECT nonsense FROM FROM WHERE")
    require(reply.status < 500, f"a query that is no ADQL is answered by {reply.status}")


@check("tap.maxrec-zero", "2.7.4")
async def maxrec_zero(bench: Bench) -> None:
    """MAXREC=0 gives the fields, no rows, and an overflow (TAP 1.1 s2.7.4)."""
    found = answered(await query(bench, parameters={"MAXREC": "0"}))
    require(found.fields, "MAXREC=0 gives no fields")
    require(not found.rows, f"MAXREC=0 gives {len(found.rows)} rows")
    require(found.overflowed(), "MAXREC=0 does not say OVERFLOW")


@check("tap.maxrec-overflow", "2.7.4")
async def maxrec_overflow(bench: Bench) -> None:
    """Rows beyond MAXREC are dropped, and an INFO says OVERFLOW (TAP 1.1 s2.7.4, DALI 1.2 s5.4.1)."""
    found = answered(await query(bench, ALL_COLUMNS, {"MAXREC": "2"}))
    require(len(found.rows) == 2, f"MAXREC=2 gives {len(found.rows)} rows")
    require(found.overflowed(), "rows were dropped, and no QUERY_STATUS says OVERFLOW")


@check("tap.maxrec-enough", "2.7.4", Level.SHOULD)
async def maxrec_enough(bench: Bench) -> None:
    """Where MAXREC dropped nothing there is no overflow, not even when it is exactly met (TAP 1.1 s2.7.4)."""
    for limit in ("1", "5"):
        found = answered(await query(bench, QUERY, {"MAXREC": limit}))
        require(not found.overflowed(), f"TOP 1 with MAXREC={limit} says OVERFLOW, though no row was dropped")


@check("tap.maxrec-refused", "DALI 1.2 s4.3.4", Level.SHOULD)
async def maxrec_refused(bench: Bench) -> None:
    """A MAXREC that is no number of rows is an error (DALI 1.2 s4.3.4)."""
    for value in ("-1", "many", "1.5"):
        refused(await query(bench, parameters={"MAXREC": value}), f"MAXREC={value}")


@check("tap.lang-unknown", "2.7.1", Level.SHOULD)
async def lang_unknown(bench: Bench) -> None:
    """A query in an unknown language is an error (TAP 1.1 s2.7.1)."""
    refused(await bench.get(sync(bench), {"LANG": "OOBLECK", "QUERY": QUERY}), "LANG=OOBLECK")


@check("tap.lang-version", "2.7.1")
async def lang_version(bench: Bench) -> None:
    """LANG with a version of ADQL that the capabilities name is accepted (TAP 1.1 s2.7.1)."""
    root = xml(await bench.known(f"{bench.url.rstrip('/')}/capabilities"), "capabilities")
    languages = [one for one in root.iterfind("{*}capability/{*}language") if child_text(one, "name") == "ADQL"]
    versions = [one.text for language in languages for one in language.iterfind("{*}version") if one.text]
    if not versions:
        raise NotApplicable("the capabilities name no version of ADQL")
    for version in versions:
        answered(await bench.get(sync(bench), {"LANG": f"ADQL-{version.strip()}", "QUERY": QUERY}))


@check("tap.request-ignored", "2.7")
async def request_accepted(bench: Bench) -> None:
    """REQUEST=doQuery, which clients of TAP 1.0 send, does no harm (TAP 1.1 s2.7)."""
    answered(await query(bench, parameters={"REQUEST": "doQuery"}))


@check("tap.query-missing", "2.7.2")
async def query_missing(bench: Bench) -> None:
    """A request without a QUERY is an error (TAP 1.1 s2.7.2)."""
    refused(await bench.get(sync(bench), {"LANG": "ADQL"}), "a request without QUERY")


@check("tap.names-any-case", "DALI 1.2 s4.1")
async def names_any_case(bench: Bench) -> None:
    """The names of parameters are not case-sensitive (DALI 1.2 s4.1)."""
    found = answered(await bench.get(sync(bench), {"lang": "ADQL", "Query": ALL_COLUMNS, "maxRec": "2"}))
    require(len(found.rows) == 2, f"maxRec=2 gives {len(found.rows)} rows")


@check("tap.spurious-ignored", "2.7")
async def spurious_ignored(bench: Bench) -> None:
    """A parameter that the service does not know changes nothing (TAP 1.1 s2.7)."""
    found = answered(await query(bench, parameters={"CONFORMANCE_DUMMY": "1"}))
    require(len(found.rows) == 1, "an unknown parameter changed the result")


@check("tap.repeated-refused", "DALI 1.2 s4.2")
async def repeated_refused(bench: Bench) -> None:
    """A parameter that has one value and is given two is an error (DALI 1.2 s4.2)."""
    refused(await query(bench, parameters={"QUERY": "SELECT TOP 2 table_name FROM TAP_SCHEMA.tables"}), "two QUERYs")


@check("tap.format-echoed", "DALI 1.2 s4.3.3")
async def format_echoed(bench: Bench) -> None:
    """A media type that was asked for is the Content-Type of the answer (DALI 1.2 s4.3.3)."""
    for value in ("application/x-votable+xml", "text/xml"):
        reply = await query(bench, parameters={"RESPONSEFORMAT": value})
        if value == "text/xml" and reply.status != 200:
            continue
        answered(reply)
        require(reply.media_type == value, f"RESPONSEFORMAT={value} is answered by {reply.media_type}")


@check("tap.format-alias", "2.7.3")
async def format_alias(bench: Bench) -> None:
    """FORMAT is another name of RESPONSEFORMAT, and votable is a format (TAP 1.1 s2.7.3)."""
    for name in ("FORMAT", "RESPONSEFORMAT"):
        answered(await query(bench, parameters={name: "votable"}))
    refused(await query(bench, parameters={"FORMAT": "application/x-no-such-format"}), "an unknown FORMAT")


@check("tap.format-unknown", "DALI 1.2 s4.3.3", Level.SHOULD)
async def format_unknown(bench: Bench) -> None:
    """A format that the service cannot write is an error (DALI 1.2 s4.3.3)."""
    refused(await query(bench, parameters={"RESPONSEFORMAT": "application/x-no-such-format"}), "an unknown format")


@check("tap.csv", "2.7.3", Level.SHOULD)
async def csv_result(bench: Bench) -> None:
    """CSV is offered, as text/csv with a line for the columns (TAP 1.1 s2.7.3, s3.2)."""
    reply = succeeded(await query(bench, ALL_COLUMNS, {"RESPONSEFORMAT": "csv", "MAXREC": "3"}))
    require(reply.media_type == "text/csv", f"RESPONSEFORMAT=csv is answered by {reply.media_type}")
    lines = list(csv.reader(io.StringIO(reply.text)))
    require(len(lines) == 4, f"three rows and a header are {len(lines)} lines")
    require([one.lower() for one in lines[0]] == ["table_name", "column_name"], f"the header is {lines[0]}")


@check("tap.csv-header", "3.2")
async def csv_header(bench: Bench) -> None:
    """CSV with a line of column names says so: text/csv;header=present (TAP 1.1 s3.2)."""
    reply = await query(bench, ALL_COLUMNS, {"RESPONSEFORMAT": "csv", "MAXREC": "3"})
    if reply.status != 200 or reply.media_type != "text/csv":
        raise NotApplicable("the service does not offer CSV")
    told = reply.headers.get("Content-Type", "").replace(" ", "").lower()
    if "column_name" in reply.text.partition("\n")[0].lower():
        require("header=present" in told, f"CSV with a header is sent as {told}")


@check("tap.tsv", "2.7.3", Level.SHOULD)
async def tsv_result(bench: Bench) -> None:
    """TSV is offered, as text/tab-separated-values (TAP 1.1 s2.7.3, s3.2)."""
    reply = succeeded(await query(bench, ALL_COLUMNS, {"RESPONSEFORMAT": "tsv", "MAXREC": "3"}))
    require(reply.media_type == "text/tab-separated-values", f"RESPONSEFORMAT=tsv is answered by {reply.media_type}")
    widths = {line.count("\t") for line in reply.text.splitlines()}
    require(widths == {1}, "the lines of the TSV have no two columns")
