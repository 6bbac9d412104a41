from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing

import asyncpg
import pytest

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.votable.model import Field
from tap_proxy.ports import Statement
from tests.support.systems import ROOT
from tests.tap_proxy.sources.builders import ROWS, endless, postgres_source, rows_of, select, until


async def test_a_cancelled_query_ends_in_the_database(postgres_url: str) -> None:
    watcher = await asyncpg.connect(postgres_url)

    async def running(count: int) -> bool:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(3600)%'"
        return await watcher.fetchval(sql + " AND pid <> pg_backend_pid()") == count

    async with postgres_source(postgres_url) as source:
        task = asyncio.create_task(rows_of(source, endless(source)))
        await until(lambda: running(1))
        task.cancel()
        await asyncio.wait({task})
        await until(lambda: running(0))
    await watcher.close()


QUERYING = """
import asyncio, sys
from tests.tap_proxy.sources.builders import endless, postgres_source, rows_of

async def main():
    async with postgres_source(sys.argv[1]) as source:
        await rows_of(source, endless(source), time_limit_s=3600)

asyncio.run(main())
"""


async def test_a_query_ends_soon_after_a_process_that_was_killed(postgres_url: str) -> None:
    watcher = await asyncpg.connect(postgres_url)

    async def running(count: int) -> bool:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(3600)%'"
        return await watcher.fetchval(sql + " AND pid <> pg_backend_pid()") == count

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", QUERYING, postgres_url, cwd=ROOT)
    await until(lambda: running(1), seconds=60)
    process.kill()
    await process.wait()
    await until(lambda: running(0), seconds=60)
    await watcher.close()


async def test_no_transaction_stays_open(postgres_url: str) -> None:
    watcher = await asyncpg.connect(postgres_url)
    async with postgres_source(postgres_url) as source:
        await rows_of(source, select("SELECT n FROM numbers"), maxrows=10)
        sql = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert await watcher.fetchval(sql) == 0
    await watcher.close()


@pytest.mark.parametrize("sql", ["SELECT 1 / 0", "SELECT 2147483647 + 1", "SELECT sqrt(-1::float8)"])
async def test_what_the_values_do_not_allow_is_the_callers_to_mend(postgres_url: str, sql: str) -> None:
    async with postgres_source(postgres_url) as source:
        with pytest.raises(UsageError, match="database refuses"):
            await rows_of(source, select(sql))


async def test_queries_that_wait_get_a_connection_before_those_that_come_later(postgres_url: str) -> None:
    served: list[int] = []
    asked: list[asyncio.Task[None]] = []

    async def ask(number: int) -> None:
        await rows_of(source, select("SELECT n FROM numbers"), maxrows=1)
        served.append(number)

    async with postgres_source(postgres_url, connections=1, queue_time_limit_s=60) as source:
        while len(served) < 10:
            asked.append(asyncio.create_task(ask(len(asked))))
            await asyncio.sleep(0)  # so that somebody comes at every moment
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    assert served[:10] == list(range(10))


LIST = Field(name="l", datatype="int", arraysize="*")
LONG = "FROM generate_series(1, 1000000) AS n"
END = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'penstock-tap' AND datname = current_database()
"""


@pytest.mark.parametrize(
    "statement",
    [select(f"SELECT n {LONG}"), select(f"SELECT ARRAY[n, n] AS l {LONG}", fields=(LIST,))],
    ids=["copied", "through a cursor"],
)
async def test_a_connection_that_is_lost_on_the_way_is_an_outage(postgres_url: str, statement: Statement) -> None:
    watcher = await asyncpg.connect(postgres_url)
    async with postgres_source(postgres_url) as source:
        async with aclosing(source.open(statement, maxrows=1_000_000, time_limit_s=60)) as parts:
            await anext(parts)
            assert await watcher.fetchval(END) == 1
            with pytest.raises(ServiceUnavailable):
                async for _ in parts:
                    pass
        assert len(await rows_of(source, select("SELECT n FROM numbers"))) == ROWS  # by a new connection
    await watcher.close()


async def test_what_the_driver_says_between_a_goodbye_and_the_end_of_a_connection_is_an_outage(
    postgres_url: str,
) -> None:
    async with postgres_source(postgres_url) as source:
        with pytest.raises(ServiceUnavailable):
            async with source._transaction(5):
                raise asyncpg.InternalClientError("cannot switch to state 16; another operation (2) is in progress")
