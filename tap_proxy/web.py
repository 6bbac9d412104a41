"""The HTTP face of TAP: /sync, /examples and a page for people; VOSI and /async are added by who composes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from aiohttp import web

from penstock.auth.middleware import principal_of
from penstock.clock import Clock
from penstock.dali.errors import ServiceError
from penstock.dali.examples import MEDIA_TYPE
from penstock.dali.formats import JSON, TEXT, FormatTable
from penstock.edge.connection import cut_connection
from penstock.edge.pages import render_page
from penstock.edge.params import ParameterLimits, read_parameters
from penstock.edge.streaming import stream
from penstock.edge.urls import Urls
from penstock.vosi import Availability
from tap_proxy.core.federation.plan import Plan, as_json, as_text
from tap_proxy.core.formats import TAP_FORMATS
from tap_proxy.core.request import TapQuery, read_query
from tap_proxy.ports import UploadedTable
from tap_proxy.service import Run, TapService
from tap_proxy.settings import TapSettings

STALL_S = 10.0
PLAN_FORMATS = FormatTable([TEXT, JSON])
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_ENDPOINTS = (
    ("sync", "answers a query at once (TAP 1.1 s2.1)"),
    ("async", "runs queries as jobs (UWS 1.1)"),
    ("tables", "describes the tables"),
    ("plan", "says how a query would be answered (ours, no standard)"),
    ("examples", "shows queries to start from"),
    ("capabilities", "says what the service can do"),
    ("availability", "says whether it can do it now"),
)


def parameter_limits(settings: TapSettings) -> ParameterLimits:
    """Return how much a query may send."""
    return ParameterLimits(
        max_form_bytes=settings.max_query_bytes,
        max_file_bytes=settings.max_upload_bytes,
        max_body_bytes=4 * (settings.max_query_bytes + settings.max_upload_bytes),
    )


def add_sync(app: web.Application, service: TapService, settings: TapSettings, *, urls: Urls, clock: Clock) -> None:
    """Add ``/sync`` (TAP 1.1 s2.1, DALI 1.2 s2.2)."""
    limits = parameter_limits(settings)

    async def sync(request: web.Request) -> web.StreamResponse:
        """Run a query and send its result as it comes."""
        query = read_query(await read_parameters(request, limits), formats=TAP_FORMATS, limits=service.limits)
        run = Run(
            now=clock(),
            base_url=urls.base(request),
            time_limit_s=settings.query_time_limit_s,
            caller=principal_of(request),
            cacheable=request.method == "GET",
        )
        return await send_result(request, service, query, run)

    app.router.add_get("/sync", sync)
    app.router.add_post("/sync", sync)


def add_plan(
    app: web.Application,
    service: TapService,
    settings: TapSettings,
    plan: Callable[[str, Sequence[UploadedTable]], Plan],
) -> None:
    """Add ``/plan``, which no standard knows: how a query would be answered, and nothing is run.

    It takes the parameters of ``/sync``; RESPONSEFORMAT is ``text`` or ``json``.
    """
    limits = parameter_limits(settings)

    async def show_plan(request: web.Request) -> web.Response:
        """Say how a query would be answered, and by whom."""
        query = read_query(await read_parameters(request, limits), formats=PLAN_FORMATS, limits=service.limits)
        uploads = await service.load_uploads(query.uploads, principal_of(request))
        found = await asyncio.to_thread(plan, query.text, uploads)
        if query.format.key == "json":
            return web.json_response(as_json(found))
        return web.Response(text=as_text(found))

    app.router.add_get("/plan", show_plan)
    app.router.add_post("/plan", show_plan)


async def send_result(request: web.Request, service: TapService, query: TapQuery, run: Run) -> web.StreamResponse:
    """Run a query and send its result as it comes."""
    try:
        # The source stops a query in time; this stops a client that takes nothing.
        async with asyncio.timeout(run.time_limit_s + STALL_S):
            return await stream(
                request, service.answer(query, run), content_type=query.format.media_type, headers=_PAGE_HEADERS
            )
    except TimeoutError as error:
        raise cut_connection(request, "the result was not taken in time") from error


async def availability(service: TapService, opened: datetime) -> Availability:
    """Say whether the source of rows answers; `opened` is since when the service runs (VOSI 1.1 s3.2)."""
    try:
        await service.source.ping()
    except ServiceError as error:
        return Availability(available=False, notes=(error.message,))
    return Availability(available=True, up_since=opened)


def add_examples(app: web.Application, document: bytes) -> None:
    """Add ``/examples`` (TAP 1.1 s2.6)."""

    async def examples(_request: web.Request) -> web.Response:
        """Show queries to start from."""
        return web.Response(body=document, content_type=MEDIA_TYPE, charset="utf-8")

    app.router.add_get("/examples", examples)


def add_front_page(app: web.Application, base_url: Callable[[web.Request], str], title: str, text: str) -> None:
    """Add the page of the base URL (TAP 1.1 s2)."""

    async def front_page(request: web.Request) -> web.Response:
        """Say what the service is, to people."""
        base = base_url(request)
        endpoints = [(f"{base}/{path}", what) for path, what in _ENDPOINTS]
        return render_page("landing.html", title=title, text=text, endpoints=endpoints)

    app.router.add_get("", front_page)
    app.router.add_get("/", front_page)
