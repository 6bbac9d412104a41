"""The composition root of the baskets."""

from __future__ import annotations

import os

from aiohttp import web

from penstock.auth.opening import security_methods
from penstock.basket.plugin import PATH
from penstock.basket.service import Baskets
from penstock.basket.settings import BasketSettings
from penstock.basket.store import BasketStore
from penstock.basket.web import BasketHandlers
from penstock.clock import Clock
from penstock.dali.errors import ServiceError
from penstock.db import Database
from penstock.edge.app import new_service_app
from penstock.edge.errors import negotiated_error, problem_error
from penstock.regext import Capability, Interface
from penstock.service import Description, Resources
from penstock.settings import Settings

TITLE = "Basket"
TEXT = "References to files, links, query results and results of jobs, which jobs and notebooks take up again."


def open_baskets(settings: Settings, db: Database, clock: Clock) -> Baskets:
    """Return the baskets of a deployment, for the service, for jobs and for commands."""
    own = settings.section(BasketSettings)
    store = BasketStore(db, max_items=own.max_items)
    return Baskets(store, own, clock=clock, random=os.urandom, shared=not security_methods(settings))


async def open_service(resources: Resources) -> web.Application:
    """Return the application."""
    app = new_service_app(_render_error)
    baskets = open_baskets(resources.settings, resources.db, resources.clock)
    BasketHandlers(baskets, resources.urls, PATH).add_routes(app)
    return app


def _render_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render an error as a page in a browser, as problem+json for everybody else (RFC 9457)."""
    response = negotiated_error(request, error, status)
    return response if response.content_type == "text/html" else problem_error(request, error, status)


def describe(settings: Settings, base_url: str) -> Description:
    """Say what the service offers at a base URL."""
    interface = Interface(access_url=base_url, type="vr:WebBrowser", security_methods=security_methods(settings))
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=(Capability(standard_id=None, interfaces=(interface,)),),
        subjects=("data-access",),
    )
