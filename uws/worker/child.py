"""What a process that the zygote forked does: it runs attempts, one at a time, or light ones together.

A process may run another attempt if the one before left nothing in it: it ended by itself, and there is no thread,
no child, no open descriptor and no other directory or environment than before, but for what it opened for the next one
too (see `uws.worker.place`). To fork a process with everything that jobs need costs more than most jobs do. Whatever
has to be stopped is stopped with its process, as ever.

Orders come over the link as lines of JSON, ``["run", "<job>", 1]``; an attempt that leaves the process clean is
answered with its status, ``["<job>", 1, 0]``, and any other with the end of the process.

Light attempts are tasks of one event loop, and have what they open in common. Every one of them is answered with its
status, and ``["stop", "<job>", 1]`` cancels its task.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import closing
from functools import partial
from typing import Any, Literal

from uws.ports import Dispatch
from uws.worker.place import ABORTED_STATUS, FAILED_STATUS, OpenRun, Place, end_loop
from uws.worker.processes import reap_adopted

Verb = Literal["run", "stop"]
_LONGEST_LINE = 4096


def run_attempts(open_run: OpenRun, link: socket.socket, at_most: int) -> int:
    """Run up to `at_most` attempts, one at a time; return the status with which the process ends."""
    status = 0
    with closing(Place(open_run)) as place:
        for left in reversed(range(at_most)):
            place.await_order(link)
            line = link.recv(_LONGEST_LINE)
            if not line:
                break
            _, dispatch = _order_of(line)
            status = place.run(dispatch)
            if status or not left or not place.clean:
                break
            link.sendall(answer(dispatch, status))
    return status


def run_light_attempts(open_run: OpenRun, link: socket.socket) -> int:
    """Run light attempts until there will be no more; return the status with which the process ends."""
    return asyncio.new_event_loop().run_until_complete(_to_the_end(_until_stopped(_together(open_run, link))))


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


async def _to_the_end(attempts: Coroutine[Any, Any, int]) -> int:
    """Await attempts, then end what they have left behind in this process."""
    try:
        return await attempts
    finally:
        await end_loop()


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
                    task = running[dispatch] = asyncio.create_task(run(dispatch, _whatever_is_open))
                    task.add_done_callback(partial(tell, dispatch))
                elif (found := running.get(dispatch)) is not None and not found.cancelling():
                    found.cancel()
        finally:
            writer.close()  # how the process ends tells of all that still run
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)


async def _whatever_is_open() -> None:
    """Take no notice: light attempts have all in common anyway."""


def _status(done: asyncio.Task[None]) -> int:
    """Return the status of an attempt whose failure is not that of the others in the process."""
    if done.cancelled():
        return ABORTED_STATUS
    if (error := done.exception()) is None:
        return 0
    sys.excepthook(type(error), error, error.__traceback__)
    return FAILED_STATUS


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
        return ABORTED_STATUS
    return 0
