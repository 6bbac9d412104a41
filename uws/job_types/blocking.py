"""Plain functions in a thread of the attempt's process, whose event loop gives the signs of life meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, TypeVar

from uws.ports import JobContext, ResultSink

T = TypeVar("T")


class BlockingResult:
    """A result that a plain function writes."""

    def __init__(self, context: BlockingContext, sink: ResultSink) -> None:
        self._context = context
        self._sink = sink

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._context.wait_for(self._sink.write(data))


class BlockingContext:
    """What a plain function sees of its job: `JobContext` without awaiting.

    Parameters
    ----------
    context
        The context of the attempt.
    loop
        Where it lives.
    """

    def __init__(self, context: JobContext, loop: asyncio.AbstractEventLoop) -> None:
        self.job_id = context.job_id
        self.attempt = context.attempt
        self.owner = context.owner
        self.parameters = context.parameters
        self._context = context
        self._loop = loop

    def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """Report how far the job is: `fraction` from 0 to 1."""
        self.wait_for(self._context.progress(fraction, message))

    @contextmanager
    def result(self, result_id: str, media_type: str) -> Iterator[BlockingResult]:
        """Open a result for writing; leaving the block without an error makes it part of the job's results."""
        manager = self._context.result(result_id, media_type)
        sink = self.wait_for(manager.__aenter__())
        try:
            yield BlockingResult(self, sink)
        except BaseException as error:
            self.wait_for(manager.__aexit__(type(error), error, error.__traceback__))
            raise
        self.wait_for(manager.__aexit__(None, None, None))

    def wait_for(self, what: Coroutine[Any, Any, T]) -> T:
        """Run something in the loop of the attempt and return what comes of it."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()


async def in_thread(call: Callable[[], T]) -> T:
    """Run a function in a thread of its own.

    An attempt that is cut off does not wait for it: the thread ends with the process.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], value: object) -> None:
        if not outcome.done():
            set_outcome(value)

    def work() -> None:
        settled: tuple[Callable[[Any], None], object]
        try:
            settled = (outcome.set_result, call())
        except StopIteration as error:  # which no future takes
            settled = (outcome.set_exception, RuntimeError(f"the function raised {error!r}"))
        except BaseException as error:  # noqa: BLE001  # the job runner: it is raised again where it is awaited
            settled = (outcome.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, *settled)

    Thread(target=contextvars.copy_context().run, args=(work,), daemon=True, name="job").start()
    return await outcome
