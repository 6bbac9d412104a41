"""For every check of SIA, SCS, SODA and the planner a fault that it must notice, and what it must say."""

from __future__ import annotations

from tests.conformance.faults import Fault, asked, body, header, replaced, status

SIA, SCS, SODA, PLANNER = "/sia/query.*", "/scs/query.*", "/soda/sync.*", "/planner/accepts.*"
RESULTS = "/soda/async/[^/]*/results"
INSIDE, OUTSIDE = "/soda/sync.*=12.34.*", "/soda/sync.*-34.*"


def at(path: str, change: object, method: str = "GET") -> Fault:
    return Fault(path, change, method)  # type: ignore[arg-type]


CASES = [
    ("sia.query", at(SIA, header("Content-Type", "text/html")), "where a VOTable is due"),
    ("sia.query", at(SIA, replaced('value="OK"', 'value="FINE"')), "the query failed"),
    ("sia.columns", at(SIA, replaced('"em_max"', '"em_most"')), "lacks em_max"),
    ("sia.metadata", at(SIA, replaced('unit="kbyte"', 'unit="byte"')), "the unit 'byte'"),
    ("sia.metadata", at(SIA, replaced("pos.eq.ra", "pos.ra")), "the UCD 'pos.ra'"),
    ("sia.maxrec-zero", at(SIA, asked(MAXREC="1")), "gives 1 rows"),
    ("sia.maxrec-overflow", at(SIA, asked(MAXREC=None)), "MAXREC=1 gives 2 rows"),
    ("sia.maxrec-overflow", at(SIA, replaced('<INFO[^>]*"OVERFLOW"/>', "")), "no QUERY_STATUS says OVERFLOW"),
    ("sia.pos", at(f"{SIA}RANGE.*", status(400)), "answered 400"),
    ("sia.intervals", at(f"{SIA}TIME=.*Inf.*", status(400)), "answered 400"),
    ("sia.exact", at(SIA, asked(ID=None)), "finds rows with ivo://example.org/data.2"),
    ("sia.exact", at(f"{SIA}COLLECTION.*", replaced("<TR>.*</TR>", "")), "COLLECTION=c1 finds nothing"),
    ("sia.nothing", at(f"{SIA}no-such.*", asked(ID=None)), "finds 2 rows"),
    ("sia.bad-values", at(SIA, asked(CALIB=None)), "CALIB=high was answered"),
    ("sia.bad-values", at(SIA, asked(POS=None)), "POS=CIRCLE 12 was answered"),
    ("sia.error-label", at(SIA, replaced("UsageFault", "Sorry")), "the message is"),
    ("sia.post", at("/sia/query", status(405), "POST"), "answered 405"),
    ("sia.post", at("/sia/query", replaced("<TR>.*</TR>", ""), "POST"), "another number of rows"),
    ("sia.self-description", at(SIA, replaced("SIA#query-2.0", "SIA")), "no service descriptor"),
    ("sia.format-unknown", at(SIA, asked(RESPONSEFORMAT=None)), "an unknown format was answered"),
    ("scs.query", at(SCS, replaced("(<TABLE>.*</TABLE>)", r"\1\1")), "not exactly one TABLE"),
    ("scs.fields", at(SCS, replaced("ID_MAIN", "meta.id")), "0 fields have the UCD ID_MAIN"),
    ("scs.fields", at(SCS, replaced('RA_MAIN" datatype="double"', 'RA_MAIN" datatype="char"')), "the datatype char"),
    ("scs.within", at(SCS, replaced("<TD>0.5</TD>", "<TD>1.5</TD>")), "1.500 degrees away"),
    ("scs.zero-radius", at(SCS, replaced("<FIELD[^>]*>", "")), "no fields"),
    ("scs.zero-radius", at(f"{SCS}SR=0", status(400)), "answered 400"),
    ("scs.verbosity", at(f"{SCS}VERB=1", asked(VERB="3")), "columns"),
    ("scs.missing-parameters", at(SCS, replaced("Error", "Info")), "answered without an Error"),
    ("scs.missing-parameters", at(SCS, body("no", 400)), "an error is sent as text/plain"),
    ("scs.bad-values", at(SCS, asked(DEC="0")), "DEC=100&SR=1 is answered without"),
    ("soda.unknown-id", at(SODA, body("")), "answered by 200"),
    ("soda.unknown-id", at(SODA, header("Content-Type", "text/html")), "sent as text/html"),
    ("soda.unknown-id", at(SODA, replaced("UsageError", "Sorry")), "begins with 'Sorry"),
    ("soda.no-id", at("/soda/sync", body("")), "without ID is answered by 200"),
    ("soda.bad-values", at(SODA, asked(BAND=None)), "BAND=blue is answered by 200"),
    ("soda.cutout", at(INSIDE, status(404)), "answered by 404"),
    ("soda.cutout", at(INSIDE, body("")), "is empty"),
    ("soda.pos", at("/soda/sync.*POS.*", status(400)), "POS=CIRCLE within the data is answered by 400"),
    ("soda.no-overlap", at(OUTSIDE, body("")), "instead of 204"),
    (
        "soda.several-values",
        at(SODA, replaced("MultiValuedParamNotSupported", "UsageError")),
        "begins with 'UsageError",
    ),
    ("soda.post", at("/soda/sync", status(405), "POST"), "POST by 405"),
    ("soda.async-result", at(RESULTS, replaced("<uws:result .*?/>", "")), "gives 0 results"),
    ("soda.async-result", at(f"{RESULTS}/0", status(404)), "answered by 404"),
    ("soda.async-result", at(f"{RESULTS}/0", body("")), "is empty"),
    (
        "soda.async-combinations",
        at(RESULTS, replaced("(<uws:result [^>]*>){2}", r"\1")),
        "give 1 results",
    ),
    ("soda.async-no-overlap", at(RESULTS, replaced("<uws:result .*?/>", "")), "no result is a text"),
    ("soda.async-no-overlap", at(f"{RESULTS}/1", header("Content-Type", "text/html")), "no result is a text"),
    ("soda.async-no-overlap", at(f"{RESULTS}/1", replaced("UsageError", "Sorry")), "begins with 'Sorry"),
    ("soda.async-unknown-id", at("/soda/async", status(500), "POST"), "answered by 500"),
    ("soda.async-unknown-id", at("/soda/async/[^/]*(.WAIT.*)?", replaced(">ERROR<", ">COMPLETED<")), "is COMPLETED"),
    ("planner.unknown-kind", at(PLANNER, replaced("NO", "YES")), "answered by YES"),
    ("planner.unknown-kind", at(PLANNER, replaced("reponse", "response")), "the reponseword is None"),
    ("planner.unknown-kind", at(PLANNER, body("[1]", media="application/json")), "no JSON object"),
    ("planner.unknown-kind", at(PLANNER, body("{", media="application/json")), "no JSON object"),
    ("planner.known-kind", at(PLANNER, replaced("YES", "NO")), "answered by NO"),
    ("planner.known-kind", at(PLANNER, replaced("serviceinfo", "info")), "no service is named"),
    ("planner.too-much", at(PLANNER, replaced("NO", "YES")), "1000000000 cores is answered by YES"),
    ("planner.form", at("/planner/accepts", status(415), "POST"), "answered 415"),
    ("planner.formats", at(PLANNER, header("Content-Type", "application/json")), "answered by application/json"),
    ("planner.no-kind", at("/planner/accepts", body("{}")), "answered by 200"),
]
