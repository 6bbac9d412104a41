"""Attempts that are offered, and offered again if their messages are lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.dali.errors import ServiceUnavailable
from tests.uws.house import ANYONE, House, opened
from uws.ports import Dispatch

LATER = timedelta(seconds=31)


async def dispatched(house: House, jobs: int) -> list[Dispatch]:
    """Return attempts that the executor was given."""
    dispatches = [(await house.queued())[1] for _ in range(jobs)]
    await house.upkeep.dispatch()
    assert house.executor.started == dispatches
    return dispatches


async def test_what_was_offered_is_not_offered_at_once_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        dispatches = await dispatched(house, 3)
        await house.upkeep.dispatch()
        house.executor.started.clear()
        await house.upkeep.redispatch()
        assert not house.executor.started
        assert await house.store.offered() == len(dispatches)


async def test_whether_any_may_wait_is_known_of_both_kinds(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await dispatched(house, 3)
        assert not house.upkeep.some_may_wait
        for free, free_light, queued, may_wait in (
            (0, 5, "echo", True),
            (5, 5, "wait", False),
            (1, 5, "echo", True),  # there may be another
            (5, 0, "wait", True),
            (5, 5, "wait", False),
        ):
            await house.queued(queued)
            house.executor.free, house.executor.free_light = free, free_light
            await house.upkeep.dispatch()
            assert house.upkeep.some_may_wait == may_wait


async def test_what_still_waits_is_not_offered_again_however_long_it_does(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        dispatches = await dispatched(house, 3)
        for _ in range(3):
            house.now += LATER
            await house.upkeep.redispatch()
        assert house.executor.started == dispatches


async def test_as_many_as_are_missing_are_offered_again_the_oldest_first(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as house:
        dispatches = await dispatched(house, 5)
        del house.executor.started[:2]
        house.now += LATER
        await house.upkeep.redispatch()
        assert house.executor.started == [*dispatches[2:], *dispatches[:2]]


async def test_light_attempts_are_offered_by_a_measure_of_their_own(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as house:
        queued = [(await house.queued(job_type))[1] for job_type in ("echo", "wait", "echo", "wait", "wait", "echo")]
        house.executor.free, house.executor.free_light = 1, 2
        await house.upkeep.dispatch()
        assert house.executor.started == [queued[0], queued[1], queued[3]]
        assert [dispatch.light for dispatch in house.executor.started] == [False, True, True]
        house.executor.free_light = 5
        await house.upkeep.dispatch()
        assert house.executor.started[3:] == [queued[4]]


async def test_a_lost_message_of_a_light_attempt_is_sent_again_as_such(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        _, light = (await house.queued())[1], (await house.queued("wait"))[1]
        await house.upkeep.dispatch()
        house.executor.started.remove(light)
        house.now += LATER
        await house.upkeep.redispatch()
        assert [(dispatch.job_id, dispatch.light) for dispatch in house.executor.started[1:]] == [(light.job_id, True)]


async def test_what_was_claimed_or_given_up_is_not_offered_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        claimed, aborted, lost = await dispatched(house, 3)
        assert await house.reports.claim(claimed, "w")
        await house.jobs.abort(aborted.job_id, ANYONE)
        house.executor.started.clear()
        house.now += LATER
        await house.upkeep.redispatch()
        assert house.executor.started == [lost]


async def test_more_are_offered_again_than_the_executor_takes_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        dispatches = await dispatched(house, 5)
        house.executor.started.clear()
        house.executor.free = 2
        house.now += LATER
        await house.upkeep.redispatch()
        assert house.executor.started == dispatches[:2]


async def test_what_could_not_be_sent_is_offered_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        dispatches = [(await house.queued())[1] for _ in range(3)]
        working = house.executor.start

        async def away(_dispatch: Dispatch) -> None:
            raise ServiceUnavailable("The message broker does not answer.")

        house.executor.start = away  # type: ignore[method-assign]
        with pytest.raises(ServiceUnavailable):
            await house.upkeep.dispatch()
        house.executor.start = working  # type: ignore[method-assign]
        house.now += LATER
        await house.upkeep.redispatch()
        assert house.executor.started == dispatches


async def test_what_is_on_its_way_is_not_offered_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        dispatches = [(await house.queued())[1] for _ in range(3)]
        send = house.executor.start
        offering = set[asyncio.Task[None]]()

        async def slow(dispatch: Dispatch) -> None:
            if not offering:
                house.now += LATER
                offering.add(asyncio.create_task(house.upkeep.redispatch()))
                await asyncio.wait(offering, timeout=0.2)  # it would offer the others by now, if it did not wait
            await send(dispatch)

        house.executor.start = slow  # type: ignore[method-assign]
        await house.upkeep.dispatch()
        await asyncio.gather(*offering)
        assert house.executor.started == dispatches
