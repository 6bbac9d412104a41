"""Bodies that stop to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from penstock.edge.app import new_service_app
from penstock.edge.body import install_body_timeout
from penstock.edge.errors import text_error
from penstock.edge.params import read_parameters

IDLE_S = 0.2
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
MULTIPART = b"Content-Type: multipart/form-data; boundary=b\r\n"


async def _count(request: web.Request) -> web.Response:
    params = await read_parameters(request)
    return web.Response(text=str(len(params.items()) + len(params.parts)))


@asynccontextmanager
async def connected(
    gate: asyncio.Event | None = None, idle_s: float = IDLE_S
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async def gated(request: web.Request) -> web.Response:
        assert gate
        await gate.wait()
        return await _count(request)

    root, service = new_service_app(text_error), new_service_app(text_error)
    install_body_timeout(root, idle_s)
    service.router.add_post("/count", _count)
    service.router.add_post("/gated", gated)
    root.add_subapp("/service", service)
    async with TestServer(root) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield reader, writer
        finally:
            writer.close()


def head(path: str, *lines: bytes) -> bytes:
    return f"POST /service/{path} HTTP/1.1\r\nHost: x\r\n".encode() + b"".join(lines) + b"\r\n"


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the status, and all until the server closes the connection."""
    async with asyncio.timeout(60):
        text = await reader.read()
    return int(text.split()[1]), text


@pytest.mark.parametrize(
    "sent",
    [
        head("count", FORM, b"Content-Length: 10\r\n"),
        head("count", FORM, b"Content-Length: 10\r\n") + b"a=1",
        head("count", FORM, b"Transfer-Encoding: chunked\r\n") + b"3\r\na=1\r\n",
        head("count", MULTIPART, b"Content-Length: 500\r\n") + b'--b\r\nContent-Disposition: form-data; name="a"\r\n',
        head("count", MULTIPART, b"Content-Length: 500\r\n")
        + b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nhalf of a file',
    ],
)
async def test_a_body_that_stops_is_answered_408_and_the_connection_closed(sent: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(sent)
        status, text = await answer(reader)
    assert status == 408
    assert b"Connection: close" in text
    assert b"does not arrive" in text


async def test_a_body_that_comes_in_drops_is_read_to_its_end() -> None:
    async with connected(idle_s=1) as (reader, writer):
        writer.write(head("count", FORM, b"Content-Length: 12\r\n", b"Connection: close\r\n"))
        for _ in range(12):
            writer.write(b"&")
            await asyncio.sleep(0.2)
        assert (await answer(reader))[0] == 200


async def test_a_client_is_not_idle_while_nobody_reads_what_it_sends() -> None:
    gate, size = asyncio.Event(), 3 * 2**20
    async with connected(gate) as (reader, writer):
        writer.write(head("gated", FORM, f"Content-Length: {size}\r\n".encode(), b"Connection: close\r\n"))
        writer.write(b"a=".ljust(size, b"x"))
        await asyncio.sleep(3 * IDLE_S)
        gate.set()
        status, text = await answer(reader)
    assert (status, text[-1:]) == (200, b"1")
