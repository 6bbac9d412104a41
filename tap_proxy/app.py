"""The composition root of the TAP service: the only place that knows all its parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from aiohttp import web

from penstock.auth.opening import security_methods
from penstock.basket.app import open_baskets
from penstock.context import published_schemas
from penstock.dali.examples import examples_document
from penstock.db import async_url
from penstock.direct import libpq_url
from penstock.edge.app import new_service_app
from penstock.edge.errors import votable_error
from penstock.edge.vosi import add_vosi
from penstock.outbound import Outbound
from penstock.service import Description, Resources, Shared
from penstock.settings import Settings
from penstock.tables import Schema
from penstock.vosi import Availability, Capability, capabilities_document
from penstock.votable.reader import UploadLimits
from tap_proxy.adql.sqlite_functions import SQLITE_FUNCTIONS
from tap_proxy.baskets import BasketTables
from tap_proxy.core.capabilities import Promises, tap_capabilities
from tap_proxy.core.examples import examples_for
from tap_proxy.core.request import RowLimits
from tap_proxy.core.tap_schema import NAME, TAP_SCHEMA
from tap_proxy.jobs import query_job
from tap_proxy.plugin import PATH
from tap_proxy.ports import TapSource
from tap_proxy.service import TapService
from tap_proxy.settings import TapSettings
from tap_proxy.sources.postgres import PostgresSource, open_pool
from tap_proxy.sources.sqlite import SqliteSource
from tap_proxy.store import has_coverages
from tap_proxy.translation import compiler, table_names
from tap_proxy.uploads import UploadReader
from tap_proxy.upstream.mounting import Mounts
from tap_proxy.upstream.shadows import Shadows
from tap_proxy.web import add_examples, add_front_page, add_plan, add_sync, availability
from uws.app import add_job_list, duration_limits, retention_limits, unfinished

TITLE = "TAP"
TEXT = "Queries in ADQL on the observations and files of a data lake (TAP 1.1)."


async def _open_mounts(resources: Resources) -> Mounts:
    """Open the process's one `TapService`, for requests and for jobs, with the tables of other archives."""
    settings = resources.settings.section(TapSettings)
    schemas, allow_private = _published(resources.schemas), resources.settings.allow_private_addresses
    source = await _open_source(resources, schemas, settings)
    resources.stack.push_async_callback(source.close)
    service = TapService(
        compile=compiler(schemas, source.dialect),
        source=source,
        load_uploads=UploadReader(
            Outbound(allow_private=allow_private),
            UploadLimits(max_bytes=settings.max_upload_bytes, max_rows=settings.max_upload_rows),
            BasketTables(
                lambda: open_baskets(resources.settings, resources.db, resources.clock), resources.settings.authority
            ),
        ),
        limits=_row_limits(settings),
        cached_queries=settings.cached_queries,
        links_url=settings.links_url,
    )
    mounts = Mounts(
        resources.db,
        service,
        schemas,
        settings,
        allow_private=allow_private,
        shadows=Shadows(resources.db, partial(unfinished, resources.db), resources.clock),
    )
    resources.stack.push_async_callback(mounts.close)
    await mounts.load()
    return mounts


MOUNTS = Shared("tap.mounts", _open_mounts)


async def _open_engine(resources: Resources) -> TapService:
    return (await resources.shared(MOUNTS)).service


ENGINE = Shared("tap", _open_engine)


async def _open_source(resources: Resources, schemas: Sequence[Schema], settings: TapSettings) -> TapSource:
    url = resources.db.url
    if resources.db.dialect == "sqlite":
        return SqliteSource(
            Path(url.database or ""),
            tables=table_names(schemas),
            functions=SQLITE_FUNCTIONS,
            connections=settings.connections,
            queue_time_limit_s=settings.queue_time_limit_s,
        )
    dsn = libpq_url(async_url(settings.database_url) if settings.database_url else url)
    pool = await open_pool(dsn, connections=settings.connections, search_path=NAME)
    return PostgresSource(pool, queue_time_limit_s=settings.queue_time_limit_s)


async def open_service(resources: Resources) -> web.Application:
    """Make the application of the service."""
    engine, mounts = await resources.shared(ENGINE), await resources.shared(MOUNTS)
    settings, opened = resources.settings.section(TapSettings), resources.clock()
    schemas = _published(resources.schemas)
    app = new_service_app(votable_error)

    def base_url(request: web.Request) -> str:
        return resources.urls.absolute(request, PATH)

    async def capabilities(base: str) -> bytes:
        covered = await has_coverages(resources.db, schemas)
        return capabilities_document(
            _capabilities(schemas, resources.settings, base, functions=mounts.functions, has_coverages=covered)
        )

    async def tables() -> Sequence[Schema]:
        await mounts.load()
        return mounts.schemas

    async def available() -> Availability:
        """Say whether we answer; an archive that is away is worth a note, since the others still answer."""
        found = await availability(engine, opened)
        return replace(found, notes=(*found.notes, *mounts.problems))

    add_vosi(
        app,
        base_url=base_url,
        capabilities=capabilities,
        availability=available,
        changed=lambda: mounts.changed,
        tables=tables,
    )
    add_sync(app, engine, settings, urls=resources.urls, clock=resources.clock)
    add_plan(app, engine, settings, mounts.plan)
    await add_job_list(app, resources, path="/async", job_type=QUERY_TAP.name, render_error=votable_error)
    add_examples(app, examples_document("Queries to start from", examples_for(schemas)))
    add_front_page(app, base_url, TITLE, TEXT)
    await resources.stack.enter_async_context(_in_background(engine.warm_up()))
    await resources.stack.enter_async_context(_in_background(mounts.keep_fresh()))
    return app


@asynccontextmanager
async def _in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def describe(settings: Settings, base_url: str) -> Description:
    """Say what the service offers at a base URL."""
    schemas = _published(published_schemas())
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=_capabilities(schemas, settings, base_url),
        resource_type="vs:CatalogService",
        tables=schemas,
    )


def _published(schemas: Sequence[Schema]) -> tuple[Schema, ...]:
    return (*schemas, TAP_SCHEMA)


def _row_limits(settings: TapSettings) -> RowLimits:
    return RowLimits(default=settings.maxrec_default, hard=settings.maxrec_hard)


def _capabilities(
    schemas: Sequence[Schema],
    settings: Settings,
    base_url: str,
    *,
    functions: Iterable[tuple[str, str]] = (),
    has_coverages: bool = False,
) -> tuple[Capability, ...]:
    own = settings.section(TapSettings)
    return tap_capabilities(
        base_url,
        schemas=schemas,
        promises=Promises(
            rows=_row_limits(own),
            duration=duration_limits(settings),
            retention=retention_limits(settings),
            upload_bytes=own.max_upload_bytes,
            full_registry=own.full_registry,
        ),
        security_methods=security_methods(settings),
        functions=functions,
        has_coverages=has_coverages,
    )


QUERY_TAP = query_job(lambda resources: resources.shared(ENGINE), path=PATH)
