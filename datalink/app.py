"""The composition root of DataLink."""

from __future__ import annotations

from aiohttp import web

from datalink.callers import Callers, OffersAt
from datalink.compose import link_service
from datalink.core.description import TEXT, TITLE, capabilities
from datalink.courier import Courier
from datalink.downloads import DownloadHandlers
from datalink.offers import offers_of
from datalink.plugin import PATH
from datalink.settings import DataLinkSettings
from datalink.storage import LakeStorage
from datalink.web import DataLinkHandlers
from penstock.auth.opening import security_methods
from penstock.edge.app import new_service_app
from penstock.edge.vosi import add_vosi, available_unless
from penstock.service import Description, Resources
from penstock.settings import Settings
from penstock.vosi import capabilities_document


async def open_datalink(resources: Resources) -> web.Application:
    """Return the application over the lake of the process."""
    settings = resources.settings.section(DataLinkSettings)
    return await open_for(resources, offers_of(resources, settings))


async def open_for(resources: Resources, offers: OffersAt) -> web.Application:
    """Return the application over the lake of the process, whose links lead to the services in `offers`."""
    settings = resources.settings.section(DataLinkSettings)
    storage = LakeStorage.of(resources.settings)
    await resources.stack.enter_async_context(storage)
    links = link_service(resources)
    callers = Callers(resources, settings, PATH, offers)
    handlers = DataLinkHandlers(links, callers, PATH)
    app = new_service_app(handlers.render_error)
    handlers.add_routes(app)
    DownloadHandlers(links, Courier(storage, settings.avoid_s), callers, settings.delivery).add_routes(app)
    started, methods = resources.clock(), security_methods(resources.settings)

    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, PATH),
        capabilities=lambda base_url: capabilities_document(capabilities(base_url, security_methods=methods)),
        availability=available_unless(links.problem, started),
        changed=started,
    )
    return app


def describe(settings: Settings, base_url: str) -> Description:
    """Return what the service offers at its base URL."""
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=capabilities(base_url, security_methods=security_methods(settings)),
        subjects=("data-access",),
    )
