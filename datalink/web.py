"""DataLink over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from datalink.callers import Callers
from datalink.core.document import footer_of, header_of
from datalink.core.faults import fault_of
from datalink.core.links import FIELDS, Link
from datalink.core.terms import TERMS
from datalink.service import Caller, LinkService
from penstock.dali.errors import ServiceError
from penstock.dali.formats import DATALINK, FormatTable
from penstock.dali.values import maxrec
from penstock.edge.errors import text_error, votable_response
from penstock.edge.pages import render_page
from penstock.edge.params import ParameterLimits, read_parameters
from penstock.edge.streaming import stream
from penstock.votable.document import ServiceDescriptor, error_document
from penstock.votable.plain_rows import encode_rows

FORMATS = FormatTable((DATALINK,))
LIMITS = ParameterLimits(max_form_bytes=16 * 1024 * 1024, max_parts=50_000)
BATCH_ROWS = 2000


class DataLinkHandlers:
    """The handlers of one application.

    Parameters
    ----------
    service
        The use-cases.
    callers
        Reads who asks.
    path
        Where the host mounts the service.
    """

    def __init__(self, service: LinkService, callers: Callers, path: str) -> None:
        self._service = service
        self._callers = callers
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        """Add everything but VOSI."""
        for root in ("", "/"):
            app.router.add_get(root, self.front_page)
        app.router.add_get("/links", self.links)
        app.router.add_post("/links", self.links)
        app.router.add_get("/terms", self.terms)

    def render_error(self, request: web.Request, error: ServiceError, status: int) -> web.Response:
        """Render an error of the links resource as VOTable, of any other as text (DataLink 1.1 s3.4)."""
        if request.path != f"{self._path}/links":
            return text_error(request, error, status)
        return votable_response(error_document(fault_of(error).message(error.message)), status)

    async def links(self, request: web.Request) -> web.StreamResponse:
        """List the links of every ID (DataLink 1.1 s2.1)."""
        params = await read_parameters(request, LIMITS)
        form = FORMATS.choose(params)
        caller, limit = self._callers.read(request, params), maxrec(params)
        identifiers, overflow = self._service.within_limit(filter(None, params.all("ID")))
        if limit == 0:
            identifiers, overflow = (), True
        chunks = self._document(identifiers, caller, limit, overflow=overflow)
        return await stream(request, chunks, content_type=form.media_type)

    async def terms(self, request: web.Request) -> web.Response:
        """Explain the terms of our own that stand in the column semantics (DataLink 1.1 s3.2.6)."""
        text = "Terms for links that the core vocabulary of DataLink has no word for."
        return render_page("vocabulary.html", title="Link semantics", text=text, terms=TERMS)

    async def front_page(self, request: web.Request) -> web.Response:
        """Show people where things are."""
        base = self._callers.addresses(request).base
        endpoints = (
            (f"{base}/links", "The links of any number of IDs: ID=scope:name or a publisher DID; SITE, or LAT and LON"),
            (f"{base}/terms", "What our own link semantics mean"),
            (f"{base}/capabilities", "VOSI capabilities"),
            (f"{base}/availability", "VOSI availability"),
        )
        return render_page(
            "landing.html", title="DataLink", text="Links and replicas of files of the data lake.", endpoints=endpoints
        )

    async def _document(
        self, identifiers: Sequence[str], caller: Caller, limit: int | None, *, overflow: bool
    ) -> AsyncIterator[bytes]:
        """Yield the document; it ends early, and says so, before an ID that would not fit whole."""
        before = header_of(caller.addresses)
        pending: list[Link] = []
        services: list[ServiceDescriptor] = []
        count = 0
        async for answered in self._service.links(identifiers, caller):
            count += len(answered.links)
            if limit is not None and count > limit:
                overflow = True
                break
            services += answered.services
            pending += answered.links
            if len(pending) >= BATCH_ROWS:
                yield before + encode_rows(pending, FIELDS)
                before, pending = b"", []
        after = footer_of(caller.addresses, services, overflow=overflow)
        yield b"".join((before, encode_rows(pending, FIELDS), after))
