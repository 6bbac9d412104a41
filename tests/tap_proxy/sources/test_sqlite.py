from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from penstock.dali.errors import InternalError, ServiceUnavailable, UsageError
from tap_proxy.sources.sqlite import SqliteSource
from tests.tap_proxy.sources.builders import endless, rows_of, select, sqlite_source, until


async def test_only_published_tables_can_be_read(tmp_path: Path) -> None:
    async with sqlite_source(tmp_path) as source:
        assert await rows_of(source, select("SELECT n FROM shown")) == [(42,)]
        for sql in (
            "SELECT n FROM secrets",
            "SELECT count(*) FROM sqlite_master",
            "SELECT load_extension('x')",
            "WITH shown AS (SELECT n FROM secrets) SELECT * FROM shown",
        ):
            with pytest.raises(InternalError):
                await rows_of(source, select(sql))


@pytest.mark.parametrize(
    "sql", ["PRAGMA query_only=OFF", "ATTACH ':memory:' AS other", "VACUUM", "PRAGMA writable_schema=ON"]
)
async def test_the_locks_cannot_be_opened(tmp_path: Path, sql: str) -> None:
    async with sqlite_source(tmp_path) as source:
        with pytest.raises(InternalError):
            await rows_of(source, select(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "+".join(["1"] * 3000),
        "SELECT zeroblob(1000000000)",
        "SELECT sum(9223372036854775807) FROM numbers",
        "SELECT penstock_integer('one', 32)",
        "SELECT penstock_integer(1e300, 64)",
        "SELECT penstock_real(1e300)",
        "SELECT penstock_double('1_0')",
    ],
)
async def test_what_the_database_cannot_hold_is_the_callers_to_mend(tmp_path: Path, sql: str) -> None:
    async with sqlite_source(tmp_path) as source:
        with pytest.raises(UsageError, match="database refuses"):
            await rows_of(source, select(sql))


async def test_a_number_too_large_for_the_driver_is_the_callers_to_mend(tmp_path: Path) -> None:
    async with sqlite_source(tmp_path) as source:
        with pytest.raises(UsageError, match="too large"):
            await rows_of(source, select("SELECT ?", 2**70))


async def test_a_cancelled_query_stops_at_once(tmp_path: Path) -> None:
    async with sqlite_source(tmp_path, connections=1) as source:
        task = asyncio.create_task(rows_of(source, endless(source)))
        await until(lambda: _running(source))
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait({task})
        assert not source._slots.locked()
        assert await rows_of(source, select("SELECT 1")) == [(1,)]


async def _running(source: SqliteSource) -> bool:
    return source._slots.locked() and not source._idle


async def test_a_missing_file_is_told_as_unavailable(tmp_path: Path) -> None:
    source = SqliteSource(tmp_path / "missing.db", tables=[], functions={}, connections=1, queue_time_limit_s=1)
    with pytest.raises(ServiceUnavailable):
        await source.ping()
    await source.close()
