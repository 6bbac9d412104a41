"""Sending an answer while it is made: constant memory, early errors told, late clients cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import structlog
from aiohttp import web

from penstock.edge.compression import compress
from penstock.edge.connection import client_left, cut_connection

_log = structlog.get_logger(__name__)


async def stream(
    request: web.Request,
    chunks: AsyncIterator[bytes],
    *,
    content_type: str,
    headers: Mapping[str, str] | None = None,
    filename: str | None = None,
) -> web.StreamResponse:
    """Send the chunks as they come.

    The first chunk is drawn before anything is sent, so an error up to there becomes an ordinary error response.
    An error after it cuts the connection. An answer of one chunk goes out with its Content-Length.
    One chunk is drawn while the client takes the one before, and no more. When the client leaves, the host cancels
    the handler (``handler_cancellation=True``) and the iterator is closed at once, so that the query behind it ends.

    Parameters
    ----------
    request
        The request to answer; for HEAD only the header is sent.
    chunks
        The body; closed at the end, whatever the end is.
    content_type
        The whole value of Content-Type, parameters included.
    headers
        More headers.
    filename
        Under what name a browser should save the answer.

    Raises
    ------
    ResponseBroken
        The iterator failed after its first chunk.
    ConnectionResetError
        The client left.
    """
    coming: asyncio.Future[bytes | None] | None = None
    try:
        first = await anext(chunks, b"")
        coming = asyncio.ensure_future(_next(chunks))
        # An iterator that is at its end says so in one step: then the answer is whole and goes out in one piece.
        await asyncio.sleep(0)
        whole = coming.done() and coming.result() is None
        response = web.Response(body=first) if whole else web.StreamResponse()
        response.headers.update(headers or {})
        response.headers["Content-Type"] = content_type
        if filename is not None:
            response.headers["Content-Disposition"] = disposition(filename)
        compress(request, response)
        await response.prepare(request)
        if not whole and request.method != "HEAD":
            await response.write(first)
            await _pump(request, response, coming, chunks)
        await response.write_eof()
        return response
    finally:
        await _close(chunks, coming)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _pump(
    request: web.Request,
    response: web.StreamResponse,
    coming: asyncio.Future[bytes | None],
    chunks: AsyncIterator[bytes],
) -> None:
    try:
        chunk = await coming
        while chunk is not None:
            coming = asyncio.ensure_future(_next(chunks))
            await response.write(chunk)
            chunk = await coming
    except Exception as error:  # the edge: the status line is out, cutting the connection is all that is left
        if client_left(request):
            raise ConnectionResetError("the client left") from error
        _log.exception("stream_broken", path=request.rel_url.raw_path)
        raise cut_connection(request, "the answer broke off") from error
    finally:
        await _give_up(coming)


def disposition(filename: str) -> str:
    """Return a Content-Disposition under which a browser saves a file; unusual characters become ``_``."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in filename)
    return f'attachment; filename="{safe}"'


async def _close(chunks: AsyncIterator[bytes], coming: asyncio.Future[bytes | None] | None) -> None:
    if coming is not None:
        await _give_up(coming)
    aclose = getattr(chunks, "aclose", None)
    if aclose is not None:
        await aclose()


async def _give_up(coming: asyncio.Future[bytes | None]) -> None:
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
