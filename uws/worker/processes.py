"""Process trees on Linux: who descends from whom, and how to end them all.

A job's process is the leader of a session of its own and a "child subreaper": whatever it starts, and be it a daemon
that detached itself twice, stays below it; when it dies, what is left moves up to the zygote, which is a subreaper too.
So nothing that a job started can hide. Where the system has no such thing, the process group is all there is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(number: signal.Signals) -> None:
    """Ask the system for a signal when the parent dies."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`; none where the system does not say."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def descendants(pid: int) -> Iterator[int]:
    """Yield every process below `pid`."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def reap_adopted() -> None:
    """Bury dead children that we only adopted: those of other sessions, since who starts a child here waits for it."""
    own = os.getsid(0)
    for pid in children(os.getpid()):
        with suppress(ProcessLookupError, ChildProcessError):
            if os.getsid(pid) != own:
                os.waitpid(pid, os.WNOHANG)


def signal_tree(pid: int, number: signal.Signals) -> None:
    """Signal the group of `pid`, itself, and all below it."""
    below = list(descendants(pid))
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    for each in (*below, pid):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, number)


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _prctl(option: int, value: int) -> None:
    if _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)
