"""Web pages of other origins that may use the services: the CORS protocol (https://fetch.spec.whatwg.org/#http-cors-protocol).

Nobody is known by a cookie or by an address here, so a page can do no more than anybody who sends its reader's token.
"""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler

ANY = "*"
_METHODS = "GET, HEAD, POST, PUT, DELETE"
_EXPOSED = (
    "Content-Disposition, Content-Encoding, Content-Length, Content-Range, ETag, Link, Location, Repr-Digest, "
    "Retry-After, WWW-Authenticate, X-Request-ID"
)
_PREFLIGHT_AGE_S = 86400


def install_origins(app: web.Application, origins: Collection[str]) -> None:
    """Let pages of these origins (`ANY`: of all) read answers; nothing changes where there are none."""
    if not origins:
        return

    def admitted(request: web.BaseRequest) -> str | None:
        origin = request.headers.get("Origin")
        if ANY in origins:
            return ANY if origin else None
        return origin if origin in origins else None

    @web.middleware
    async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Tell a browser what the page may send; no resource has an OPTIONS of its own."""
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not is_preflight or admitted(request) is None:
            return await handler(request)
        wanted = request.headers.get("Access-Control-Request-Headers", "")
        headers = {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Max-Age": str(_PREFLIGHT_AGE_S)}
        return web.Response(status=204, headers=headers | ({"Access-Control-Allow-Headers": wanted} if wanted else {}))

    async def admit(request: web.BaseRequest, response: web.StreamResponse) -> None:
        if ANY not in origins:
            response.headers.add("Vary", "Origin")
        origin = admitted(request)
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    app.middlewares.insert(0, answer_preflight)
    app.on_response_prepare.append(admit)
