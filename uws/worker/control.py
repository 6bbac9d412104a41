"""The clockwork of a process that looks after jobs: it hands out attempts, ends what is due, removes what must go.

Each loop sleeps until news of a job or the next due time wakes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from penstock.dali.errors import ServiceError
from uws.core.job import Phase
from uws.ports import Change, Executor
from uws.service.upkeep import Upkeep

_log = structlog.get_logger(__name__)
_LONGEST_SLEEP_S = 30.0
_SWEEP_EVERY = timedelta(hours=1)
_GATHER_S = 0.05  # news come in bursts: one look serves them all
_PAUSE_AFTER_FAILURE_S = 2.0
_STOPPED = frozenset({Phase.ABORTED, Phase.HELD, None})


class Stopper:
    """Stops what runs in this process for a job that shall run no longer."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._stopping: set[asyncio.Task[None]] = set()

    def hear(self, change: Change) -> None:
        """Take notice of a change."""
        if change.phase in _STOPPED:
            task = asyncio.create_task(_guarded(lambda: self._executor.stop(change.job_id)))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        """Stop nothing more."""
        for task in self._stopping:
            task.cancel()
        await asyncio.gather(*self._stopping, return_exceptions=True)


class Control:
    """Runs the chores of `Upkeep` when they are due."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._queued = asyncio.Event()
        self._gone = asyncio.Event()
        self._changed = asyncio.Event()

    def hear(self, change: Change) -> None:
        """Take notice of a change."""
        self._changed.set()
        if change.phase is Phase.QUEUED:
            self._queued.set()
        if change.phase in _STOPPED or change.phase is Phase.ARCHIVED:
            self._gone.set()

    def look_again(self) -> None:
        """Take notice that changes may have been missed."""
        for event in (self._queued, self._gone, self._changed):
            event.set()

    def executor_is_free(self) -> None:
        """Take notice that the executor can take more; what is queued from now on is heard of."""
        if self._upkeep.some_may_wait:
            self._queued.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loops while the block lasts."""
        upkeep = self._upkeep
        loops = (
            _when_told(self._queued, upkeep.dispatch),
            _when_told(self._gone, upkeep.discard),
            _every(upkeep.redispatch_every, upkeep.redispatch),
            _every(_SWEEP_EVERY, upkeep.sweep),
            self._settling(),
        )
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _settling(self) -> None:
        while True:
            self._changed.clear()
            await _guarded(self._settle)
            await asyncio.sleep(_GATHER_S)

    async def _settle(self) -> None:
        due = await self._upkeep.next_due()
        left_s = _LONGEST_SLEEP_S if due is None else (due - self._upkeep.now()).total_seconds()
        if left_s <= 0:
            await self._upkeep.settle()
        else:
            await _woken(self._changed, min(left_s, _LONGEST_SLEEP_S))


async def _when_told(event: asyncio.Event, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        event.clear()
        await _guarded(chore)
        await _woken(event, _LONGEST_SLEEP_S)


async def _every(pause: timedelta, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(pause.total_seconds())
        await _guarded(chore)


async def _guarded(chore: Callable[[], Awaitable[None]]) -> None:
    try:
        await chore()
    except ServiceError as error:
        _log.warning("uws_chore_put_off", reason=error.message)
        await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
    except Exception:  # noqa: BLE001  # the reaper: one failure must not end the looking after
        _log.exception("uws_chore_failed")
        await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)


async def _woken(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, timeout_s)):
            await event.wait()
    except TimeoutError:
        return
