"""Workers that die, freeze, or are told of a job more often than once (failure groups 2, 3, 4 and 12).

That an overrun is ended by the service where the worker does not is in `tests.uws.service.test_jobs`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest
import pytest_asyncio

from tests.support.postgres import fresh_database
from tests.support.redis import running_redis
from tests.uws.celery_site import CelerySite
from tests.uws.waiting import eventually
from tests.uws.work import ANYONE, content, done, folder_of, gone, message, pids_of, revived, start, until
from tests.uws.worker_process import OWN_COMMAND, WorkerProcess
from uws.core.job import Phase
from uws.service.jobs import JobService
from uws.worker.celery_queue import TASK, open_celery

pytestmark = pytest.mark.asyncio(loop_scope="module")
OWN = {"lease_s": "1.5", "kill_after_s": "0.3", "max_running": "3", "max_attempts": "2", "drain_s": "3"}
HASTY = (*OWN_COMMAND, "--visibility-timeout", "1")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CelerySite]:
    folder = tmp_path_factory.mktemp("site")
    with running_redis(folder / "broker") as redis:
        yield CelerySite(folder=folder, broker_url=redis.url, database_url=fresh_database(), own=OWN)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(site: CelerySite) -> AsyncIterator[JobService]:
    async with site.service() as service:
        yield service


async def test_jobs_of_a_killed_worker_die_with_it_and_run_elsewhere_but_not_for_ever(
    site: CelerySite, service: JobService
) -> None:
    job = await start(service, "spawn")
    for attempt in (1, 2):
        with site.worker() as worker:
            await revived(service, job.id, attempt)
            pids, family = await pids_of(service, job), worker.family()
            worker.kill()
            await gone(*pids, *family)
    job = await done(service, job)
    assert (job.phase, job.attempt) == (Phase.ERROR, 2)
    assert job.error
    assert job.error.type == "transient"


async def test_a_worker_that_is_told_to_end_lets_short_jobs_finish_and_hands_others_back(
    site: CelerySite, service: JobService
) -> None:
    with site.worker() as worker:
        long = await start(service, "spawn")
        pids, family = await pids_of(service, long), worker.family()
        short = await until(service, await start(service, "sleep", DURATION="1"), Phase.EXECUTING)
        assert await asyncio.to_thread(worker.stop) == 0
        await gone(*pids, *family)
    short, long = await service.get(short.id, ANYONE), await service.get(long.id, ANYONE)
    assert (short.phase, short.attempt) == (Phase.COMPLETED, 1)
    assert (long.phase, long.attempt, long.lease) == (Phase.QUEUED, 2, None)
    await service.abort(long.id, ANYONE)


@pytest.fixture(scope="class")
def worker(site: CelerySite, service: JobService) -> Iterator[WorkerProcess]:
    with site.worker(HASTY) as worker:
        yield worker


class TestWithOneWorker:
    """What one worker goes through and survives."""

    async def test_of_many_messages_one_is_obeyed(
        self, site: CelerySite, service: JobService, worker: WorkerProcess
    ) -> None:
        job = await start(service, "part")
        celery = open_celery(site.settings())
        for _ in range(5):
            celery.send_task(TASK, kwargs={"job_id": job.id, "attempt": 1})
        celery.send_task(TASK, kwargs={"job_id": job.id, "attempt": 7})
        celery.send_task(TASK, kwargs={"job_id": "../../etc", "attempt": 1})
        celery.send_task(TASK, kwargs={"nonsense": [None]})
        celery.close()
        process = await message(service, job)
        others = [await done(service, await start(service, "echo")) for _ in range(4)]
        assert {(other.phase, other.attempt) for other in others} == {(Phase.COMPLETED, 1)}
        job = await service.get(job.id, ANYONE)
        assert (job.phase, job.attempt, job.info["message"]) == (Phase.EXECUTING, 1, process)
        await service.abort(job.id, ANYONE)
        await gone(int(process))

    async def test_a_job_that_outlasts_the_brokers_patience_runs_once(
        self, service: JobService, worker: WorkerProcess
    ) -> None:
        job = await done(service, await start(service, "sleep", DURATION="3"))
        assert (job.phase, job.attempt) == (Phase.COMPLETED, 1)

    async def test_the_duration_of_a_job_that_runs_can_be_changed(
        self, service: JobService, worker: WorkerProcess
    ) -> None:
        short = await until(service, await start(service, "sleep", duration_s=600, DURATION="600"), Phase.EXECUTING)
        endless = await until(service, await start(service, "sleep", duration_s=2, DURATION="4"), Phase.EXECUTING)
        await service.set_duration(short.id, 1, ANYONE)
        await service.set_duration(endless.id, 0, ANYONE)
        short, endless = await asyncio.gather(done(service, short), done(service, endless))
        assert (short.phase, endless.phase) == (Phase.ABORTED, Phase.COMPLETED)

    async def test_the_death_of_the_zygote_leaves_nothing_and_is_survived(
        self, service: JobService, worker: WorkerProcess
    ) -> None:
        job = await start(service, "spawn")
        pids = await pids_of(service, job)
        os.kill(psutil.Process(pids[0]).ppid(), signal.SIGKILL)
        await gone(*pids)
        await revived(service, job.id)
        await service.abort(job.id, ANYONE)
        assert (await done(service, await start(service, "echo"))).phase is Phase.COMPLETED

    async def test_what_a_frozen_worker_finishes_late_is_not_published(
        self, site: CelerySite, service: JobService, worker: WorkerProcess
    ) -> None:
        job = await start(service, "part")
        await message(service, job)
        zombies = worker.family()
        for pid in zombies:
            os.kill(pid, signal.SIGSTOP)
        with site.worker():
            await revived(service, job.id)
            for pid in zombies:
                os.kill(pid, signal.SIGCONT)
            assert int(await message(service, job)) not in zombies
            await eventually(lambda: [folder.name for folder in folder_of(service, job).iterdir()] == ["2"])
            await service.abort(job.id, ANYONE)
            job = await service.get(job.id, ANYONE)
            assert (job.attempt, content(service, job, "part")) == (2, b"finished")
        assert (await done(service, await start(service, "echo"))).phase is Phase.COMPLETED
