"""How an error reaches the caller: VOTable, text, or problem+json (DALI 1.2 s5.2, RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import orjson
from aiohttp import web

from penstock.dali.errors import ServiceError
from penstock.dali.media import accepts_json, parse_accept
from penstock.votable.document import error_document

ErrorRenderer = Callable[[web.Request, ServiceError, int], web.Response]
"""Turns (request, error, HTTP status) into a response; the edge adds Retry-After, Allow and challenges."""


def votable_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as a VOTable with QUERY_STATUS=ERROR (DALI 1.2 s5.4)."""
    return web.Response(
        body=error_document(error.labelled()), status=status, content_type="application/x-votable+xml", charset="utf-8"
    )


def text_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as text that begins with the label DALI prescribes (DALI 1.2 s5.2)."""
    return web.Response(text=error.labelled() + "\n", status=status)


def problem_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as application/problem+json (RFC 9457)."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "error": error.label,
    }
    return web.Response(body=orjson.dumps(problem), status=status, content_type="application/problem+json")


def negotiated_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as problem+json for a caller that asks for JSON, as text for any other."""
    wants_json = accepts_json(parse_accept(request.headers.get("Accept")))
    response = (problem_error if wants_json else text_error)(request, error, status)
    response.headers["Vary"] = "Accept"
    return response
