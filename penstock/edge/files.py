"""Bytes of a file of this host over HTTP, with ranges and validators (RFC 9110 s13, s14).

aiohttp's FileResponse does not serve here: it makes its ETag from the time of change, answers ranges without
comparing an ETag in If-Range, and sends ``name.gz`` in place of ``name`` where it lies beside it. A replica must be the
same bytes with the same ETag at every site, so the ETag is the checksum where one is known.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from penstock.dali.errors import Forbidden, NotFound
from penstock.edge.representation import Representation, serve

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedFile:
    """A file to send; `checksum`, any text that changes with the content, becomes its ETag.

    `headers` say more of the whole file, whichever part is sent; `compressible` lets clients ask for it compressed.
    """

    path: Path
    media_type: str = "application/octet-stream"
    checksum: str | None = None
    filename: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    compressible: bool = False


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
    """Answer GET or HEAD with the file, or with the ranges that were asked for.

    Raises
    ------
    NotFound, Forbidden
        The file is not there, or may not be read.
    PreconditionFailed
        If-Match or If-Unmodified-Since does not hold.
    web.HTTPRequestRangeNotSatisfiable
        The ranges lie beyond the end.
    """
    handle = await asyncio.to_thread(_open, file)
    try:
        return await serve(request, _representation(file, handle))
    finally:
        handle.close()


def _open(file: ServedFile) -> BinaryIO:
    try:
        return file.path.open("rb", buffering=0)
    except PermissionError as error:
        raise Forbidden("The file may not be read.") from error
    except (OSError, ValueError) as error:
        raise NotFound("There is no such file.") from error


def _representation(file: ServedFile, handle: BinaryIO) -> Representation:
    stat = os.fstat(handle.fileno())
    return Representation(
        size_bytes=stat.st_size,
        validator=file.checksum or f"{stat.st_mtime_ns:x}-{stat.st_size:x}",
        read=lambda start, stop: read_span(handle, start, stop),
        media_type=file.media_type,
        modified=datetime.fromtimestamp(int(stat.st_mtime), UTC),
        filename=file.filename,
        headers=file.headers,
        compressible=file.compressible,
    )


async def read_span(handle: BinaryIO, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of an open file from one place up to another.

    Raises
    ------
    EOFError
        The file ends before.
    """
    handle.seek(start)
    left = stop - start
    while left > 0:
        piece = await asyncio.to_thread(handle.read, min(left, _PIECE_BYTES))
        if not piece:
            raise EOFError("the file became shorter while it was sent")
        yield piece
        left -= len(piece)
