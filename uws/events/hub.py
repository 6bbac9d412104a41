"""Who waits for news of which job, in this process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uws.ports import Announcer, Change

Listener = Callable[[Change], None]


class Hub:
    """The `Events` of a process: a map from jobs to those who wait, and listeners who hear of everything.

    A waiter costs one entry and no thread. All methods belong to the event loop's thread.

    Parameters
    ----------
    outward
        Carries announcements to other processes; None where the store does that.
    """

    def __init__(self, outward: Announcer | None = None) -> None:
        self._outward = outward
        self._watches: defaultdict[str, set[_Watch]] = defaultdict(set)
        self._listeners: list[Listener] = []
        self._missers: list[Callable[[], None]] = []
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether the process is about to end, so that nobody should wait any more."""
        return self._closing

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(map(len, self._watches.values()))

    async def announce(self, change: Change) -> None:
        """Tell everybody; called when the change is committed."""
        self.deliver(change)
        if self._outward is not None:
            await self._outward.announce(change)

    def deliver(self, change: Change) -> None:
        """Tell everybody in this process."""
        for watch in self._watches.get(change.job_id, ()):
            watch.wake()
        for listener in self._listeners:
            listener(change)

    def listen(self, listener: Listener, *, missed: Callable[[], None] | None = None) -> None:
        """Let `listener` hear of every change from now on, and `missed` when some may have been missed; both quick."""
        self._listeners.append(listener)
        if missed is not None:
            self._missers.append(missed)

    def wake_all(self) -> None:
        """Make everybody look again, because news may have been missed."""
        for watches in self._watches.values():
            for watch in watches:
                watch.wake()
        for missed in self._missers:
            missed()

    def close(self) -> None:
        """End all waiting, for good."""
        self._closing = True
        self.wake_all()

    @contextmanager
    def watch(self, job_id: str) -> Iterator[_Watch]:
        """Watch a job while the block lasts."""
        watch = _Watch()
        self._watches[job_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[job_id].discard(watch)
            if not self._watches[job_id]:
                del self._watches[job_id]


class _Watch:
    """One who waits."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def wait(self, timeout_s: float) -> bool:
        """Return True at the next news since the watch began or since the last call, False after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True
