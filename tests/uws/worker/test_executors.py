"""What every `Executor` must do, with the real systems that it needs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.postgres import fresh_database
from tests.support.rabbitmq import running_rabbitmq
from tests.support.redis import running_redis
from tests.uws.celery_site import CelerySite
from tests.uws.hosting import JOB_TYPES, make_settings, open_local, open_resources
from tests.uws.waiting import eventually
from tests.uws.work import ANYONE, content, done, folder_of, gone, pids_of, start, until
from uws.app import open_jobs
from uws.core.job import Phase
from uws.service.jobs import JobService

pytestmark = pytest.mark.asyncio(loop_scope="module")
OWN = {"kill_after_s": "0.3", "max_running": "4", "max_attempts": "3", "drain_s": "0"}


@asynccontextmanager
async def _opened(site: CelerySite | None, folder: Path) -> AsyncIterator[JobService]:
    if site is not None:
        async with site.service() as service:
            yield service
        return
    async with open_resources(make_settings(folder, **OWN)) as resources:
        yield await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_local)


@pytest.fixture(scope="module", params=["local", "redis", "rabbitmq"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CelerySite | None]:
    """None for the local executor, or a site with a worker: each broker with another engine's news."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        yield None
        return
    running, database_url = (running_redis, None) if request.param == "redis" else (running_rabbitmq, fresh_database())
    with running(folder / "broker") as broker:
        site = CelerySite(folder=folder, broker_url=broker.url, database_url=database_url, own=OWN)
        with site.worker():
            yield site


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(site: CelerySite | None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JobService]:
    """A service for all tests, which leave it as they found it."""
    async with _opened(site, tmp_path_factory.mktemp("service")) as service:
        yield service


class TestExecutor:
    async def test_a_job_runs_and_publishes_its_results(self, service: JobService) -> None:
        job = await done(service, await start(service, "echo", MESSAGE="hé"))
        assert (job.phase, job.attempt) == (Phase.COMPLETED, 1)
        assert content(service, job, "echo") == "hé".encode()

    async def test_more_jobs_than_run_at_once_all_run(self, service: JobService) -> None:
        jobs = [await start(service, "echo", MESSAGE=str(number)) for number in range(12)]
        ended = [await done(service, job) for job in jobs]
        assert {(job.phase, job.attempt) for job in ended} == {(Phase.COMPLETED, 1)}

    @pytest.mark.requirement("U-008", "U-120", "U-121")
    async def test_a_failure_is_told(self, service: JobService) -> None:
        fail = await done(service, await start(service, "fail", MESSAGE="because"))
        crash = await done(service, await start(service, "crash"))
        assert fail.error
        assert (fail.phase, fail.error.type, fail.error.message) == (Phase.ERROR, "fatal", "UsageError: because")
        assert crash.error
        assert "secret" not in crash.error.message
        assert content(service, crash, "part") == b"finished before the crash"

    @pytest.mark.requirement("U-139")
    async def test_an_abort_kills_grandchildren_that_ignore_it_and_daemons(self, service: JobService) -> None:
        job = await start(service, "spawn")
        pids = await pids_of(service, job)
        assert (await service.abort(job.id, ANYONE)).phase is Phase.ABORTED
        await gone(*pids)

    @pytest.mark.requirement("U-133")
    async def test_deletion_kills_and_removes_the_files(self, service: JobService) -> None:
        job = await start(service, "spawn")
        pids, folder = await pids_of(service, job), folder_of(service, job)
        await service.delete(job.id, ANYONE)
        await gone(*pids)
        await eventually(lambda: not folder.exists())

    async def test_what_a_job_leaves_behind_ends_with_it(self, service: JobService) -> None:
        job = await done(service, await start(service, "spawn", LEAVE="yes"))
        assert job.phase is Phase.COMPLETED
        await gone(*map(int, content(service, job, "pids").split()))

    async def test_a_job_whose_process_is_killed_is_tried_again(self, service: JobService) -> None:
        job = await done(service, await start(service, "die", UNTIL="2"))
        assert (job.phase, job.attempt) == (Phase.COMPLETED, 3)
        assert content(service, job, "result") == b"attempt 3"
        assert [folder.name for folder in folder_of(service, job).iterdir()] == ["3"]

    async def test_a_job_that_kills_every_process_is_given_up(self, service: JobService) -> None:
        job = await done(service, await start(service, "die", UNTIL="99"))
        assert (job.phase, job.attempt) == (Phase.ERROR, 3)

    async def test_a_killed_job_leaves_no_grandchildren(self, service: JobService) -> None:
        job = await start(service, "spawn")
        pids = await pids_of(service, job)
        os.kill(pids[0], signal.SIGKILL)
        await gone(*pids)
        await service.abort(job.id, ANYONE)

    @pytest.mark.requirement("U-016")
    async def test_a_job_that_takes_too_long_is_aborted(self, service: JobService) -> None:
        job = await done(service, await start(service, "sleep", duration_s=1, DURATION="600"))
        assert job.phase is Phase.ABORTED
        assert job.error
        assert "ExecutionDuration" in job.error.message

    @pytest.mark.parametrize("moment", range(8))
    async def test_an_abort_at_any_moment_ends_in_one_defined_phase(self, service: JobService, moment: int) -> None:
        jobs = [await start(service, "echo") for _ in range(4)]
        await asyncio.sleep(moment * 0.03)
        outcomes = await asyncio.gather(*(service.abort(job.id, ANYONE) for job in jobs), return_exceptions=True)
        for job, outcome in zip(jobs, outcomes, strict=True):
            final = await done(service, job)
            assert final.phase is (Phase.COMPLETED if isinstance(outcome, Exception) else Phase.ABORTED)

    async def test_a_job_that_waits_can_be_aborted(self, service: JobService) -> None:
        runs = [await start(service, "sleep", DURATION="600") for _ in range(4)]
        for job in runs:
            await until(service, job, Phase.EXECUTING)
        waits = await start(service, "sleep", DURATION="600")
        for job in (waits, *runs):
            await service.abort(job.id, ANYONE)
        assert (await done(service, await start(service, "echo"))).phase is Phase.COMPLETED
        assert (await service.get(waits.id, ANYONE)).start_time is None
