"""The process that forks the processes of attempts: ``python -m uws.worker.zygote``.

It starts no thread, imports everything that jobs need once, and opens nothing: so a fork is quick and safe, and a job
inherits neither sockets nor connections of the server. A process that an attempt has left clean waits for the next one,
and light attempts run together in one (see `uws.worker.child`). The zygote takes commands as lines of JSON on its
standard input and answers on its standard output; the first command is ``preload``::

    > {"preload": "package.module:function", "payload": "...", "desk": "/path", "kill_after_s": 5, "attempts": 25}
    < {"ready": true}
    > {"start": ["<job>", 1], "light": false}
    > {"stop": "<job>"}                                    SIGTERM to the tree, SIGKILL to what is left after a while
    > {"claimed": ["<job>", 2]}                            the same to the attempts before, which are over
    < {"ended": ["<job>", 1, 0]}                           the status; nothing of the attempt runs any more
    > {"close": 1.0}                                       stop all, with so many seconds' grace, and end

The end of its input means that the server is dead: everything is killed at once. The end of the zygote itself is
another's business: see `uws.worker.keeper`.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from penstock.memory import keep_freed_memory
from uws.ports import Dispatch
from uws.worker.child import order, read_answer, run_attempts, run_light_attempts
from uws.worker.keeper import fork_with_keeper
from uws.worker.place import FAILED_STATUS, OpenRun
from uws.worker.processes import adopt_orphans, children, die_with_parent, signal_tree

Preload = Callable[[str, str], OpenRun]
_STDIN, _STDOUT, _STDERR = 0, 1, 2


@dataclass(slots=True)
class _Child:
    """A process and the attempts in it, each with the time at which it must have stopped if it was told to.

    `kill_at` is when SIGKILL follows the SIGTERM that the process got; `ran` is how many attempts it was given.
    """

    link: socket.socket
    light: bool
    attempts: dict[Dispatch, float | None] = field(default_factory=dict)
    kill_at: float | None = None
    ran: int = 0
    heard: bytes = b""

    def takes(self, dispatch: Dispatch, most: int) -> bool:
        """Tell whether it can be given an attempt, where it may have `most` in all."""
        if self.kill_at is not None or self.light != dispatch.light or self.ran >= most:
            return False
        return self.light or not self.attempts

    def give(self, dispatch: Dispatch) -> None:
        """Give it an attempt; raises `OSError` if it is dead."""
        self.link.sendall(order("run", dispatch))
        self.attempts[dispatch] = None
        self.ran += 1

    def stop(self, dispatch: Dispatch, kill_at: float) -> None:
        """Tell it to stop an attempt that is light."""
        with suppress(OSError):  # it is dead, which will be heard of
            self.link.sendall(order("stop", dispatch))
        self.attempts[dispatch] = min(kill_at, self.attempts[dispatch] or kill_at)

    @property
    def due(self) -> float | None:
        """When it must be killed, unless something happens before."""
        dues = [each for each in (self.kill_at, *self.attempts.values()) if each is not None]
        return min(dues, default=None)


class Zygote:
    """Forks, stops and buries the processes of attempts."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._buffer = b""
        self._children: dict[int, _Child] = {}
        self._ended: list[tuple[Dispatch, int]] = []
        self._kill_after_s = 5.0
        self._attempts = 1
        self._desk: Path | None = None
        self._may_have_orphans = False
        self._closing = False
        self._open_run: OpenRun | None = None
        self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector = selectors.DefaultSelector()

    def main(self) -> None:
        """Serve until told to end."""
        signal.set_wakeup_fd(self._wakeup[1])
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, _ignore)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        die_with_parent(signal.SIGTERM)
        adopt_orphans()
        keep_freed_memory()
        self._selector.register(self._commands, selectors.EVENT_READ, self._read_commands)
        self._selector.register(self._wakeup[0], selectors.EVENT_READ, self._read_signals)
        while self._bury() or not self._closing:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._kill_overdue()

    def _read_commands(self) -> None:
        data = os.read(self._commands, 65536)
        if not data:
            self._selector.unregister(self._commands)
            self._close(0)
            self._remove_desk()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _remove_desk(self) -> None:
        """Remove the socket of the server, which is dead and cannot."""
        if self._desk is not None:
            with suppress(OSError):
                self._desk.unlink()
                self._desk.parent.rmdir()

    def _read_signals(self) -> None:
        with suppress(BlockingIOError):
            while numbers := os.read(self._wakeup[0], 512):
                if signal.SIGTERM in numbers:
                    self._close(0)

    def _read_link(self, child: _Child) -> None:
        """Hear which attempts have ended, or, at the end of its link, that a process is about to die."""
        try:
            told = child.link.recv(65536)
        except ConnectionError:
            told = b""
        if not told:
            self._selector.unregister(child.link)
            return
        *lines, child.heard = (child.heard + told).split(b"\n")
        for dispatch, status in map(read_answer, lines):
            if child.kill_at is None and dispatch in child.attempts:
                del child.attempts[dispatch]
                self._answer_ended(dispatch, status)
        if child.light and not child.attempts and child.ran >= self._attempts:
            with suppress(OSError):  # it is dead already
                child.link.shutdown(socket.SHUT_WR)  # it ends when it has read to the end

    def _obey(self, command: dict[str, Any]) -> None:
        match command:
            case {
                "preload": str(name),
                "payload": str(payload),
                "desk": str(desk),
                "kill_after_s": float() | int() as seconds,
                "attempts": int(attempts),
            }:
                self._kill_after_s, self._attempts, self._desk = seconds, attempts, Path(desk)
                gc.disable()  # what is loaded stays
                self._open_run = _resolve(name)(payload, desk)
                gc.freeze()  # children shall not copy what the collector would touch
                gc.enable()
                self._answer({"ready": True})
            case {"start": [str(job_id), int(attempt)], "light": bool(light)} if not self._closing:
                self._start(Dispatch(job_id=job_id, attempt=attempt, light=light))
            case {"stop": str(job_id)}:
                self._stop(job_id, self._kill_after_s)
            case {"claimed": [str(job_id), int(attempt)]}:
                self._stop(job_id, self._kill_after_s, before=attempt)
            case {"close": float() | int() as grace_s}:
                self._close(grace_s)

    def _start(self, dispatch: Dispatch) -> None:
        if not self._handed_on(dispatch):
            self._fork(dispatch)

    def _handed_on(self, dispatch: Dispatch) -> bool:
        """Give the attempt to a process that can take it, if there is one."""
        for child in self._children.values():
            if child.takes(dispatch, self._attempts):
                with suppress(OSError):  # it died while it waited
                    child.give(dispatch)
                    return True
        return False

    def _fork(self, dispatch: Dispatch) -> None:
        ours, theirs = socket.socketpair()
        child = _Child(ours, dispatch.light)
        child.give(dispatch)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become_child(theirs, light=dispatch.light)
        theirs.close()
        self._children[pid] = child
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._read_link(child))

    def _become_child(self, link: socket.socket, *, light: bool) -> NoReturn:
        """Go on as a process that runs attempts; never return."""
        status = FAILED_STATUS
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
            self._close_inherited()
            if self._open_run is not None:
                if light:
                    status = run_light_attempts(self._open_run, link)
                else:
                    status = run_attempts(self._open_run, link, self._attempts)
        except BaseException:  # noqa: BLE001  # the runner: nothing may go on as a second zygote
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(Exception):
                sys.stderr.flush()
            os._exit(status)

    def _close_inherited(self) -> None:
        self._selector.close()
        for descriptor in (self._commands, self._answers, *self._wakeup):
            os.close(descriptor)
        for child in self._children.values():
            child.link.close()

    def _stop(self, job_id: str, grace_s: float, *, before: int | None = None) -> None:
        """Stop the attempts of a job, or those before one that has taken their place."""
        for pid, child in self._children.items():
            for dispatch in child.attempts:
                if dispatch.job_id != job_id or (before is not None and dispatch.attempt >= before):
                    continue
                if child.light:
                    child.stop(dispatch, time.monotonic() + grace_s)
                else:
                    _terminate(pid, child, grace_s)

    def _close(self, grace_s: float) -> None:
        self._closing = True
        for pid, child in self._children.items():
            _terminate(pid, child, grace_s)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, child in self._children.items():
            if child.due is not None and child.due <= now:
                signal_tree(pid, signal.SIGKILL)
                child.kill_at = now + 1.0
                child.attempts = dict.fromkeys(child.attempts)  # their times are over

    def _patience(self) -> float | None:
        dues = [child.due for child in self._children.values() if child.due is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _bury(self) -> bool:
        """Take note of the dead, and report them once nothing is left of them; return whether anything lives on."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                self._may_have_orphans = True  # nobody gets here but by the death of a child
                if (child := self._children.pop(pid, None)) is not None:
                    self._note_death(child, os.waitstatus_to_exitcode(status))
        if self._may_have_orphans:
            self._end_orphans()
        return bool(self._children or self._may_have_orphans)

    def _end_orphans(self) -> None:
        """Kill what jobs that are dead have left, and report these once nothing is left."""
        orphans = [pid for pid in children(os.getpid()) if pid not in self._children]
        for orphan in orphans:
            signal_tree(orphan, signal.SIGKILL)
        self._may_have_orphans = bool(orphans)
        if not orphans:
            for dispatch, status in self._ended:
                self._answer_ended(dispatch, status)
            self._ended.clear()

    def _note_death(self, child: _Child, status: int) -> None:
        with suppress(KeyError):  # the end of the link may have been read before
            self._selector.unregister(child.link)
        child.link.close()
        self._ended += [(dispatch, status) for dispatch in child.attempts]

    def _answer_ended(self, dispatch: Dispatch, status: int) -> None:
        self._answer({"ended": [dispatch.job_id, dispatch.attempt, status]})

    def _answer(self, answer: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):
            os.write(self._answers, json.dumps(answer).encode() + b"\n")


def _terminate(pid: int, child: _Child, grace_s: float) -> None:
    if child.kill_at is None:
        signal_tree(pid, signal.SIGTERM)
    kill_at = time.monotonic() + grace_s
    child.kill_at = kill_at if child.kill_at is None else min(child.kill_at, kill_at)


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
    fork_with_keeper()
    Zygote(*_own_pipes()).main()
