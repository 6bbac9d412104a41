"""Replicas read where they are: as files of this host, and over HTTP or WebDAV.

What a catalogue names is not trusted more than what a caller names: only public addresses are reached, and those hosts
that the deployment lists as its storage. A token goes to the host that it is for and to no other, redirects included.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from datalink.core.digests import WANTED, contradiction
from datalink.core.replicas import can_be_streamed
from datalink.ports import Opened, UnreadableReplica
from datalink.settings import DataLinkSettings, StorageHost
from penstock.auth.addresses import is_protected
from penstock.edge.files import read_span
from penstock.lake.port import Entry, Replica
from penstock.outbound import FetchError, get_following, public_socket, reason_of
from penstock.settings import Settings

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_BUFFER_BYTES = 1024 * 1024
_CONNECT_S = 10.0
_HTTP_OF = {"dav": "http", "davs": "https"}


class LakeStorage:
    """The `Storage` of the lake's sites; a context manager, which closes its connections.

    Parameters
    ----------
    hosts
        Hosts that may have private addresses or want a token.
    allow_private
        Whether all private addresses may be reached.
    idle_s
        How long nothing may come, in seconds.
    """

    def __init__(self, hosts: Sequence[StorageHost] = (), *, allow_private: bool = False, idle_s: float = 20.0) -> None:
        self._hosts: Mapping[str, StorageHost] = {host.host.lower(): host for host in hosts}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=min(idle_s, _CONNECT_S), sock_read=idle_s)
        self._trusted = _session(timeout, public_only=False)
        self._public = self._trusted if allow_private else _session(timeout, public_only=True)

    @classmethod
    def of(cls, settings: Settings) -> LakeStorage:
        """Return the storage that the settings describe."""
        own = settings.section(DataLinkSettings)
        return cls(own.storage, allow_private=settings.allow_private_addresses, idle_s=own.storage_idle_s)

    async def __aenter__(self) -> LakeStorage:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._trusted.close()
        await self._public.close()

    def open(
        self, entry: Entry, replica: Replica, start: int = 0, stop: int | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        """Open a replica of a file from byte `start` up to `stop`, the end if None."""
        if replica.path is not None:
            return _open_file(entry, replica.path, start, stop)
        return self._open_url(entry, replica, start, stop)

    @asynccontextmanager
    async def _open_url(self, entry: Entry, replica: Replica, start: int, stop: int | None) -> AsyncIterator[Opened]:
        if replica.url is None or not can_be_streamed(replica):
            raise UnreadableReplica("it is not reached over HTTP")
        headers = {"Accept-Encoding": "identity", "Want-Digest": WANTED}
        if start > 0 or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        response = await self._answer(replica.url, headers)
        async with response:
            size, skip = _judge(entry, response, start, stop)
            end = size if stop is None else stop
            yield Opened(size_bytes=size, pieces=_pieces(response, skip, end - start))

    async def _answer(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        async def ask(url: str) -> aiohttp.ClientResponse:
            host = self._hosts.get(urlsplit(url).netloc.lower())
            token = await _token(host, url)
            session = self._public if host is None else self._trusted
            return await session.get(url, headers={**headers, **token}, allow_redirects=False)

        scheme, colon, rest = url.partition(":")
        try:
            return await get_following(ask, f"{_HTTP_OF.get(scheme.lower(), scheme)}{colon}{rest}")
        except FetchError as error:
            raise UnreadableReplica(str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreadableReplica(f"it cannot be read: {reason_of(error)}") from error


def _session(timeout: aiohttp.ClientTimeout, *, public_only: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, socket_factory=public_socket if public_only else None),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        auto_decompress=False,
        read_bufsize=_BUFFER_BYTES,
    )


async def _token(host: StorageHost | None, url: str) -> dict[str, str]:
    """Return the header with the token of a host, as it is in its file now: tokens are renewed there."""
    if host is None or host.token_file is None:
        return {}
    if not is_protected(url):
        raise UnreadableReplica("its storage wants a token, which goes over https only")
    try:
        token = (await asyncio.to_thread(host.token_file.read_text)).strip()
    except (OSError, ValueError) as error:
        raise UnreadableReplica("the token for its storage cannot be read") from error
    return {"Authorization": f"Bearer {token}"}


def _judge(entry: Entry, response: aiohttp.ClientResponse, start: int, stop: int | None) -> tuple[int, int]:
    """Return the size of the file, and how many bytes come before those that were asked for.

    Raises
    ------
    UnreadableReplica
        The answer is none with the bytes of the file.
    """
    match response.status, response.content_length:
        case 206, _:
            size, skip = _part_size(response.headers.get("Content-Range", ""), start, stop), 0
        case 200, None:
            raise UnreadableReplica("its storage does not tell its size")
        case 200, int(size):  # a storage without ranges sends all of it
            skip = start
        case status, _:
            raise UnreadableReplica(f"its storage answers {status}")
    if entry.size_bytes is not None and size != entry.size_bytes:
        raise UnreadableReplica(f"it has {size} bytes where the file has {entry.size_bytes}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise UnreadableReplica("its storage sends it encoded")
    algorithm = contradiction(entry, ",".join(response.headers.getall("Digest", [])))
    if algorithm is not None:
        raise UnreadableReplica(f"its storage knows another {algorithm} of it")
    return size, skip


def _part_size(header: str, start: int, stop: int | None) -> int:
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None:
        raise UnreadableReplica("its storage does not tell which part it sends")
    first, last, size = map(int, match.groups())
    if first != start or last + 1 != (size if stop is None else stop):
        raise UnreadableReplica("its storage sends another part than was asked for")
    return size


async def _pieces(response: aiohttp.ClientResponse, skip: int, length: int) -> AsyncGenerator[bytes, None]:
    """Yield `length` bytes of an answer, after those to be skipped."""
    left = length
    try:
        async for piece, _ in response.content.iter_chunks():
            if skip >= len(piece):
                skip -= len(piece)
                continue
            piece = piece[skip : skip + left]
            skip = 0
            left -= len(piece)
            yield piece
            if left == 0:
                return
    except (aiohttp.ClientError, OSError) as error:
        raise UnreadableReplica(f"it breaks off: {reason_of(error)}") from error
    if left > 0:
        raise UnreadableReplica("it ends early")


@asynccontextmanager
async def _open_file(entry: Entry, path: Path, start: int, stop: int | None) -> AsyncIterator[Opened]:
    try:
        handle = await asyncio.to_thread(path.open, "rb", 0)
    except (OSError, ValueError) as error:
        raise UnreadableReplica("the file is not there, or may not be read") from error
    with handle:
        size = os.fstat(handle.fileno()).st_size
        if entry.size_bytes is not None and size != entry.size_bytes:
            raise UnreadableReplica(f"it has {size} bytes where the file has {entry.size_bytes}")
        yield Opened(size_bytes=size, pieces=_told(read_span(handle, start, size if stop is None else stop)))


async def _told(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in pieces:
            yield piece
    except (OSError, EOFError) as error:
        raise UnreadableReplica(f"it breaks off: {reason_of(error)}") from error
