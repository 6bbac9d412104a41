"""Several processes behind one listening socket: what one interpreter cannot do on several cores, several can.

The first process starts alone, since it may have to make the database; the others follow when it serves. One that dies
is replaced. Each serves everything: they share nothing but the socket, the database and the data directory.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import structlog

Serve = Callable[[Callable[[], None], bool], None]
"""Serves until SIGTERM; told what to call when it serves, and whether it is the first of all."""

_PAUSE_S = 1.0
_ENDING = (signal.SIGINT, signal.SIGTERM)
_log = structlog.get_logger(__name__)


def serve_in_processes(count: int, serve: Serve) -> int:
    """Run `serve` in so many processes until SIGINT or SIGTERM; return the exit status.

    Nothing else may run in the calling process: no thread, no event loop. If the first process ends before it
    serves, its status is returned and nothing is tried again.
    """
    keeper = _Keeper(serve)
    for number in _ENDING:
        signal.signal(number, keeper.stop)
    status = keeper.start_first()
    if status is not None:
        return status
    for _ in range(count - 1):
        keeper.start()
    return keeper.watch()


class _Keeper:
    """Starts processes, replaces those that die, and stops all.

    All hold the reading end of a pipe whose other end is the keeper's alone: it tells them when the keeper is gone.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._children: set[int] = set()
        self._lifeline, self._life = os.pipe()
        self._stopping = False

    def stop(self, *_signal: object) -> None:
        self._stopping = True
        for child in tuple(self._children):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    def start_first(self) -> int | None:
        """Start the first process; return its status if it ends before it serves, None when it serves."""
        reading, writing = os.pipe()

        def tell() -> None:
            os.write(writing, b"!")

        child = self.start(first=True, serving=tell, drop=reading)
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            if told.read(1):
                return None
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self._children.discard(child)
        return 0 if self._stopping else abs(status)

    def start(self, *, first: bool = False, serving: Callable[[], None] = lambda: None, drop: int | None = None) -> int:
        # No signal may meet a child that still has this process's way to take it, or a child that is not known yet.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        child = os.fork()
        if child == 0:
            os.close(self._life)
            if drop is not None:
                os.close(drop)
            _run(lambda: self._serve(serving, first), self._lifeline)
        self._children.add(child)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        return child

    def watch(self) -> int:
        while self._children:
            child, status = os.wait()
            self._children.discard(child)
            if self._stopping:
                continue
            _log.warning("server_process_died", pid=child, status=os.waitstatus_to_exitcode(status))
            time.sleep(_PAUSE_S)
            if not self._stopping:
                self.start()
        return 0


def _run(serve: Callable[[], None], lifeline: int) -> NoReturn:
    """Serve in a process that was just forked, until the keeper is gone at the latest."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    threading.Thread(target=_stop_with_keeper, args=(lifeline,), daemon=True).start()
    status = 1
    try:
        serve()
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except Exception:  # noqa: BLE001  # the end of a process: nobody else would tell
        _log.exception("server_process_failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _stop_with_keeper(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
