"""UWS documents in JSON, written and read: the same as the XML says, member for element.

Names are the local names of the XML; ``mime-type`` becomes ``mimeType`` and a jobref's ``id`` becomes ``jobId``. Lists
are arrays without wrappers, nil is null, an absent element is an absent member. The tables below are all there is: they
write, they read, and they are the published schemas.
"""

from __future__ import annotations

import orjson

from penstock.dali.errors import UsageError
from uws.core.document import JobDocument, JobList, JobRef, ParameterItem, ResultItem
from uws.core.job import ErrorSummary, Phase
from uws.core.jobinfo import require_shallow
from uws.core.shapes import (
    ANYTHING,
    DIALECT,
    FLAG,
    TEXTS,
    Json,
    Member,
    Presence,
    Shape,
    integer,
    many,
    member_of,
    one,
    one_of,
    text,
)

ALWAYS, NULL, OPTIONAL = Presence.ALWAYS, Presence.NULL, Presence.OPTIONAL
NILLABLE, FILLED = Presence.NILLABLE, Presence.FILLED
_INT, _LONG = 2**31 - 1, 2**63 - 1
_TIME = text(format="date-time")
_URL = text(format="uri")
_PHASE = member_of(Phase, name="phase of UWS")

PARAMETER = Shape(
    "Parameter",
    ParameterItem,
    (
        Member("id", "id", text(), ALWAYS, "The name; a parameter with several values occurs as often"),
        Member("value", "value", text(), ALWAYS, "The value, or a URL that returns it"),
        Member("byReference", "by_reference", FLAG, OPTIONAL, "Whether the value is a URL; false where absent"),
        Member("isPost", "is_post", FLAG, OPTIONAL, "Whether the parameter was the body of a POST"),
    ),
)
RESULT = Shape(
    "Result",
    ResultItem,
    (
        Member("id", "id", text(), ALWAYS, "The name, unique in the job"),
        Member("href", "href", _URL, OPTIONAL, "Where it can be fetched"),
        Member("size", "size", integer(0, _LONG), OPTIONAL, "How long it is, in bytes"),
        Member("mimeType", "media_type", text(), OPTIONAL, "Its media type"),
        Member("custom", "custom", TEXTS, FILLED, "What else the service says of it"),
    ),
)
ERROR = Shape(
    "ErrorSummary",
    ErrorSummary,
    (
        Member("type", "type", one_of("transient", "fatal", name="type of error"), ALWAYS, "Whether a retry may help"),
        Member("hasDetail", "has_detail", FLAG, ALWAYS, "Whether /error says more"),
        Member("message", "message", text(), ALWAYS, "What went wrong"),
    ),
)
JOB = Shape(
    "Job",
    JobDocument,
    (
        Member("version", "version", text(), OPTIONAL, "The version of UWS"),
        Member("jobId", "job_id", text(), ALWAYS, "The last part of the job's URL"),
        Member("runId", "run_id", text(), OPTIONAL, "A name that the client gave"),
        Member("ownerId", "owner_id", text(), NULL, "Who created the job; null: nobody knows"),
        Member("phase", "phase", _PHASE, ALWAYS, "Where the job stands"),
        Member("quote", "quote", _TIME, NILLABLE, "When it should be done; null: nobody knows"),
        Member("creationTime", "creation_time", _TIME, OPTIONAL, "When it was created"),
        Member("startTime", "start_time", _TIME, NULL, "When it began to execute"),
        Member("endTime", "end_time", _TIME, NULL, "When it ended"),
        Member("executionDuration", "execution_duration", integer(0, _INT), ALWAYS, "Most seconds to run; 0: any"),
        Member("destruction", "destruction", _TIME, NULL, "When the job is destroyed; null: never"),
        Member("parameters", "parameters", many(PARAMETER), OPTIONAL, "What the client gave"),
        Member("results", "results", many(RESULT), ALWAYS, "What came of it"),
        Member("errorSummary", "error", one(ERROR), OPTIONAL, "Why it failed"),
        Member("jobInfo", "info", ANYTHING, OPTIONAL, "What else the service says of the job, such as its progress"),
    ),
)
REF = Shape(
    "JobRef",
    JobRef,
    (
        Member("jobId", "job_id", text(), ALWAYS, "The last part of the job's URL"),
        Member("phase", "phase", _PHASE, ALWAYS, "Where the job stands"),
        Member("runId", "run_id", text(), OPTIONAL, "A name that the client gave"),
        Member("ownerId", "owner_id", text(), NILLABLE, "Who created the job; null: nobody knows"),
        Member("creationTime", "creation_time", _TIME, OPTIONAL, "When it was created"),
        Member("href", "href", _URL, OPTIONAL, "The job's URL"),
    ),
)
JOBS = Shape(
    "JobList",
    JobList,
    (
        Member("version", "version", text(), OPTIONAL, "The version of UWS"),
        Member("jobs", "jobs", many(REF), ALWAYS, "The jobs"),
    ),
)


def job_to_json(job: JobDocument) -> Json:
    """Return the JSON object of a job."""
    return JOB.write(job)


def jobs_to_json(jobs: JobList) -> Json:
    """Return the JSON object of a job list."""
    return JOBS.write(jobs)


def ref_to_json(ref: JobRef) -> Json:
    """Return the JSON object of an entry of a job list."""
    return REF.write(ref)


def parameter_to_json(item: ParameterItem) -> Json:
    """Return the JSON object of a parameter."""
    return PARAMETER.write(item)


def result_to_json(item: ResultItem) -> Json:
    """Return the JSON object of a result."""
    return RESULT.write(item)


def job_from_json(document: bytes) -> JobDocument:
    """Read a job.

    Raises
    ------
    UsageError
        It is not a job in JSON, or its jobInfo is nested too deeply.
    """
    job = JOB.read(_parse(document))
    require_shallow(job.info or {})
    return job


def jobs_from_json(document: bytes) -> JobList:
    """Read a job list.

    Raises
    ------
    UsageError
        It is not a job list in JSON.
    """
    return JOBS.read(_parse(document))


def job_schema() -> Json:
    """Return the JSON Schema of a job document."""
    return {"$schema": DIALECT, **JOB.schema(), "$defs": JOB.definitions()}


def jobs_schema() -> Json:
    """Return the JSON Schema of a job list."""
    return {"$schema": DIALECT, **JOBS.schema(), "$defs": JOBS.definitions()}


def _parse(document: bytes) -> object:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"The document is not JSON: {error}") from error
