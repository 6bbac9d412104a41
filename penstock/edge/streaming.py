"""Sending an answer while it is made: constant memory, early errors told, late clients cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import structlog
from aiohttp import web
from aiohttp.web_response import ContentCoding

from penstock.dali.media import content_coding
from penstock.edge.connection import client_left, cut_connection

_log = structlog.get_logger(__name__)
_CODINGS = {"gzip": ContentCoding.gzip, "deflate": ContentCoding.deflate}


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
    An error after it cuts the connection. The next chunk is drawn only when the client has taken the one before.
    When the client leaves, the host cancels the handler (``handler_cancellation=True``) and the iterator is closed
    at once, so that the query behind it ends.

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
    response = _response(request, content_type, headers, filename)
    try:
        first = await anext(chunks, b"")
        await response.prepare(request)
        if request.method != "HEAD":
            await _pump(request, response, first, chunks)
        await response.write_eof()
        return response
    finally:
        await _close(chunks)


def _response(
    request: web.Request, content_type: str, headers: Mapping[str, str] | None, filename: str | None
) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.headers["Content-Type"] = content_type
    response.headers.add("Vary", "Accept-Encoding")
    if filename is not None:
        response.headers["Content-Disposition"] = disposition(filename)
    coding = content_coding(request.headers.get("Accept-Encoding"))
    if coding is not None and request.method != "HEAD":  # aiohttp would send the trailer of the empty compression
        response.enable_compression(_CODINGS[coding])
    return response


async def _pump(request: web.Request, response: web.StreamResponse, first: bytes, chunks: AsyncIterator[bytes]) -> None:
    try:
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
    except Exception as error:  # the edge: the status line is out, cutting the connection is all that is left
        if client_left(request):
            raise ConnectionResetError("the client left") from error
        _log.exception("stream_broken", path=request.rel_url.raw_path)
        raise cut_connection(request, "the answer broke off") from error


def disposition(filename: str) -> str:
    """Return a Content-Disposition under which a browser saves a file; unusual characters become ``_``."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in filename)
    return f'attachment; filename="{safe}"'


async def _close(chunks: AsyncIterator[bytes]) -> None:
    aclose = getattr(chunks, "aclose", None)
    if aclose is not None:
        await aclose()
