"""The parent of the zygote, which outlives it only to end what it leaves behind.

Should the zygote be killed, the system kills the processes of its jobs, but not what these have started. Their new
parent is the next process above that adopts orphans: the keeper, whose only children are the zygote and such orphans.
It imports nothing and does nothing else, so there is little that could kill it; if something does, the zygote ends.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NoReturn

from uws.worker.processes import adopt_orphans, children, signal_tree

_STDIN, _STDOUT = 0, 1


def fork_with_keeper() -> None:
    """Return in a new process; the one that called becomes its keeper, and ends with it."""
    adopt_orphans()
    pid = os.fork()
    if pid:
        _keep(pid)


def _keep(pid: int) -> NoReturn:
    """Wait for the end of the child, end what it has left, and end as it did."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the child is told by other ways
    for descriptor in (_STDIN, _STDOUT):
        os.close(descriptor)  # else nobody would see the child's end of them closed
    _, status = os.waitpid(pid, 0)
    while True:
        for orphan in children(os.getpid()):
            signal_tree(orphan, signal.SIGKILL)
        with suppress(InterruptedError):
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
