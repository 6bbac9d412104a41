"""Files read by processes of their own: many at once, and none can bring down who asks.

The library that understands celestial coordinates is written in C, and there are headers on which it crashes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.context
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from penstock.lake.read import read_file
from penstock.lake.record import Candidate, Found, Skipped

_PIECE = 16


class Readers:
    """Reads batches of files; a context manager, which ends the processes.

    Parameters
    ----------
    processes
        How many processes to start at most; the number of processors if not given.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    async def __aenter__(self) -> Readers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)

    async def read(self, batch: Sequence[Candidate]) -> list[Found | Skipped]:
        """Return what each file holds, in any order."""
        if self._pool is None and self._processes:
            self._pool = await asyncio.to_thread(_start, self._processes)
            if self._pool is None:
                self._processes = 0
        if self._pool is None:
            return await asyncio.to_thread(_read_all, batch)
        return await self._read_in(self._pool, batch)

    async def _read_in(self, pool: ProcessPoolExecutor, batch: Sequence[Candidate]) -> list[Found | Skipped]:
        pieces = [batch[start : start + _PIECE] for start in range(0, len(batch), _PIECE)]
        tasks = [asyncio.wrap_future(pool.submit(_read_all, piece)) for piece in pieces]
        results: list[Found | Skipped] = []
        lost: list[Candidate] = []  # once a process dies, no piece that follows is read
        for piece, result in zip(pieces, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
            if isinstance(result, BrokenProcessPool):
                lost += piece
            elif isinstance(result, BaseException):
                raise result
            else:
                results += result
        if lost:
            self._pool = None
            results += await asyncio.to_thread(_read_carefully, lost)
        return results


def _start(processes: int) -> ProcessPoolExecutor | None:
    """Return a pool that works, or None: a program that does not guard its main module cannot start any."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if isinstance(context, multiprocessing.context.ForkServerContext):
        context.set_forkserver_preload(["penstock.lake.fits.describe"])  # astropy is then loaded once for all
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_ignore_interrupts)
    try:
        pool.submit(os.getpid).result()
    except (BrokenProcessPool, OSError):
        pool.shutdown(wait=False)
        return None
    return pool


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_all(batch: Sequence[Candidate]) -> list[Found | Skipped]:
    return [read_file(candidate) for candidate in batch]


def _read_carefully(batch: Sequence[Candidate]) -> list[Found | Skipped]:
    """Read a batch of which one file brings its reader down: halve it until that one is alone."""
    pool = _start(1)
    if pool is None:
        return [Skipped(path=candidate.path, reason="no process could be started to read it") for candidate in batch]
    with pool:
        try:
            return pool.submit(_read_all, batch).result()
        except BrokenProcessPool:
            if len(batch) == 1:
                return [Skipped(path=batch[0].path, reason="reading it brings the reader down")]
    middle = len(batch) // 2
    return [*_read_carefully(batch[:middle]), *_read_carefully(batch[middle:])]
