"""A server on a free port, and a client that sends bytes as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientSession, web

from penstock.edge.app import new_service_app
from penstock.edge.errors import ErrorRenderer, text_error
from penstock.edge.request_id import AccessLogger, install_request_ids

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    port: int
    session: ClientSession

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str, **options):
        return self.session.get(self.url(path), **options)

    def post(self, path: str, **options):
        return self.session.post(self.url(path), **options)

    async def raw(self, request: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer


def app_with(handler: Handler, *, render_error: ErrorRenderer = text_error, **options) -> web.Application:
    app = new_service_app(render_error, **options)
    app.router.add_get("/", handler)
    app.router.add_post("/", handler)
    return app


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[Server]:
    host = web.Application()
    install_request_ids(host)
    host.add_subapp("/s", app)
    runner = web.AppRunner(host, handler_cancellation=True, access_log_class=AccessLogger, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session:
            yield Server(port=runner.addresses[0][1], session=session)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(handler: Handler, **options) -> AsyncIterator[Server]:
    async with running(app_with(handler, **options)) as server:
        yield server
