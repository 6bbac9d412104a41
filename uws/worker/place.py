"""Where attempts run that have a process for themselves: an event loop, and what they have opened in it.

After an attempt everything is closed, unless it said when all was open that its like use again, and is found to have
left nothing else: then it stays open for the next one. Opening takes longer than most jobs do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uws.ports import Dispatch
from uws.worker.processes import children

WarmedUp = Callable[[], Awaitable[None]]
"""Told when all is open that may stay open."""
RunAttempt = Callable[[Dispatch, WarmedUp], Coroutine[Any, Any, None]]
OpenRun = Callable[[], AbstractAsyncContextManager[RunAttempt]]
"""Gives what runs attempts; what they open is closed at the end of the block."""
ABORTED_STATUS, FAILED_STATUS = 3, 4
_DESCRIPTORS = Path("/proc/self/fd")
_THREADS = "attempt"
_OPEN_FOR_S = 30.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """What may be there after an attempt: what was there when all was open for the first one."""

    belongings: tuple[object, ...] | None
    tasks: frozenset[asyncio.Task[Any]]


class Place:
    """Runs attempts one after the other.

    Parameters
    ----------
    open_run
        Gives what runs them.
    open_for_s
        How long what is open stays open while no attempt comes, in seconds: others may need the connections.
    """

    def __init__(self, open_run: OpenRun, *, open_for_s: float = _OPEN_FOR_S) -> None:
        self._open_run = open_run
        self._open_for_s = open_for_s
        self._before = _belongings()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._opened = AsyncExitStack()
        self._run: RunAttempt | None = None
        self._running: asyncio.Task[None] | None = None
        self._kept: _Kept | None = None
        self._warm = self._stopped = False

    def run(self, dispatch: Dispatch) -> int:
        """Run an attempt to its end, which SIGTERM brings about; return its status."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._loop.add_signal_handler(signal.SIGTERM, self._stop)
        self._warm = False
        status = self._loop.run_until_complete(self._attempt(dispatch))
        if status or not self._may_stay():
            self.close()
        return status

    @property
    def clean(self) -> bool:
        """Whether nothing is there but what was before, or what may stay, and nobody wants the process to end."""
        if self._stopped or self._loop is not None:
            return not self._stopped
        return self._before is not None and self._before == _belongings()

    def await_order(self, link: socket.socket) -> None:
        """Return when an order can be read, or when what was open is closed, so that nothing else is to do but wait."""
        self._running = None
        if self._loop is not None and not self._loop.run_until_complete(_readable(link, self._open_for_s)):
            self.close()

    def close(self) -> None:
        """Close what is open, and end what is left in this process.

        The loop is not closed where there is a thread: a connection that is still closing in it may use the loop.
        """
        loop, self._loop, self._run, self._kept = self._loop, None, None, None
        if loop is None:
            return
        try:
            loop.run_until_complete(self._end())
        finally:
            if threading.active_count() == 1:
                loop.close()

    def _may_stay(self) -> bool:
        belongings = self._kept and self._kept.belongings
        return self._warm and belongings is not None and belongings == _belongings()

    def _stop(self) -> None:
        self._stopped = True
        if self._running is None:
            os._exit(ABORTED_STATUS)  # nothing runs
        if not self._running.cancelling():  # a second signal must not disturb the cleaning up
            self._running.cancel()

    async def _attempt(self, dispatch: Dispatch) -> int:
        if self._run is None:
            self._take_threads()
            self._run = await self._opened.enter_async_context(self._open_run())
        self._running = asyncio.create_task(self._run(dispatch, self._warmed_up))
        try:
            await self._running
        except asyncio.CancelledError:
            return ABORTED_STATUS
        finally:
            await _cancel_all(but=self._kept.tasks if self._kept else frozenset())
            await self._end_threads()
        return 0

    async def _warmed_up(self) -> None:
        self._warm = True
        if self._kept is None:
            await self._end_threads()
            self._kept = _Kept(_belongings(), frozenset(asyncio.all_tasks()))

    def _take_threads(self) -> None:
        """Let the loop run what blocks in threads that can be told from all others."""
        self._threads = ThreadPoolExecutor(thread_name_prefix=_THREADS)
        asyncio.get_running_loop().set_default_executor(self._threads)

    async def _end_threads(self) -> None:
        """End those threads; the next will be others."""
        used = self._threads
        if used is None or not any(thread.name.startswith(_THREADS) for thread in threading.enumerate()):
            return
        self._take_threads()
        with ThreadPoolExecutor(1) as waiting:
            await asyncio.get_running_loop().run_in_executor(waiting, used.shutdown)

    async def _end(self) -> None:
        try:
            await self._opened.aclose()
        finally:
            await end_loop()


async def end_loop() -> None:
    """End what else is there in the running loop, which runs nothing afterwards."""
    await _cancel_all()
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def _belongings() -> tuple[object, ...] | None:
    """Return what an attempt could leave behind; None where the system does not say."""
    try:
        descriptors = len(os.listdir(_DESCRIPTORS))  # noqa: PTH208  # their number is all that is needed
        directory = Path.cwd()
    except OSError:
        return None
    return descriptors, directory, dict(os.environb), threading.active_count(), children(os.getpid())


async def _cancel_all(*, but: frozenset[asyncio.Task[Any]] = frozenset()) -> None:
    left = asyncio.all_tasks() - but - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _readable(link: socket.socket, within_s: float) -> bool:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(link, readable.set)
    try:
        async with asyncio.timeout(within_s):
            await readable.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(link)
    return True
