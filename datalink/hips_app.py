"""The composition root of HiPS."""

from __future__ import annotations

from aiohttp import web

from datalink.compose import link_service
from datalink.core.hips import TEXT, TITLE, capabilities
from datalink.hips_store import open_tree
from datalink.hips_web import NAME, RESERVED, HipsHandlers
from datalink.plugin import HIPS_PATH as PATH
from datalink.settings import HipsSettings
from penstock.edge.app import new_service_app
from penstock.edge.errors import text_error
from penstock.edge.vosi import add_vosi, available_unless
from penstock.outbound import Outbound
from penstock.service import Description, Resources
from penstock.settings import Settings, SettingsError
from penstock.vosi import capabilities_document, vosi_capabilities


async def open_service(resources: Resources) -> web.Application:
    """Return the application over the surveys that the settings name.

    Raises
    ------
    SettingsError
        A survey has a name or a place that cannot be one.
    """
    settings = resources.settings.section(HipsSettings)
    links = link_service(resources)
    for name in settings.trees:
        if not NAME.fullmatch(name) or name in RESERVED:
            raise SettingsError(f"setting hips.trees: {name[:80]!r} cannot name a survey")
    trees = {name: open_tree(name, place, links) for name, place in settings.trees.items()}
    outbound = Outbound(allow_private=resources.settings.allow_private_addresses, timeout_s=10)
    handlers = HipsHandlers(resources, trees, outbound, settings, path=PATH)
    app = new_service_app(text_error)
    started = resources.clock()

    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, PATH),
        capabilities=lambda base: capabilities_document((*vosi_capabilities(base), *capabilities(base, trees))),
        availability=available_unless(handlers.problem, started),
        changed=started,
    )
    handlers.add_routes(app)
    return app


def describe(settings: Settings, base_url: str) -> Description:
    """Say what the service offers at a base URL."""
    names = settings.section(HipsSettings).trees
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=(*vosi_capabilities(base_url), *capabilities(base_url, names)),
        subjects=("sky-surveys",),
    )
