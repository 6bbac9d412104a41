from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientPayloadError, web
from structlog.testing import capture_logs

from penstock.dali.errors import UsageError
from penstock.edge.streaming import stream
from tests.penstock.edge.builders import Handler, serving
from tests.uws.waiting import eventually


class Source:
    """A body that tells what became of it; `fail_after` chunks it fails, with None it goes on for `count`."""

    def __init__(self, count: int, *, chunk: bytes = b"x" * 1000, fail_after: int | None = None) -> None:
        self.count = count
        self.chunk = chunk
        self.fail_after = fail_after
        self.drawn = 0
        self.closed = asyncio.Event()
        self.started = asyncio.Event()
        self.hang_after: int | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            for number in range(self.count):
                if number == self.fail_after:
                    raise UsageError("the query failed")
                if number == self.hang_after:
                    self.started.set()
                    await asyncio.Event().wait()
                self.drawn += 1
                yield self.chunk
        finally:
            self.closed.set()

    def handler(self, **options) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await stream(request, self.chunks(), content_type="text/csv;header=present", **options)

        return handler


async def test_chunks_arrive_whole_with_their_headers() -> None:
    source = Source(3)
    handler = source.handler(headers={"X-A": "b"}, filename='a"b/c\n.csv')
    async with serving(handler) as server, server.get("/s/") as answer:
        assert await answer.read() == source.chunk * 3
        assert answer.headers["Content-Type"] == "text/csv;header=present"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["X-A"] == "b"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a_b_c_.csv"'
        assert answer.headers["X-Request-ID"]
        assert "Content-Encoding" not in answer.headers
    assert source.closed.is_set()


async def test_an_empty_body_is_an_empty_answer() -> None:
    async with serving(Source(0).handler()) as server, server.get("/s/") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_an_answer_of_one_chunk_says_its_length() -> None:
    async with serving(Source(1).handler()) as server, server.get("/s/") as answer:
        assert int(answer.headers["Content-Length"]) == len(await answer.read())
        assert "Transfer-Encoding" not in answer.headers


async def test_an_error_right_after_the_first_chunk_is_still_an_error_response() -> None:
    source = Source(3, fail_after=1)
    async with serving(source.handler()) as server, server.get("/s/") as answer:
        assert answer.status == 400
    assert source.closed.is_set()


async def test_an_error_before_the_first_byte_is_an_error_response() -> None:
    source = Source(3, fail_after=0)
    async with serving(source.handler()) as server, server.get("/s/") as answer:
        assert answer.status == 400
        assert await answer.text() == "UsageError: the query failed\n"
    assert source.closed.is_set()


async def test_an_error_after_the_first_byte_breaks_the_connection_and_is_logged_once() -> None:
    source = Source(3, fail_after=2)
    with capture_logs() as lines:
        async with serving(source.handler()) as server:
            async with server.get("/s/") as answer:
                assert answer.status == 200
                with pytest.raises((ClientPayloadError, ConnectionError)):
                    await answer.read()
            async with server.get("/s/nothing") as after:
                assert after.status == 404
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["stream_broken"]
    assert source.closed.is_set()


@pytest.mark.parametrize(
    ("accepted", "coding", "unpack"),
    [
        ("gzip", "gzip", gzip.decompress),
        ("deflate, gzip;q=0.5", "deflate", zlib.decompress),
        ("gzip;q=0, identity", None, bytes),
    ],
)
async def test_compression_is_what_the_client_asks_for(accepted, coding, unpack) -> None:
    source = Source(50)
    async with (
        serving(source.handler()) as server,
        server.get("/s/", headers={"Accept-Encoding": accepted}) as answer,
    ):
        assert answer.headers.get("Content-Encoding") == coding
        assert unpack(await answer.read()) == source.chunk * 50


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
async def test_head_sends_the_header_and_closes_the_source(accepted) -> None:
    source = Source(10)
    async with serving(source.handler()) as server:
        request = f"HEAD /s/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: {accepted}\r\n\r\n"
        assert (await server.raw(request.encode())).endswith(b"\r\n\r\n")
        async with server.session.head(server.url("/s/"), headers={"Accept-Encoding": accepted}) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            assert answer.headers["Content-Type"] == "text/csv;header=present"
    assert source.drawn == 4  # one ahead each time: the end of an answer of one chunk is seen
    assert source.closed.is_set()


@pytest.mark.parametrize("hang_after", [0, 2], ids=["before the first byte", "after it"])
async def test_a_client_that_leaves_closes_the_source_while_it_waits(hang_after) -> None:
    source = Source(10)
    source.hang_after = hang_after
    async with serving(source.handler()) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /s/ HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(source.started.wait(), 5)
        writer.close()
        await asyncio.wait_for(source.closed.wait(), 5)


async def test_a_slow_client_holds_the_source_back_and_its_leaving_closes_it() -> None:
    source = Source(10_000, chunk=b"x" * 100_000)
    with capture_logs() as lines:
        async with serving(source.handler()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1000)
            writer.write(b"GET /s/ HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readexactly(100)
            before = -1
            while source.drawn > before:
                before = source.drawn
                await asyncio.sleep(0.05)
            assert source.drawn < 500
            writer.transport.abort()
            await asyncio.wait_for(source.closed.wait(), 5)
    assert [line for line in lines if line["log_level"] == "error"] == []


async def test_a_chunk_is_made_while_the_one_before_is_sent_and_no_more() -> None:
    source = Source(10, chunk=b"x" * 32_000_000)  # more than the buffers of the system take
    async with serving(source.handler()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /s/ HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(33_000_000)
        await eventually(lambda: source.drawn == 3)  # what the client has, what it is being sent, and the next
        for _ in range(1000):
            await asyncio.sleep(0)
        assert source.drawn == 3
        writer.transport.abort()
        await asyncio.wait_for(source.closed.wait(), 60)


async def test_http_1_0_gets_the_body_until_the_connection_closes() -> None:
    source = Source(2, chunk=b"abc")
    async with serving(source.handler()) as server:
        answer = await server.raw(b"GET /s/ HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nabcabc")


async def test_an_iterator_that_is_no_generator_will_do() -> None:
    class Chunks:
        def __init__(self) -> None:
            self.left = [b"b", b"a"]

        def __aiter__(self):
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream(request, Chunks(), content_type="text/plain")

    async with serving(handler) as server, server.get("/s/") as answer:
        assert await answer.read() == b"ab"
