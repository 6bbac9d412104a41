from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from penstock.outbound import FetchError, Outbound, is_public


async def read(outbound: Outbound, url: str, max_bytes: int = 10) -> bytes:
    file = BytesIO()
    await outbound.save(url, file, max_bytes=max_bytes)
    return file.getvalue()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("127.1.2.3", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_addresses_of_hosts_and_private_networks_are_not_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://example.org/",
        "http://user:secret@example.org/",
        "http:///nowhere",
        "",
    ],
)
async def test_what_is_not_public_is_refused(url: str) -> None:
    with pytest.raises(FetchError) as refused:
        await read(Outbound(timeout_s=5), url)
    assert "secret" not in str(refused.value)


async def served(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> TestServer:
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_a_private_address_can_be_allowed() -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b"here")

    async with await served(answer) as server:
        assert await read(Outbound(allow_private=True), str(server.make_url("/"))) == b"here"
        with pytest.raises(FetchError, match="not a public address"):
            await read(Outbound(), str(server.make_url("/")))


async def test_redirects_are_followed_a_few_times_and_then_no_more() -> None:
    async def answer(request: web.Request) -> web.Response:
        left = int(request.path.strip("/"))
        if left:
            raise web.HTTPFound(f"/{left - 1}")
        return web.Response(body=b"end")

    async with await served(answer) as server:
        outbound = Outbound(allow_private=True)
        assert await read(outbound, str(server.make_url("/5"))) == b"end"
        with pytest.raises(FetchError, match="redirects"):
            await read(outbound, str(server.make_url("/6")))


async def test_a_redirect_to_another_scheme_is_refused() -> None:
    async def answer(_request: web.Request) -> web.Response:
        raise web.HTTPFound("file:///etc/passwd")

    async with await served(answer) as server:
        with pytest.raises(FetchError, match="no http"):
            await read(Outbound(allow_private=True), str(server.make_url("/")))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://me:secret@x.example/t", r"^http://x.example/t was given with a user or password"),
        ("http://x.example:99999/t", "has a port that is none"),
        ("ftp://x.example/t", "is no http"),
        ("http:///t", "is no http"),
    ],
)
async def test_an_address_that_cannot_be_asked_says_why(url: str, why: str) -> None:
    with pytest.raises(FetchError, match=why):
        await read(Outbound(allow_private=True), url)


async def test_more_than_wanted_or_an_error_end_the_fetch() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/missing":
            raise web.HTTPNotFound
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)

    async with await served(answer) as server:
        outbound = Outbound(allow_private=True, timeout_s=5)
        with pytest.raises(FetchError, match="more than 5000"):
            await read(outbound, str(server.make_url("/endless")), 5000)
        with pytest.raises(FetchError, match="answers 404"):
            await read(outbound, str(server.make_url("/missing")))


async def test_silence_ends_the_fetch() -> None:
    released = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    async with await served(answer) as server:
        with pytest.raises(FetchError, match="in time"):
            await read(Outbound(allow_private=True, idle_s=0.2), str(server.make_url("/")))
        released.set()
