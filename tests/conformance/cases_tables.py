"""For every check of ADQL, RegTAP, uploads and formats a fault that it must notice, and what it must say."""

from __future__ import annotations

from tests.conformance.faults import Fault, body, header, replaced, status
from tests.conformance.good.tap import error, votable

SYNC, VOTABLE, CAPABILITIES = r"/tap/sync.*", "application/x-votable+xml", "/tap/capabilities"
ERROR = body(error("no"), media=VOTABLE)
ONE = body(votable(["a"], [["x"]], overflow=False), media=VOTABLE)
NONE = body(votable(["a"], [], overflow=False), media=VOTABLE)


def at(path: str, change: object, method: str = "GET") -> Fault:
    return Fault(path, change, method)  # type: ignore[arg-type]


def asking(pattern: str, change: object) -> Fault:
    """Deviate for the queries whose URL holds a pattern; a blank is a plus or a %20 in it."""
    return at(f"{SYNC}{pattern}.*", change)


def uploading(change: object) -> Fault:
    return at(SYNC, change, "POST")


CASES = [
    ("adql.conditions", asking("BETWEEN.1", NONE), "7 BETWEEN 1 AND 10 gives 0 rows"),
    ("adql.conditions", asking(r"WHERE.NOT", ONE), "gives 1 rows instead of 0"),
    ("adql.functions", asking("ATAN2", ERROR), "ATAN2.*the query failed"),
    ("adql.functions", asking("MOD", NONE), "MOD.7, 4. = 3 gives 0 rows"),
    ("adql.aggregates", asking("HAVING", status(400)), "HAVING.*answered 400"),
    ("adql.names", asking("TABLE_NAME.from", ERROR), "the query failed"),
    ("adql.names", asking("odd", ERROR), "the query failed"),
    ("adql.geometry", asking("DISTANCE", NONE), "DISTANCE.*gives 0 rows"),
    ("adql.geometry", asking("BOX", ERROR), "the query failed"),
    ("adql.strings", asking("ILIKE", NONE), "ILIKE.*gives 0 rows"),
    ("adql.cast", asking("CAST", status(400)), "answered 400"),
    ("adql.conditional", asking("COALESCE", ERROR), "the query failed"),
    ("adql.sets", asking("EXCEPT", ONE), "EXCEPT.*gives 1 rows instead of 0"),
    ("adql.sets", asking("UNION", replaced("(<TR>.*</TR>)", r"\1\1")), "gives 6 rows instead of 3"),
    ("adql.sets", asking("INTERSECT.*WHERE", NONE), "gives 0 rows instead of 3"),
    ("adql.common-table", asking("WITH", ERROR), "the query failed"),
    ("adql.offset", asking("OFFSET", replaced("rr", "ivoa")), "OFFSET 1 of 3 rows"),
    ("regtap.columns", asking("column_name.FROM", replaced("<TD>res_title<", "<TD>title<")), "lacks res_title"),
    ("regtap.columns", asking("column_name.FROM", replaced("rr.stc_temporal", "rr.stc_time")), "rr.stc_temporal lacks"),
    ("regtap.selectable", asking("rr.res_date", status(400)), "answered 400"),
    ("regtap.selectable", asking("rr.res_date", replaced("value_role", "role")), "the fields of rr.res_date"),
    ("regtap.lower-case", asking("LOWER", ONE), "has the value"),
    ("regtap.functions", asking("ivo_hasword", NONE), "ivo_hasword.*gives 0 rows"),
    ("regtap.functions", asking("NOT.*ivo_nocasematch", ONE), "gives 1 rows instead of 0"),
    ("regtap.functions", asking("ivo_string_agg", ERROR), "the query failed"),
    ("regtap.links", asking("rr.interface.*NOT.IN", ONE), "rr.interface has rows"),
    ("tap.upload", uploading(body(error("no uploads"), media=VOTABLE)), "TABLEDATA: the query failed.*no uploads"),
    ("tap.upload", uploading(replaced("two", "three")), "came back as"),
    ("tap.upload-types", uploading(replaced("-5000000000", "-705032704")), "datatype long"),
    ("tap.upload-types", uploading(replaced("a &lt;b&gt; c", "a b c")), "datatype char"),
    ("tap.upload-several", uploading(ERROR), "the query failed"),
    ("tap.upload-several", uploading(replaced("<TR>.*?</TR>", "")), "two tables joined give"),
    ("tap.upload-missing", uploading(NONE), "without its part was answered"),
    ("tap.upload-unreadable", uploading(NONE), "no XML was answered"),
    ("tap.upload-unknown", asking("never_sent", NONE), "was not sent was answered"),
    ("tap.upload-malformed", uploading(NONE), "UPLOAD=conf was answered"),
    ("tap.upload-forgotten", asking("TAP_UPLOAD.conf", NONE), "with the one before was answered"),
    (
        "tap.formats-declared",
        at(CAPABILITIES, replaced("text/csv", "text/html")),
        "RESPONSEFORMAT=text/html|answered 400",
    ),
    ("tap.formats-declared", asking("FORMAT=csv", header("Content-Type", "text/plain")), "answered by text/plain"),
    ("tap.fits", asking("fits", body("SIMPLE", media="application/fits")), "the FITS cannot be read"),
    ("tap.fits", asking("fits", replaced("column_name", "another_one")), "the columns of FITS"),
]
