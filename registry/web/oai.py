"""OAI-PMH over HTTP."""

from __future__ import annotations

from aiohttp import web
from aiohttp.web_response import ContentCoding

from penstock.dali.errors import ServiceError, UsageError
from penstock.dali.media import content_coding
from penstock.edge.errors import text_error
from penstock.edge.params import ParameterLimits, read_parameters
from penstock.service import Resources
from registry.core.envelope import Envelope
from registry.core.oai import ErrorCode, OaiError, format_stamp
from registry.service.oai import PublishingRegistry

_WORTH_COMPRESSING = 2048
LIMITS = ParameterLimits(max_form_bytes=64 * 1024, max_parts=32)


class OaiHandlers:
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

    def __init__(self, resources: Resources, service: PublishingRegistry, path: str) -> None:
        self._resources = resources
        self._service = service
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        """Add the one endpoint."""
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
        response = _xml(answer)
        response.headers["Vary"] = "Accept-Encoding"
        if content_coding(request.headers.get("Accept-Encoding")) == "gzip" and len(answer) > _WORTH_COMPRESSING:
            response.enable_compression(ContentCoding.gzip)
        return response

    def _base_url(self, request: web.Request) -> str:
        return self._resources.urls.absolute(request, f"{self._path}/oai")


def _xml(document: bytes) -> web.Response:
    return web.Response(body=document, content_type="text/xml", charset="UTF-8")
