"""Jobs that tests start, watch and look into."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.processes import alive
from tests.uws.waiting import PATIENCE_S, eventually
from uws.core.job import FINAL, Job, Phase
from uws.core.wait import Wait
from uws.service.access import Access
from uws.service.jobs import Given, JobService, NewJob

ANYONE = Access()


async def start(service: JobService, name: str, *, duration_s: int | None = None, **parameters: str) -> Job:
    """Create a job and run it."""
    given = Given(parameters=tuple(parameters.items()))
    return await service.create(NewJob(job_type=name, given=given, run=True, duration_s=duration_s), ANYONE)


async def until(service: JobService, job: Job, *phases: Phase) -> Job:
    """Wait until the job is in one of the phases."""
    async with asyncio.timeout(PATIENCE_S):
        while (job := await service.get(job.id, ANYONE)).phase not in phases:
            await service.wait(job.id, Wait(seconds=None, phase=job.phase), ANYONE)
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


async def pids_of(service: JobService, job: Job) -> list[int]:
    """Return the processes of a job of the type spawn: its own and two that ignore SIGTERM, one of them a daemon."""
    pids = [int(word) for word in (await message(service, job)).split()]
    assert all(map(alive, pids))
    return pids


async def revived(service: JobService, job_id: str, attempt: int = 2) -> None:
    """Wait until the second attempt runs, or another."""

    async def runs() -> bool:
        job = await service.get(job_id, ANYONE)
        return (job.attempt, job.phase) == (attempt, Phase.EXECUTING)

    await eventually(runs)


async def gone(*pids: int) -> None:
    """Wait until none of the processes lives."""
    await eventually(lambda: not any(map(alive, pids)))


def content(service: JobService, job: Job, name: str) -> bytes:
    """Return what a result holds."""
    [result] = [result for result in job.results if result.id == name]
    data = service.results.path(result.blob).read_bytes()
    assert len(data) == result.size_bytes
    return data


def folder_of(service: JobService, job: Job) -> Path:
    """Return where the files of the job are."""
    return service.results.path(job.id)
