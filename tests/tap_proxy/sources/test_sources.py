"""What every source must do, tried on each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from penstock.dali.errors import InternalError, ServiceError, ServiceUnavailable, UsageError
from penstock.votable.model import Field
from tap_proxy.ports import QueryTimeout, TapSource
from tap_proxy.sources.columns import FIRST_ROWS
from tests.tap_proxy.sources.builders import (
    ROWS,
    TEXT,
    N,
    endless,
    postgres_source,
    rows_of,
    select,
    sqlite_source,
)


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def source(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TapSource]:
    if request.param == "sqlite":
        async with sqlite_source(tmp_path) as opened:
            yield opened
    else:
        async with postgres_source(request.getfixturevalue("postgres_url")) as opened:
            yield opened


async def test_all_rows_come_in_order(source: TapSource) -> None:
    rows = await rows_of(source, select("SELECT n, t FROM numbers ORDER BY n", fields=(N, TEXT)))
    assert rows == [(n, f"row {n}") for n in range(ROWS)]


@pytest.mark.parametrize("maxrows", [1, FIRST_ROWS - 1, FIRST_ROWS, FIRST_ROWS + 1, 5000])
async def test_no_more_rows_come_than_wanted(source: TapSource, maxrows: int) -> None:
    assert len(await rows_of(source, select("SELECT n FROM numbers"), maxrows=maxrows)) == maxrows


async def test_a_result_without_rows_is_one_empty_last_part(source: TapSource) -> None:
    parts = [part async for part in source.open(select("SELECT n FROM numbers WHERE n < 0"), maxrows=9, time_limit_s=9)]
    assert [(part.rows.num_rows, part.last) for part in parts] == [(0, True)]


async def test_the_last_part_says_so(source: TapSource) -> None:
    parts = [part async for part in source.open(select("SELECT n FROM numbers"), maxrows=ROWS + 1, time_limit_s=30)]
    assert [part.last for part in parts] == [*[False] * (len(parts) - 1), True]
    assert sum(part.rows.num_rows for part in parts) == ROWS


async def test_an_endless_query_is_stopped_in_time(source: TapSource) -> None:
    with pytest.raises(QueryTimeout, match=r"longer than 0\.2 s"):
        await rows_of(source, endless(source), time_limit_s=0.2)
    assert await rows_of(source, select("SELECT 7")) == [(7,)]


async def test_a_cancelled_query_gives_its_connection_back(source: TapSource) -> None:
    for _ in range(6):  # more often than there are connections
        task = asyncio.create_task(rows_of(source, endless(source)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await rows_of(source, select("SELECT 7")) == [(7,)]


async def test_a_result_that_is_closed_half_way_gives_its_connection_back(source: TapSource) -> None:
    for _ in range(6):
        async with aclosing(source.open(select("SELECT n FROM numbers"), maxrows=ROWS, time_limit_s=30)) as parts:
            assert (await anext(parts)).rows.num_rows > 0
    assert await rows_of(source, select("SELECT 7")) == [(7,)]


async def test_a_busy_source_says_so(source: TapSource) -> None:
    source._queue_time_limit_s = 0.1
    running = [asyncio.create_task(rows_of(source, endless(source))) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(ServiceUnavailable, match="Too many queries"):
        await rows_of(source, endless(source))
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


WRITES = [
    "INSERT INTO numbers VALUES (1, 'x')",
    "UPDATE numbers SET n = 1",
    "DELETE FROM numbers",
    "DROP TABLE numbers",
    "CREATE TABLE mine (n INTEGER)",
    "CREATE TEMP TABLE mine (n INTEGER)",
]


@pytest.mark.parametrize("sql", [*WRITES, "SELECT 1; DELETE FROM numbers", "COMMIT"])
async def test_nothing_but_reading_is_possible(source: TapSource, sql: str) -> None:
    with pytest.raises(ServiceError):
        if await rows_of(source, select(sql)) == []:
            raise UsageError("a statement without effect")
    assert await rows_of(source, select("SELECT count(*) FROM numbers WHERE t <> 'x'")) == [(ROWS,)]


async def test_a_fault_of_ours_is_not_told_as_one_of_the_callers(source: TapSource) -> None:
    with pytest.raises(InternalError):
        await rows_of(source, select("SELECT nonsense FROM numbers"))


async def test_a_value_that_does_not_fit_its_field_is_an_error(source: TapSource) -> None:
    with pytest.raises(InternalError, match="'n'"):
        await rows_of(source, select("SELECT 'not a number'"))


async def test_near_misses_are_brought_to_the_type_of_the_field(source: TapSource) -> None:
    fields = (Field(name="b", datatype="boolean"), Field(name="d", datatype="double"), TEXT)
    numeric = "1.5" if source.dialect == "sqlite" else "1.5::numeric"
    assert await rows_of(source, select(f"SELECT 1, {numeric}, 12", fields=fields)) == [(True, 1.5, "12")]


async def test_ping_answers(source: TapSource) -> None:
    await source.ping()
