"""The floor: a bare aiohttp handler that answers a fixed document, or streams a fixed number of bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop
from aiohttp import web

CHUNK = 1 << 18


def make_app(document: bytes) -> web.Application:
    """Return the application: ``/fixed`` answers `document`, ``/stream?bytes=N`` streams N bytes."""

    async def fixed(_request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/x-votable+xml")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        left = int(request.query["bytes"])
        block = b"x" * CHUNK
        while left > 0:
            await response.write(block[:left])
            left -= CHUNK
        return response

    app = web.Application()
    app.add_routes([web.get("/fixed", fixed), web.get("/stream", stream)])
    return app


if __name__ == "__main__":
    uvloop.install()
    web.run_app(make_app(Path(sys.argv[1]).read_bytes()), port=int(sys.argv[2]), print=None, access_log=None)
