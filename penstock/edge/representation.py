"""Bytes over HTTP, wherever they come from: validators, conditions, one range or several (RFC 9110 s13, s14)."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime

import structlog
from aiohttp import web
from aiohttp.web_response import ContentCoding
from multidict import CIMultiDict

from penstock.dali.errors import PreconditionFailed
from penstock.edge.compression import chosen_coding
from penstock.edge.connection import client_left, cut_connection
from penstock.edge.ranges import Span, Unsatisfiable, read_ranges
from penstock.edge.streaming import disposition

_WORTH_COMPRESSING_BYTES = 16 * 1024
_UNSAFE_IN_ETAG = re.compile(r"[^!#-~]")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """What is sent: its size, what tells it from others, and how to read a part of it.

    Parameters
    ----------
    size_bytes
        The size of the whole.
    validator
        Any text that changes with the content; it becomes the ETag.
    read
        Yields the bytes from one place up to another.
    modified
        When it last changed, to the second, if anybody knows.
    headers
        What else is told of the whole, whichever part of it is sent.
    compressible
        Whether a client that asks for a content coding gets the whole compressed. That is another representation, with
        a validator of its own and without a digest.
    """

    size_bytes: int
    validator: str
    read: Callable[[int, int], AsyncGenerator[bytes, None]]
    media_type: str = "application/octet-stream"
    modified: datetime | None = None
    filename: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # a multi-dict where a header stands several times
    compressible: bool = False

    @property
    def etag(self) -> str:
        """The validator as it may stand in a header, without quotes."""
        return _UNSAFE_IN_ETAG.sub("", self.validator)

    def validators(self) -> dict[str, str]:
        """Return ETag and Last-Modified."""
        validators = {"ETag": f'"{self.etag}"'}
        if self.modified is not None:
            validators["Last-Modified"] = format_datetime(self.modified, usegmt=True)
        return validators


async def serve(request: web.Request, what: Representation) -> web.StreamResponse:
    """Answer GET or HEAD with the whole, or with the ranges that were asked for.

    Errors of the reading up to the first byte are raised; later ones cut the connection, since the status is out.

    Raises
    ------
    PreconditionFailed
        If-Match or If-Unmodified-Since does not hold.
    web.HTTPRequestRangeNotSatisfiable
        All ranges lie beyond the end.
    """
    coding = _coding(request, what)
    if coding is not None:
        what = replace(what, validator=f"{what.validator}-{coding.value}", headers=_without_digest(what.headers))
    _require_preconditions(request, what)
    headers = CIMultiDict(what.headers)
    headers.update({**what.validators(), "Accept-Ranges": "bytes"})
    if what.compressible:
        headers.add("Vary", "Accept-Encoding")
    if _unchanged(request, what):
        return web.Response(status=304, headers=headers)
    spans = _requested(request, what)
    response = web.StreamResponse(status=206 if spans else 200, headers=headers)
    response.headers["Content-Type"] = what.media_type
    if what.filename is not None:
        response.headers["Content-Disposition"] = disposition(what.filename)
    pieces: AsyncGenerator[bytes, None]
    if len(spans) > 1:
        parts = _Multipart(what, spans)
        response.headers["Content-Type"] = parts.media_type
        response.content_length = parts.size_bytes
        pieces = parts.pieces()
    else:
        start, stop = spans[0] if spans else (0, what.size_bytes)
        if spans:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{what.size_bytes}"
        if coding is None:
            response.content_length = stop - start
        else:
            response.enable_compression(coding)
        pieces = what.read(start, stop)
    return await send(request, response, pieces)


def _coding(request: web.Request, what: Representation) -> ContentCoding | None:
    """Return how the whole is to be compressed; parts are sent as they are."""
    if not what.compressible or what.size_bytes < _WORTH_COMPRESSING_BYTES or "Range" in request.headers:
        return None
    return chosen_coding(request)


def _without_digest(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    kept.popall("Repr-Digest", None)  # that of the bytes as they are (RFC 9530 s3)
    return kept


class _Multipart:
    """Several ranges in one body (RFC 9110 s14.6)."""

    def __init__(self, what: Representation, spans: tuple[Span, ...]) -> None:
        boundary = secrets.token_hex(16)
        self.media_type = f"multipart/byteranges; boundary={boundary}"
        self._what = what
        self._parts = [(span, self._head(boundary, span)) for span in spans]
        self._end = f"\r\n--{boundary}--\r\n".encode()
        heads = sum(len(head) + stop - start for (start, stop), head in self._parts)
        self.size_bytes = heads + len(self._end)

    def _head(self, boundary: str, span: Span) -> bytes:
        place = f"bytes {span[0]}-{span[1] - 1}/{self._what.size_bytes}"
        lines = ("", f"--{boundary}", f"Content-Type: {self._what.media_type}", f"Content-Range: {place}", "", "")
        return "\r\n".join(lines).encode()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        for (start, stop), head in self._parts:
            yield head
            async with aclosing(self._what.read(start, stop)) as pieces:
                async for piece in pieces:
                    yield piece
        yield self._end


async def send(
    request: web.Request, response: web.StreamResponse, pieces: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    """Send pieces whose length the response tells; the header alone for HEAD.

    Errors up to the first byte are raised; later ones cut the connection, since the status is out.
    """
    async with aclosing(pieces):
        piece = await anext(pieces, None) if request.method != "HEAD" else None
        await response.prepare(request)
        try:
            while piece is not None:
                await response.write(piece)
                piece = await anext(pieces, None)
        except Exception as error:  # the edge: the status line is out, cutting the connection is all that is left
            if client_left(request):
                raise ConnectionResetError("the client left") from error
            _log.warning("download_broken", path=request.rel_url.raw_path, error=str(error), cause=repr(error))
            raise cut_connection(request, "the download broke off") from error
        await response.write_eof()
        return response


def _require_preconditions(request: web.Request, what: Representation) -> None:
    if request.if_match is not None:
        holds = any(etag.value in {what.etag, "*"} and not etag.is_weak for etag in request.if_match)
    else:
        since = request.if_unmodified_since
        holds = since is None or what.modified is None or what.modified <= since
    if not holds:
        raise PreconditionFailed("The file is not the one that the request is about.")


def _unchanged(request: web.Request, what: Representation) -> bool:
    if request.if_none_match is not None:
        return any(etag.value in {what.etag, "*"} for etag in request.if_none_match)
    since = request.if_modified_since
    return since is not None and what.modified is not None and what.modified <= since


def _requested(request: web.Request, what: Representation) -> tuple[Span, ...]:
    """Return the parts to send, none for the whole (RFC 9110 s14.2)."""
    header = request.headers.get("Range")
    if header is None or request.method != "GET" or not _if_range_holds(request, what):
        return ()
    try:
        return read_ranges(header, what.size_bytes)
    except Unsatisfiable as error:
        raise web.HTTPRequestRangeNotSatisfiable(
            headers={"Content-Range": f"bytes */{what.size_bytes}"}, text=f"The file has {what.size_bytes} bytes."
        ) from error


def _if_range_holds(request: web.Request, what: Representation) -> bool:
    """Tell whether the part that the client holds is of this very content (RFC 9110 s13.1.5)."""
    header = request.headers.get("If-Range")
    return header is None or header.strip() in what.validators().values()
