"""The clockwork of a process that looks after jobs: it hands out attempts, ends what is due, removes what must go.

Each loop sleeps until news of a job or the next due time wakes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from penstock.dali.errors import ServiceError
from uws.core.job import Phase
from uws.ports import Change
from uws.service.upkeep import TAKEN_FOR, Upkeep

_log = structlog.get_logger(__name__)
_LONGEST_SLEEP_S = TAKEN_FOR.total_seconds()
_GATHER_S = 0.05  # news come in bursts: one look serves them all
_PAUSE_AFTER_FAILURE_S = 2.0
_STOPPED = frozenset({Phase.ABORTED, Phase.HELD, None})


class Control:
    """Runs the chores of `Upkeep` when they are due."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._queued = asyncio.Event()
        self._gone = asyncio.Event()
        self._changed = asyncio.Event()
        self._stopping: set[asyncio.Task[None]] = set()

    def hear(self, change: Change) -> None:
        """Take notice of a change."""
        self._changed.set()
        if change.phase is Phase.QUEUED:
            self._queued.set()
        if change.phase in _STOPPED:
            self._gone.set()
            task = asyncio.create_task(self._guarded(lambda: self._upkeep.stop(change.job_id)))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
        if change.phase is Phase.ARCHIVED:
            self._gone.set()

    def executor_is_free(self) -> None:
        """Take notice that the executor can take more."""
        self._queued.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loops while the block lasts."""
        loops = (self._dispatching(), self._settling(), self._discarding())
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in (*tasks, *self._stopping):
                task.cancel()
            await asyncio.gather(*tasks, *self._stopping, return_exceptions=True)

    async def _dispatching(self) -> None:
        while True:
            self._queued.clear()
            await self._guarded(self._upkeep.dispatch)
            await _woken(self._queued, _LONGEST_SLEEP_S)

    async def _discarding(self) -> None:
        while True:
            self._gone.clear()
            await self._guarded(self._upkeep.discard)
            await _woken(self._gone, _LONGEST_SLEEP_S)

    async def _settling(self) -> None:
        while True:
            self._changed.clear()
            await self._guarded(self._settle)
            await asyncio.sleep(_GATHER_S)

    async def _settle(self) -> None:
        await self._upkeep.settle()
        due = await self._upkeep.next_due()
        left_s = _LONGEST_SLEEP_S if due is None else (due - self._upkeep.now()).total_seconds()
        await _woken(self._changed, min(left_s, _LONGEST_SLEEP_S))

    async def _guarded(self, chore: Callable[[], Awaitable[None]]) -> None:
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
