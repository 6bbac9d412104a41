"""Following a job without a server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from dataclasses import replace

import pytest

from penstock.dali.errors import NotFound, ServiceUnavailable, TooManyRequests
from tests.uws.builders import make_job
from uws.core.job import Job, Phase
from uws.events import Hub
from uws.ports import Change
from uws.service.following import follow, is_news

FIRST = make_job()


class Source:
    """A job that changes while it is followed."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.job: Job | None = FIRST
        self.failures: list[Exception] = []

    async def read(self) -> Job:
        if self.failures:
            raise self.failures.pop()
        if self.job is None:
            raise NotFound("There is no job.")
        return self.job

    async def change(self, **changes: object) -> None:
        assert self.job
        self.job = replace(self.job, version=self.job.version + 1, **changes)
        await self.hub.announce(Change(job_id=FIRST.id, phase=self.job.phase))

    def follow(self):
        return aclosing(follow(self.read, self.hub, FIRST.id, nullcontext(enter_result=True)))


async def test_every_change_is_given_until_the_job_is_over() -> None:
    source, phases = Source(), [Phase.QUEUED, Phase.EXECUTING, Phase.COMPLETED]
    async with asyncio.timeout(30), source.follow() as jobs:
        assert await anext(jobs) == FIRST
        for phase in phases:
            await source.change(phase=phase)
            job = await anext(jobs)
            assert job
            assert job.phase is phase
        with pytest.raises(StopAsyncIteration):
            await anext(jobs)
    assert source.hub.waiting == 0


async def test_who_is_slow_hears_the_newest_state_only() -> None:
    source = Source()
    async with asyncio.timeout(30), source.follow() as jobs:
        await anext(jobs)
        for number in range(100):
            await source.change(run_id=str(number))
        job = await anext(jobs)
        assert job
        assert job.run_id == "99"


async def test_a_job_that_is_forgotten_ends_with_not_found() -> None:
    source = Source()
    async with asyncio.timeout(30), source.follow() as jobs:
        await anext(jobs)
        source.job = None
        source.hub.wake_all()
        with pytest.raises(NotFound):
            await anext(jobs)


async def test_the_end_of_the_process_ends_it() -> None:
    source = Source()
    async with asyncio.timeout(30), source.follow() as jobs:
        await anext(jobs)
        source.hub.close()
        with pytest.raises(StopAsyncIteration):
            await anext(jobs)


async def test_a_store_that_is_away_for_a_moment_ends_nothing() -> None:
    source = Source()
    async with asyncio.timeout(30), source.follow() as jobs:
        await anext(jobs)
        source.failures.append(ServiceUnavailable("away"))
        await source.change(phase=Phase.EXECUTING)
        job = await anext(jobs)
        assert job
        assert job.phase is Phase.EXECUTING


async def test_a_store_that_is_away_at_first_is_an_error() -> None:
    source = Source()
    source.failures.append(ServiceUnavailable("away"))
    with pytest.raises(ServiceUnavailable):
        await anext(follow(source.read, source.hub, FIRST.id, nullcontext(enter_result=True)))
    assert source.hub.waiting == 0


@pytest.mark.parametrize(
    ("now", "news"),
    [
        (FIRST, False),
        (replace(FIRST, lease=make_job(Phase.EXECUTING).lease), False),
        (replace(FIRST, version=1), True),
        (replace(FIRST, info={"progress": 0.5}), True),
        (replace(FIRST, results=make_job(Phase.COMPLETED).results), True),
    ],
)
def test_signs_of_life_are_no_news(now: Job, news: bool) -> None:
    assert is_news(FIRST, now) is news


async def test_who_gets_no_place_is_told_to_come_back() -> None:
    source = Source()
    with pytest.raises(TooManyRequests) as told:
        await anext(follow(source.read, source.hub, FIRST.id, nullcontext(enter_result=False)))
    assert told.value.retry_after_s
    assert source.hub.waiting == 0
