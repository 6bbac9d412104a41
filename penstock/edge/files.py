"""Bytes of a file over HTTP, with ranges and validators (RFC 9110 s13, s14).

aiohttp's FileResponse does not serve here: it makes its ETag from the time of change, answers ranges without
comparing an ETag in If-Range, and sends ``name.gz`` in place of ``name`` where it lies beside it. A replica must be the
same bytes with the same ETag at every site, so the ETag is the checksum where one is known.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from penstock.dali.errors import Forbidden, NotFound, PreconditionFailed
from penstock.edge.connection import cut_connection
from penstock.edge.streaming import disposition

_CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII)
_UNSAFE_IN_ETAG = re.compile(r"[^!#-~]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedFile:
    """A file to send; `checksum`, any text that changes with the content, becomes its ETag.

    `headers` say more of the whole file, whichever part of it is sent.
    """

    path: Path
    media_type: str = "application/octet-stream"
    checksum: str | None = None
    filename: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def resolve_within(root: Path, relative: str) -> Path:
    """Return the regular file below `root` that a caller names.

    Raises
    ------
    NotFound
        The name leads out of `root`, to nothing, or to what is no regular file.
    """
    try:
        path = (root / relative.lstrip("/")).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise NotFound("There is no such file.") from error
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise NotFound("There is no such file.")
    return path


async def serve_file(request: web.Request, file: ServedFile) -> web.StreamResponse:
    """Answer GET or HEAD with the file, or with the one range that was asked for.

    Raises
    ------
    NotFound, Forbidden
        The file is not there, or may not be read.
    PreconditionFailed
        If-Match or If-Unmodified-Since does not hold.
    web.HTTPRequestRangeNotSatisfiable
        The range lies beyond the end.
    """
    opened = await asyncio.to_thread(_open, file)
    try:
        _require_preconditions(request, opened)
        headers = {**file.headers, **opened.validators(), "Accept-Ranges": "bytes"}
        if _unchanged(request, opened):
            return web.Response(status=304, headers=headers)
        span = _requested_range(request, opened)
        response = web.StreamResponse(status=206 if span else 200, headers=headers)
        start, stop = span or (0, opened.size_bytes)
        if span:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{opened.size_bytes}"
        response.headers["Content-Type"] = file.media_type
        response.content_length = stop - start
        if file.filename is not None:
            response.headers["Content-Disposition"] = disposition(file.filename)
        await _send(request, response, opened.handle, (start, stop))
        return response
    finally:
        opened.handle.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    handle: BinaryIO
    size_bytes: int
    modified: datetime
    etag: str

    def validators(self) -> dict[str, str]:
        return {"ETag": f'"{self.etag}"', "Last-Modified": format_datetime(self.modified, usegmt=True)}


def _open(file: ServedFile) -> _Opened:
    try:
        handle = file.path.open("rb")
    except PermissionError as error:
        raise Forbidden("The file may not be read.") from error
    except (OSError, ValueError) as error:
        raise NotFound("There is no such file.") from error
    stat = os.fstat(handle.fileno())
    etag = file.checksum or f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
    return _Opened(
        handle=handle,
        size_bytes=stat.st_size,
        modified=datetime.fromtimestamp(int(stat.st_mtime), UTC),
        etag=_UNSAFE_IN_ETAG.sub("", etag),
    )


def _require_preconditions(request: web.Request, opened: _Opened) -> None:
    if request.if_match is not None:
        holds = any(etag.value in {opened.etag, "*"} and not etag.is_weak for etag in request.if_match)
    else:
        holds = request.if_unmodified_since is None or opened.modified <= request.if_unmodified_since
    if not holds:
        raise PreconditionFailed("The file is not the one that the request is about.")


def _unchanged(request: web.Request, opened: _Opened) -> bool:
    if request.if_none_match is not None:
        return any(etag.value in {opened.etag, "*"} for etag in request.if_none_match)
    return request.if_modified_since is not None and opened.modified <= request.if_modified_since


def _requested_range(request: web.Request, opened: _Opened) -> tuple[int, int] | None:
    """Return (start, stop) of the one range to send, or None for the whole file (RFC 9110 s14.2).

    Who asks for several ranges gets the whole file: 416 is not for ranges that could be had (RFC 9110 s15.5.17).
    """
    header = request.headers.get("Range", "")
    if request.method != "GET" or not _if_range_holds(request, opened):
        return None
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return None
    size = opened.size_bytes
    if match[1]:
        start, stop = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, stop = max(0, size - int(match[2])), size
    if start >= stop:
        raise web.HTTPRequestRangeNotSatisfiable(
            headers={"Content-Range": f"bytes */{size}"}, text=f"The file has {size} bytes."
        )
    return start, stop


def _if_range_holds(request: web.Request, opened: _Opened) -> bool:
    """Tell whether the part that the client holds is of this very file (RFC 9110 s13.1.5)."""
    header = request.headers.get("If-Range")
    return header is None or header.strip() in opened.validators().values()


async def _send(request: web.Request, response: web.StreamResponse, handle: BinaryIO, span: tuple[int, int]) -> None:
    start, stop = span
    await response.prepare(request)
    if request.method != "HEAD":
        handle.seek(start)
        left = stop - start
        while left > 0:
            chunk = await asyncio.to_thread(handle.read, min(left, _CHUNK_BYTES))
            if not chunk:
                raise cut_connection(request, "the file became shorter while it was sent")
            await response.write(chunk)
            left -= len(chunk)
    await response.write_eof()
