"""How an error reaches the caller: VOTable, text, or problem+json (DALI 1.2 s5.2, RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus

import orjson
from aiohttp import web

from penstock.dali.errors import ServiceError
from penstock.dali.formats import VOTABLE_TYPES
from penstock.dali.media import NEGOTIATED_BY, accepts_json, parse_accept
from penstock.dali.params import upper_name
from penstock.edge.forms import wants_page
from penstock.edge.pages import render_page
from penstock.votable.document import error_document

ErrorRenderer = Callable[[web.Request, ServiceError, int], web.Response]
"""Turns (request, error, HTTP status) into a response; the edge adds Retry-After, Allow and challenges."""


def votable_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as a VOTable with QUERY_STATUS=ERROR (DALI 1.2 s5.4, TAP 1.1 s3.3).

    Who names JSON in Accept gets problem+json, as from the job list, and a browser a page: it would save a VOTable.
    """
    asked = _asked_form(request)
    if asked in {"html", "text/html"} or (not asked and wants_page(request)):
        response = page_error(request, error, status)
    elif not asked and accepts_json(parse_accept(request.headers.get("Accept"))):
        response = problem_error(request, error, status)
    else:
        response = votable_response(error_document(error.labelled()), status)
    response.headers["Vary"] = NEGOTIATED_BY
    return response


def votable_response(document: bytes, status: int) -> web.Response:
    """Return a response that is a VOTable."""
    return web.Response(body=document, status=status, content_type=VOTABLE_TYPES[0], charset="utf-8")


def text_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as text that begins with the label DALI prescribes (DALI 1.2 s5.2)."""
    return web.Response(text=error.labelled() + "\n", status=status)


def problem_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as application/problem+json (RFC 9457), with a list of all that is wrong, where it is known."""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "error": error.label,
    }
    if error.problems:
        problem["errors"] = [asdict(each) for each in error.problems]
    return web.Response(body=orjson.dumps(problem), status=status, content_type="application/problem+json")


def page_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as a page for people."""
    title = HTTPStatus(status).phrase if status >= 400 else "Error"  # what went wrong in a job is told with 200
    return render_page("error.html", status=status, title=title, message=error.message, problems=error.problems)


def negotiated_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as problem+json for a caller that asks for JSON, as a page in a browser, as text elsewhere."""
    asked = _asked_form(request)
    if asked:
        render = problem_error if asked in {"json", "application/json"} else text_error
    elif accepts_json(parse_accept(request.headers.get("Accept"))):
        render = problem_error
    elif wants_page(request):
        render = page_error
    else:
        render = text_error
    response = render(request, error, status)
    response.headers["Vary"] = NEGOTIATED_BY
    return response


def _asked_form(request: web.Request) -> str:
    """Return RESPONSEFORMAT of a GET, where it wins over Accept; of a POST it is about the result of the job."""
    asked = [value for name, value in request.query.items() if upper_name(name) == "RESPONSEFORMAT"]
    return asked[0].strip().lower() if asked and request.method in {"GET", "HEAD"} else ""
