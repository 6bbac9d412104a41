"""The composition root of a process that runs attempts."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from penstock.context import complete_settings_type
from penstock.host import load_resources, open_resources
from penstock.log import configure_logging
from penstock.plugins import PluginError
from penstock.service import Resources
from penstock.settings import Settings
from uws.compose import results_of
from uws.job_types import installed_job_types
from uws.ports import Dispatch, JobReports, JobType
from uws.settings import UwsSettings
from uws.worker.context import OpenResources
from uws.worker.place import OpenRun, RunAttempt, WarmedUp
from uws.worker.reporting import RemoteReports
from uws.worker.runtime import Worker, run_attempt


def preload(payload: str, desk: str) -> OpenRun:
    """Import what jobs need and return what runs them.

    Parameters
    ----------
    payload
        The settings as JSON.
    desk
        The path of the socket that takes reports.
    """
    settings = complete_settings_type().model_validate_json(payload)
    job_types, reports = installed_job_types(), RemoteReports(Path(desk))
    configure_logging(settings)
    with suppress(PluginError):  # a job that needs them will be told
        load_resources(settings)
    for job_type in job_types.values():
        if job_type.prepare is not None:
            job_type.prepare()
    return opens_run(settings, reports, job_types, lambda: open_resources(settings, migrate=False))


def opens_run(
    settings: Settings,
    reports: JobReports,
    job_types: Mapping[str, JobType],
    open_all: Callable[[], AbstractAsyncContextManager[Resources]],
) -> OpenRun:
    """Return what runs attempts: those of one block share resources, which `open_all` opens when one needs them."""

    @asynccontextmanager
    async def open_run() -> AsyncIterator[RunAttempt]:
        async with AsyncExitStack() as stack:
            resources: list[Resources] = []
            opening = asyncio.Lock()

            async def opened() -> Resources:
                async with opening:
                    if not resources:
                        resources.append(await stack.enter_async_context(open_all()))
                return resources[0]

            async def run(dispatch: Dispatch, warmed_up: WarmedUp) -> None:
                await run_attempt(dispatch, make_worker(settings, reports, job_types, opened, warmed_up))

            yield run

    return open_run


def make_worker(
    settings: Settings,
    reports: JobReports,
    job_types: Mapping[str, JobType],
    opened: OpenResources,
    warmed_up: WarmedUp | None = None,
) -> Worker:
    """Put together what an attempt needs.

    `opened` gives resources to a job that asks for them; `warmed_up` is told when all is open that may stay open.
    """
    return Worker(
        name=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",  # containers share names and numbers
        reports=reports,
        results=results_of(settings),
        job_types=job_types,
        open_resources=opened,
        lease_s=settings.section(UwsSettings).lease_s,
        warmed_up=warmed_up,
    )
