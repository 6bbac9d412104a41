"""Waiters in a process of their own: how soon each hears of what happens to its job.

``python -m bench.waiters HOST PORT WAITERS CHANGES`` creates a job for each waiter, blocks on all with WAIT, and
aborts some, one after the other. It prints one JSON object: p50 and p99 of the milliseconds from the sending of the
abort to the whole answer that the waiter gets.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import statistics
import sys
import time
from typing import cast

import uvloop

from bench.load import AnswerReader, make_request

PAUSE_S = 0.01
AT_ONCE = 50
_LOCATION = re.compile(rb"\r\nlocation: *\S+?(/uws/jobs/\w+)", re.IGNORECASE)
Address = tuple[str, int]


class _Waiter(asyncio.Protocol):
    """A connection that blocks."""

    def __init__(self, request: bytes) -> None:
        self.answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._request = request
        self._answers = AnswerReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        if self._answers.feed(data) and not self.answered.done():
            self.answered.set_result(time.perf_counter())


async def post(address: Address, path: str, form: str) -> bytes:
    """Post a form and return the head of the answer."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(make_request(*address, path, form))
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


async def create(address: Address, slots: asyncio.Semaphore) -> str:
    """Create a job and return its path."""
    async with slots:
        head = await post(address, "/uws/jobs", "JOBTYPE=echo&MESSAGE=x")
    found = _LOCATION.search(head)
    if found is None:
        raise RuntimeError(head.decode("latin-1"))
    return found[1].decode()


async def wait(address: Address, path: str, slots: asyncio.Semaphore) -> _Waiter:
    """Begin to wait for a job."""
    request = make_request(*address, f"{path}?WAIT=-1")
    async with slots:
        _, waiter = await asyncio.get_running_loop().create_connection(lambda: _Waiter(request), *address)
    return waiter


async def measure(address: Address, waiters: int, changes: int) -> dict[str, float]:
    """Wait with all, change some, and return how long the news took."""
    slots = asyncio.Semaphore(AT_ONCE)
    jobs = await asyncio.gather(*(create(address, slots) for _ in range(waiters)))
    waiting = dict(zip(jobs, await asyncio.gather(*(wait(address, job, slots) for job in jobs)), strict=True))
    await post(address, f"{jobs[-1]}/phase", "PHASE=ABORT")
    await waiting[jobs[-1]].answered  # whoever came before is blocked by now
    taken_ms = []
    for job in jobs[:changes]:
        begun = time.perf_counter()
        await post(address, f"{job}/phase", "PHASE=ABORT")
        taken_ms.append((await waiting[job].answered - begun) * 1e3)
        await asyncio.sleep(PAUSE_S)
    still = sum(not waiter.answered.done() for waiter in waiting.values())
    cuts = statistics.quantiles(taken_ms, n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98], "waiting": still}


def allow_many_files() -> None:
    """Let this process, and those that it starts, have as many sockets as the system allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    allow_many_files()
    host, port, waiters, changes = sys.argv[1:]
    sys.stdout.write(json.dumps(uvloop.run(measure((host, int(port)), int(waiters), int(changes)))))
