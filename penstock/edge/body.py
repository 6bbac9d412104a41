"""Bodies that stop to arrive: a client may take its time, but not keep a request open for ever."""

from __future__ import annotations

import asyncio
from contextlib import closing

from aiohttp import web
from aiohttp.typedefs import Handler


class BodyStalled(TimeoutError):
    """Nothing of a body arrived for too long; the edge answers 408."""


def install_body_timeout(app: web.Application, idle_s: float) -> None:
    """Give up requests of which nothing arrives for `idle_s` to twice `idle_s` seconds, and close their connections.

    Whatever reads the body then gets `BodyStalled`. A client that is not read from, because the handler is busy with
    what it has, is not idle.
    """

    @web.middleware
    async def watch_body(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.content.is_eof():  # whole already, as nearly all are
            return await handler(request)
        with closing(_Watch(request, idle_s)):
            response = await handler(request)
        if isinstance(request.content.exception(), BodyStalled):
            response.force_close()
        return response

    app.middlewares.insert(0, watch_body)  # outside of what renders errors: it closes the connection of their answers


class _Watch:
    """Looks from time to time whether more of a body has come."""

    def __init__(self, request: web.Request, idle_s: float) -> None:
        self._request = request
        self._idle_s = idle_s
        self._seen = request.content.total_bytes
        self._timer = asyncio.get_running_loop().call_later(idle_s, self._look)

    def _look(self) -> None:
        content, transport = self._request.content, self._request.transport
        if content.is_eof() or transport is None:
            return
        if content.total_bytes == self._seen and transport.is_reading():
            content.set_exception(BodyStalled())
            return
        self._seen = content.total_bytes
        self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._look)

    def close(self) -> None:
        self._timer.cancel()
