"""OAI-PMH over HTTP."""

from __future__ import annotations

from aiohttp import web

from penstock.dali.errors import ServiceError, UsageError
from penstock.edge.errors import text_error
from penstock.edge.pages import render_page
from penstock.edge.params import ParameterLimits, read_parameters
from penstock.service import Resources
from registry.core.envelope import Envelope
from registry.core.oai import ErrorCode, OaiError, format_stamp
from registry.service import RegistryService

LIMITS = ParameterLimits(max_form_bytes=64 * 1024, max_parts=32)


class RegistryHandlers:
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

    def __init__(self, resources: Resources, service: RegistryService, path: str) -> None:
        self._resources = resources
        self._service = service
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        """Add everything but VOSI."""
        for root in ("", "/"):
            app.router.add_get(root, self.front_page)
        app.router.add_get("/oai", self.oai)
        app.router.add_post("/oai", self.oai)

    def render_error(self, request: web.Request, error: ServiceError, status: int) -> web.Response:
        """Render arguments that cannot be read as badArgument, anything else as text (OAI-PMH 2.0 s3.1.2, s3.6)."""
        if not (request.path.endswith("/oai") and isinstance(error, UsageError) and status in {400, 413, 415}):
            return text_error(request, error, status)
        envelope = Envelope(self._base_url(request), format_stamp(self._resources.clock()))
        return _xml(envelope.error(OaiError(ErrorCode.BAD_ARGUMENT, error.message), {}))

    async def oai(self, request: web.Request) -> web.Response:
        """Answer an OAI-PMH request."""
        params = await read_parameters(request, LIMITS)
        answer = await self._service.answer(
            params.items(),
            base_url=self._base_url(request),
            host_url=self._resources.urls.base(request),
            now=self._resources.clock(),
        )
        return _xml(answer)

    async def front_page(self, request: web.Request) -> web.Response:
        """Show people where things are."""
        base = self._resources.urls.absolute(request, self._path)
        oai = f"{base}/oai"
        endpoints = (
            (f"{oai}?verb=Identify", "What this registry is (OAI-PMH)"),
            (f"{oai}?verb=ListRecords&metadataPrefix=ivo_vor", "All records as VOResource"),
            (f"{oai}?verb=ListRecords&metadataPrefix=oai_dc", "All records as Dublin Core"),
            (f"{base}/capabilities", "VOSI capabilities"),
            (f"{base}/availability", "VOSI availability"),
        )
        text = "Records of the services that run here, for harvesters of the Virtual Observatory."
        return render_page("landing.html", title="Registry", text=text, endpoints=endpoints)

    def _base_url(self, request: web.Request) -> str:
        return self._resources.urls.absolute(request, f"{self._path}/oai")


def _xml(document: bytes) -> web.Response:
    return web.Response(body=document, content_type="text/xml", charset="UTF-8")
