"""What a process that the zygote forked does: it runs attempts, one at a time.

A process may run another attempt if the one before left nothing in it: it ended by itself, and there is no thread,
no child, no open descriptor and no other directory or environment than before. To fork a process with everything that
jobs need costs more than most jobs do. Whatever has to be stopped is stopped with its process, as ever.

Attempts come over the link as lines of JSON, ``["<job>", 1]``; each that leaves the process clean is answered with an
empty line, and any other with the end of the process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from uws.ports import Dispatch
from uws.worker.processes import children

RunAttempt = Callable[[Dispatch], Coroutine[Any, Any, None]]
_ABORTED_STATUS = 3
_DESCRIPTORS = Path("/proc/self/fd")
_LONGEST_LINE = 4096
DONE = b"\n"


def run_attempts(run: RunAttempt, first: Dispatch, link: socket.socket, at_most: int) -> int:
    """Run `first` and up to `at_most` attempts in all; return the status with which the process ends."""
    before, dispatch = _belongings(), first
    for _ in range(at_most - 1):
        status = _run_loop(_attempt(run, dispatch))
        if status or before is None or _belongings() != before:
            return status
        link.sendall(DONE)
        line = link.recv(_LONGEST_LINE)
        if not line:
            return 0
        job_id, attempt = json.loads(line)
        dispatch = Dispatch(job_id=job_id, attempt=attempt)
    return _run_loop(_attempt(run, dispatch))


def order(dispatch: Dispatch) -> bytes:
    """Return the line that makes a process run an attempt."""
    return json.dumps([dispatch.job_id, dispatch.attempt]).encode() + b"\n"


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


async def _attempt(run: RunAttempt, dispatch: Dispatch) -> int:
    """Run an attempt; SIGTERM cancels it."""
    running = asyncio.create_task(run(dispatch))
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
