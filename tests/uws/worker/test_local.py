"""Jobs in processes of their own, and what becomes of them when something dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from tests.support.systems import ROOT
from tests.uws.hosting import JOB_TYPES, make_settings, open_local, open_resources
from tests.uws.waiting import PATIENCE_S, eventually
from uws.app import open_jobs
from uws.core.job import FINAL, Job, Phase
from uws.core.wait import Wait
from uws.service.access import Access
from uws.service.jobs import Given, JobService, NewJob

ANYONE = Access()
pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def opened(folder: Path, database_url: str | None = None, **own: Any) -> AsyncIterator[JobService]:
    """Open a service with a local executor."""
    async with open_resources(make_settings(folder, database_url, **own)) as resources:
        yield await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_local)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JobService]:
    """One service for all tests that leave it as they found it; jobs are started three times at most."""
    async with opened(tmp_path_factory.mktemp("local"), kill_after_s=0.3, max_running=4, max_attempts=3) as service:
        yield service


async def start(service: JobService, name: str, **parameters: str) -> Job:
    """Create a job and run it."""
    given = Given(parameters=tuple(parameters.items()))
    return await service.create(NewJob(job_type=name, given=given, run=True), ANYONE)


async def until(service: JobService, job: Job, *phases: Phase) -> Job:
    """Wait until the job is in one of the phases."""
    async with asyncio.timeout(PATIENCE_S):
        while (job := await service.wait(job.id, Wait(seconds=None), ANYONE)).phase not in phases:
            pass
    return job


async def done(service: JobService, job: Job) -> Job:
    """Wait until the job is over."""
    return await until(service, job, *FINAL)


async def message(service: JobService, job: Job) -> str:
    """Wait until the job reports its progress."""

    async def reports() -> bool:
        return "message" in (await service.get(job.id, ANYONE)).info

    await eventually(reports)
    return str((await service.get(job.id, ANYONE)).info["message"])


async def revived(service: JobService, job_id: str) -> None:
    """Wait until the second attempt runs."""

    async def runs() -> bool:
        job = await service.get(job_id, ANYONE)
        return (job.attempt, job.phase) == (2, Phase.EXECUTING)

    await eventually(runs)


async def gone(*pids: int) -> None:
    """Wait until none of the processes lives."""
    await eventually(lambda: not any(map(alive, pids)))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def content(service: JobService, job: Job, name: str) -> bytes:
    [result] = [result for result in job.results if result.id == name]
    data = service.results.path(result.blob).read_bytes()
    assert len(data) == result.size_bytes
    return data


def folder_of(service: JobService, job: Job) -> Path:
    """Return where the files of the job are."""
    return service.results.path(job.id)


async def test_jobs_of_every_ending_on_either_engine(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as service:
        started = [
            await start(service, "echo", MESSAGE="hé"),
            await start(service, "fail", MESSAGE="because"),
            await start(service, "fail", TRANSIENT="true"),
            await start(service, "crash"),
        ]
        echo, fail, transient, crash = [await done(service, job) for job in started]
        assert echo.phase is Phase.COMPLETED
        assert content(service, echo, "echo") == "hé".encode()
        assert echo.start_time
        assert echo.end_time
        assert fail.error
        assert (fail.phase, fail.error.type, fail.error.message) == (Phase.ERROR, "fatal", "UsageError: because")
        assert transient.error
        assert transient.error.type == "transient"
        assert crash.error
        assert "secret" not in crash.error.message
        assert content(service, crash, "part") == b"finished before the crash"


async def test_an_abort_kills_grandchildren_that_ignore_it(service: JobService) -> None:
    job = await start(service, "spawn")
    pids = [int(word) for word in (await message(service, job)).split()]
    assert len(pids) == 3
    assert all(map(alive, pids))
    assert (await service.abort(job.id, ANYONE)).phase is Phase.ABORTED
    await gone(*pids)


async def test_what_a_job_leaves_behind_ends_with_it(service: JobService) -> None:
    job = await done(service, await start(service, "spawn", LEAVE="yes"))
    assert job.phase is Phase.COMPLETED
    await gone(*map(int, content(service, job, "pids").split()))


async def test_deletion_kills_and_removes_the_files(service: JobService) -> None:
    job = await start(service, "spawn")
    pids = [int(word) for word in (await message(service, job)).split()]
    folder = folder_of(service, job)
    assert folder.exists()
    await service.delete(job.id, ANYONE)
    await gone(*pids)
    await eventually(lambda: not folder.exists())


async def test_a_job_whose_process_is_killed_is_tried_again(service: JobService) -> None:
    job = await done(service, await start(service, "die", UNTIL="2"))
    assert (job.phase, job.attempt) == (Phase.COMPLETED, 3)
    assert content(service, job, "result") == b"attempt 3"
    assert [folder.name for folder in folder_of(service, job).iterdir()] == ["3"]


async def test_a_job_that_kills_every_process_is_given_up(service: JobService) -> None:
    job = await done(service, await start(service, "die", UNTIL="99"))
    assert (job.phase, job.attempt) == (Phase.ERROR, 3)


async def test_a_job_that_takes_too_long_is_aborted(service: JobService) -> None:
    new = NewJob(job_type="sleep", given=Given(parameters=(("DURATION", "600"),)), run=True, duration_s=1)
    job = await done(service, await service.create(new, ANYONE))
    assert job.phase is Phase.ABORTED
    assert job.error
    assert "ExecutionDuration" in job.error.message


@pytest.mark.parametrize("moment", range(8))
async def test_an_abort_at_any_moment_ends_in_one_defined_phase(service: JobService, moment: int) -> None:
    jobs = [await start(service, "echo") for _ in range(4)]
    await asyncio.sleep(moment * 0.03)
    outcomes = await asyncio.gather(*(service.abort(job.id, ANYONE) for job in jobs), return_exceptions=True)
    for job, outcome in zip(jobs, outcomes, strict=True):
        final = await done(service, job)
        assert final.phase is (Phase.COMPLETED if isinstance(outcome, Exception) else Phase.ABORTED)


async def test_a_frozen_worker_loses_its_job_and_cannot_publish(tmp_path: Path) -> None:
    async with opened(tmp_path, lease_s=1, max_running=2) as service:
        job = await start(service, "spawn")
        frozen = int((await message(service, job)).split()[0])
        os.kill(frozen, signal.SIGSTOP)
        await revived(service, job.id)
        os.kill(frozen, signal.SIGCONT)
        await gone(frozen)
        assert (await service.get(job.id, ANYONE)).attempt == 2


async def test_a_dead_zygote_is_replaced_and_its_jobs_are_tried_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:
        job = await start(service, "spawn")
        child = int((await message(service, job)).split()[0])
        os.kill(psutil.Process(child).ppid(), signal.SIGKILL)
        await gone(child)
        await revived(service, job.id)
        await service.abort(job.id, ANYONE)
        assert (await done(service, await start(service, "echo"))).phase is Phase.COMPLETED


async def test_closing_the_service_releases_its_jobs_and_the_next_one_runs_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:
        job = await until(service, await start(service, "sleep", DURATION="2"), Phase.EXECUTING)
    async with opened(tmp_path) as service:
        assert (await service.get(job.id, ANYONE)).attempt == 2
        assert (await done(service, job)).phase is Phase.COMPLETED


SERVER = """
import asyncio, sys
from pathlib import Path
from tests.uws.worker.test_local import message, opened, start

async def main():
    async with opened(Path(sys.argv[1]), lease_s=1.5) as service:
        job = await start(service, "spawn")
        print(job.id, await message(service, job), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_death_of_the_server_kills_its_jobs_and_the_next_one_runs_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    assert server.stdout
    async with asyncio.timeout(PATIENCE_S):
        job_id, *words = (await server.stdout.readline()).decode().split()
    server.kill()
    await server.wait()
    await gone(*map(int, words))
    async with opened(tmp_path, lease_s=1.5) as service:
        await revived(service, job_id)
