"""For every check of UWS a fault that it must notice, and what it must say."""

from __future__ import annotations

from tests.conformance.faults import Fault, asked, body, header, instead, replaced, slow, status

LIST, JOB = r"/jobs(\?.*)?", r"/jobs/[^/?]+"
READ = JOB + r"(\?.*)?"
PHASE, DURATION, DESTRUCTION = f"{JOB}/phase", f"{JOB}/executionduration", f"{JOB}/destruction"
PARAMETERS, RESULTS, ERROR = f"{JOB}/parameters", f"{JOB}/results", f"{JOB}/error"
REDIRECT = body("", 200)


def at(path: str, change: object, method: str = "GET") -> Fault:
    return Fault(path, change, method)  # type: ignore[arg-type]


def says(phase: str) -> object:
    return replaced(r"(?<=:phase>)\w+(?=</uws:phase>)", phase)


CASES = [
    ("uws.create-redirects", at(LIST, status(201), "POST"), "answered 201"),
    ("uws.create-redirects", at(LIST, header("Location", None), "POST"), "no Location"),
    ("uws.create-redirects", at(LIST, instead("{origin}/jobs"), "POST"), "is the job list"),
    ("uws.create-redirects", at(LIST, instead("{origin}/jobs/other"), "POST"), "answered 404"),
    ("uws.location-absolute", at(LIST, header("Location", "/jobs/1"), "POST"), "the Location is '/jobs/1'"),
    ("uws.job-document", at(READ, replaced("<uws:startTime[^>]*>", "")), "is not valid"),
    ("uws.job-document", at(READ, header("Content-Type", "text/html")), "not sent as XML"),
    ("uws.job-version", at(READ, replaced(' version="1.1"', "")), "version=None"),
    ("uws.job-version", at(LIST, replaced('version="1.1"', 'version="1.0"')), "version='1.0'"),
    ("uws.job-id", at(READ, replaced("jobId>job", "jobId>x")), "says that its jobId is"),
    ("uws.new-job-pending", at(READ, says("QUEUED")), "a new job is QUEUED"),
    ("uws.times-utc", at(READ, replaced("Z</uws:creationTime>", "</uws:creationTime>")), "creationTime"),
    ("uws.creation-time", at(READ, replaced("<uws:creationTime>.*</uws:creationTime>", "")), "no creationTime"),
    ("uws.text-plain", at(DURATION, header("Content-Type", "text/html")), "instead of text/plain"),
    ("uws.phase-text", at(PHASE, body("WAITING")), "the phase is 'WAITING'"),
    ("uws.phase-text", at(PHASE, body("HELD")), "/phase says HELD"),
    ("uws.executionduration-text", at(DURATION, body("1 h")), "not a number of seconds"),
    ("uws.executionduration-text", at(DURATION, body("7")), "the job document says 3600"),
    ("uws.destruction-text", at(DESTRUCTION, body("")), "/destruction says ''"),
    ("uws.destruction-text", at(DESTRUCTION, body("2030-01-01T00:00:00Z")), "2030"),
    ("uws.destruction-text", at(DESTRUCTION, body("never")), "not an ISO 8601 time"),
    ("uws.quote-text", at(f"{JOB}/quote", body("soon")), "/quote says 'soon'"),
    ("uws.parameters-document", at(PARAMETERS, replaced("MESSAGE", "OTHER")), "among the parameters"),
    ("uws.parameters-document", at(PARAMETERS, replaced("hello", "bye")), "is shown as bye"),
    ("uws.parameters-document", at(PARAMETERS, replaced("parameter id", "parameter name")), "is not valid"),
    (
        "uws.results-document",
        at(RESULTS, replaced("</uws:results>", '<uws:result id="a"/></uws:results>')),
        "1 results",
    ),
    ("uws.results-document", at(RESULTS, replaced("</uws:results>", "<uws:result/></uws:results>")), "is not valid"),
    ("uws.runid-kept", at(READ, replaced("Ångström", "Angstrom")), "came back as 'Angstrom"),
    ("uws.unknown-job", at("/jobs/no-such.*", body("no such job")), "answered by 200"),
    ("uws.unknown-child", at(f"{JOB}/no-such-part", body("")), "answered by 200"),
    ("uws.no-error-without-failure", at(ERROR, body("")), "answered by 200"),
    ("uws.delete", at(JOB, status(204), "DELETE"), "instead of 303"),
    ("uws.delete", at(JOB, instead("{origin}/other"), "DELETE"), "instead of the job list"),
    ("uws.delete", at(JOB, body("", 200), "DELETE"), "answered by 200 instead of 303"),
    ("uws.action-delete", at(JOB, body("", 405), "POST"), "instead of 303"),
    ("uws.delete-parts-refused", at(PHASE, body(""), "DELETE"), "instead of a refusal"),
    ("uws.delete-parts-405", at(PHASE, body("", 403), "DELETE"), "instead of 405"),
    ("uws.delete-parts-405", at(RESULTS, header("Allow", None), "DELETE"), "no Allow"),
    ("uws.failed-job", at(READ, says("COMPLETED")), "is COMPLETED"),
    ("uws.failed-job-summary", at(READ, replaced("<uws:errorSummary.*</uws:errorSummary>", "")), "no errorSummary"),
    ("uws.failed-job-summary", at(ERROR, status(500)), "answered by 500"),
    ("uws.abort", at(PHASE, status(200), "POST"), "instead of 303"),
    ("uws.abort", at(PHASE, instead("{origin}/jobs"), "POST"), "the 303 leads to"),
    ("uws.abort", at(READ, says("PENDING")), "the job is PENDING"),
    ("uws.aborted-document", at(READ, replaced("ABORTED", "STOPPED")), "is not valid"),
    ("uws.run-after-abort", at(PHASE, status(200), "POST"), "instead of 403"),
    ("uws.run-after-abort", at(READ, says("QUEUED")), "made an aborted job QUEUED"),
    ("uws.unknown-phase-refused", at(PHASE, body("", 303), "POST"), "instead of a refusal"),
    ("uws.phase-not-settable", at(READ, says("COMPLETED")), "made the job COMPLETED"),
    ("uws.run", at(PHASE, status(202), "POST"), "instead of 303"),
    ("uws.run", at(READ, says("PENDING")), "still PENDING"),
    ("uws.create-and-run", at(READ, says("PENDING")), "is PENDING"),
    ("uws.completes", at(READ, says("ABORTED")), "is ABORTED"),
    (
        "uws.completed-times",
        at(READ, replaced("<uws:endTime>.*</uws:endTime>", '<uws:endTime xsi:nil="true"/>')),
        "no endTime",
    ),
    ("uws.results-readable", at(f"{RESULTS}/result", status(404)), "answered by 404"),
    ("uws.results-readable", at(RESULTS, replaced("(<uws:result .*/>)", r"\1\1")), "share an id"),
    ("uws.results-agree", at(READ, replaced(r' xlink:href="[^"]*"', "")), "the job document shows"),
    ("uws.results-agree", at(READ, replaced("<uws:result .*/>", "")), "shows the results .., /results"),
    ("uws.parameters-frozen", at(PARAMETERS, body("", 303), "POST"), "instead of a refusal"),
    ("uws.executionduration-set", at(DURATION, status(200), "POST"), "instead of 303"),
    ("uws.executionduration-set", at(DURATION, body("61")), "/executionduration says 61"),
    ("uws.executionduration-honoured", at(READ, replaced("1800", "3600")), "became 3600"),
    ("uws.executionduration-refused", at(DURATION, status(500), "POST"), "answered by 500"),
    ("uws.destruction-set", at(DESTRUCTION, status(200), "POST"), "instead of 303"),
    ("uws.destruction-set", at(DESTRUCTION, body("2030-01-01T00:00:00Z")), "/destruction says 2030"),
    ("uws.destruction-honoured", at(DESTRUCTION, body("", 303), "POST"), "became"),
    ("uws.destruction-refused", at(DESTRUCTION, status(500), "POST"), "answered by 500"),
    ("uws.list-document", at(LIST, replaced("<uws:phase>", "<uws:state>")), "not well-formed"),
    ("uws.list-document", at(LIST, replaced(' id="', ' name="')), "is not valid"),
    ("uws.list-shows-job", at(LIST, replaced("<uws:jobref.*</uws:jobref>", "")), "does not show the job"),
    ("uws.list-shows-job", at(LIST, says("ERROR")), "new job is ERROR"),
    ("uws.list-phase", at(LIST, asked(PHASE=None)), "lists jobs that are"),
    (
        "uws.list-phase",
        at(r"/jobs\?PHASE=ABORTED", replaced("<uws:jobref.*</uws:jobref>", "")),
        "misses an aborted job",
    ),
    ("uws.list-phases", at(LIST, asked(PHASE="PENDING")), "misses a job"),
    (
        "uws.list-no-archived",
        at(LIST, replaced("</uws:jobs>", '<uws:jobref id="a"><uws:phase>ARCHIVED</uws:phase></uws:jobref></uws:jobs>')),
        "archived",
    ),
    (
        "uws.list-no-archived",
        at(LIST, replaced("</uws:jobs>", '<uws:jobref id="a"><uws:phase>NEW</uws:phase></uws:jobref></uws:jobs>')),
        "NEW",
    ),
    ("uws.list-filters", at(LIST, asked(PHASE=None)), "lists jobs that are ABORTED"),
    ("uws.list-filters", at(r"/jobs\?.*LAST.*", replaced("<uws:jobref.*</uws:jobref>", "")), "misses the newest"),
    ("uws.list-last", at(LIST, asked(LAST=None)), "LAST=1 lists 2 jobs"),
    (
        "uws.list-last",
        at(LIST, replaced("(<uws:jobref.*?</uws:jobref>)(<uws:jobref.*?</uws:jobref>)", r"\2\1")),
        "newest job first",
    ),
    ("uws.list-after", at(LIST, asked(AFTER=None)), "AFTER tomorrow"),
    ("uws.list-after", at(r"/jobs\?AFTER=2010.*", asked(AFTER="2990-01-01")), "misses a job"),
    ("uws.list-bad-filter", at(LIST, asked(PHASE=None, LAST=None, AFTER=None)), "instead of a refusal"),
    ("uws.wait-blocks", at(READ, asked(WAIT=None)), "WAIT=2 was answered after 0"),
    ("uws.wait-ends", at(JOB + r"\?WAIT=1", asked(WAIT="9")), "no complete answer|answered after"),
    ("uws.wait-phase-change", at(JOB + r"\?WAIT=15", slow(5)), "answered after 5"),
    ("uws.wait-phase-change", at(JOB + r"\?WAIT=15", asked(WAIT=None)), "says PENDING"),
    ("uws.wait-not-active", at(JOB + r"\?WAIT=10", slow(4.2)), "answered after 4"),
    ("uws.wait-other-phase", at(JOB + r"\?WAIT=10.*", slow(4.2)), "took 4"),
    ("uws.wait-same-phase", at(JOB + r"\?WAIT=2.*", asked(WAIT=None)), "took 0"),
    ("uws.wait-only-on-job", at(PHASE + r"\?WAIT=10", slow(4.2)), "answered after 4"),
]
