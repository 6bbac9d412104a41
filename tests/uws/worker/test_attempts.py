"""The attempts of a Celery worker: which of them keep the thread that asked for them."""

from __future__ import annotations

import asyncio

import pytest

from tests.uws.waiting import eventually
from uws.ports import Dispatch, EndOfAttempt
from uws.worker.celery_worker import Attempts


class Roomy:
    """An executor that notes what it starts, with room for two light attempts."""

    def __init__(self) -> None:
        self.running: list[Dispatch] = []

    def capacity(self, *, light: bool = False) -> int:
        return max(0, 2 - len(self.running)) if light else 1

    async def waiting(self) -> int:
        return 0

    async def start(self, dispatch: Dispatch) -> None:
        self.running.append(dispatch)

    async def stop(self, job_id: str) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


async def _told(_dispatch: Dispatch, _why: EndOfAttempt) -> None:
    """Hear of the end of an attempt."""


@pytest.fixture
def attempts() -> Attempts:
    attempts = Attempts(_told)
    attempts.executor = Roomy()
    return attempts


async def ended(attempts: Attempts, dispatch: Dispatch) -> None:
    assert isinstance(attempts.executor, Roomy)
    attempts.executor.running.remove(dispatch)
    await attempts.ended(dispatch, EndOfAttempt.REPORTED)


async def test_an_attempt_is_waited_for_to_its_end(attempts: Attempts) -> None:
    assert isinstance(attempts.executor, Roomy)
    running, dispatch = attempts.executor.running, Dispatch(job_id="a", attempt=1)
    asking = asyncio.create_task(attempts.run(dispatch, ""))
    await eventually(lambda: running == [dispatch])
    assert not asking.done()
    await ended(attempts, dispatch)
    await asking


async def test_light_attempts_are_waited_for_only_while_there_is_no_room_for_another(attempts: Attempts) -> None:
    first, second = (Dispatch(job_id=name, attempt=1, light=True) for name in "ab")
    await attempts.run(first, "")
    asking = asyncio.create_task(attempts.run(second, ""))
    assert isinstance(attempts.executor, Roomy)
    running = attempts.executor.running
    await eventually(lambda: running == [first, second])
    assert not asking.done()
    await ended(attempts, first)
    await asking
    assert running == [second]
    await ended(attempts, second)
    await attempts.drain(lambda: False)
