"""Requests and workers that come at the same moment: one defined outcome, whoever is first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from penstock.dali.errors import NotFound
from tests.uws.builders import instant
from tests.uws.house import ALICE, ANYONE, House, opened
from uws.core.job import FINAL, Job, JobResult, Phase
from uws.core.phases import Refused
from uws.ports import Change, Dispatch
from uws.service.jobs import Given, NewJob
from uws.service.quota import Quotas
from uws.settings import Quota

ROUNDS = 10
INTERLEAVINGS = 100  # on each engine


async def pending(house: House) -> Job:
    return await house.jobs.create(NewJob(job_type="echo"), ANYONE)


async def first(house: House, *doings: Awaitable[object]) -> list[object]:
    """Do all at once and return what came of each; anything but a refusal is a fault."""
    outcomes = await asyncio.gather(*doings, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, (Refused, NotFound)):
            raise outcome
    return outcomes


async def test_of_twenty_runs_at_once_one_starts_an_attempt(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as house:
        job = await pending(house)
        outcomes = await asyncio.gather(*(house.jobs.run(job.id, ANYONE) for _ in range(20)))
        assert {(outcome.phase, outcome.attempt) for outcome in outcomes} == {(Phase.QUEUED, 1)}
        await house.upkeep.dispatch()
        assert house.executor.started == [Dispatch(job_id=job.id, attempt=1)]


@pytest.mark.parametrize("holds", [False, True])
async def test_of_twenty_jobs_run_at_once_as_many_run_as_the_quota_allows(
    tmp_path: Path, database_url: str, holds: bool
) -> None:
    quotas = Quotas(owner=Quota(max_active=3), holds=holds)
    async with (
        opened(tmp_path, database_url, quotas=quotas) as house,
        opened(tmp_path, database_url, quotas=quotas) as other,
    ):
        jobs = [await house.jobs.create(NewJob(job_type="echo"), ALICE) for _ in range(20)]
        runs = [(house if number % 2 else other).jobs.run(job.id, ALICE) for number, job in enumerate(jobs)]
        await asyncio.gather(*runs, return_exceptions=True)
        phases = [(await house.jobs.get(job.id, ALICE)).phase for job in jobs]
        assert phases.count(Phase.QUEUED) == 3
        assert phases.count(Phase.HELD if holds else Phase.PENDING) == 17
        assert len(await house.store.take(100, now=house.now, stale=house.now)) == 3


@pytest.mark.requirement("DA-03")
async def test_an_update_that_races_a_run_is_in_or_refused(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as house:
        given = Given(parameters=(("MESSAGE", "new"),))
        for _ in range(ROUNDS):
            job = await pending(house)
            update, _ = await first(
                house, house.jobs.update_parameters(job.id, given, ANYONE), house.jobs.run(job.id, ANYONE)
            )
            claimed = await house.reports.claim(Dispatch(job_id=job.id, attempt=1), "w")
            assert claimed
            assert isinstance(update, Refused) == (not claimed.parameters)


async def test_a_run_that_races_a_deletion_leaves_nothing_to_start(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as house:
        for _ in range(ROUNDS):
            job = await pending(house)
            await first(house, house.jobs.run(job.id, ANYONE), house.jobs.delete(job.id, ANYONE))
            with pytest.raises(NotFound):
                await house.jobs.get(job.id, ANYONE)
            assert await house.reports.claim(Dispatch(job_id=job.id, attempt=1), "w") is None
        await house.upkeep.dispatch()
        assert house.executor.started == []


async def test_of_an_abort_and_a_run_the_abort_wins_or_comes_first(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as house:
        for _ in range(ROUNDS):
            job = await pending(house)
            await first(house, house.jobs.run(job.id, ANYONE), house.jobs.abort(job.id, ANYONE))
            assert (await house.jobs.get(job.id, ANYONE)).phase is Phase.ABORTED
        await house.upkeep.dispatch()
        assert house.executor.started == []


class Life:
    """An attempt step by step, from the relay to the report, and what was told to its worker."""

    def __init__(self, house: House, job: Job) -> None:
        self.house, self.job = house, job
        self.dispatch = Dispatch(job_id=job.id, attempt=1)
        self.names = iter("abcdef")
        self.workers: list[str] = []
        self.completed = False
        self.ends: list[Phase] = []
        house.hub.listen(self.hear)

    def hear(self, change: Change) -> None:
        if change.job_id == self.job.id and change.phase in FINAL:
            self.ends.append(change.phase)

    @property
    def steps(self) -> tuple[Callable[[], Awaitable[object]], ...]:
        return self.relay, self.claim, self.claim, self.beat, self.beat, self.complete, self.complete

    async def relay(self) -> None:
        await self.house.upkeep.dispatch()

    async def claim(self) -> None:
        name = next(self.names)
        if await self.house.reports.claim(self.dispatch, name):
            self.workers.append(name)

    async def beat(self) -> None:
        await self.house.reports.heartbeat(self.dispatch, (*self.workers, "nobody")[0], {"progress": 0.5})

    async def complete(self) -> None:
        result = JobResult(id="r", blob=f"{self.job.id}/1/1", size_bytes=1, media_type="text/plain")
        self.completed = await self.house.reports.complete(self.dispatch, (result,)) or self.completed

    async def judge(self, *, aborted: bool) -> None:
        """See that one thing happened, and only one."""
        job = await self.house.jobs.get(self.job.id, ANYONE)
        assert aborted is not self.completed
        assert job.phase is (Phase.ABORTED if aborted else Phase.COMPLETED)
        assert self.ends == [job.phase]
        assert bool(job.results) is self.completed
        assert job.end_time
        assert job.lease is None
        assert len(self.workers) <= 1
        assert await self.house.store.take(100, now=self.house.now, stale=instant(10**6)) == []


async def abort(house: House, job: Job) -> bool:
    try:
        return (await house.jobs.abort(job.id, ANYONE)).phase is Phase.ABORTED
    except Refused:
        return False


@pytest.mark.parametrize("moment", range(8))
async def test_an_abort_in_every_state_of_an_attempt(tmp_path: Path, database_url: str, moment: int) -> None:
    async with opened(tmp_path, database_url) as house:
        job, _ = await house.queued()
        life = Life(house, job)
        for step in life.steps[:moment]:
            await step()
        aborted = await abort(house, job)
        for step in life.steps[moment:]:
            await step()
        assert aborted is (moment < 6)
        await life.judge(aborted=aborted)


async def test_an_abort_between_any_two_steps_of_two_deliveries(tmp_path: Path, database_url: str) -> None:
    choose = random.Random(2026)

    async def later(doing: Callable[[], Awaitable[object]]) -> object:
        for _ in range(choose.randrange(12)):
            await asyncio.sleep(0)
        return await doing()

    async def work(life: Life) -> None:
        for step in life.steps:
            await later(step)

    async with opened(tmp_path, database_url) as house:
        house.executor.free = 10**6
        outcomes = []
        for _ in range(INTERLEAVINGS):
            job, _ = await house.queued()
            life = Life(house, job)
            *_, aborted = await asyncio.gather(
                work(life), later(life.claim), later(life.complete), later(lambda job=job: abort(house, job))
            )
            await life.judge(aborted=bool(aborted))
            outcomes.append(aborted)
        assert True in outcomes


async def test_two_control_processes_start_each_attempt_once(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as one, opened(tmp_path, database_url) as other:
        jobs = {(await one.queued())[0].id for _ in range(40)}
        await asyncio.gather(*(house.upkeep.dispatch() for house in (one, other, one, other)))
        started = [dispatch.job_id for house in (one, other) for dispatch in house.executor.started]
        assert sorted(started) == sorted(jobs)


async def test_two_control_processes_end_what_is_due_once(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, max_attempts=5) as one, opened(tmp_path, database_url) as other:
        lost = [(await one.running())[0] for _ in range(10)]
        for house in (one, other):
            house.now = instant(61)
        await asyncio.gather(*(house.upkeep.settle() for house in (one, other, one, other)))
        assert [(await one.jobs.get(job.id, ANYONE)).attempt for job in lost] == [2] * 10
