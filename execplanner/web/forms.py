"""In which form an answer is given, documents and errors alike."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web

from execplanner.core.answer import FORMATS, write
from execplanner.core.reading import ACCEPTED
from penstock.dali.errors import NotAcceptable, ServiceError, UsageError
from penstock.dali.formats import Format, FormatTable
from penstock.dali.media import MediaRange, parse_accept
from penstock.dali.params import Parameters
from penstock.edge.errors import problem_error

LISTS = FormatTable(tuple(row for row in FORMATS if row.format.key != "xml"))
"""The forms of what is our own: upstream has no XML for it."""

_READ = "application/json, application/yaml, application/xml"


def form_of(request: web.Request, params: Parameters, table: FormatTable = FORMATS) -> Format:
    """Return the form of the answer: by RESPONSEFORMAT, else by Accept (note s8.2).

    Raises
    ------
    NotAcceptable
        Accept names nothing that is offered.
    """
    if "RESPONSEFORMAT" in params or "FORMAT" in params:
        return table.choose(params)
    ranges = parse_accept(request.headers.get("Accept"))
    if not ranges:
        return table.default
    weights = [(_weight(row.format.media_type, row.media_types, ranges), row.format) for row in table]
    best = max(weight for weight, _ in weights)
    if best == 0:
        known = ", ".join(row.format.media_type for row in table)
        raise NotAcceptable(f"The answer can be had as {known}.")
    return next(form for weight, form in weights if weight == best)


def _weight(media_type: str, others: tuple[str, ...], ranges: tuple[MediaRange, ...]) -> float:
    """Return with which weight a type is accepted, by the most specific range that covers it (RFC 9110 s12.5.1)."""
    names = {media_type, *others}
    for covered in (names, {f"{name.partition('/')[0]}/*" for name in names}, {"*/*"}):
        found = [one.q for one in ranges if one.essence in covered]
        if found:
            return max(found)
    return 0.0


def query_of(request: web.Request) -> Parameters:
    """Return the parameters of the query string."""
    return Parameters(request.query.items())


def media_type_of(request: web.Request) -> str | None:
    """Return the media type of the body, None if nothing is said of it."""
    header = request.headers.get("Content-Type")
    return None if header is None else header.partition(";")[0].strip().lower()


def render_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render an error as a problem in the form that the caller wants; with 415 goes what would be read."""
    try:
        form = form_of(request, query_of(request))
    except UsageError:
        form = FORMATS.default
    extra: dict[str, Any] = getattr(error, "document", {})
    if form.key == "json" and not extra:
        response = problem_error(request, error, status)
    else:
        media_type = form.media_type if form.key == "yaml" else f"application/problem+{form.key}"
        body = write({**_problem(error, status), **extra}, form.key, "problem")
        response = web.Response(body=body, status=status, headers={"Content-Type": media_type})
    response.headers["Vary"] = "Accept"
    if status == 415:
        note = request.path.endswith(("/accepts", "/accept"))
        response.headers["Accept-Post"] = ACCEPTED if note else _READ  # (RFC 9110 s15.5.16)
    return response


def _problem(error: ServiceError, status: int) -> dict[str, Any]:
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "error": error.label,
    }
    if error.problems:
        problem["errors"] = [{"field": one.field, "description": one.description} for one in error.problems]
    return problem


def answer(body: bytes, form: Format, *, status: int = 200, **headers: str) -> web.Response:
    """Return an answer that was negotiated."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(body=body, status=status, headers={"Content-Type": form.media_type, "Vary": "Accept", **named})
