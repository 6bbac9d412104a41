"""What the resources of UWS take and answer, for OpenAPI; the models are those that write the documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from penstock.openapi import PROBLEM, Answer, Content, Model, Operation, Operations, Query, errors
from uws.core import json, wire
from uws.core.job import Phase
from uws.core.tokens import HEADER
from uws.orders import JobOrder
from uws.representations.job_type_json import JOB_TYPE_SCHEMA

JOB = Model(name="Job", schema=json.job_schema())
JOBS = Model(name="JobList", schema=json.jobs_schema())
ORDER = Model(name="JobOrder", schema=JobOrder.model_json_schema())
JOB_TYPE = Model(name="JobType", schema=JOB_TYPE_SCHEMA)
JOB_TYPES = Model(
    name="JobTypes",
    schema={
        "type": "object",
        "properties": {"jobTypes": {"type": "array", "items": {"$ref": "#/$defs/JobType"}}},
        "required": ["jobTypes"],
        "$defs": {"JobType": JOB_TYPE_SCHEMA},
    },
)
PUBLISHED: Mapping[str, Model] = {
    "job": JOB,
    "jobs": JOBS,
    "job-order": ORDER,
    "job-type": JOB_TYPE,
    "problem": PROBLEM,
}
"""The schemas that are served, by file name."""

_TEXT = {"type": "string"}
_PHASE = {"type": "string", "enum": [phase.value for phase in Phase]}
_CONTROL: Mapping[str, Any] = {
    "JOBTYPE": _TEXT,
    "PHASE": {"type": "string", "enum": ["RUN", "ABORT"]},
    "RUNID": {"type": "string", "maxLength": 64},
    "EXECUTIONDURATION": {"type": "integer", "minimum": 0},
    "DESTRUCTION": _TEXT,
    "ACTION": {"type": "string", "const": "DELETE"},
}
_FORMAT = Query(name="RESPONSEFORMAT", about="json, xml, or a media type; wins over Accept")
_BLOCKING = (
    Query(name="WAIT", about="Most seconds to wait for another phase; -1: long", schema={"type": "integer"}),
    Query(name="PHASE", about="Wait only while the job is in this phase", schema=_PHASE),
)
_FILTERS = (
    Query(
        name="PHASE",
        about="Only jobs in this phase, or in one of several",
        schema={"type": "array", "items": _PHASE},
    ),
    Query(name="AFTER", about="Only jobs that were created after this time"),
    Query(name="LAST", about="Only so many of the latest", schema={"type": "integer", "minimum": 1}),
)
_SEEN = errors(400, 401, 403, 404, 503)
_CHANGED = {
    303: Answer(about="Done; the answer is there", headers={"Location": "The job, or the list it was in"}),
    **errors(400, 401, 403, 404, 408, 413, 415, 429, 503),
}


def _form(name: str, *fields: str, others: bool = False) -> Model:
    properties = {field: _CONTROL[field] for field in fields}
    return Model(
        name=name,
        schema={"type": "object", "properties": properties, "additionalProperties": _TEXT if others else False},
    )


def _body(form: Model) -> Content:
    forms = dict.fromkeys(("application/x-www-form-urlencoded", "multipart/form-data"), form)
    return {**forms, "application/json": ORDER}


def _read(content: Content, *queries: Query) -> Operation:
    return Operation(queries=queries, answers={200: Answer(about="As it is now", content=content), **_SEEN})


def _changing(form: Model) -> Operation:
    return Operation(body=_body(form), answers=_CHANGED)


def _atom(name: str, element: str) -> Operation:
    part = Model(name=name, schema=json.JOB.schema(element))
    return _read({"text/plain": None, "application/json": part}, _FORMAT)


def _part(name: str, element: str) -> Operation:
    part = Model(name=name, schema={**json.JOB.schema(element), "$defs": json.JOB.definitions()})
    return _read({"application/xml": None, "application/json": part}, _FORMAT)


def _document(model: Model, *queries: Query) -> Operation:
    return _read({"application/xml": None, "application/json": model, "text/html": None}, *queries, _FORMAT)


_CREATION = _form("JobForm", "JOBTYPE", "PHASE", "RUNID", "EXECUTIONDURATION", "DESTRUCTION", others=True)
_KEY = Query(name="Idempotency-Key", about="Makes a request that is sent twice create one job", header=True)
_FILE = Operation(
    answers={
        200: Answer(about="The bytes", content={"*/*": None}),
        206: Answer(about="The bytes that Range asks for", content={"*/*": None}),
        **_SEEN,
    }
)
JOB_LIST: Operations = {
    ("GET", ""): _document(JOBS, *_FILTERS),
    ("POST", ""): Operation(body=_body(_CREATION), queries=(_KEY,), answers={**_CHANGED, **errors(422)}),
    ("GET", "/{job_id}"): _document(JOB, *_BLOCKING),
    ("POST", "/{job_id}"): _changing(
        _form("JobUpdate", "ACTION", "PHASE", "RUNID", "EXECUTIONDURATION", "DESTRUCTION", others=True)
    ),
    ("DELETE", "/{job_id}"): Operation(answers=_CHANGED),
    ("GET", "/{job_id}/phase"): _atom("JobPhase", "phase"),
    ("POST", "/{job_id}/phase"): _changing(_form("PhaseForm", "PHASE")),
    ("GET", "/{job_id}/executionduration"): _atom("JobDuration", "executionDuration"),
    ("POST", "/{job_id}/executionduration"): _changing(_form("DurationForm", "EXECUTIONDURATION")),
    ("GET", "/{job_id}/destruction"): _atom("JobDestruction", "destruction"),
    ("POST", "/{job_id}/destruction"): _changing(_form("DestructionForm", "DESTRUCTION")),
    ("GET", "/{job_id}/quote"): _atom("JobQuote", "quote"),
    ("GET", "/{job_id}/owner"): _atom("JobOwner", "ownerId"),
    ("GET", "/{job_id}/error"): _read({"text/plain": None, "application/problem+json": PROBLEM}),
    ("GET", "/{job_id}/events"): _read({"text/event-stream": None}),
    ("GET", "/{job_id}/results"): _part("JobResults", "results"),
    ("GET", "/{job_id}/results/{result_id}"): _FILE,
    ("GET", "/{job_id}/parameters"): _part("JobParameters", "parameters"),
    ("POST", "/{job_id}/parameters"): _changing(_form("ParametersForm", "RUNID", others=True)),
    ("GET", "/{job_id}/parameters/{name}"): _FILE,
    ("PUT", "/{job_id}/parameters/{name}"): Operation(body={"text/plain": None}, answers=_CHANGED),
}
"""A job list and its jobs, below its path."""

CATALOGUE: Operations = {
    ("GET", "/jobtypes"): _read(
        {"application/x-votable+xml": None, "application/json": JOB_TYPES, "text/html": None}, _FORMAT
    ),
    ("GET", "/jobtypes/{name}"): _read(
        {"application/x-votable+xml": None, "application/json": JOB_TYPE, "text/html": None}, _FORMAT
    ),
    ("GET", "/schema/{name}.json"): Operation(
        answers={200: Answer(about="A JSON Schema", content={"application/schema+json": None}), **errors(404)}
    ),
}
"""The types of job, and the schemas."""

_TOKEN = Query(name=HEADER, about="The token of the attempt, as the queue gave it with the attempt", header=True)
_DIGEST = Query(name="Content-Digest", about="The SHA-256 of the result (RFC 9530)", header=True)
_CLAIMED = Model(name="WorkerClaimed", schema={"type": "object", "properties": {"job": {"type": "object"}}})


def _told(kind: type[BaseModel], answer: Model | None = None) -> Operation:
    """Return how a worker tells something."""
    said = Model(name=f"Worker{kind.__name__}", schema=kind.model_json_schema())
    heard = Answer(about="It was heard") if answer is None else Answer(about="It was heard", content=_json(answer))
    return Operation(
        queries=(_TOKEN,), body=_json(said), answers={204 if answer is None else 200: heard, **_worker_errors(400, 413)}
    )


def _json(model: Model) -> Content:
    return {"application/json": model}


def _worker_errors(*statuses: int) -> dict[int, Answer]:
    content: Content = {"application/problem+json": PROBLEM}
    told = {status: Answer(about=HTTPStatus(status).phrase, content=content) for status in (*statuses, 503)}
    return told | {
        403: Answer(about="The token is not of this attempt", content=content),
        410: Answer(about="The attempt is over", content=content),
    }


WORKER: Operations = {
    ("POST", "/{job_id}/{attempt}/claim"): _told(wire.Claiming, _CLAIMED),
    ("POST", "/{job_id}/{attempt}/heartbeat"): _told(
        wire.Beat, Model(name="WorkerBeaten", schema=wire.Beaten.model_json_schema())
    ),
    ("POST", "/{job_id}/{attempt}/complete"): _told(wire.Completed),
    ("POST", "/{job_id}/{attempt}/fail"): _told(wire.Failed),
    ("POST", "/{job_id}/{attempt}/overrun"): _told(wire.Completed),
    ("POST", "/{job_id}/{attempt}/ended"): _told(wire.Ended),
    ("GET", "/{job_id}/{attempt}/parameters/{number}"): Operation(
        queries=(_TOKEN,),
        answers={200: Answer(about="The file", content={"*/*": None}), **_worker_errors(404)},
    ),
    ("PUT", "/{job_id}/{attempt}/results/{number}"): Operation(
        queries=(_TOKEN, _DIGEST),
        body={"*/*": None},
        answers={204: Answer(about="It is kept"), **_worker_errors(400, 404, 413)},
    ),
}
"""What workers tell, below /worker (see `uws.worker_api`)."""
