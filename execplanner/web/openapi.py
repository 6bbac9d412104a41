"""What the routes take and answer, for /openapi.json: the schemas are those by which documents are read."""

from __future__ import annotations

from typing import Any, assert_never

from execplanner.core.model import OFFERSET, REQUEST, SESSION, UPDATE
from execplanner.core.shapes import Anything, Flag, Items, Kinded, Names, Real, Record, Shape, Text, Whole
from penstock.openapi import Answer, Content, Model, Operation, Operations, Query, errors

_TYPES = ("application/json", "application/yaml", "application/xml")


def schema_of(shape: Shape) -> dict[str, Any]:  # one case for each shape
    """Return the JSON Schema of a shape."""
    match shape:
        case Text():
            return {"type": "string"} | ({"enum": list(shape.options)} if shape.options else {})
        case Whole():
            return {"type": "integer"}
        case Real():
            return {"type": "number"}
        case Flag():
            return {"type": "boolean"}
        case Names():
            return {"type": "object", "additionalProperties": {"type": "string"}}
        case Items():
            return {"type": "array", "items": schema_of(shape.of)}
        case Record():
            return {"type": "object", "properties": {name: schema_of(one) for name, one in shape.members.items()}}
        case Kinded():
            members = {**shape.common, **{name: one for known in shape.kinds.values() for name, one in known.items()}}
            properties = {"kind": {"type": "string", "format": "uri"}}
            properties |= {name: schema_of(one) for name, one in members.items()}
            return {"type": "object", "properties": properties, "required": ["kind"]}
        case Anything():
            return {}
        case _:
            assert_never(shape)


def _content(name: str, shape: Shape) -> Content:
    return dict.fromkeys(_TYPES, Model(name=name, schema=schema_of(shape)))


_REQUEST = _content("ExecutionRequest", REQUEST)
_OFFERS = _content("OfferSetResponse", OFFERSET)
_SESSION = _content("ExecutionSession", SESSION)
_UPDATE = _content("Update", UPDATE)
_FORM = Query(name="RESPONSEFORMAT", about="json, yaml or xml; else Accept decides")
_DIALECT = Query(name="DIALECT", about="D1 (1.0.7), D2 (spring 2026) or D3 (2025); else that of the request")
_WISHES = (
    _FORM,
    _DIALECT,
    Query(name="MAXOFFERS", about="Most offers", schema={"type": "integer", "minimum": 1}),
    Query(name="RANK", about="Criteria in order: start, bytes, cost, carbon"),
    Query(name="TIMEOUT", about="Seconds in which other brokers must answer", schema={"type": "number"}),
    Query(name="Idempotency-Key", about="A request that is repeated with it is answered once", header=True),
    Query(name="Prefer", about="return=representation: 200 in place of 303", header=True),
)
_LOCATION = {"Location": "Where it is"}
_LISTED = (
    Query(name="AFTER", about="Made after an instant"),
    Query(name="BEFORE", about="Older than the one of this identifier"),
    Query(name="LAST", about="Most entries", schema={"type": "integer"}),
)


def _made(content: Content, about: str) -> dict[int, Answer]:
    return {
        303: Answer(about=about, content=content, headers=_LOCATION),
        200: Answer(about=about, content=content),
        **errors(400, 401, 406, 413, 415, 422, 429, 503),
    }


_ASK = Operation(answers=_made(_OFFERS, "The offers"), queries=_WISHES, body=_REQUEST)
_RUN = Operation(answers=_made(_SESSION, "The session"), queries=_WISHES, body=_REQUEST)
_CHANGE = Operation(
    answers={
        200: Answer(about="The session", content=_SESSION, headers={"ETag": "Its version"}),
        **errors(400, 401, 403, 404, 409, 410, 412, 415, 503),
    },
    queries=(_FORM, _DIALECT, Query(name="If-Match", about="The version that is to be changed", header=True)),
    body=_UPDATE,
)
_OFFERSET = Operation(
    answers={200: Answer(about="The offers", content=_OFFERS), **errors(401, 403, 404, 406, 503)},
    queries=(_FORM, _DIALECT),
)
_LIST: Content = {"application/json": None, "application/yaml": None}
OPERATIONS: Operations = {
    ("POST", "/requests"): _ASK,
    ("POST", "/offersets"): _ASK,
    ("POST", "/direct"): _RUN,
    ("POST", "/sessions"): _RUN,
    ("GET", "/offersets/{uuid}"): _OFFERSET,
    ("GET", "/sessions/{uuid}"): Operation(
        answers={
            200: Answer(about="The session", content=_SESSION, headers={"ETag": "Its version"}),
            304: Answer(about="It is as it was"),
            **errors(401, 403, 404, 406, 503),
        },
        queries=(
            _FORM,
            _DIALECT,
            Query(name="WAIT", about="Seconds to wait for another phase; -1: as long as is possible"),
            Query(name="PHASE", about="With WAIT: the phase to be left"),
        ),
    ),
    ("POST", "/sessions/{uuid}"): _CHANGE,
    ("DELETE", "/sessions/{uuid}"): Operation(
        answers={204: Answer(about="It is cancelled and forgotten"), **errors(401, 403, 404, 412, 503)}
    ),
    ("GET", "/sessions"): Operation(
        answers={200: Answer(about="The caller's sessions", content=_LIST), **errors(400, 401, 406)},
        queries=(*_LISTED, Query(name="PHASE", about="In one of these phases")),
    ),
    ("GET", "/offersets"): Operation(
        answers={200: Answer(about="The caller's sets of offers", content=_LIST), **errors(400, 401, 406)},
        queries=_LISTED,
    ),
    ("GET", "/facilities"): Operation(
        answers={200: Answer(about="Facilities", content=_LIST), **errors(400, 404, 406)},
        queries=(
            Query(name="KIND", about="They run this kind"),
            Query(name="CORES", about="They have so many cores for a session", schema={"type": "integer"}),
            Query(name="MEMORY", about="They have so much memory for a session: 64G"),
            Query(name="GPU", about="They have this model, or so many"),
            Query(name="SITE", about="They are at this site, or near this storage site"),
            Query(name="DATA", about="A data identifier scope:name; the nearest come first"),
            Query(name="LAST", about="Most entries", schema={"type": "integer"}),
        ),
    ),
    ("GET", "/kinds"): Operation(answers={200: Answer(about="Kinds of executable", content=_LIST), **errors(406)}),
}
