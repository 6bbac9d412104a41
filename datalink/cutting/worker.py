"""A process that cuts, one order after the other, until its standard input ends: ``python -m datalink.cutting.worker``.

It limits itself: its memory, the size of the files that it writes, and, should nobody be left to end it, the time that
an order takes.
"""

from __future__ import annotations

import pickle
import resource
import signal
import sys
from typing import BinaryIO

from datalink.cutting.wire import HEAD
from datalink.cutting.work import carry_out


def main(memory_bytes: int) -> None:
    """Serve orders."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing but answers goes there
    serve(sys.stdin.buffer, answers)


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Answer each order, in turn."""
    while len(head := orders.read(HEAD.size)) == HEAD.size:
        length, seconds = HEAD.unpack(head)
        order = pickle.loads(orders.read(length))  # noqa: S301  # from our own process
        signal.alarm(seconds)
        answer = carry_out(order)
        signal.alarm(0)
        answers.write(answer.encode())
        answers.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
