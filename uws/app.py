"""The composition root of UWS: the service of the host, and job lists inside other services."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from penstock.auth.middleware import install_authentication
from penstock.auth.opening import security_methods
from penstock.context import load
from penstock.db import Database
from penstock.edge.app import new_service_app
from penstock.edge.body import install_body_timeout
from penstock.edge.errors import ErrorRenderer, negotiated_error
from penstock.edge.pages import render_page
from penstock.edge.params import ParameterLimits
from penstock.edge.urls import Urls
from penstock.edge.vosi import add_vosi
from penstock.host import open_resources
from penstock.openapi import describe as describe_operations
from penstock.plugins import Group, Registry
from penstock.regext import Capability, Interface, TimeLimits
from penstock.service import Description, Resources, Shared
from penstock.settings import Settings
from penstock.vosi import Availability, capabilities_document, vosi_capabilities
from uws.catalogue import Catalogue
from uws.compose import open_changes, policy_of, require_types, results_of
from uws.core.job import FINAL
from uws.job_types import installed_job_types as installed_job_types  # for the services that ask what can run
from uws.openapi import JOB_LIST
from uws.ports import Dispatch, EndOfAttempt, ExecutorOpener, JobType
from uws.service.access import Access as Access  # for the services that make jobs themselves
from uws.service.jobs import Given as Given
from uws.service.jobs import JobService
from uws.service.jobs import NewJob as NewJob
from uws.service.reports import Reports
from uws.service.upkeep import Upkeep
from uws.settings import UwsSettings
from uws.store import SqlStore
from uws.web import JobListResource, JobListSettings
from uws.worker.control import Control, Stopper
from uws.worker_api import WorkerApi
from uws.worker_secret import worker_secret

STANDARD_ID = "ivo://ivoa.net/std/UWS#rest-1.1"  # (UWS 1.1 s2.2.1.1)
TITLE = "Universal Worker Service"
TEXT = "Runs asynchronous jobs and tells how they are doing, in XML and JSON."
_DAY_S = 86400
_ENDPOINTS = (
    ("jobs", "The jobs, and where new ones are posted"),
    ("jobtypes", "The types of job and their parameters"),
    ("capabilities", "What the service can do"),
    ("availability", "Whether it can do it now"),
)


async def open_jobs(
    resources: Resources,
    *,
    job_types: Mapping[str, JobType] | None = None,
    open_executor: ExecutorOpener | None = None,
) -> JobService:
    """Open the jobs of a process: store, news, executor and what looks after them; closed with ``resources.stack``.

    Parameters
    ----------
    resources
        What the process shares.
    job_types
        The types of job; those that are installed, if not given.
    open_executor
        Who runs jobs; the plugin that the settings name, if not given.

    Raises
    ------
    SettingsError
        There is a quota for a type that is none.
    """
    settings, policy, stack = resources.settings, policy_of(resources), resources.stack
    known = installed_job_types() if job_types is None else job_types
    require_types(policy, known)
    light = frozenset(name for name, job_type in known.items() if job_type.light)
    changes, hub = await open_changes(resources.db, settings, clock=resources.clock, stack=stack, light=light)
    reports, results = Reports(changes, policy), results_of(settings)

    async def ended(dispatch: Dispatch, why: EndOfAttempt) -> None:
        control.executor_is_free()
        await reports.ended(dispatch, why)

    opener = open_executor or _installed_executor(settings)
    executor = await opener(resources, reports, ended)
    control = Control(Upkeep(changes, results, executor, policy))
    stopper = Stopper(executor)
    hub.listen(control.hear, missed=control.look_again)
    hub.listen(stopper.hear)
    stack.push_async_callback(executor.close)
    stack.push_async_callback(stopper.close)
    await stack.enter_async_context(control.running())
    return JobService(
        changes,
        hub,
        results,
        job_types=known,
        policy=policy,
        random=os.urandom,
    )


async def unfinished(db: Database, job_ids: Collection[str]) -> frozenset[str]:
    """Return those of the jobs that run or will; the others are over, or never were."""
    store = SqlStore(db)
    jobs = [await store.get(job_id) for job_id in job_ids]
    return frozenset(job.id for job in jobs if job is not None and job.phase not in FINAL)


JOBS: Shared[JobService] = Shared("uws.jobs", open_jobs)
"""The jobs of this process, for every service that has a job list."""


async def add_job_list(
    app: web.Application,
    resources: Resources,
    *,
    path: str,
    job_type: str | None,
    render_error: ErrorRenderer | None = None,
) -> JobService:
    """Mount a job list on an application, as TAP does with ``/async``.

    Parameters
    ----------
    app
        An application made by `penstock.edge.app.new_service_app`, which renders the errors of requests; its callers
        are those that `penstock.auth.middleware.install_authentication` finds, else anonymous.
    resources
        What the process shares.
    path
        Where in the application, with a slash at the start.
    job_type
        The type of every job of the list, by the name of its plugin; None makes a list of all types.
    render_error
        Renders the error document of a job at its /error; text or problem+json, if not given.
    """
    service = await resources.shared(JOBS)
    mount_job_list(app, resources, service, path=path, job_type=job_type, render_error=render_error)
    return service


def mount_job_list(
    app: web.Application,
    resources: Resources,
    service: JobService,
    *,
    path: str,
    job_type: str | None,
    render_error: ErrorRenderer | None = None,
) -> None:
    """Mount a job list of a service that is open already; see `add_job_list`."""
    fixed = service.job_types.get(job_type) if job_type else None
    own = resources.settings.section(UwsSettings)
    settings = JobListSettings(
        urls=resources.urls,
        render_error=render_error or negotiated_error,
        limits=ParameterLimits(
            max_file_bytes=own.max_file_bytes,
            max_body_bytes=2 * own.max_file_bytes,
            spool_directory=service.results.spool(),
        ),
        job_type=job_type,
        dali=fixed is not None and not fixed.validate_at_creation,
    )
    JobListResource(service, settings).add_to(app, path)
    describe_operations(app, path, JOB_LIST)

    async def stop_waiting(_app: web.Application) -> None:
        service.stop_waiting()

    app.on_shutdown.append(stop_waiting)


def make_app(resources: Resources, service: JobService) -> web.Application:
    """Make the application of all jobs: ``/jobs``, ``/jobtypes`` and the VOSI endpoints."""
    app = new_service_app(negotiated_error)
    mount_job_list(app, resources, service, path="/jobs", job_type=None)
    Catalogue(service, resources.urls).add_to(app)
    app.add_subapp("/worker", _worker_app(resources, service))

    async def availability() -> Availability:
        problems = [problem for problem in (await resources.readiness.problems()).values() if problem]
        return Availability(available=not problems, notes=tuple(problems))

    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, _path(request).rpartition("/")[0]),
        capabilities=lambda base: capabilities_document(_capabilities(resources.settings, base)),
        availability=availability,
        changed=datetime.now(UTC),
    )
    _add_front_page(app, resources.urls)
    return app


def _worker_app(resources: Resources, service: JobService) -> web.Application:
    own = resources.settings.section(UwsSettings)
    api = WorkerApi(
        service.reports,
        service.results,
        secret=worker_secret(resources.settings),
        max_result_bytes=own.max_result_bytes,
        max_attempt_bytes=own.max_attempt_bytes,
    )
    return api.make_app()


def _add_front_page(app: web.Application, urls: Urls) -> None:
    async def front_page(request: web.Request) -> web.Response:
        """Say what the service is, to people."""
        base = urls.absolute(request, _path(request).rstrip("/"))
        endpoints = [(f"{base}/{path}", what) for path, what in _ENDPOINTS]
        return render_page("landing.html", title=TITLE, text=TEXT, endpoints=endpoints)

    for place in ("", "/"):
        app.router.add_get(place, front_page)


def _path(request: web.Request) -> str:
    """Return the path of the resource that answers, wherever the application is mounted."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else request.path


