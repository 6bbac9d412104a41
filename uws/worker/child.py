"""What a process that the zygote forked does: it runs attempts, one at a time, or light ones together.

A process may run another attempt if the one before left nothing in it: it ended by itself, and there is no thread,
no child, no open descriptor and no other directory or environment than before. To fork a process with everything that
jobs need costs more than most jobs do. Whatever has to be stopped is stopped with its process, as ever.

Orders come over the link as lines of JSON, ``["run", "<job>", 1]``; an attempt that leaves the process clean is
answered with its status, ``["<job>", 1, 0]``, and any other with the end of the process.

Light attempts are tasks of one event loop, and have what they open in common. Every one of them is answered with its
status, and ``["stop", "<job>", 1]`` cancels its task.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from uws.ports import Dispatch
from uws.worker.processes import children, reap_adopted

RunAttempt = Callable[[Dispatch], Coroutine[Any, Any, None]]
OpenRun = Callable[[], AbstractAsyncContextManager[RunAttempt]]
"""Gives what runs attempts; what they open is closed at the end of the block."""
Verb = Literal["run", "stop"]
_ABORTED_STATUS, _FAILED_STATUS = 3, 4
_DESCRIPTORS = Path("/proc/self/fd")
_LONGEST_LINE = 4096


def run_attempts(open_run: OpenRun, link: socket.socket, at_most: int) -> int:
    """Run up to `at_most` attempts, one at a time; return the status with which the process ends."""
    before, status = _belongings(), 0
    for left in reversed(range(at_most)):
        line = link.recv(_LONGEST_LINE)
        if not line:
            break
        _, dispatch = _order_of(line)
        status = _run_loop(_attempt(open_run, dispatch))
        if status or not left or before is None or _belongings() != before:
            break
        link.sendall(answer(dispatch, status))
    return status


def run_light_attempts(open_run: OpenRun, link: socket.socket) -> int:
    """Run light attempts until there will be no more; return the status with which the process ends."""
    return _run_loop(_until_stopped(_together(open_run, link)))


def order(verb: Verb, dispatch: Dispatch) -> bytes:
    """Return the line that makes a process run an attempt, or stop one that is light."""
    return json.dumps([verb, dispatch.job_id, dispatch.attempt]).encode() + b"\n"


def answer(dispatch: Dispatch, status: int) -> bytes:
    """Return the line that tells of the end of an attempt."""
    return json.dumps([dispatch.job_id, dispatch.attempt, status]).encode() + b"\n"


def read_answer(line: bytes) -> tuple[Dispatch, int]:
    """Return the attempt that has ended, and its status."""
    job_id, attempt, status = json.loads(line)
    return Dispatch(job_id=job_id, attempt=attempt), status


def _order_of(line: bytes) -> tuple[Verb, Dispatch]:
    verb, job_id, attempt = json.loads(line)
    return verb, Dispatch(job_id=job_id, attempt=attempt)


def _belongings() -> tuple[object, ...] | None:
    """Return what an attempt could leave behind; None where the system does not say."""
    try:
        descriptors = len(os.listdir(_DESCRIPTORS))  # noqa: PTH208  # their number is all that is needed
        directory = Path.cwd()
    except OSError:
        return None
    return descriptors, directory, dict(os.environ), threading.active_count(), children(os.getpid())


def _run_loop(attempt: Coroutine[Any, Any, int]) -> int:
    """Run to the end in a loop of its own.

    It is not closed where there is a thread: a connection that is still closing in it may use the loop.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_to_the_end(attempt))
    finally:
        if threading.active_count() == 1:
            loop.close()


async def _to_the_end(attempt: Coroutine[Any, Any, int]) -> int:
    """Await the attempt, then end what it has left behind in this process."""
    try:
        return await attempt
    finally:
        loop = asyncio.get_running_loop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()


async def _attempt(open_run: OpenRun, dispatch: Dispatch) -> int:
    """Run an attempt in a process that has no other."""

    async def alone() -> None:
        async with open_run() as run:
            await run(dispatch)

    return await _until_stopped(alone())


async def _together(open_run: OpenRun, link: socket.socket) -> None:
    """Obey the orders of the link, each attempt as a task, until there will be no more."""
    reader, writer = await asyncio.open_unix_connection(sock=link)
    running: dict[Dispatch, asyncio.Task[None]] = {}

    def tell(dispatch: Dispatch, done: asyncio.Task[None]) -> None:
        del running[dispatch]
        reap_adopted()
        if not writer.is_closing():
            writer.write(answer(dispatch, _status(done)))

    async with open_run() as run:
        try:
            while line := await reader.readline():
                verb, dispatch = _order_of(line)
                if verb == "run":
                    task = running[dispatch] = asyncio.create_task(run(dispatch))
                    task.add_done_callback(partial(tell, dispatch))
                elif (found := running.get(dispatch)) is not None and not found.cancelling():
                    found.cancel()
        finally:
            writer.close()  # how the process ends tells of all that still run
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)


def _status(done: asyncio.Task[None]) -> int:
    """Return the status of an attempt whose failure is not that of the others in the process."""
    if done.cancelled():
        return _ABORTED_STATUS
    if (error := done.exception()) is None:
        return 0
    sys.excepthook(type(error), error, error.__traceback__)
    return _FAILED_STATUS


async def _until_stopped(work: Coroutine[Any, Any, None]) -> int:
    """Await something; SIGTERM cancels it."""
    running = asyncio.create_task(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not running.cancelling():  # a second signal must not disturb the cleaning up
            running.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        await running
    except asyncio.CancelledError:
        return _ABORTED_STATUS
    return 0
