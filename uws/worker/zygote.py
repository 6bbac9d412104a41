"""The process that forks a process for every attempt: ``python -m uws.worker.zygote``.

It starts no thread, imports everything that jobs need once, and opens nothing: so a fork is quick and safe, and a job
inherits neither sockets nor connections of the server. It takes commands as lines of JSON on its standard input and
answers on its standard output; the first command is ``preload``::

    > {"preload": "package.module:function", "payload": "...", "desk": "/path", "kill_after_s": 5}
    < {"ready": true}
    > {"start": ["<job>", 1]}
    > {"stop": "<job>"}                                    SIGTERM to the tree, SIGKILL to what is left after a while
    < {"ended": ["<job>", 1, 0]}                           the exit status; nothing of the attempt runs any more
    > {"close": 1.0}                                       stop all, with so many seconds' grace, and end

The end of its input means that the server is dead: everything is killed at once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

from uws.ports import Dispatch
from uws.worker.processes import adopt_orphans, children, die_with_parent, signal_tree

RunAttempt = Callable[[Dispatch], Coroutine[Any, Any, None]]
Preload = Callable[[str, str], RunAttempt]
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_ABORTED_STATUS = 3
_FAILED_STATUS = 4


@dataclass(slots=True)
class _Running:
    """A child; `kill_at` is when SIGKILL follows the SIGTERM that it got."""

    dispatch: Dispatch
    kill_at: float | None = None


class Zygote:
    """Forks, stops and buries the processes of attempts."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._buffer = b""
        self._running: dict[int, _Running] = {}
        self._ended: list[tuple[Dispatch, int]] = []
        self._kill_after_s = 5.0
        self._closing = False
        self._run: RunAttempt | None = None
        self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def main(self) -> None:
        """Serve until told to end."""
        signal.set_wakeup_fd(self._wakeup[1])
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, _ignore)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        die_with_parent(signal.SIGTERM)
        adopt_orphans()
        with selectors.DefaultSelector() as selector:
            selector.register(self._commands, selectors.EVENT_READ)
            selector.register(self._wakeup[0], selectors.EVENT_READ)
            while self._bury() or not self._closing:
                for key, _ in selector.select(self._patience()):
                    if key.fd == self._commands:
                        self._read_commands(selector)
                    else:
                        self._read_signals()
                self._kill_overdue()

    def _read_commands(self, selector: selectors.BaseSelector) -> None:
        data = os.read(self._commands, 65536)
        if not data:
            selector.unregister(self._commands)
            self._close(0)
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _read_signals(self) -> None:
        with suppress(BlockingIOError):
            while numbers := os.read(self._wakeup[0], 512):
                if signal.SIGTERM in numbers:
                    self._close(0)

    def _obey(self, command: dict[str, Any]) -> None:
        match command:
            case {
                "preload": str(name),
                "payload": str(payload),
                "desk": str(desk),
                "kill_after_s": float() | int() as seconds,
            }:
                self._kill_after_s = seconds
                self._run = _resolve(name)(payload, desk)
                gc.freeze()  # children shall not copy what the collector would touch
                self._answer({"ready": True})
            case {"start": [str(job_id), int(attempt)]} if not self._closing:
                self._start(Dispatch(job_id=job_id, attempt=attempt))
            case {"stop": str(job_id)}:
                self._stop(job_id, self._kill_after_s)
            case {"close": float() | int() as grace_s}:
                self._close(grace_s)

    def _start(self, dispatch: Dispatch) -> None:
        self._stop(dispatch.job_id, self._kill_after_s)  # an older attempt that does not know that it is over
        pid = os.fork()
        if pid == 0:
            self._become_job(dispatch)
        self._running[pid] = _Running(dispatch)

    def _become_job(self, dispatch: Dispatch) -> NoReturn:
        """Go on as the process of an attempt; never return."""
        status = _FAILED_STATUS
        try:
            zygote = os.getppid()
            os.setsid()
            die_with_parent(signal.SIGKILL)
            adopt_orphans()
            if os.getppid() != zygote:
                os._exit(status)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            for descriptor in (self._commands, self._answers, *self._wakeup):
                os.close(descriptor)
            status = _run_loop(_attempt(self._run, dispatch))
        except BaseException:  # noqa: BLE001  # the runner: nothing may go on as a second zygote
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(Exception):
                sys.stderr.flush()
            os._exit(status)

    def _stop(self, job_id: str, grace_s: float) -> None:
        for pid, running in self._running.items():
            if running.dispatch.job_id == job_id:
                _terminate(pid, running, grace_s)

    def _close(self, grace_s: float) -> None:
        self._closing = True
        for pid, running in self._running.items():
            _terminate(pid, running, grace_s)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, running in self._running.items():
            if running.kill_at is not None and running.kill_at <= now:
                signal_tree(pid, signal.SIGKILL)
                running.kill_at = now + 1.0
        for orphan in self._orphans():
            signal_tree(orphan, signal.SIGKILL)

    def _patience(self) -> float | None:
        dues = [running.kill_at for running in self._running.values() if running.kill_at is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _bury(self) -> bool:
        """Take note of the dead, and report them once nothing is left of them; return whether anything lives on."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if (running := self._running.pop(pid, None)) is not None:
                    self._ended.append((running.dispatch, os.waitstatus_to_exitcode(status)))
        orphans = self._orphans()
        for orphan in orphans:
            signal_tree(orphan, signal.SIGKILL)
        if not orphans:
            for dispatch, status in self._ended:
                self._answer({"ended": [dispatch.job_id, dispatch.attempt, status]})
            self._ended.clear()
        return bool(self._running or orphans)

    def _orphans(self) -> list[int]:
        """Return what jobs that are dead have left: what is our child and no job."""
        return [pid for pid in children(os.getpid()) if pid not in self._running]

    def _answer(self, answer: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):
            os.write(self._answers, json.dumps(answer).encode() + b"\n")


def _terminate(pid: int, running: _Running, grace_s: float) -> None:
    if running.kill_at is None:
        signal_tree(pid, signal.SIGTERM)
    kill_at = time.monotonic() + grace_s
    running.kill_at = kill_at if running.kill_at is None else min(running.kill_at, kill_at)


def _run_loop(attempt: Coroutine[Any, Any, int]) -> int:
    """Run to the end in a loop that is never closed: a connection that is still closing in its thread may use it."""
    return asyncio.new_event_loop().run_until_complete(_to_the_end(attempt))


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


async def _attempt(run: RunAttempt | None, dispatch: Dispatch) -> int:
    """Run an attempt; SIGTERM cancels it."""
    if run is None:
        return _FAILED_STATUS
    running = asyncio.create_task(run(dispatch))

    def stop() -> None:
        if not running.cancelling():  # a second signal must not disturb the cleaning up
            running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        await running
    except asyncio.CancelledError:
        return _ABORTED_STATUS
    return 0


def _resolve(name: str) -> Preload:
    module, _, attribute = name.partition(":")
    preload: Preload = getattr(import_module(module), attribute)
    return preload


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Let the wakeup descriptor speak for the signal."""


def _own_pipes() -> tuple[int, int]:
    """Take standard input and output for ourselves: what anything prints goes to standard error."""
    commands, answers = os.dup(_STDIN), os.dup(_STDOUT)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, _STDIN)
    os.dup2(_STDERR, _STDOUT)
    os.close(nowhere)
    return commands, answers


if __name__ == "__main__":
    Zygote(*_own_pipes()).main()
