"""For every check of TAP and VOSI a fault that it must notice, and what it must say."""

from __future__ import annotations

from tests.conformance.faults import Fault, asked, body, header, replaced, status
from tests.conformance.good.tap import error, votable

SYNC, ASYNC = r"/tap/sync.*", r"/tap/async"
CAPABILITIES, TABLES = r"/tap/capabilities", r"/tap/tables(\?.*)?"
JOB = f"{ASYNC}/[^/?]+"
VOTABLE = "application/x-votable+xml"


def at(path: str, change: object, method: str = "GET") -> Fault:
    return Fault(path, change, method)  # type: ignore[arg-type]


def answers(text: str) -> object:
    return body(text, media=VOTABLE)


ERROR = answers(error("no"))
ONE = answers(votable(["table_name"], [["a"]], overflow=False))
NONE = answers(votable(["table_name"], [], overflow=False))


def schema(table: str, change: object) -> Fault:
    return at(rf"{SYNC}TAP_SCHEMA\.{table}&.*", change)


def described(change: object) -> Fault:
    return at(rf"{SYNC}WHERE.table_name.IN.*", change)


CASES = [
    ("vosi.capabilities", at(CAPABILITIES, status(401)), "answered 401"),
    ("vosi.capabilities", at(CAPABILITIES, header("Content-Type", VOTABLE)), "sent as application/x-votable"),
    ("vosi.capabilities-valid", at(CAPABILITIES, replaced("<mime>.*</mime>", "")), "is not valid"),
    ("vosi.capabilities-registered", at(CAPABILITIES, replaced("#capabilities", "#other")), "there is no capability"),
    ("vosi.availability-registered", at(CAPABILITIES, replaced("#availability", "#other")), "there is no capability"),
    ("vosi.access-urls", at(CAPABILITIES, replaced(">http://[^<]*/tap<", ">/tap<")), "no absolute URL"),
    ("vosi.access-urls", at(CAPABILITIES, replaced("/availability<", "/none<")), "404"),
    ("vosi.capabilities-last-modified", at(CAPABILITIES, header("Last-Modified", None)), "no Last-Modified"),
    ("vosi.capabilities-last-modified", at(CAPABILITIES, body("", 405), "HEAD"), "HEAD of the capabilities"),
    ("vosi.available", at("/tap/availability", replaced("true", "false")), "not available"),
    (
        "vosi.capabilities-for-all",
        at(CAPABILITIES, replaced("(/capabilities</accessURL>)", r'\1<securityMethod standardID="urn:a"/>')),
        "has a securityMethod",
    ),
    ("vosi.access-url-use", at(CAPABILITIES, replaced('use="full"', 'use="base"')), "'base'"),
    ("vosi.availability", at("/tap/availability", replaced("available>", "up>")), "is not valid"),
    ("vosi.tables", at(TABLES, replaced("(<table>.*?</table>)", r"\1\1")), "not valid"),
    ("vosi.tables", at(TABLES, replaced("(<schema>.*</schema>)", r"\1\1")), "there twice"),
    (
        "vosi.tables-min",
        at(r"/tap/tables\?.*", replaced("<table>.*?</table>", "")),
        "the same",
    ),
    ("vosi.tables-max", at(r"/tap/tables\?.*", asked(detail="min")), "without columns"),
    ("vosi.tables-max", at(r"/tap/tables\?.*", status(400)), "answered 400"),
    ("vosi.columns", at(TABLES, replaced("(<column>.*?</column>)", r"\1\1")), "there twice"),
    ("vosi.foreign-keys", at(TABLES, replaced("tap_schema.tables</target", "tables</target")), "which is no table"),
    ("vosi.foreign-keys", at(TABLES, replaced("<fromColumn>table_name", "<fromColumn>name")), "names name, no column"),
    ("vosi.table", at("/tap/tables/tap.*", status(404)), "answered 404"),
    ("vosi.table", at("/tap/tables/tap.*", replaced("<column>.*</column>", "")), "no columns"),
    ("vosi.table-unknown", at("/tap/tables/no.*", body("")), "answered by 200"),
    ("tap.sync-get", at(SYNC, status(405)), "answered 405"),
    ("tap.sync-get", at(SYNC, NONE), "gave 0 rows"),
    ("tap.sync-post", at(SYNC, status(405), "POST"), "answered 405"),
    ("tap.sync-multipart", at(SYNC, status(415), "POST"), "answered 415"),
    ("tap.result-document", at(SYNC, replaced("</TABLE>", "</TABLE><TABLE/>")), "2 TABLEs"),
    ("tap.result-document", at(SYNC, replaced('<INFO name="QUERY_STATUS" value="OK"/>', "")), "QUERY_STATUS"),
    ("tap.result-document", at(SYNC, replaced(r'(<INFO [^>]*value="OK"/>)', r"\1\1")), "before the TABLE"),
    ("tap.result-document", at(SYNC, replaced("(<RESOURCE.*</RESOURCE>)", r"\1\1")), "2 RESOURCEs"),
    ("tap.result-valid", at(SYNC, replaced('datatype="char"', 'datatype="text"')), "is not valid"),
    ("tap.result-columns", at(SYNC, replaced("conf_b", "column_name")), "the fields are"),
    ("tap.no-rows", at(SYNC, replaced("<FIELD[^>]*>", "")), "no fields"),
    ("tap.no-rows", at(SYNC, ONE), "1 rows"),
    ("tap.bad-query-refused", at(SYNC, ONE), "not by an error"),
    ("tap.bad-query-refused", at(SYNC, body("<html/>", media="text/html")), "not by an error"),
    ("tap.error-document", at(SYNC, body("UsageError: no", 400)), "where a VOTable is due"),
    ("tap.error-document", at(SYNC, ONE), "QUERY_STATUS is"),
    ("tap.error-document", at(SYNC, replaced("UsageError[^<]*", "")), "does not say what is wrong"),
    ("tap.error-status", at(SYNC, status(500)), "answered by 500"),
    ("tap.maxrec-zero", at(SYNC, asked(MAXREC=None)), "gives 1 rows"),
    ("tap.maxrec-zero", at(SYNC, NONE), "does not say OVERFLOW"),
    ("tap.maxrec-overflow", at(SYNC, asked(MAXREC="3")), "gives 3 rows"),
    ("tap.maxrec-overflow", at(SYNC, replaced('<INFO[^>]*"OVERFLOW"/>', "")), "no QUERY_STATUS says OVERFLOW"),
    (
        "tap.maxrec-enough",
        at(SYNC, replaced("</TABLE>", '</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>')),
        "no row",
    ),
    ("tap.maxrec-refused", at(SYNC, asked(MAXREC=None)), "MAXREC=-1 was answered"),
    ("tap.lang-unknown", at(SYNC, asked(LANG="ADQL")), "LANG=OOBLECK was answered"),
    ("tap.lang-version", at(r"/tap/sync\?LANG=ADQL-2.1.*", ERROR), "the query failed: UsageError: no"),
    ("tap.request-ignored", at(SYNC + "REQUEST.*", ERROR), "the query failed"),
    ("tap.query-missing", at(SYNC, ONE), "without QUERY was answered"),
    ("tap.names-any-case", at(SYNC + "maxRec.*", asked(maxRec=None)), "rows"),
    ("tap.spurious-ignored", at(SYNC + "DUMMY.*", ERROR), "the query failed"),
    ("tap.spurious-ignored", at(SYNC + "DUMMY.*", NONE), "changed the result"),
    ("tap.repeated-refused", at(SYNC, ONE), "two QUERYs was answered"),
    ("tap.format-echoed", at(SYNC, header("Content-Type", "text/xml")), "answered by text/xml"),
    ("tap.format-alias", at(r"/tap/sync\?(?!.*RESPONSE).*FORMAT=votable", ERROR), "the query failed"),
    ("tap.format-alias", at(r"/tap/sync.*&FORMAT=.*", asked(FORMAT=None)), "an unknown FORMAT was answered"),
    ("tap.format-unknown", at(SYNC, asked(RESPONSEFORMAT=None)), "an unknown format was answered"),
    ("tap.csv", at(SYNC, header("Content-Type", "text/plain")), "answered by text/plain"),
    ("tap.csv", at(SYNC, replaced("^[^\n]*\n", "")), "are 3 lines"),
    ("tap.csv-header", at(SYNC, header("Content-Type", "text/csv")), "CSV with a header is sent as text/csv"),
    ("tap.tsv", at(SYNC, header("Content-Type", "text/csv")), "answered by text/csv"),
    ("tap.tsv", at(SYNC, replaced("\t", " ")), "no two columns"),
    ("tap.async-result", at(f"{JOB}/results", replaced('id="result"', 'id="rows"')), "the results are"),
    ("tap.async-result", at(f"{JOB}/results/result", status(404)), "answered 404"),
    ("tap.async-missing", at(f"{JOB}/results/result", ONE), "answered by 200"),
    ("tap.async-missing", at(f"{ASYNC}/no-such.*", ONE), "answered by 200"),
    ("tap.async-empty-job", at(f"{JOB}/parameters", status(403), "POST"), "answered by 403"),
    ("tap.async-bad-query", at(ASYNC, status(400), "POST"), "answered by 400"),
    ("tap.async-bad-query", at(ASYNC, header("Location", None), "POST"), "no Location"),
    ("tap.async-error", at(f"{JOB}/error", status(500)), "answered by 500"),
    ("tap.async-error", at(f"{JOB}/error", ONE), "not by an error"),
    ("tap.async-error", at(rf"{JOB}(\?.*)?", replaced(">ERROR<", ">COMPLETED<")), "is COMPLETED"),
    ("tap.async-runid", at(JOB, replaced(">second<", ">first<")), "the RUNIDs are"),
    ("tap.capability", at(CAPABILITIES, replaced("std/TAP", "std/other")), "0 capabilities"),
    ("tap.capability", at(CAPABILITIES, replaced(' role="std"', "")), 'role="std"'),
    ("tap.capability", at(CAPABILITIES, replaced(' version="1.1"', ' version="1.0"')), "not 1.1"),
    (
        "tap.capability-detail",
        at(CAPABILITIES, replaced('vs:ParamHTTP" role="std" v', 'vr:WebBrowser" role="std" v')),
        "no ParamHTTP",
    ),
    ("tap.capability-detail", at(CAPABILITIES, replaced('use="base"', 'use="full"')), 'use="base"'),
    ("tap.capability", at(CAPABILITIES, replaced("/tap<", "/other<")), "the base URL is"),
    ("tap.capability-detail", at(CAPABILITIES, replaced("ADQL<", "PQL<")), "without ADQL"),
    ("tap.capability-detail", at(CAPABILITIES, replaced("<outputLimit>.*</outputLimit>", "")), "outputLimit"),
    ("tap.capability-functions", at(CAPABILITIES, replaced("one.x INTEGER. -> INTEGER", "one")), "'one' is not"),
    ("tap.schema-columns", schema("schemas", status(400)), "answered 400"),
    ("tap.schema-columns", schema("columns", replaced('name="xtype"', 'name="x"')), "TAP_SCHEMA.columns lacks xtype"),
    ("tap.schema-describes-itself", schema("columns", replaced("<TD>ucd<", "<TD>u<")), "does not list ucd"),
    ("tap.schema-values", schema("columns", replaced("<TD>1</TD>", "<TD>true</TD>")), "'true'"),
    ("tap.schema-values", schema("columns", replaced("<TD>char</TD>", "<TD></TD>")), "datatype is empty"),
    (
        "tap.schema-links",
        schema("tables", replaced("<TR><TD>tap_schema<", "<TR><TD>other<")),
        "schemas that are not listed",
    ),
    (
        "tap.schema-links",
        schema("columns", replaced("tap_schema.keys", "tap_schema.kees")),
        "tables that are not listed",
    ),
    ("tap.schema-values", schema("tables", replaced("<TD>table</TD>", "<TD>real</TD>")), "table_type"),
    ("tap.schema-keys", schema("keys", replaced("<TR>.*</TR>", "")), "TAP_SCHEMA.keys lacks"),
    ("tap.tables-agree", at(TABLES, replaced("tap_schema.keys", "tap_schema.kees")), "only in one of the two"),
    ("tap.examples", at("/tap/examples", replaced("</div>", "")), "not well-formed"),
    ("tap.examples", at("/tap/examples", replaced("vocab=", "data-vocab=")), "vocab"),
    ("tap.examples", at("/tap/examples", replaced('resource="#a"', 'resource="#b"')), "the resource"),
    ("tap.examples", at("/tap/examples", header("Content-Type", "text/plain")), "sent as text/plain"),
    ("tap.base-page", at("/tap", status(404)), "answered 404"),
    ("tap.base-page", at("/tap", header("Content-Type", "text/xml")), "sent as text/xml"),
    ("obscore.columns", described(replaced("<TD>em_max</TD>", "<TD>em_most</TD>")), "lacks em_max"),
    ("obscore.selectable", at(f"{SYNC}TOP.*ivoa.*", replaced('"s_ra"', '"ra"')), "the fields are"),
    ("obscore.types", described(replaced("(<TD>s_ra</TD><TD>)double", r"\1char")), "s_ra is declared as char"),
    ("obscore.types", described(replaced("(<TD>obs_id</TD><TD>)char", r"\1int")), "obs_id is declared as int"),
    ("obscore.metadata", described(replaced("<TD>kbyte</TD>", "<TD>byte</TD>")), "the unit 'byte'"),
    ("obscore.metadata", described(replaced("pos.eq.ra<", "pos.ra<")), "the UCD 'pos.ra'"),
    ("obscore.metadata", described(replaced("obscore:Target.name", "Target")), "the utype 'Target'"),
    ("obscore.filled", at(f"{SYNC}NULL.*", ONE), "is null in some row"),
    ("obscore.calib-level", at(f"{SYNC}WHERE.calib.*", ONE), "calib_level has the values"),
    ("obscore.product-types", at(f"{SYNC}DISTINCT.*", replaced("image", "Image")), "'Image'"),
    ("obscore.ranges", at(f"{SYNC}s_dec.*", ONE), "there are rows with s_dec"),
]
