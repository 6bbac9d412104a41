"""A WebDAV storage, read: its folders listed (RFC 4918 s9.1), its files digested as they stream by."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp
from lxml import etree

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.lake.fits.walk import UnreadableFile, Walker
from penstock.lake.names import file_did
from penstock.lake.port import Did
from penstock.lake.record import Candidate, Content, Found, Skipped
from penstock.lake.rows import SUFFIXES, UNREAD_SUFFIXES
from penstock.outbound import whole_body

_DAV = "{DAV:}"
_LONGEST_LISTING = 64 * 2**20
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
_ASK = b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A file of a WebDAV storage."""

    did: Did
    url: str
    size_bytes: int


class WebDav:
    """Reads storages that an operator names.

    Parameters
    ----------
    session
        For the requests.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def walk(self, url: str, scope: str) -> AsyncIterator[Remote | Skipped]:
        """Yield the files below a folder that are called FITS, and what must be left out.

        Raises
        ------
        UsageError
            There is no such folder.
        ServiceUnavailable
            The storage is away.
        """
        root = url.rstrip("/") + "/"
        base = unquote(urlsplit(root).path)
        folders, seen = [root], {base}
        while folders:
            for href, size in await self._list(folders.pop()):
                path = unquote(urlsplit(href).path)
                if not path.startswith(base) or path in seen:
                    continue  # the folder itself, or what lies outside of what was named
                seen.add(path)
                address = urljoin(root, urlsplit(href).path)  # a server behind a proxy may know itself by another name
                if size is None:
                    seen.add(path.rstrip("/") + "/")
                    folders.append(address.rstrip("/") + "/")
                elif path.lower().endswith((*SUFFIXES, *UNREAD_SUFFIXES)):
                    yield _named(path[len(base) :], address, size, scope)

    async def _list(self, url: str) -> list[tuple[str, int | None]]:
        """Return what a folder holds: addresses and sizes, None for a folder."""
        headers = {"Depth": "1", "Content-Type": "application/xml"}
        try:
            async with self._session.request("PROPFIND", url, headers=headers, data=_ASK, timeout=_TIMEOUT) as answer:
                if answer.status != 207:
                    raise UsageError(f"{url} is no WebDAV folder: it answers {answer.status}.")
                data = await whole_body(answer, _LONGEST_LISTING)
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceUnavailable(f"{url} cannot be listed.") from error
        if data is None:
            raise UsageError(f"{url} lists more than {_LONGEST_LISTING} bytes.")
        return sorted(_entries(data, url))

    async def read(self, remote: Remote) -> Found | Skipped:
        """Return what a file holds, or why it is left out."""
        md5, adler, size, walker = hashlib.md5(usedforsecurity=False), 1, 0, Walker()
        try:
            async with self._session.get(remote.url, timeout=_TIMEOUT) as answer:
                if answer.status != 200:
                    return Skipped(path=Path(remote.did.name), reason=f"the storage answers {answer.status}")
                async for piece in answer.content.iter_any():
                    walker.feed(piece)
                    md5.update(piece)
                    adler = zlib.adler32(piece, adler)
                    size += len(piece)
            units = walker.finish()
        except UnreadableFile as error:
            return Skipped(path=Path(remote.did.name), reason=str(error))
        except (aiohttp.ClientError, OSError) as error:
            return Skipped(path=Path(remote.did.name), reason=f"it cannot be read: {type(error).__name__}")
        if size != remote.size_bytes:
            return Skipped(
                path=Path(remote.did.name), reason=f"the storage lists {remote.size_bytes} bytes and gives {size}"
            )
        from penstock.lake.fits.describe import describe  # here, since astropy takes most of a second to load

        candidate = Candidate(did=remote.did, path=Path(remote.did.name), size_bytes=size, modified_ns=0)
        content = Content(size_bytes=size, adler32=f"{adler:08x}", md5=md5.hexdigest())
        observation, doubts = describe(units)
        return Found(candidate=candidate, content=content, observation=observation, doubts=doubts)


def _named(name: str, url: str, size: int, scope: str) -> Remote | Skipped:
    try:
        return Remote(did=file_did(scope, PurePosixPath(name)), url=url, size_bytes=size)
    except ValueError as error:
        return Skipped(path=Path(name), reason=str(error))


def _entries(data: bytes, url: str) -> list[tuple[str, int | None]]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise UsageError(f"{url} answers what is no list of a WebDAV folder.") from error
    found: list[tuple[str, int | None]] = []
    for response in root.iter(f"{_DAV}response"):
        href = response.findtext(f"{_DAV}href") or ""
        folder = response.find(f".//{_DAV}collection") is not None
        length = response.findtext(f".//{_DAV}getcontentlength") or ""
        if folder:
            found.append((href, None))
        elif length.isdecimal():
            found.append((href, int(length)))
    return found
