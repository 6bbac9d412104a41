"""The processes that cut: started when they are needed, kept for the next order, ended when they take too long."""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from datalink.cutting.wire import HEAD, Answer, Outcome
from datalink.ports import Order
from penstock.dali.errors import ServiceUnavailable, TooLarge, UsageError

RETRY_AFTER_S = 10
_PATIENCE_S = 5  # a process that nobody ends does it itself after this much longer
_KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "TMPDIR", "LANG", "LC_ALL", "SSL_CERT_FILE")
_SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class CutterPool:
    """Cuts, a few orders at once (a `datalink.ports.Cutter`).

    Parameters
    ----------
    processes
        How many at most.
    memory_bytes
        How much address space each may have.
    queue_limit_s
        How long an order waits for a process.
    """

    def __init__(self, *, processes: int, memory_bytes: int, queue_limit_s: float) -> None:
        self._slots = asyncio.Semaphore(processes)
        self._memory_bytes = memory_bytes
        self._queue_limit_s = queue_limit_s
        self._idle: list[asyncio.subprocess.Process] = []

    async def cut(self, order: Order, *, time_limit_s: float) -> bool:
        """Write the part; return False where the file has nothing there (see `datalink.ports.Cutter`)."""
        async with self._slot():
            answer = await self._answered(order, time_limit_s)
        return judged(order, answer)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._queue_limit_s):
                await self._slots.acquire()
        except TimeoutError as error:
            message = f"Others have been cutting for {self._queue_limit_s:g} s."
            raise ServiceUnavailable(message, retry_after_s=RETRY_AFTER_S) from error
        try:
            yield
        finally:
            self._slots.release()

    async def _answered(self, order: Order, time_limit_s: float) -> Answer:
        """Have an order carried out; by a new process, should the one that was kept have come to an end meanwhile."""
        while self._idle:
            answer = await self._asked(self._idle.pop(), order, time_limit_s)
            if answer is not None:
                return answer
        answer = await self._asked(await self._start(), order, time_limit_s)
        return answer or Answer(outcome=Outcome.REFUSED, message="reading it brings the reader down")

    async def _asked(self, process: asyncio.subprocess.Process, order: Order, time_limit_s: float) -> Answer | None:
        """Have an order carried out by a process; None where that ends, or makes no sense."""
        answer = None
        try:
            async with asyncio.timeout(time_limit_s):
                answer = await _ask(process, order, time_limit_s)
        except TimeoutError as error:
            message = f"The cut-out takes longer than {time_limit_s:g} s: ask for a smaller part."
            raise UsageError(message) from error
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            if answer is None:
                await _end(process)
                order.target.unlink(missing_ok=True)
            else:
                self._idle.append(process)
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "datalink.cutting.worker",
                str(self._memory_bytes),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment | _SINGLE,
            )
        except OSError as error:
            raise ServiceUnavailable("No process can be started to cut.", retry_after_s=RETRY_AFTER_S) from error

    async def close(self) -> None:
        """End every process."""
        while self._idle:
            await _end(self._idle.pop())


def judged(order: Order, answer: Answer) -> bool:
    """Return what `CutterPool.cut` returns for an answer, or raise what it raises."""
    match answer.outcome:
        case Outcome.DONE:
            return True
        case Outcome.EMPTY:
            return False
        case Outcome.REFUSED:
            raise UsageError(f"{order.did} cannot be cut: {answer.message}.")
        case Outcome.TOO_LARGE:
            raise TooLarge(f"The cut-out would have {answer.message} bytes; at most {order.max_bytes} are made.")
        case Outcome.TROUBLE:
            message = f"The cut-out cannot be made now: {answer.message}."
            raise ServiceUnavailable(message, retry_after_s=RETRY_AFTER_S)


async def _ask(process: asyncio.subprocess.Process, order: Order, time_limit_s: float) -> Answer:
    assert process.stdin is not None  # noqa: S101  # both are pipes
    assert process.stdout is not None  # noqa: S101
    pickled = pickle.dumps(order)
    process.stdin.write(HEAD.pack(len(pickled), math.ceil(time_limit_s) + _PATIENCE_S) + pickled)
    await process.stdin.drain()
    return Answer.decode(await process.stdout.readuntil(b"\n"))


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
