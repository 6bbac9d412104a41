"""The composition root of the Execution Planner."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta

from aiohttp import web

from execplanner.compose import JOBS_PATH, facility_book, installed_executors, limits_of
from execplanner.core.description import TEXT, TITLE, capabilities
from execplanner.joblist import UwsJobs, job_id
from execplanner.peers import HttpCalls, PeerBook
from execplanner.plugin import PATH
from execplanner.service.broker import Broker
from execplanner.service.federation import Federation
from execplanner.service.locating import Locator
from execplanner.service.planning import Planner
from execplanner.service.tending import Tending
from execplanner.service.workshop import FindOpener, Workshop, installed_opener
from execplanner.settings import ExecPlannerSettings
from execplanner.store import SqlKeeper
from execplanner.web.accepts import AcceptsHandlers
from execplanner.web.catalogue import CatalogueHandlers
from execplanner.web.forms import render_error
from execplanner.web.openapi import OPERATIONS
from execplanner.web.sessions import Place, SessionHandlers
from penstock.auth.opening import security_methods
from penstock.edge.app import new_service_app
from penstock.edge.vosi import add_vosi
from penstock.ivoid import resource_ivoid
from penstock.openapi import describe as describe_operations
from penstock.regext import Capability
from penstock.service import Description, Resources
from penstock.settings import Settings
from penstock.vosi import Availability, capabilities_document
from uws.app import JOBS, installed_job_types
from uws.ports import JobType


async def open_planner(resources: Resources) -> web.Application:
    """Return the application, for the installed job types where the settings name no facility."""
    return await open_for(resources, installed_job_types(), installed_executors(), installed_opener)


async def open_for(
    resources: Resources, job_types: Mapping[str, JobType], plugins: Sequence[str], find: FindOpener
) -> web.Application:
    """Return the application for the facilities that the settings name, else for this host with `job_types`.

    Parameters
    ----------
    plugins
        The names of the executors that are installed.
    find
        Finds one of them.
    """
    settings = resources.settings.section(ExecPlannerSettings)
    keeper = SqlKeeper(resources.db)
    book = facility_book(resources, keeper, job_types, plugins)
    await book.read()
    await resources.shared(JOBS)
    locator = Locator(resources.lake, resources.clock, settings.assumed_bytes)
    workshop = Workshop(resources, find)
    await workshop.check(book.table().facilities)
    planner = Planner(book.table, keeper, locator, workshop, clock=resources.clock, random=os.urandom)
    federation = _federation(resources, settings, keeper)
    jobs = UwsJobs(resources)
    broker = Broker(planner, jobs, federation, limits=limits_of(resources.settings))
    tending = Tending(
        broker, jobs, workshop, every_s=settings.tend_every_s, keep=timedelta(days=settings.keep_offers_d)
    )
    await resources.stack.enter_async_context(tending.running())
    reading = book.keep_reading(settings.reread_s, workshop.check)
    _keep(resources, asyncio.create_task(reading, name="execplanner-facilities"))
    place = Place(urls=resources.urls, path=PATH, jobs_path=JOBS_PATH, job_id=job_id)
    app = new_service_app(render_error)
    AcceptsHandlers(resources, book.table, PATH, settings.max_document_bytes).add_routes(app)
    SessionHandlers(broker, federation, place, settings).add_routes(app)
    CatalogueHandlers(book.table, locator, resources.urls, PATH).add_routes(app)
    describe_operations(app, "", OPERATIONS)
    _add_vosi(app, resources)

    async def stop_waiting(_app: web.Application) -> None:
        broker.close()

    app.on_shutdown.append(stop_waiting)
    return app


def _keep(resources: Resources, task: asyncio.Task[None]) -> None:
    """Let a task run until the process ends."""

    async def end() -> None:
        task.cancel()
        await asyncio.wait({task})

    resources.stack.push_async_callback(end)


def _federation(resources: Resources, settings: ExecPlannerSettings, keeper: SqlKeeper) -> Federation | None:
    if not settings.peers and not settings.discover_peers:
        return None
    trusted = [peer.url.rstrip("/") for peer in settings.peers]
    calls = HttpCalls(trusted, allow_private=resources.settings.allow_private_addresses)
    resources.stack.push_async_callback(calls.close)
    own = resource_ivoid(resources.settings.authority, "execplanner")
    book = PeerBook(settings, resources.db, standard_id=_standard_id(resources.settings), own=own)
    return Federation(book.peers, calls, keeper, own=own, clock=resources.clock, random=os.urandom)


def _add_vosi(app: web.Application, resources: Resources) -> None:
    started = resources.clock()

    async def availability() -> Availability:
        problems = [problem for problem in (await resources.readiness.problems()).values() if problem]
        return Availability(available=not problems, up_since=started, notes=tuple(problems))

    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, PATH),
        capabilities=lambda url: capabilities_document(_capabilities(resources.settings, url)),
        availability=availability,
        changed=started,
    )


def _capabilities(settings: Settings, base_url: str) -> tuple[Capability, ...]:
    return capabilities(base_url, _standard_id(settings), security_methods=security_methods(settings))


def _standard_id(settings: Settings) -> str:
    given = settings.section(ExecPlannerSettings).standard_id
    return given or resource_ivoid(settings.authority, "std/executionbroker")


def describe(settings: Settings, base_url: str) -> Description:
    """Return what the planner offers at its base URL."""
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=_capabilities(settings, base_url),
        subjects=("computational-methods",),
    )
