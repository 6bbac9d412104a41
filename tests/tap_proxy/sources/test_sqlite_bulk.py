"""Readers give the very rows that the guarded connection gives, and end with the query."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from penstock.dali.errors import InternalError, ServiceUnavailable
from penstock.votable.model import Field
from tap_proxy.ports import QueryTimeout
from tap_proxy.sources.sqlite import SqliteSource
from tap_proxy.sources.sqlite_bulk import readable_in_bulk
from tests.tap_proxy.sources.builders import ROWS, TEXT, N, endless, rows_of, select, sqlite_source, until

DOUBLE = Field(name="d", datatype="double")
BOOLEAN = Field(name="b", datatype="boolean")
MIXED = (
    "SELECT n, t, CASE WHEN n > 5000 THEN n / 4.0 END, CASE WHEN n > 9000 THEN n % 2 END FROM numbers ORDER BY n DESC"
)


@pytest_asyncio.fixture
async def source(tmp_path: Path) -> AsyncIterator[SqliteSource]:
    async with sqlite_source(tmp_path) as opened:
        await opened.warm_up()
        yield opened


def readers(source: SqliteSource) -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if str(source._path) in child.cmdline()]


async def test_rows_are_those_of_the_connection_in_their_order(source: SqliteSource, tmp_path: Path) -> None:
    statement = select(MIXED, fields=(N, TEXT, DOUBLE, BOOLEAN))
    rows = await rows_of(source, statement)
    (tmp_path / "cold").mkdir()
    async with sqlite_source(tmp_path / "cold") as cold:
        assert rows == await rows_of(cold, statement)
    assert len(rows) == ROWS


async def test_types_are_those_of_the_fields_where_the_first_thousands_of_values_are_null(source: SqliteSource) -> None:
    sql = "SELECT CASE WHEN n = 19999 THEN t END, CASE WHEN n = 19998 THEN 0.5 END FROM numbers ORDER BY n"
    rows = await rows_of(source, select(sql, fields=(TEXT, DOUBLE)))
    assert rows[-2:] == [(None, 0.5), ("row 19999", None)]


async def test_parameters_reach_the_reader(source: SqliteSource) -> None:
    rows = await rows_of(source, select("SELECT t FROM numbers WHERE t LIKE ?", "row 1%", fields=(TEXT,)))
    assert len(rows) == 11_111


@pytest.mark.parametrize("wanted", [1000, 5000])
async def test_no_more_rows_come_than_wanted(source: SqliteSource, wanted: int) -> None:
    assert len(await rows_of(source, select("SELECT n FROM numbers"), maxrows=wanted)) == wanted


async def test_what_may_not_be_read_is_refused_before_a_reader_sees_it(source: SqliteSource) -> None:
    with pytest.raises(InternalError):
        await rows_of(source, select("SELECT n FROM secrets UNION ALL SELECT n FROM numbers"))


async def test_a_value_that_does_not_fit_is_an_error_late_too(source: SqliteSource) -> None:
    with pytest.raises(InternalError):
        await rows_of(source, select("SELECT CASE WHEN n < 19000 THEN n ELSE t END FROM numbers"))
    assert len(await rows_of(source, select("SELECT n FROM numbers"))) == ROWS


async def test_a_query_that_is_stopped_ends_its_process_and_the_next_has_another(source: SqliteSource) -> None:
    (first,) = readers(source)
    with pytest.raises(QueryTimeout):
        await rows_of(source, endless(source), time_limit_s=0.5)
    assert len(await rows_of(source, select("SELECT n FROM numbers"))) == ROWS
    assert first not in readers(source)


async def test_who_leaves_half_way_leaves_no_process_at_work(source: SqliteSource) -> None:
    sql = "SELECT a.n FROM numbers AS a, numbers AS b"
    async with aclosing(source.open(select(sql), maxrows=10**8, time_limit_s=60)) as parts:
        assert (await anext(parts)).rows.num_rows > 0
        (working,) = readers(source)
    await until(lambda: _ended(working))


async def test_a_reader_that_is_killed_is_told_and_replaced(source: SqliteSource) -> None:
    async with aclosing(
        source.open(select("SELECT a.n FROM numbers AS a, numbers AS b"), maxrows=10**8, time_limit_s=60)
    ) as parts:
        await anext(parts)
        readers(source)[0].kill()
        with pytest.raises(ServiceUnavailable):
            async for _ in parts:
                pass
    assert len(await rows_of(source, select("SELECT n FROM numbers"))) == ROWS


async def test_closing_the_source_ends_its_processes(tmp_path: Path) -> None:
    async with sqlite_source(tmp_path) as source:
        await source.warm_up()
        (idle,) = readers(source)
    await until(lambda: _ended(idle))


async def test_a_source_at_rest_keeps_no_more_after_large_results_than_before(tmp_path: Path) -> None:
    async with sqlite_source(tmp_path) as source:
        await source.rest()
        process = psutil.Process()
        before = process.num_fds()
        for most in (5000, 500_000):  # the second comes from a reader
            await rows_of(source, select("SELECT n FROM numbers"), maxrows=most)
            await source.rest()
            assert process.num_fds() == before
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("tap-sqlite")]
            assert not readers(source)
            assert await rows_of(source, select("SELECT 1")) == [(1,)]


async def test_writers_are_not_disturbed(source: SqliteSource) -> None:
    """A transaction that is open while a reader comes and goes keeps its lock."""
    with sqlite3.connect(source._path, isolation_level=None) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO numbers VALUES (-1, 'not yet')")
        assert len(await rows_of(source, select("SELECT n FROM numbers"))) == ROWS
        rival = sqlite3.connect(source._path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            rival.execute("BEGIN IMMEDIATE")
        rival.close()
        writer.execute("COMMIT")
    writer.close()
    assert len(await rows_of(source, select("SELECT n FROM numbers"))) == ROWS + 1


def test_a_statement_that_needs_what_readers_lack_stays() -> None:
    assert readable_in_bulk(select("SELECT 1"))
    assert not readable_in_bulk(select("SELECT 1", fields=(Field(name="p", datatype="double", arraysize="2"),)))


async def _ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_small_results_come_although_all_connections_are_taken(source: SqliteSource) -> None:
    running = [asyncio.create_task(rows_of(source, endless(source))) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert await rows_of(source, select("SELECT 7")) == [(7,)]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
