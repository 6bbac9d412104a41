"""The composition root of the registry."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from penstock.edge.app import new_service_app
from penstock.edge.vosi import add_vosi
from penstock.plugins import Group, Registry
from penstock.service import Description, Resources, Service
from penstock.settings import Settings
from penstock.vosi import Availability, capabilities_document
from registry.core.description import TEXT, TITLE, capabilities
from registry.core.record import REGISTRY_TYPE, Record
from registry.service import NAME, Described, RegistryService, records_of
from registry.settings import RegistrySettings
from registry.store import SCHEMA, RecordStore
from registry.web import RegistryHandlers

PATH = "/registry"


async def open_registry(resources: Resources) -> web.Application:
    """Publish all installed services, and return the application."""
    return await open_for(resources, Registry(Group.SERVICES, Service).all().values())


async def open_for(resources: Resources, services: Iterable[Service]) -> web.Application:
    """Publish `services`, and return the application."""
    settings = resources.settings.section(RegistrySettings)
    store = RecordStore(resources.db)
    registry = RegistryService(store, settings, resources.settings.authority, own_url=resources.settings.own_url)
    started = resources.clock()
    await registry.publish(_records(resources.settings, services), started)

    async def availability() -> Availability:
        problem = await store.problem()
        return Availability(available=problem is None, up_since=started, notes=(problem,) if problem else ())

    handlers = RegistryHandlers(resources, registry, PATH)
    app = new_service_app(handlers.render_error)
    handlers.add_routes(app)
    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, PATH),
        capabilities=lambda url: capabilities_document(capabilities(url, settings.page_size)),
        availability=availability,
        changed=started,
    )
    return app


def _records(settings: Settings, services: Iterable[Service]) -> tuple[Record, ...]:
    base_url = settings.own_url
    described = [
        Described(name=one.name, base_url=base_url + one.path, description=one.describe(settings, base_url + one.path))
        for one in services
    ]
    return records_of(settings.authority, base_url, described, settings.section(RegistrySettings).title)


def describe(settings: Settings, base_url: str) -> Description:
    """Return what the registry offers at its base URL."""
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=capabilities(base_url, settings.section(RegistrySettings).page_size),
        resource_type=REGISTRY_TYPE,
        subjects=("virtual-observatories",),
    )


service = Service(
    name=NAME,
    path=PATH,
    open=open_registry,
    describe=describe,
    settings=RegistrySettings,
    migrations="registry.migrations",
    schema=SCHEMA,
)