async def create_app(**given: Any) -> web.Application:
    """Make the application of all jobs, with everything that it needs, for somebody else's aiohttp application.

    Job types are the installed plugins. What is opened here is closed when the application is cleaned up::

        async def main() -> web.Application:
            app = web.Application()
            app.add_subapp("/uws", await create_app(data_dir=Path("jobs"), base_url="https://jobs.example.org"))
            return app

        web.run_app(main(), handler_cancellation=True)

    Parameters
    ----------
    given
        Settings of `penstock.settings.Settings`, which win over the environment: ``data_dir``, ``database_url``.

    Raises
    ------
    penstock.settings.SettingsError
        A setting is wrong or does not fit the world.
    """
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(load(**given)))
        app = await open_service(resources)
        install_authentication(app, resources.authenticator)
        install_body_timeout(app, resources.settings.body_idle_s)
        closing = stack.pop_all()

    async def close(_app: web.Application) -> None:
        await closing.aclose()

    app.on_cleanup.append(close)
    return app


async def open_service(resources: Resources) -> web.Application:
    """Return the application of all jobs of the process."""
    return make_app(resources, await resources.shared(JOBS))


def longest_duration_s(settings: Settings) -> int | None:
    """Return the longest executionDuration that a job may be given; None if there is no limit."""
    return settings.section(UwsSettings).max_duration_s or None


def duration_limits(settings: Settings) -> TimeLimits:
    """Return the executionDuration of new jobs, and the longest."""
    own, longest_s = settings.section(UwsSettings), longest_duration_s(settings)
    return TimeLimits(default_s=own.default_duration_s or longest_s, hard_s=longest_s)


def retention_limits(settings: Settings) -> TimeLimits:
    """Return how long new jobs are kept, and how long any is."""
    own = settings.section(UwsSettings)
    return TimeLimits(default_s=int(own.default_lifetime_d * _DAY_S), hard_s=int(own.max_lifetime_d * _DAY_S) or None)


def _installed_executor(settings: Settings) -> ExecutorOpener:
    opener: ExecutorOpener = Registry(Group.EXECUTORS, object).get(settings.executor)  # type: ignore[assignment]  # what the group holds
    return opener


def _capabilities(settings: Settings, base_url: str) -> tuple[Capability, ...]:
    jobs = Capability(
        standard_id=STANDARD_ID,
        interfaces=(
            Interface(
                access_url=f"{base_url}/jobs",
                use="base",
                role="std",
                version="1.1",
                security_methods=security_methods(settings),
            ),
        ),
        description="Asynchronous jobs of every type that /jobtypes lists; JOBTYPE names the type of a new one.",
    )
    return (jobs, *vosi_capabilities(base_url))


def describe(settings: Settings, base_url: str) -> Description:
    """Say what the service offers at a base URL."""
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=_capabilities(settings, base_url),
    )
