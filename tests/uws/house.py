"""A service with all its parts in the test's own process, which runs no job: tests claim and report themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from penstock.auth.principal import Principal
from penstock.db import Database
from penstock.migrations import upgrade
from tests.uws.builders import NOW
from tests.uws.hosting import JOB_TYPES, LIGHT
from uws.core.job import Job
from uws.events import Hub
from uws.ports import Dispatch
from uws.results import FileResults
from uws.service.access import Access
from uws.service.changes import Changes
from uws.service.jobs import JobService, NewJob
from uws.service.policy import Policy
from uws.service.reports import Reports
from uws.service.upkeep import Upkeep
from uws.store import SqlStore

ANYONE = Access()
ALICE = Access(caller=Principal(subject="alice"))
BOB = Access(caller=Principal(subject="bob"))
ADMIN = Access(caller=Principal(subject="root", admin=True))


class Idle:
    """An executor that notes what it is told."""

    def __init__(self) -> None:
        self.started: list[Dispatch] = []
        self.stopped: list[str] = []
        self.free = 100
        self.free_light = 100

    def capacity(self, *, light: bool = False) -> int:
        return self.free_light if light else self.free

    async def waiting(self) -> int:
        return len(self.started)

    async def start(self, dispatch: Dispatch) -> None:
        self.started.append(dispatch)
        if dispatch.light:
            self.free_light -= 1
        else:
            self.free -= 1

    async def stop(self, job_id: str) -> None:
        self.stopped.append(job_id)

    async def close(self) -> None:
        """Nothing to close."""


async def open_idle(_resources: object, _reports: object, _ended: object) -> Idle:
    """Open an executor that runs nothing, for servers whose jobs stay QUEUED."""
    return Idle()


class House:
    """A service with all its parts, and a clock to turn."""

    def __init__(self, db: Database, folder: Path, policy: Policy) -> None:
        self.db = db
        self.now: datetime = NOW
        self.hub = Hub()
        self.executor = Idle()
        self.results = FileResults(folder / "results")
        self.folder = folder / "results"
        self.store = SqlStore(db, LIGHT)
        changes = Changes(self.store, self.hub, lambda: self.now)
        self.reports = Reports(changes, policy)
        self.upkeep = Upkeep(changes, self.results, self.executor, policy)
        numbers = iter(range(10**6))
        self.jobs = JobService(
            changes,
            self.hub,
            self.results,
            job_types=JOB_TYPES,
            policy=policy,
            random=lambda size: next(numbers).to_bytes(size),
        )

    async def queued(self, job_type: str = "echo") -> tuple[Job, Dispatch]:
        job = await self.jobs.create(NewJob(job_type=job_type, run=True), ANYONE)
        return job, Dispatch(job_id=job.id, attempt=job.attempt)

    async def running(self) -> tuple[Job, Dispatch]:
        _, dispatch = await self.queued()
        job = await self.reports.claim(dispatch, "w")
        assert job
        return job, dispatch


@asynccontextmanager
async def opened(folder: Path, database_url: str | None = None, **policy: object) -> AsyncIterator[House]:
    """Open a house on a database, one of its own if none is given."""
    db = Database(database_url or f"sqlite:///{folder}/jobs.db")
    await upgrade(db, {"uws": "uws.migrations"})
    yield House(db, folder, Policy(**policy))  # type: ignore[arg-type]
    await db.close()
