"""DataLink over HTTP."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator

from aiohttp import web

from datalink.core.document import frame, row_of
from datalink.core.faults import fault_of
from datalink.core.links import FIELDS, Addresses, over_http
from datalink.core.nearest import Hint
from datalink.core.terms import TERMS
from datalink.service import Caller, Found, LinkService
from penstock.auth.middleware import principal_of
from penstock.dali.errors import ServiceError
from penstock.dali.formats import DATALINK, FormatTable
from penstock.dali.params import Parameters
from penstock.dali.values import maxrec
from penstock.edge.errors import text_error
from penstock.edge.files import ServedFile, serve_file
from penstock.edge.pages import render_page
from penstock.edge.params import ParameterLimits, read_parameters
from penstock.edge.streaming import stream
from penstock.lake.port import Did, Entry
from penstock.service import Resources
from penstock.votable import tabledata
from penstock.votable.document import error_document
from penstock.votable.rows import batch_from_rows

FORMATS = FormatTable((DATALINK,))
LIMITS = ParameterLimits(max_form_bytes=16 * 1024 * 1024, max_parts=50_000)
BATCH_ROWS = 2000


class DataLinkHandlers:
    """The handlers of one application.

    Parameters
    ----------
    resources
        What the process shares.
    service
        The use-cases.
    path
        Where the host mounts the service.
    """

    def __init__(self, resources: Resources, service: LinkService, path: str) -> None:
        self._resources = resources
        self._service = service
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        """Add everything but VOSI."""
        for root in ("", "/"):
            app.router.add_get(root, self.front_page)
        app.router.add_get("/links", self.links)
        app.router.add_post("/links", self.links)
        app.router.add_get("/terms", self.terms)
        app.router.add_get("/data/{scope}/{name:.+}", self.data)
        app.router.add_get("/replicas/{site}/{scope}/{name:.+}", self.replica)

    def render_error(self, request: web.Request, error: ServiceError, status: int) -> web.Response:
        """Render an error of the links resource as VOTable, of any other as text (DataLink 1.1 s3.4)."""
        if request.path != f"{self._path}/links":
            return text_error(request, error, status)
        body = error_document(fault_of(error).message(error.message))
        return web.Response(body=body, status=status, content_type="application/x-votable+xml", charset="utf-8")

    async def links(self, request: web.Request) -> web.StreamResponse:
        """List the links of every ID (DataLink 1.1 s2.1)."""
        params = await read_parameters(request, LIMITS)
        form = FORMATS.choose(params)
        caller = self._caller(request, params)
        chunks = self._document(params, caller, maxrec(params))
        return await stream(request, chunks, content_type=form.media_type)

    async def data(self, request: web.Request) -> web.Response:
        """Lead to the best replica of a file (RFC 6249 tells of the others)."""
        caller = self._caller(request, await read_parameters(request))
        did = _did(request)
        found, replica = await self._service.best(did, caller)
        target = caller.addresses.replica(did, replica)
        headers = {"Location": target or "", "Cache-Control": "no-cache", **_digest(found.entry)}
        response = web.Response(status=302, headers=headers, text=f"{target}\n")
        for value in _duplicates(found, did, caller.addresses):
            response.headers.add("Link", value)
        return response

    async def replica(self, request: web.Request) -> web.StreamResponse:
        """Send the bytes of a replica."""
        caller = self._caller(request, Parameters())
        found, replica = await self._service.replica(request.match_info["site"], _did(request), caller)
        assert replica.path is not None  # noqa: S101  # the service gives no other
        entry = found.entry
        file = ServedFile(
            path=replica.path,
            media_type=entry.media_type,
            checksum=entry.md5 or entry.adler32,
            filename=entry.did.name.rpartition("/")[2],
        )
        return await serve_file(request, file)

    async def terms(self, request: web.Request) -> web.Response:
        """Explain the terms of our own that stand in the column semantics (DataLink 1.1 s3.2.6)."""
        text = "Terms for links that the core vocabulary of DataLink has no word for."
        return render_page("vocabulary.html", title="Link semantics", text=text, terms=TERMS)

    async def front_page(self, request: web.Request) -> web.Response:
        """Show people where things are."""
        base = self._addresses(request).base
        endpoints = (
            (f"{base}/links", "The links of any number of IDs: ID=scope:name or a publisher DID; SITE, or LAT and LON"),
            (f"{base}/terms", "What our own link semantics mean"),
            (f"{base}/capabilities", "VOSI capabilities"),
            (f"{base}/availability", "VOSI availability"),
        )
        return render_page(
            "landing.html", title="DataLink", text="Links and replicas of files of the data lake.", endpoints=endpoints
        )

    async def _document(self, params: Parameters, caller: Caller, limit: int | None) -> AsyncIterator[bytes]:
        """Yield the document; it ends early, and says so, before an ID that would not fit whole."""
        identifiers, overflow = self._service.within_limit(one for one in params.all("ID") if one and limit != 0)
        head, _ = frame(caller.addresses, overflow=False)
        pending: list[tuple[object, ...]] = []
        count = 0
        async for links in self._service.links(identifiers, caller):
            count += len(links)
            if limit is not None and count > limit:
                overflow = True
                break
            pending.extend(map(row_of, links))
            if len(pending) >= BATCH_ROWS:
                yield head + _rows(pending)
                head, pending = b"", []
        _, foot = frame(caller.addresses, overflow=overflow or limit == 0)
        yield head + _rows(pending) + foot

    def _caller(self, request: web.Request, params: Parameters) -> Caller:
        return Caller(
            principal=principal_of(request),
            now=self._resources.clock(),
            hint=Hint.read(params),
            addresses=self._addresses(request),
        )

    def _addresses(self, request: web.Request) -> Addresses:
        return Addresses(self._resources.urls.absolute(request, self._path))


def _rows(rows: list[tuple[object, ...]]) -> bytes:
    return tabledata.encode(batch_from_rows(FIELDS, rows), FIELDS)


def _did(request: web.Request) -> Did:
    return Did.parse(f"{request.match_info['scope']}:{request.match_info['name']}")


def _digest(entry: Entry) -> dict[str, str]:
    """Return the checksums as a header (RFC 3230 s4.3.2, with the algorithms that lakes keep)."""
    values = []
    if entry.adler32:
        values.append(f"adler32={entry.adler32}")
    if entry.md5:
        values.append(f"md5={base64.b64encode(binascii.unhexlify(entry.md5)).decode()}")
    return {"Digest": ",".join(values)} if values else {}


def _duplicates(found: Found, did: Did, addresses: Addresses) -> list[str]:
    """Return the values of Link for all replicas that can be had now, the best first (RFC 6249 s3)."""
    usable = (replica for replica in found.replicas if replica.online and over_http(replica))
    return [f"<{addresses.replica(did, one)}>; rel=duplicate; pri={n}" for n, one in enumerate(usable, start=1)]
