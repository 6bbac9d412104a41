"""Stubs of storage servers with the faults that real ones have; they follow HTTP as far as the fault allows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from penstock.lake.port import Replica

Behave = Callable[["StubStorage", web.Request], Awaitable[web.StreamResponse]]
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class StubStorage:
    """A storage with one file, wherever one asks for it; `asked` are the headers of all requests."""

    content: bytes
    behave: Behave
    asked: list[dict[str, str]] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        return await self.behave(self, request)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self.answer)
        return app

    def span(self, request: web.Request) -> tuple[int, int] | None:
        match = RANGE.fullmatch(request.headers.get("Range", ""))
        return (int(match[1]), int(match[2] or len(self.content) - 1) + 1) if match else None

    def head(self, request: web.Request, *, length: int | None = None, size: int | None = None) -> web.StreamResponse:
        """Return an answer without its bytes, for all of the file or for the part that was asked for."""
        span, size = self.span(request), len(self.content) if size is None else size
        start, stop = span or (0, len(self.content))
        response = web.StreamResponse(status=206 if span else 200)
        if span:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        response.content_length = stop - start if length is None else length
        return response

    def part(self, request: web.Request) -> bytes:
        start, stop = self.span(request) or (0, len(self.content))
        return self.content[start:stop]


async def good(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    response = storage.head(request)
    await response.prepare(request)
    await response.write(storage.part(request))
    return response


async def without_ranges(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    return web.Response(body=storage.content)


async def dies_midway(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    """Send half of what was asked for, and drop the connection."""
    response, part = storage.head(request), storage.part(request)
    await response.prepare(request)
    await response.write(part[: len(part) // 2])
    assert request.transport
    request.transport.close()  # what was written still goes out
    return response


async def stalls_midway(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    response, part = storage.head(request), storage.part(request)
    await response.prepare(request)
    await response.write(part[: len(part) // 2])
    await storage.released.wait()
    return response


async def never_answers(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    await storage.released.wait()
    return web.Response()


async def says_it_is_shorter(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    size = len(storage.content) - 7
    response = storage.head(request, length=size, size=size)
    await response.prepare(request)
    await response.write(storage.content[:size])
    return response


async def says_it_is_longer(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    size = len(storage.content) + 7
    response = storage.head(request, length=size, size=size)
    await response.prepare(request)
    await response.write(storage.content + b"x" * 7)
    return response


async def tells_no_length(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(storage.content)
    return response


async def sends_wrong_bytes(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    """Send as many bytes as there are, the last of them another."""
    response, part = storage.head(request), storage.part(request)
    await response.prepare(request)
    await response.write(part[:-1] + bytes([part[-1] ^ 1]))
    return response


async def sends_another_part(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=206)
    response.headers["Content-Range"] = f"bytes 0-{len(storage.content) - 1}/{len(storage.content)}"
    await response.prepare(request)
    await response.write(storage.content)
    return response


async def knows_another_checksum(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    return web.Response(body=storage.content, headers={"Digest": "adler32=00000001"})


async def encodes(storage: StubStorage, request: web.Request) -> web.StreamResponse:
    return web.Response(body=storage.content, headers={"Content-Encoding": "x-own"})


def refuses(status: int) -> Behave:
    async def refuse(storage: StubStorage, request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="the token of the storage has expired")

    return refuse


def leads_to(url: str) -> Behave:
    async def lead(storage: StubStorage, request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": url})

    return lead


def replica_at(site: str, port: int, scheme: str = "http") -> Replica:
    return Replica(site=site, url=f"{scheme}://127.0.0.1:{port}/lake/a.fits")
