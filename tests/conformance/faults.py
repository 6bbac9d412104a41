"""One deviation from the good service: which requests it touches, and what it does to them or to their answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from tests.conformance.good import broker, links, registry, searches, tap
from tests.conformance.good.jobs import USER, JobList

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Change = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Fault:
    """A change to the answers of the paths that match, of one method or of any."""

    path: str
    change: Change
    method: str = ""

    def touches(self, request: web.Request) -> bool:
        return bool(re.fullmatch(self.path, request.path_qs)) and self.method in {"", request.method}


async def _answer(request: web.Request, handler: Handler) -> web.Response:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        return web.Response(status=error.status, text=error.text, headers=error.headers)
    assert isinstance(response, web.Response)
    return response


def _rebuilt(response: web.Response, **changes: object) -> web.Response:
    headers = {name: value for name, value in response.headers.items() if name != "Content-Length"}
    kept = {"status": response.status, "body": response.body, "headers": headers}
    return web.Response(**{**kept, **changes})


def replaced(old: str, new: str) -> Change:
    """Replace a pattern in the body of an answer; it must occur in some answer."""

    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler)
        body = bytes(response.body or b"")
        return _rebuilt(response, body=re.sub(old.encode(), new.encode(), body, flags=re.DOTALL))

    return change


def status(code: int) -> Change:
    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        return _rebuilt(await _answer(request, handler), status=code)

    return change


def body(text: str, code: int = 200, media: str = "text/plain") -> Change:
    """Answer something else, without doing what was asked."""

    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.Response(status=code, text=text, content_type=media)

    return change


def header(name: str, value: str | None) -> Change:
    """Set a header of the answer, or leave it out."""

    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler)
        headers = {key: text for key, text in response.headers.items() if key not in {name, "Content-Length"}}
        return _rebuilt(response, headers={**headers, **({} if value is None else {name: value})})

    return change


def asked(**query: str | None) -> Change:
    """Treat the request as if it had said something else; None leaves a parameter out."""

    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        kept = [(name, value) for name, value in request.query.items() if name not in query]
        added = [(name, value) for name, value in query.items() if value is not None]
        other = request.clone(rel_url=request.rel_url.with_query(kept + added))
        other._match_info = request.match_info
        return await handler(other)

    return change


def when(caller: str, change: Change) -> Change:
    """Deviate for one caller only, who is told by what is in the header Authorization."""

    async def only(request: web.Request, handler: Handler) -> web.StreamResponse:
        ours = request.headers.get("Authorization", "") == caller
        return await (change(request, handler) if ours else handler(request))

    return only


def calling(token: str) -> Change:
    """Treat the request as if somebody else had sent it."""

    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        other = request.clone(headers={**request.headers, "Authorization": f"Bearer {token}"})
        other._match_info = request.match_info
        return await handler(other)

    return change


def slow(seconds: float) -> Change:
    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    return change


def instead(location: str) -> Change:
    """Redirect elsewhere after doing what was asked; {origin} is the service."""

    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler)
        place = location.format(origin=request.url.origin())
        headers = {name: value for name, value in response.headers.items() if name != "Location"}
        return _rebuilt(response, headers={**headers, "Location": place})

    return change


TOKENS = {"token-of-alice": "alice", "token-of-bob": "bob"}
CHALLENGES = (
    'Bearer realm="example"',
    'ivoa_bearer standard_id="ivo://ivoa.net/sso#OAuth", access_url="https://example.org/token"',
)


@web.middleware
async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Know who calls, say so, and say to others how to make themselves known."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    user, invalid = TOKENS.get(token, ""), scheme == "Bearer" and token not in TOKENS
    request[USER] = user
    response = web.Response(status=401) if invalid else await _answer(request, handler)
    if user:
        response.headers["X-VO-Authenticated"] = user
    for challenge in () if user else CHALLENGES:
        error = ', error="invalid_token"' if invalid and challenge.startswith("Bearer") else ""
        response.headers.add("WWW-Authenticate", challenge + error)
    return response


def service(*faults: Fault) -> web.Application:
    """Return a service with all that is judged, and its faults."""

    @web.middleware
    async def broken(request: web.Request, handler: Handler) -> web.StreamResponse:
        for fault in faults:
            if fault.touches(request):
                return await fault.change(request, handler)
        return await handler(request)

    app = web.Application(middlewares=[broken, known])
    app.add_routes(
        [
            *tap.routes(),
            *links.routes(),
            *registry.routes(),
            *searches.routes(),
            *broker.Broker().routes(),
            *JobList("/jobs", _work).routes(),
        ]
    )
    return app


def _work(form: dict[str, str]) -> tuple[bool, bytes]:
    return "FAIL" not in form, b"done"
