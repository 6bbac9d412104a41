"""The TAP service on a small database, mounted where the host mounts it; its jobs run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from penstock.auth.principal import AnonymousOnly
from penstock.basket.service import BasketSettings
from penstock.clock import utc_now
from penstock.db import Database
from penstock.edge.health import Readiness
from penstock.edge.urls import Urls
from penstock.lake.catalogue import SCHEMAS, Catalogue
from penstock.migrations import upgrade
from penstock.service import Resources
from penstock.settings import settings_type
from tap_proxy.app import QUERY_TAP
from tap_proxy.plugin import tap as service
from tap_proxy.settings import TapSettings
from uws.app import JOBS, open_jobs
from uws.ports import AttemptEnded, Dispatch, EndOfAttempt, JobReports
from uws.settings import UwsSettings
from uws.worker.runtime import run_attempt
from uws.worker_app import make_worker

BASE = "https://penstock.example"
TAP = f"{BASE}/tap"
MIGRATIONS = {
    "ivoa": "penstock.lake.migrations.ivoa",
    "lake": "penstock.lake.migrations.lake",
    "basket": "penstock.basket.migrations",
    "tap_schema": "tap_proxy.migrations",
    "uws": "uws.migrations",
}
ROWS = 500
RESOURCES = web.AppKey("resources", Resources)


def observation(n: int) -> dict[str, object]:
    """Return a row of ivoa.obscore."""
    did = f"ivo://penstock.example/lake?demo:{n}.fits"
    return {
        "obs_publisher_did": did,
        "access_url": f"/datalink/links?ID={n}",
        "access_format": "application/x-votable+xml;content=datalink",
        "calib_level": n % 5,
        "obs_collection": "demo",
        "obs_id": f"demo:{n}",
        "target_name": None if n % 10 == 0 else f"target <{n}>",
        "s_ra": n * 0.5,
        "s_dec": n * 0.1 - 25,
        "lake_did": f"demo:{n}.fits",
    }


class InlineExecutor:
    """Runs attempts in this very process."""

    def __init__(self, resources: Resources, reports: JobReports, ended: AttemptEnded) -> None:
        self._resources = resources
        self._reports = reports
        self._ended = ended
        self._running: dict[str, asyncio.Task[None]] = {}

    def capacity(self, *, light: bool = False) -> int:
        return 4 - len(self._running)

    async def waiting(self) -> int:
        return 0

    async def start(self, dispatch: Dispatch) -> None:
        self._running[dispatch.job_id] = asyncio.create_task(self._run(dispatch))

    async def _run(self, dispatch: Dispatch) -> None:
        try:
            worker = make_worker(self._resources.settings, self._reports, {QUERY_TAP.name: QUERY_TAP}, self._opened)
            await run_attempt(dispatch, worker)
        finally:
            del self._running[dispatch.job_id]
            await asyncio.shield(self._ended(dispatch, EndOfAttempt.REPORTED))

    async def _opened(self) -> Resources:
        return self._resources

    async def stop(self, job_id: str) -> None:
        task = self._running.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def close(self) -> None:
        for job_id in list(self._running):
            await self.stop(job_id)


async def fill(db: Database, rows: int) -> None:
    """Put observations into the database."""
    if rows == 0:
        return
    async with db.write() as connection:
        await connection.execute(sa.insert(Catalogue.of(db.dialect).obscore), [observation(n) for n in range(rows)])


@asynccontextmanager
async def resources(
    folder: Path, url: str, *, rows: int = ROWS, allow_private: bool = False, base_url: str = BASE, **own: Any
) -> AsyncIterator[Resources]:
    """Open what the service needs; `own` are values of its settings."""
    kind = settings_type({"tap": TapSettings, "uws": UwsSettings, "basket": BasketSettings})
    settings = kind(
        data_dir=folder,
        database_url=url,
        base_url=base_url,
        allow_private_addresses=allow_private,
        tap=TapSettings(**own),  # type: ignore[call-arg]
    )
    async with AsyncExitStack() as stack:
        db = Database(url)
        stack.push_async_callback(db.close)
        await upgrade(db, MIGRATIONS)
        await fill(db, rows)
        yield Resources(
            settings=settings,
            db=db,
            lake=None,  # type: ignore[arg-type]
            urls=Urls(settings.base_url),
            clock=utc_now,
            authenticator=AnonymousOnly(),
            readiness=Readiness(),
            stack=stack,
            schemas=SCHEMAS,
        )


@asynccontextmanager
async def serving(folder: Path, url: str, *, rows: int = ROWS, **own: Any) -> AsyncIterator[web.Application]:
    """Give an application with the service under /tap."""
    async with resources(folder, url, rows=rows, **own) as opened:

        async def inline(shared: Resources, reports: JobReports, ended: AttemptEnded) -> InlineExecutor:
            return InlineExecutor(shared, reports, ended)

        jobs = await open_jobs(opened, job_types={QUERY_TAP.name: QUERY_TAP}, open_executor=inline)
        opened._shared[JOBS.name] = jobs
        app = web.Application()
        app[RESOURCES] = opened
        app.add_subapp(service.path, await service.open(opened))
        yield app
