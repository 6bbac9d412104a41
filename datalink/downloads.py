"""Bytes over HTTP: of files, of their replicas, of whole datasets; and where else they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

from aiohttp import web
from multidict import CIMultiDict

from datalink.callers import Callers
from datalink.core import archive
from datalink.core.digests import digest_headers
from datalink.core.links import Addresses
from datalink.core.metalink import METALINK_TYPE, filename, link_headers, metalink_document, prefers_metalink
from datalink.core.replicas import Delivery
from datalink.core.rows import PACKAGE_TYPE
from datalink.courier import Courier
from datalink.service import Caller, Collected, Found, LinkService
from penstock.edge.files import ServedFile, serve_file
from penstock.edge.params import read_parameters
from penstock.edge.representation import Representation, send, serve
from penstock.edge.streaming import disposition
from penstock.lake.port import Did, Entry


class DownloadHandlers:
    """The handlers of one application.

    Parameters
    ----------
    service
        The use-cases.
    courier
        Fetches files.
    callers
        Reads who asks.
    delivery
        Whether the bytes pass through here.
    """

    def __init__(self, service: LinkService, courier: Courier, callers: Callers, delivery: Delivery) -> None:
        self._service = service
        self._courier = courier
        self._callers = callers
        self._delivery = delivery

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/data/{scope}/{name:.+}", self.data)
        app.router.add_get("/metalink/{scope}/{name:.+}", self.metalink)
        app.router.add_get("/package/{scope}/{name:.+}", self.package)
        app.router.add_get("/replicas/{site}/{scope}/{name:.+}", self.replica)

    async def data(self, request: web.Request) -> web.StreamResponse:
        """Send a file from its best replica, or lead there; RFC 6249 tells of the others."""
        found, caller = await self._find(request)
        if prefers_metalink(request.headers.get("Accept"), found.entry.media_type):
            return _metalink(found, caller.addresses)
        if self._delivery is Delivery.REDIRECT:
            return _redirect(found, caller.addresses)
        return await self._send(request, found, caller.addresses)

    async def metalink(self, request: web.Request) -> web.StreamResponse:
        """Tell all places of a file as Metalink (RFC 5854)."""
        found, caller = await self._find(request)
        return _metalink(found, caller.addresses)

    async def replica(self, request: web.Request) -> web.StreamResponse:
        """Send the bytes of a replica that lies on this host."""
        caller = self._callers.read(request, await read_parameters(request))
        entry, replica = await self._service.replica(request.match_info["site"], _did(request), caller)
        assert replica.path is not None  # noqa: S101  # the service gives no other
        file = ServedFile(
            path=replica.path,
            media_type=entry.media_type,
            checksum=entry.md5 or entry.adler32,
            filename=filename(entry.did),
            headers=digest_headers(entry),
        )
        return await serve_file(request, file)

    async def package(self, request: web.Request) -> web.StreamResponse:
        """Send all files of a dataset or container as one tar archive; the last of them names what it lacks."""
        caller = self._callers.read(request, await read_parameters(request))
        did = _did(request)
        package = Package(await self._service.collection(did, caller), self._courier, caller.now)
        response = web.StreamResponse(headers={"Content-Type": PACKAGE_TYPE, "Accept-Ranges": "none"})
        response.headers["Content-Disposition"] = disposition(f"{did.scope}.{did.name.strip('/')}.tar")
        response.content_length = package.size_bytes
        return await send(request, response, package.pieces())

    async def _find(self, request: web.Request) -> tuple[Found, Caller]:
        caller = self._callers.read(request, await read_parameters(request))
        return await self._service.find(_did(request), caller), caller

    async def _send(self, request: web.Request, found: Found, addresses: Addresses) -> web.StreamResponse:
        entry, size = found.entry, await self._courier.size_of(found)
        representation = Representation(
            size_bytes=size,
            validator=entry.md5 or entry.adler32 or f"{entry.did}-{size:x}",  # a name stands for one content
            read=lambda start, stop: self._courier.stream(found, start, stop, size),
            media_type=entry.media_type,
            filename=filename(entry.did),
            headers=CIMultiDict([("Vary", "Accept"), *_told(found, addresses)]),
        )
        return await serve(request, representation)


def _did(request: web.Request) -> Did:
    return Did.parse(f"{request.match_info['scope']}:{request.match_info['name']}")


def _told(found: Found, addresses: Addresses) -> list[tuple[str, str]]:
    """Return what headers tell of a file: its checksums, and where else it is."""
    links = link_headers(found.entry.did, found.replicas, addresses)
    return [*digest_headers(found.entry).items(), *(("Link", value) for value in links)]


def _redirect(found: Found, addresses: Addresses) -> web.Response:
    target = addresses.replica(found.entry.did, found.replicas[0]) or ""
    headers = [("Location", target), ("Cache-Control", "no-cache"), ("Vary", "Accept"), *_told(found, addresses)]
    return web.Response(status=302, headers=CIMultiDict(headers), text=f"{target}\n")


def _metalink(found: Found, addresses: Addresses) -> web.Response:
    body = metalink_document(found.entry, found.replicas, addresses)
    headers = {"Vary": "Accept", "Content-Disposition": disposition(f"{filename(found.entry.did)}.meta4")}
    return web.Response(body=body, content_type=METALINK_TYPE, headers=headers)


class Package:
    """All files of a dataset or container as one archive.

    Parameters
    ----------
    collected
        The files, and those that cannot be given.
    courier
        Fetches them.
    now
        The time of modification that they are given.
    """

    def __init__(self, collected: Collected, courier: Courier, now: datetime) -> None:
        self._courier = courier
        modified_s = int(now.timestamp())
        self._files = [(found, _header(found.entry, modified_s)) for found in collected.files]
        self._note = archive.left_out_text(collected.left_out)
        self._note_header = archive.header_of(archive.LEFT_OUT, len(self._note), modified_s) if self._note else b""
        sizes = [(header, found.entry.size_bytes or 0) for found, header in self._files]
        note = [(self._note_header, len(self._note))] if self._note else []
        self.size_bytes = archive.total_size([*sizes, *note])

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the archive."""
        sent = 0
        for found, header in self._files:
            size = found.entry.size_bytes or 0
            yield header
            async with aclosing(self._courier.stream(found, 0, size, size)) as pieces:
                async for piece in pieces:
                    yield piece
            yield archive.padding(size)
            sent += len(header) + size + len(archive.padding(size))
        if self._note:
            note = self._note_header + self._note + archive.padding(len(self._note))
            yield note
            sent += len(note)
        yield archive.end(sent)


def _header(entry: Entry, modified_s: int) -> bytes:
    return archive.header_of(archive.name_of(entry.did), entry.size_bytes or 0, modified_s)
