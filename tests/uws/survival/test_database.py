"""A database that is away for a while, and clocks that are wrong (failure groups 9 and 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from penstock.clock import utc_now
from penstock.dali.errors import ServiceUnavailable
from tests.support.postgres import Postgres, own_postgres
from tests.support.redis import running_redis
from tests.uws.celery_site import CelerySite
from tests.uws.hosting import JOB_TYPES, make_settings, open_local, open_resources
from tests.uws.waiting import eventually
from tests.uws.work import ANYONE, content, done, message, pids_of, start, until
from tests.uws.worker_process import WorkerProcess
from uws.app import open_jobs
from uws.core.job import Job, Phase
from uws.service.jobs import JobService, NewJob

pytestmark = pytest.mark.asyncio(loop_scope="module")
OWN = {"kill_after_s": "0.3", "max_running": "4", "lease_s": "20", "redispatch_s": "2", "drain_s": "0"}
SKEW = timedelta(hours=3)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[CelerySite]:
    folder = tmp_path_factory.mktemp("site")
    with running_redis(folder / "broker") as redis:
        yield CelerySite(folder=folder, broker_url=redis.url, database_url=postgres.url, own=OWN)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(site: CelerySite) -> AsyncIterator[JobService]:
    async with site.service() as service:
        yield service


@pytest.fixture(scope="module")
def worker(site: CelerySite, service: JobService) -> Iterator[WorkerProcess]:
    with site.worker() as worker:
        yield worker


async def test_jobs_survive_a_restart_of_the_database(
    service: JobService, worker: WorkerProcess, postgres: Postgres
) -> None:
    ends_meanwhile = await until(service, await start(service, "sleep", DURATION="1"), Phase.EXECUTING)
    goes_on = await start(service, "part")
    process = await message(service, goes_on)
    postgres.kill()
    with pytest.raises(ServiceUnavailable):
        await service.get(goes_on.id, ANYONE)
    with pytest.raises(ServiceUnavailable):
        await start(service, "echo")
    postgres.start()
    await answers(service, goes_on)
    ended = await done(service, ends_meanwhile)
    assert (ended.phase, ended.attempt) == (Phase.COMPLETED, 1)
    job = await service.get(goes_on.id, ANYONE)
    assert (job.phase, job.attempt, job.info["message"]) == (Phase.EXECUTING, 1, process)
    assert content(service, job, "part") == b"finished"
    await service.abort(job.id, ANYONE)
    assert (await done(service, await start(service, "echo"))).phase is Phase.COMPLETED


async def answers(service: JobService, job: Job) -> None:
    """Wait until the database answers the service."""

    async def found() -> bool:
        try:
            return bool(await service.get(job.id, ANYONE))
        except ServiceUnavailable:
            return False

    await eventually(found)


async def test_an_abort_that_comes_after_a_restart_is_heard(
    service: JobService, worker: WorkerProcess, postgres: Postgres
) -> None:
    job = await start(service, "spawn")
    pids = await pids_of(service, job)
    postgres.kill()
    postgres.start()
    await answers(service, job)
    await service.abort(job.id, ANYONE)
    await eventually(lambda: not set(pids) & set(worker.family()))


@asynccontextmanager
async def skewed(folder: Path, database_url: str) -> AsyncIterator[JobService]:
    """Open a service on a host whose clock is wrong."""
    async with open_resources(make_settings(folder, database_url, lease_s=5, max_running=2)) as resources:
        resources = replace(resources, clock=lambda: utc_now() + SKEW)
        yield await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_local)


async def test_a_host_whose_clock_is_wrong_decides_as_the_others(tmp_path: Path, postgres_url: str) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    async with open_resources(make_settings(tmp_path / "right", postgres_url, lease_s=5)) as resources:
        right = await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_local)
        job = await until(right, await start(right, "sleep", duration_s=600, DURATION="600"), Phase.EXECUTING)
        async with skewed(tmp_path / "wrong", postgres_url) as wrong:
            made = await wrong.create(NewJob(job_type="echo"), ANYONE)
            assert abs(made.creation_time - utc_now()) < timedelta(minutes=1)
            assert (await done(wrong, await start(wrong, "echo"))).phase is Phase.COMPLETED  # it looked at what is due
            seen = await right.get(job.id, ANYONE)
            assert (seen.phase, seen.attempt) == (Phase.EXECUTING, 1)
            await right.abort(job.id, ANYONE)
