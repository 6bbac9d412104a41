"""A Celery worker whose tasks are attempts: each runs in the worker's `LocalExecutor`, and the task waits for its end.

So Celery takes messages and shuts down as operators know it, while the processes of jobs are ours: forked by a zygote,
a group for each attempt, stopped with all their descendants. Celery's threads only wait. The executor lives in an event
loop in a thread of its own, because Celery wants the main one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, suppress
from threading import Thread
from typing import Any

import structlog
from celery import Celery
from celery.bootsteps import StartStopStep
from celery.concurrency.thread import TaskPool
from celery.worker import state

from penstock.settings import SettingsError
from uws.core.job import is_job_id
from uws.ports import AttemptEnded, Dispatch, EndOfAttempt, Executor
from uws.worker.celery_queue import TASK

_log = structlog.get_logger(__name__)
_WRONG_SETTING_STATUS = 2
_LOOK_EVERY_S = 0.05


class Attempts:
    """Attempts that run in an executor, each waited for by the one who asked for it.

    Parameters
    ----------
    told
        Told of the end of every attempt.
    admit
        Takes the token of an attempt before it starts.
    """

    def __init__(self, told: AttemptEnded, admit: Callable[[Dispatch, str], None] | None = None) -> None:
        self.executor: Executor | None = None
        self._told = told
        self._admit = admit
        self._ends: dict[Dispatch, asyncio.Event] = {}
        self._freed = asyncio.Event()
        self._draining = False

    async def run(self, dispatch: Dispatch, token: str) -> None:
        """Run an attempt to its end; return at once if it runs here already or nothing is started any more.

        A light one runs on while others begin: return as soon as there is room for more of them.
        """
        executor = self.executor
        if self._draining or dispatch in self._ends or executor is None:
            return
        if self._admit is not None:
            self._admit(dispatch, token)
        end = self._ends[dispatch] = asyncio.Event()
        try:
            await executor.start(dispatch)
        except BaseException:
            self._ends.pop(dispatch, None)
            raise
        if not dispatch.light:
            await end.wait()
            return
        while not executor.capacity(light=True):
            self._freed.clear()
            await self._freed.wait()

    async def ended(self, dispatch: Dispatch, why: EndOfAttempt) -> None:
        """Hear from the executor that it no longer runs an attempt."""
        try:
            await self._told(dispatch, why)
        finally:
            if (end := self._ends.pop(dispatch, None)) is not None:
                end.set()
            self._freed.set()

    async def drain(self, until: Callable[[], bool]) -> None:
        """Start nothing more, and return when nothing runs any more or the time is over."""
        self._draining = True
        while self._ends and not until():  # noqa: ASYNC110  # `until` asks for a flag that signals set, which tells nobody
            await asyncio.sleep(_LOOK_EVERY_S)


OpenAttempts = Callable[[], AbstractAsyncContextManager[Attempts]]


class Workshop:
    """A thread with an event loop, in which attempts run.

    Parameters
    ----------
    open_attempts
        Opens what runs attempts; closing it releases those that still run.
    """

    def __init__(self, open_attempts: OpenAttempts) -> None:
        self._open_attempts = open_attempts
        self._opened: Future[tuple[Attempts, asyncio.AbstractEventLoop, asyncio.Future[Callable[[], bool]]]] = Future()
        self._thread = Thread(target=self._work, name="attempts", daemon=True)

    def start(self) -> None:
        """Open it, and return when attempts can run; raises what goes wrong."""
        self._thread.start()
        self._opened.result()

    def run(self, dispatch: Dispatch, token: str) -> None:
        """Run an attempt and return at its end, or when it was released."""
        attempts, loop, _ = self._opened.result()
        if self._thread.is_alive():
            with suppress(CancelledError):  # it had not begun when the workshop was closed
                asyncio.run_coroutine_threadsafe(attempts.run(dispatch, token), loop).result()

    def stop(self, until: Callable[[], bool]) -> None:
        """Let attempts run until it is time, release those that are left, and close it; once is enough."""
        if not self._opened.done() or self._opened.exception() is not None:
            return
        _, loop, closing = self._opened.result()

        def close() -> None:
            if not closing.done():
                closing.set_result(until)

        if self._thread.is_alive():
            loop.call_soon_threadsafe(close)
            self._thread.join()

    def _work(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001  # the edge of the thread: who started it is told
            if self._opened.done():
                _log.exception("workshop_failed")
            else:
                self._opened.set_exception(error)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        closing: asyncio.Future[Callable[[], bool]] = loop.create_future()
        async with self._open_attempts() as attempts:
            self._opened.set_result((attempts, loop, closing))
            await attempts.drain(await closing)


def add_attempts(app: Celery, workshop: Workshop, *, drain_s: float) -> None:
    """Make an application one whose worker runs attempts.

    Parameters
    ----------
    app
        The application, not started yet.
    workshop
        Where attempts run; started and stopped with the worker.
    drain_s
        How long a worker that ends lets attempts run.
    """

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def attempt(*, job_id: str, attempt: int, token: str = "", light: bool = False) -> None:
        if not is_job_id(job_id):
            _log.warning("message_without_job")
            return
        workshop.run(Dispatch(job_id=job_id, attempt=int(attempt), light=light), token)

    class AttemptPool(TaskPool):  # type: ignore[misc]  # Celery has no types
        """The threads that wait for attempts: a pool, because that begins before messages and ends after."""

        def on_start(self) -> None:
            try:
                workshop.start()
            except SettingsError as error:
                _log.error("worker_not_started", reason=str(error))
                raise SystemExit(_WRONG_SETTING_STATUS) from error

        def on_stop(self) -> None:
            end_s = time.monotonic() + drain_s
            workshop.stop(lambda: state.should_terminate is not None or time.monotonic() > end_s)
            super().on_stop()

        def on_terminate(self) -> None:
            self.on_stop()

        def terminate_job(self, _pid: int, _signal: object = None) -> None:
            """Do nothing: a thread cannot be killed, and attempts are stopped by us."""

    class Fitting(StartStopStep):  # type: ignore[misc]
        """Refuses another pool, which the command line can ask for."""

        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:
            if not isinstance(worker.pool, AttemptPool):
                _log.error("worker_not_started", reason="the worker has a pool of its own: leave --pool away")
                raise SystemExit(_WRONG_SETTING_STATUS)

    app.conf.worker_pool = AttemptPool
    app.steps["worker"].add(Fitting)
