"""An OpenAPI 3.1 description of whatever is mounted: read off the routes, and what services say of them.

A service says more of its routes with `describe`: what they take and answer, as records with the JSON Schemas of the
models. A route of which nothing is said is listed with the first line of its handler's docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from aiohttp import web

Json = dict[str, Any]
_VARIABLE = re.compile(r"{(\w+)(?::[^{}]*(?:{[^{}]*}[^{}]*)*)?}")
_DEFINITIONS, _COMPONENTS = "#/$defs/", "#/components/schemas/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A JSON Schema with a name; models within it are its ``$defs``."""

    name: str
    schema: Mapping[str, Any]


Content = Mapping[str, Model | None]
"""What a body is by media type; None where a schema would say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parameter of the query string or, where `header` is set, of the header."""

    name: str
    about: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    header: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of one status."""

    about: str
    content: Content = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route takes and answers, by status."""

    answers: Mapping[int, Answer]
    queries: tuple[Query, ...] = ()
    body: Content = field(default_factory=dict)


Operations = Mapping[tuple[str, str], Operation]
"""Operations by method and path."""

_OPERATIONS: web.AppKey[dict[tuple[str, str], Operation]] = web.AppKey("openapi", dict)

PROBLEM = Model(
    name="Problem",
    schema={
        "description": "What went wrong (RFC 9457)",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "error": {"type": "string", "description": "The label that DALI gives the error"},
            "errors": {
                "type": "array",
                "description": "All that is wrong with the request, where that is known",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string"},
                        "value": {"type": ["string", "null"]},
                        "description": {"type": "string"},
                    },
                    "required": ["field", "description"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": False,
    },
)


def errors(*statuses: int) -> dict[int, Answer]:
    """Return the answers for errors: JSON for who asks for it, a page for people; else a text, or a VOTable in TAP."""
    content: Content = {
        "text/plain": None,
        "application/x-votable+xml": None,
        "application/problem+json": PROBLEM,
        "text/html": None,
    }
    headers = {
        401: {"WWW-Authenticate": "How to authenticate; one line for each way"},
        429: {"Retry-After": "Seconds after which to try again"},
        503: {"Retry-After": "Seconds after which to try again"},
    }
    return {
        status: Answer(about=HTTPStatus(status).phrase, content=content, headers=headers.get(status, {}))
        for status in statuses
    }


def describe(app: web.Application, path: str, operations: Operations) -> None:
    """Say what routes of an application take and answer; their paths are below `path`."""
    known = app.setdefault(_OPERATIONS, {})
    known.update({(method, path + below): operation for (method, below), operation in operations.items()})


def describe_routes(app: web.Application, base_url: str) -> Json:
    """Return the OpenAPI document of every route of `app` and its sub-applications."""
    paths: dict[str, Json] = {}
    models: dict[str, Json] = {}
    for route, operation in _routes(app, ""):
        canonical = route.resource.canonical if route.resource else ""
        names = _VARIABLE.findall(canonical)
        path = _VARIABLE.sub(r"{\1}", canonical) or "/"
        described = _described(route, names, operation, models)
        described["operationId"] = _identifier(route.method, path)
        paths.setdefault(path, {})[route.method.lower()] = described
    doubled = [path for path in paths if path != "/" and path.endswith("/") and path[:-1] in paths]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Penstock", "version": version("penstock")},
        "servers": [{"url": base_url}],
        "paths": {path: paths[path] for path in sorted(paths.keys() - doubled)},
        "components": {"schemas": dict(sorted(models.items()))},
    }


def _routes(app: web.Application, prefix: str) -> Iterator[tuple[web.AbstractRoute, Operation | None]]:
    """Yield every route with what is said of it."""
    known = app.get(_OPERATIONS, {})
    for resource in app.router.resources():
        info = resource.get_info()
        if (inner := info.get("app")) is not None:
            yield from _routes(inner, info["prefix"])
            continue
        for route in resource:
            if route.method not in ("*", "HEAD", "OPTIONS"):
                yield route, known.get((route.method, resource.canonical.removeprefix(prefix)))


def _identifier(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"\w+", path)])


def _described(
    route: web.AbstractRoute, names: list[str], operation: Operation | None, models: dict[str, Json]
) -> Json:
    summary = (inspect.getdoc(route.handler) or "").partition("\n")[0]
    described: Json = {"summary": summary} if summary else {}
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    if operation is None:
        described["responses"] = {"default": {"description": "See the standard that the service follows"}}
    else:
        parameters += [_query(query) for query in operation.queries]
        described["responses"] = {
            str(status): _answer(answer, models) for status, answer in sorted(operation.answers.items())
        }
        if operation.body:
            described["requestBody"] = {"content": _content(operation.body, models)}
    if parameters:
        described["parameters"] = parameters
    return described


def _query(query: Query) -> Json:
    place = "header" if query.header else "query"
    return {"name": query.name, "in": place, "description": query.about, "schema": dict(query.schema)}


def _answer(answer: Answer, models: dict[str, Json]) -> Json:
    described: Json = {"description": answer.about}
    if answer.content:
        described["content"] = _content(answer.content, models)
    if answer.headers:
        described["headers"] = {
            name: {"description": about, "schema": {"type": "string"}} for name, about in answer.headers.items()
        }
    return described


def _content(content: Content, models: dict[str, Json]) -> Json:
    return {media_type: {} if model is None else _reference(model, models) for media_type, model in content.items()}


def _reference(model: Model, models: dict[str, Json]) -> Json:
    """Return a reference to a model, which is put among the components, and what it needs."""
    own = {name: value for name, value in model.schema.items() if name not in ("$defs", "$schema")}
    for name, schema in ((model.name, own), *model.schema.get("$defs", {}).items()):
        models[name] = _moved(schema)
    return {"schema": {"$ref": _COMPONENTS + model.name}}


def _moved(schema: Any) -> Any:
    """Return a schema whose references lead to the components."""
    match schema:
        case {"$ref": str(target), **rest}:
            return {"$ref": target.replace(_DEFINITIONS, _COMPONENTS), **_moved(rest)}
        case Mapping():
            return {name: _moved(value) for name, value in schema.items()}
        case list() | tuple():
            return [_moved(value) for value in schema]
        case _:
            return schema
