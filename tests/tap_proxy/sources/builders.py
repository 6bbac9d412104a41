"""Sources over small databases, and statements to run on them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from penstock.votable.model import Field
from tap_proxy.adql.sqlite_functions import SQLITE_FUNCTIONS
from tap_proxy.ports import Statement, TapSource
from tap_proxy.sources.postgres import PostgresSource, open_pool
from tap_proxy.sources.sqlite import SqliteSource

N = Field(name="n", datatype="int")
TEXT = Field(name="t", datatype="char", arraysize="*")
ROWS = 20_000

ENDLESS = {
    "sqlite": "WITH RECURSIVE e(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM e) SELECT count(*) FROM e",
    "postgresql": "SELECT 1 FROM pg_sleep(3600)",
}


def select(sql: str, *params: object, fields: tuple[Field, ...] = (N,)) -> Statement:
    return Statement(sql=sql, params=params, fields=fields)


def endless(source: TapSource) -> Statement:
    return select(ENDLESS[source.dialect])


@asynccontextmanager
async def sqlite_source(
    folder: Path, *, connections: int = 2, queue_time_limit_s: float = 5.0
) -> AsyncIterator[SqliteSource]:
    path = folder / "source.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE numbers (n INTEGER, t TEXT)")
        database.execute("CREATE TABLE secrets (n INTEGER)")
        database.execute("CREATE TABLE below (n INTEGER)")
        database.execute("CREATE VIEW shown AS SELECT n FROM below")
        database.execute("INSERT INTO below VALUES (42)")
        database.executemany("INSERT INTO numbers VALUES (?, ?)", ((n, f"row {n}") for n in range(ROWS)))
    database.close()
    source = SqliteSource(
        path,
        tables=["numbers", "shown"],
        functions=SQLITE_FUNCTIONS,
        connections=connections,
        queue_time_limit_s=queue_time_limit_s,
    )
    try:
        yield source
    finally:
        await source.close()


@asynccontextmanager
async def postgres_source(
    url: str, *, connections: int = 2, queue_time_limit_s: float = 5.0
) -> AsyncIterator[PostgresSource]:
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"CREATE TABLE numbers AS SELECT n, 'row ' || n AS t FROM generate_series(0, {ROWS - 1}) AS n"
    )
    await connection.close()
    source = PostgresSource(
        await open_pool(url, connections=connections, search_path="public"), queue_time_limit_s=queue_time_limit_s
    )
    try:
        yield source
    finally:
        await source.close()


async def rows_of(
    source: TapSource, statement: Statement, *, maxrows: int = ROWS * 2, time_limit_s: float = 30
) -> list:
    rows: list = []
    async for part in source.open(statement, maxrows=maxrows, time_limit_s=time_limit_s):
        rows += [tuple(row.values()) for row in part.rows.to_pylist()]
    return rows


async def until(condition, *, seconds: float = 10.0) -> None:
    """Wait until the condition, a coroutine function, holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  # the world outside this process sets no event
            await asyncio.sleep(0.01)
