"""The composition root of the registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from aiohttp import web

from penstock.dali.errors import ServiceError
from penstock.edge.app import new_service_app
from penstock.edge.pages import render_page
from penstock.edge.vosi import add_vosi, available_unless
from penstock.plugins import Group, Registry
from penstock.service import Description, Resources, Service
from penstock.settings import Settings
from penstock.vosi import capabilities_document
from registry import compose
from registry.collections import collections_of
from registry.core.description import TEXT, TITLE, capabilities
from registry.core.record import REGISTRY_TYPE
from registry.plugin import PATH
from registry.ports import Origin
from registry.regtap_store import refill
from registry.service.harvesting import HarvestFailed
from registry.service.making import TAP, RecordMaker
from registry.settings import RegistrySettings
from registry.web.oai import OaiHandlers
from registry.web.records import RecordHandlers
from registry.web.records import render_error as render_record_error

log = structlog.get_logger(__name__)


async def open_registry(resources: Resources) -> web.Application:
    """Publish all installed services, and return the application."""
    return await open_for(resources, Registry(Group.SERVICES, Service).all().values())


async def open_for(resources: Resources, services: Iterable[Service]) -> web.Application:
    """Publish `services`, and return the application."""
    settings, installed = resources.settings, tuple(services)
    section, curation = settings.section(RegistrySettings), compose.curation_of(settings)
    store, maker = compose.record_store(resources.db), RecordMaker(settings.authority, curation)
    registry, started = compose.publishing(settings, store, curation), resources.clock()
    await refill(resources.db)
    await registry.publish(Origin.DEPLOYMENT, maker.of_deployment(compose.described(settings, installed)), started)

    async def publish_lake() -> None:
        paths = [one.path for one in installed if one.name == TAP]
        held = await collections_of(resources.db) if paths else ()
        if held is not None:
            await registry.publish(Origin.LAKE, maker.of_lake(held, "".join(paths)), resources.clock())

    oai = OaiHandlers(resources, registry, PATH)
    editor = compose.editor(settings, store, resources.clock)
    records = RecordHandlers(resources, store, editor, path=PATH, max_bytes=section.max_record_bytes)
    app = new_service_app(_render_error(oai))
    _add_front_page(app, resources)
    oai.add_routes(app)
    records.add_routes(app)
    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, PATH),
        capabilities=lambda url: capabilities_document(capabilities(url, section.page_size)),
        availability=available_unless(store.problem, started),
        changed=started,
    )
    upkeep = _Upkeep(resources, section, publish_lake)
    await resources.stack.enter_async_context(upkeep.running())
    return app


def _render_error(oai: OaiHandlers) -> Callable[[web.Request, ServiceError, int], web.Response]:
    def render(request: web.Request, error: ServiceError, status: int) -> web.Response:
        is_record = request.path.startswith(f"{PATH}/records")
        return (render_record_error if is_record else oai.render_error)(request, error, status)

    return render


def _add_front_page(app: web.Application, resources: Resources) -> None:
    async def front_page(request: web.Request) -> web.Response:
        """Show people where things are."""
        base = resources.urls.absolute(request, PATH)
        endpoints = (
            (f"{base}/records", "Records, to search and to read"),
            (f"{base}/oai?verb=Identify", "What this registry is (OAI-PMH)"),
            (f"{base}/oai?verb=ListRecords&metadataPrefix=ivo_vor", "Its own records as VOResource"),
            (f"{base}/oai?verb=ListRecords&metadataPrefix=oai_dc", "Its own records as Dublin Core"),
            (f"{base}/capabilities", "VOSI capabilities"),
            (f"{base}/availability", "VOSI availability"),
        )
        text = "Records of what runs and lies here, and of what was harvested elsewhere in the Virtual Observatory."
        return render_page("landing.html", title="Registry", text=text, endpoints=endpoints)

    for root in ("", "/"):
        app.router.add_get(root, front_page)


class _Upkeep:
    """Looks at the lake and at other registries again and again, while the service runs."""

    def __init__(self, resources: Resources, section: RegistrySettings, publish_lake: Callable[[], Awaitable[None]]):
        self._resources = resources
        self._section = section
        self._publish_lake = publish_lake

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background for as long as the context lives."""
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            for step in (self._publish_lake, self._harvest_due):
                try:
                    await step()
                except Exception:  # the runner: what fails now is tried again
                    log.exception("registry_upkeep_failed")
            await asyncio.sleep(self._section.refresh_interval_s)

    async def _harvest_due(self) -> None:
        """Harvest the registries that the settings name and that were not looked at for an interval."""
        store, clock = compose.source_store(self._resources.db), self._resources.clock
        for url in self._section.harvest:
            attempted = (await store.source(url)).attempted
            pause = timedelta(seconds=self._section.harvest_interval_s)
            if attempted is not None and datetime.fromisoformat(attempted) + pause > clock():
                continue
            async with compose.fetcher(self._resources.settings, clock) as fetch:
                harvester = compose.harvester(self._resources.settings, fetch, store, clock)
                try:
                    report = await harvester.harvest(url, set_name=self._section.harvest_set)
                except HarvestFailed as error:
                    log.warning("harvest_failed", url=url, error=str(error))
                else:
                    log.info("harvested", url=url, seen=report.seen, quarantined=report.tally.quarantined)


def describe(settings: Settings, base_url: str) -> Description:
    """Return what the registry offers at its base URL."""
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=capabilities(base_url, settings.section(RegistrySettings).page_size),
        resource_type=REGISTRY_TYPE,
        subjects=("virtual-observatories",),
    )
