"""Processes that cut: kept, limited, ended, replaced."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from astropy.io import fits

from datalink.cutting.pool import CutterPool
from penstock.dali.errors import ServiceUnavailable, TooLarge, UsageError
from tests.datalink.cutting.builders import cut, order, primary, sky, written
from tests.uws.waiting import eventually

PATIENCE_S = 120.0
INSIDE, OUTSIDE = cut(CIRCLE="150 20 0.1"), cut(CIRCLE="10 10 1")


@pytest.fixture
async def pool() -> AsyncIterator[CutterPool]:
    pool = CutterPool(processes=1, memory_bytes=2**31, queue_limit_s=PATIENCE_S)
    yield pool
    await pool.close()
    assert not workers()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "a.fits", primary(sky()))


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that a process waits for, and never gets."""
    path = tmp_path / "endless.fits"
    os.mkfifo(path)
    return path


def workers() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "datalink.cutting.worker" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


async def test_a_process_is_kept_for_the_next_order(pool: CutterPool, source: Path) -> None:
    assert await pool.cut(order(source, INSIDE), time_limit_s=PATIENCE_S)
    (first,) = workers()
    assert not await pool.cut(order(source, OUTSIDE), time_limit_s=PATIENCE_S)
    with pytest.raises(TooLarge):
        await pool.cut(order(source, INSIDE, max_bytes=10), time_limit_s=PATIENCE_S)
    with pytest.raises(UsageError, match="spectral axis"):
        await pool.cut(order(source, cut(BAND="1 2")), time_limit_s=PATIENCE_S)
    assert workers() == [first]


async def test_a_process_that_ended_meanwhile_is_replaced(pool: CutterPool, source: Path) -> None:
    assert await pool.cut(order(source, INSIDE), time_limit_s=PATIENCE_S)
    (first,) = workers()
    first.kill()
    assert await pool.cut(order(source, INSIDE), time_limit_s=PATIENCE_S)
    assert workers() != [first]


async def test_a_file_that_brings_its_reader_down_is_told_as_such(pool: CutterPool, endless: Path) -> None:
    cutting = asyncio.ensure_future(pool.cut(order(endless, INSIDE), time_limit_s=PATIENCE_S))
    await eventually(lambda: len(workers()) == 1)
    workers()[0].send_signal(signal.SIGSEGV)
    with pytest.raises(UsageError, match="brings the reader down"):
        await cutting


async def test_what_takes_too_long_is_ended(pool: CutterPool, source: Path, endless: Path) -> None:
    with pytest.raises(UsageError, match=r"longer than 0\.2 s"):
        await pool.cut(order(endless, INSIDE), time_limit_s=0.2)
    assert not workers()
    assert await pool.cut(order(source, INSIDE), time_limit_s=PATIENCE_S)


async def test_who_leaves_takes_the_process_along(pool: CutterPool, endless: Path) -> None:
    cutting = asyncio.ensure_future(pool.cut(order(endless, INSIDE), time_limit_s=PATIENCE_S))
    await eventually(lambda: len(workers()) == 1)
    cutting.cancel()
    await asyncio.wait({cutting})
    assert not workers()


async def test_who_waits_too_long_for_others_is_told_to_come_back(endless: Path, source: Path) -> None:
    pool = CutterPool(processes=1, memory_bytes=2**31, queue_limit_s=0.05)
    cutting = asyncio.ensure_future(pool.cut(order(endless, INSIDE), time_limit_s=PATIENCE_S))
    await eventually(lambda: len(workers()) == 1)
    with pytest.raises(ServiceUnavailable) as told:
        await pool.cut(order(source, INSIDE), time_limit_s=PATIENCE_S)
    assert told.value.retry_after_s
    cutting.cancel()
    await asyncio.wait({cutting})


async def test_memory_is_limited(tmp_path: Path) -> None:
    tile = np.zeros((6000, 6000), "i4")  # which a single pixel of it makes the reader expand
    packed = fits.CompImageHDU(tile, compression_type="RICE_1", tile_shape=tile.shape)
    source = written(tmp_path / "a.fits", packed)
    pool = CutterPool(processes=1, memory_bytes=2**28, queue_limit_s=PATIENCE_S)
    try:
        with pytest.raises(UsageError, match=r"takes more memory"):
            await pool.cut(order(source, cut(PIXELS="1 1 1 1")), time_limit_s=PATIENCE_S)
    finally:
        await pool.close()


async def test_a_full_disk_is_nobodys_fault(pool: CutterPool, source: Path) -> None:
    given = order(source, INSIDE)
    given.target.symlink_to("/dev/full")
    with pytest.raises(ServiceUnavailable, match="No space left"):
        await pool.cut(given, time_limit_s=PATIENCE_S)


async def test_a_process_ends_with_who_gives_orders(pool: CutterPool, source: Path) -> None:
    assert await pool.cut(order(source, INSIDE), time_limit_s=PATIENCE_S)
    (worker,) = workers()
    (process,) = pool._idle
    assert process.stdin
    process.stdin.close()
    await process.wait()
    assert not worker.is_running()
