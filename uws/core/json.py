"""UWS documents in JSON, written and read: the same as the XML says, member for element.

Names are the local names of the XML; ``mime-type`` becomes ``mimeType`` and a jobref's ``id`` becomes ``jobId``. Lists
are arrays without wrappers, nil is null, an absent element is an absent member. Members that begin with ``_`` are
hints to front ends and no part of the job: a reader drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from penstock.dali.errors import UsageError
from uws.core.document import ABSENT, JobDocument, JobList, JobRef, Nillable, ParameterItem, ResultItem
from uws.core.job import ErrorSummary, Phase

T = TypeVar("T")
Json = dict[str, Any]


def job_to_json(job: JobDocument) -> Json:
    """Return the JSON object of a job."""
    return _present(
        version=job.version,
        jobId=job.job_id,
        runId=job.run_id,
        ownerId=_Null.of(job.owner_id),
        phase=job.phase.value,
        quote=_Null.of(job.quote),
        creationTime=job.creation_time,
        startTime=_Null.of(job.start_time),
        endTime=_Null.of(job.end_time),
        executionDuration=job.execution_duration,
        destruction=_Null.of(job.destruction),
        parameters=None if job.parameters is None else [parameter_to_json(item) for item in job.parameters],
        results=[result_to_json(item) for item in job.results],
        errorSummary=None if job.error is None else error_to_json(job.error),
        jobInfo=None if job.info is None else dict(job.info),
    )


def jobs_to_json(jobs: JobList) -> Json:
    """Return the JSON object of a job list."""
    return _present(version=jobs.version, jobs=[_ref_to_json(ref) for ref in jobs.jobs])


def parameter_to_json(item: ParameterItem) -> Json:
    """Return the JSON object of a parameter."""
    return _present(id=item.id, value=item.value, byReference=item.by_reference, isPost=item.is_post)


def result_to_json(item: ResultItem) -> Json:
    """Return the JSON object of a result."""
    custom = dict(item.custom) or None
    return _present(id=item.id, href=item.href, size=item.size, mimeType=item.media_type, custom=custom)


def error_to_json(error: ErrorSummary) -> Json:
    """Return the JSON object of an error summary."""
    return {"type": error.type, "hasDetail": error.has_detail, "message": error.message}


def job_from_json(document: bytes) -> JobDocument:
    """Read a job.

    Raises
    ------
    UsageError
        It is not a job in JSON.
    """
    data = _object(_parse(document), "the document")
    error, parameters = data.get("errorSummary"), data.get("parameters")
    return JobDocument(
        version=_get(data, "version", str, None),
        job_id=_member(data, "jobId", str),
        run_id=_get(data, "runId", str, None),
        owner_id=_get(data, "ownerId", str, None),
        phase=_phase(data),
        quote=_nillable(data, "quote"),
        creation_time=_get(data, "creationTime", str, None),
        start_time=_get(data, "startTime", str, None),
        end_time=_get(data, "endTime", str, None),
        execution_duration=_member(data, "executionDuration", int),
        destruction=_get(data, "destruction", str, None),
        parameters=None if parameters is None else _items(parameters, "parameters", _read_parameter),
        results=_items(data.get("results", []), "results", _read_result),
        error=None if error is None else _read_error(_object(error, "errorSummary")),
        info=_object(data["jobInfo"], "jobInfo") if "jobInfo" in data else None,
    )


def jobs_from_json(document: bytes) -> JobList:
    """Read a job list.

    Raises
    ------
    UsageError
        It is not a job list in JSON.
    """
    data = _object(_parse(document), "the document")
    return JobList(version=_get(data, "version", str, None), jobs=_items(data.get("jobs"), "jobs", _read_ref))


class _Null:
    """Marks a member that is written as null."""

    @staticmethod
    def of(text: Nillable) -> object:
        return _Null if text is None else None if text is ABSENT else text


def _present(**members: object) -> Json:
    return {name: None if value is _Null else value for name, value in members.items() if value is not None}


def _ref_to_json(ref: JobRef) -> Json:
    return _present(
        jobId=ref.job_id,
        phase=ref.phase.value,
        runId=ref.run_id,
        ownerId=_Null.of(ref.owner_id),
        creationTime=ref.creation_time,
        href=ref.href,
    )


def _parse(document: bytes) -> object:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"The document is not JSON: {error}") from error


def _object(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise UsageError(f"{what} must be a JSON object.")
    return value


def _items(value: object, what: str, read: Callable[[Json], T]) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise UsageError(f"{what} must be an array.")
    return tuple(read(_object(item, f"each of {what}")) for item in value)


def _member(data: Json, name: str, kind: type[T]) -> T:
    value = data.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{name} must be a {kind.__name__}.")
    return value


def _get(data: Json, name: str, kind: type[T], default: None) -> T | None:
    return default if data.get(name) is None else _member(data, name, kind)


def _nillable(data: Json, name: str) -> Nillable:
    return _get(data, name, str, None) if name in data else ABSENT


def _phase(data: Json) -> Phase:
    text = _member(data, "phase", str)
    try:
        return Phase(text)
    except ValueError as error:
        raise UsageError(f"{text[:40]!r} is not a phase of UWS.") from error


def _read_parameter(item: Json) -> ParameterItem:
    return ParameterItem(
        id=_member(item, "id", str),
        value=_member(item, "value", str),
        by_reference=_get(item, "byReference", bool, None),
        is_post=_get(item, "isPost", bool, None),
    )


def _read_result(item: Json) -> ResultItem:
    custom: Mapping[str, Any] = _object(item.get("custom", {}), "custom")
    return ResultItem(
        id=_member(item, "id", str),
        href=_get(item, "href", str, None),
        size=_get(item, "size", int, None),
        media_type=_get(item, "mimeType", str, None),
        custom={name: str(value) for name, value in custom.items()},
    )


def _read_error(item: Json) -> ErrorSummary:
    return ErrorSummary(
        type="transient" if item.get("type") == "transient" else "fatal",
        has_detail=_member(item, "hasDetail", bool),
        message=_member(item, "message", str),
    )


def _read_ref(item: Json) -> JobRef:
    return JobRef(
        job_id=_member(item, "jobId", str),
        phase=_phase(item),
        run_id=_get(item, "runId", str, None),
        owner_id=_nillable(item, "ownerId"),
        creation_time=_get(item, "creationTime", str, None),
        href=_get(item, "href", str, None),
    )
