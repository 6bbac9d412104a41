"""Jobs in processes of this host, and what becomes of them when something dies (see also `test_executors`)."""

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

from tests.support.systems import ROOT
from tests.uws.hosting import JOB_TYPES, make_settings, open_local, open_resources
from tests.uws.waiting import PATIENCE_S
from tests.uws.work import ANYONE, content, done, gone, message, revived, start, until
from uws.app import open_jobs
from uws.core.job import Phase
from uws.service.jobs import JobService


@asynccontextmanager
async def opened(folder: Path, database_url: str | None = None, **own: Any) -> AsyncIterator[JobService]:
    """Open a service with a local executor."""
    async with open_resources(make_settings(folder, database_url, **own)) as resources:
        yield await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_local)


@pytest.mark.requirement("U-008", "U-120", "U-121")
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


async def test_a_frozen_worker_loses_its_job_and_cannot_publish(tmp_path: Path) -> None:
    async with opened(tmp_path, lease_s=1, max_running=2) as service:
        job = await start(service, "spawn")
        frozen = int((await message(service, job)).split()[0])
        os.kill(frozen, signal.SIGSTOP)
        await revived(service, job.id)
        os.kill(frozen, signal.SIGCONT)
        await gone(frozen)
        assert (await service.get(job.id, ANYONE)).attempt == 2


async def test_light_jobs_wait_in_one_process_beside_one_that_computes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    async with opened(tmp_path, max_running=1) as service:
        computes = await until(service, await start(service, "sleep", DURATION="600"), Phase.EXECUTING)
        waiting = [await start(service, "wait", FILE=str(file)) for _ in range(3)]
        [process] = {await message(service, job) for job in waiting}
        await service.abort(waiting[0].id, ANYONE)
        os.kill(int(process), signal.SIGKILL)
        for job in waiting[1:]:
            await revived(service, job.id)
        await asyncio.to_thread(file.touch)
        for job in waiting[1:]:
            ended = await done(service, job)
            assert (ended.phase, ended.attempt) == (Phase.COMPLETED, 2)
        assert (await service.get(waiting[0].id, ANYONE)).phase is Phase.ABORTED
        assert (await service.get(computes.id, ANYONE)).attempt == 1


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
from tests.uws.work import message, start
from tests.uws.worker.test_local import opened

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
