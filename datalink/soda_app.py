"""The composition root of SODA: a service of its own beside DataLink, which announces it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from datalink.compose import link_service
from datalink.core.soda_description import TEXT, TITLE, capabilities
from datalink.courier import Courier
from datalink.cutouts import Cutouts
from datalink.cutting.pool import CutterPool
from datalink.plugin import PATH as LINKS_PATH
from datalink.plugin import SODA_PATH as PATH
from datalink.settings import SodaSettings
from datalink.soda_jobs import NAME, soda_job
from datalink.soda_web import SodaHandlers
from datalink.storage import LakeStorage
from penstock.auth.opening import security_methods
from penstock.edge.app import new_service_app
from penstock.edge.errors import text_error
from penstock.edge.vosi import add_vosi, available_unless
from penstock.service import Description, Resources
from penstock.settings import Settings
from penstock.vosi import capabilities_document
from uws.app import add_job_list


@asynccontextmanager
async def open_cutouts(resources: Resources, *, processes: int = 1) -> AsyncIterator[Cutouts]:
    """Give the use-cases, with processes of their own, while the block lasts."""
    settings = resources.settings.section(SodaSettings)
    pool = CutterPool(processes=processes, memory_bytes=settings.memory_bytes, queue_limit_s=settings.queue_limit_s)
    try:
        async with LakeStorage.of(resources.settings) as storage:
            yield Cutouts(
                link_service(resources),
                pool,
                Courier(storage),
                settings=settings,
                authority=resources.settings.authority,
                scratch_root=resources.settings.data_dir.absolute() / "soda",
            )
    finally:
        await pool.close()


async def open_service(resources: Resources) -> web.Application:
    """Return the application over the lake of the process."""
    settings = resources.settings.section(SodaSettings)
    cutouts = await resources.stack.enter_async_context(open_cutouts(resources, processes=settings.processes))
    handlers = SodaHandlers(resources, cutouts, settings, path=PATH, links_path=LINKS_PATH)
    app = new_service_app(text_error)
    handlers.add_routes(app)
    await add_job_list(app, resources, path="/async", job_type=NAME, render_error=text_error)
    started, methods = resources.clock(), security_methods(resources.settings)

    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, PATH),
        capabilities=lambda base_url: capabilities_document(capabilities(base_url, security_methods=methods)),
        availability=available_unless(cutouts.problem, started),
        changed=started,
    )
    return app


def describe(settings: Settings, base_url: str) -> Description:
    """Say what the service offers at its base URL."""
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=capabilities(base_url, security_methods=security_methods(settings)),
        subjects=("data-access",),
    )


SODA_CUTOUT = soda_job(open_cutouts, path=PATH, links_path=LINKS_PATH)
"""The job type."""
