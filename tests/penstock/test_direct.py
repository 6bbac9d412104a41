"""Transactions on the drivers' own connections, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.direct import PostgresDirect, Statement, Work, many, one


class Counters:
    """A table of numbers, and what can be done with it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.table = db.namespace("uws").table(
            "counter", sa.Column("id", sa.Text, primary_key=True), sa.Column("n", sa.Integer, nullable=False)
        )
        table, key = self.table, sa.bindparam("key", type_=sa.Text)
        self.insert = self.compiled(sa.insert(table))
        self.get = self.compiled(sa.select(table.c.n).where(table.c.id == key))
        self.set = self.compiled(
            sa.update(table).where(table.c.id == key).values(n=sa.bindparam("to")).returning(table.c.n)
        )

    def compiled(self, clause: sa.ClauseElement) -> Statement:
        return Statement.of(clause, self.db.dialect)

    async def make(self) -> None:
        async with self.db.write() as connection:
            if self.db.dialect == "postgresql":
                await connection.exec_driver_sql("CREATE SCHEMA uws")
            await connection.run_sync(self.table.metadata.create_all)

    async def value(self, key: str = "a") -> int | None:
        rows = await self.db.direct.read(self.get, {"key": key})
        return rows[0]["n"] if rows else None

    def increment(self) -> Work[int]:
        [found] = yield from one(self.get, {"key": "a"})
        [changed] = yield from one(self.set, {"key": "a", "to": found["n"] + 1})
        return int(changed["n"])


@pytest.fixture
async def counters(database_url: str) -> AsyncIterator[Counters]:
    db = Database(database_url)
    found = Counters(db)
    await found.make()
    await db.direct.write(found.insert, {"id": "a", "n": 1})
    yield found
    await db.close()


async def test_a_transaction_reads_decides_and_writes(counters: Counters) -> None:
    assert await counters.db.direct.transact(counters.increment()) == 2
    assert await counters.value() == 2


async def test_a_statement_is_executed_for_each_of_many_values(counters: Counters) -> None:
    await counters.db.direct.transact(many(counters.insert, [{"id": f"m{n}", "n": n} for n in range(5)]))
    await counters.db.direct.transact(many(counters.insert, []))
    assert [await counters.value(f"m{n}") for n in range(6)] == [0, 1, 2, 3, 4, None]


@pytest.mark.parametrize("fault", [ZeroDivisionError, KeyError])
async def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_works(
    counters: Counters, fault: type[Exception]
) -> None:
    def broken() -> Work[None]:
        yield from one(counters.set, {"key": "a", "to": 9})
        raise fault

    with pytest.raises(fault):
        await counters.db.direct.transact(broken())
    assert await counters.value() == 1
    assert await counters.db.direct.transact(counters.increment()) == 2


async def test_a_statement_that_fails_leaves_nothing_of_its_transaction(counters: Counters) -> None:
    def twice() -> Work[None]:
        yield from one(counters.set, {"key": "a", "to": 9})
        yield from one(counters.insert, {"id": "a", "n": 1})

    with pytest.raises(Exception, match=r"(?i)unique"):
        await counters.db.direct.transact(twice())
    assert await counters.value() == 1


async def test_a_writer_waits_for_one_of_another_process(database_url: str, counters: Counters) -> None:
    another = Database(database_url)
    async with another.write() as connection:
        await connection.execute(sa.update(counters.table).values(n=7))
        waiting = asyncio.create_task(counters.db.direct.write(counters.set, {"key": "a", "to": 8}))
        assert await asyncio.wait({waiting}, timeout=0.1) == (set(), {waiting})
    [row] = await waiting
    assert (row["n"], await counters.value()) == (8, 8)
    await another.close()


async def test_it_takes_turns_with_the_writers_of_its_own_process(counters: Counters) -> None:
    async def by_engine() -> None:
        async with counters.db.write() as connection:
            await connection.execute(counters.table.update().values(n=counters.table.c.n + 1))

    step = counters.compiled(
        sa.update(counters.table).values(n=counters.table.c.n + sa.bindparam("by", type_=sa.Integer))
    )
    await asyncio.gather(*(by_engine() for _ in range(20)), *(_add(counters, step) for _ in range(20)))
    assert await counters.value() == 41


async def _add(counters: Counters, step: Statement) -> Any:
    return await counters.db.direct.write(step, {"by": 1})


async def test_more_callers_than_connections_are_all_served(counters: Counters) -> None:
    assert await asyncio.gather(*(counters.value() for _ in range(200))) == [1] * 200


async def test_a_caller_that_gives_up_harms_nobody(counters: Counters) -> None:
    tasks = [asyncio.create_task(counters.value()) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await counters.value() == 1


@pytest.mark.parametrize("url", ["postgresql://u:SECRET@127.0.0.1:1/d", "sqlite:////nonexistent/never/x.db"])
async def test_a_database_that_is_away_is_told_as_an_outage(url: str) -> None:
    db = Database(url)
    statement = Statement.of(sa.select(sa.literal_column("1").label("n")), db.dialect)
    for way in (db.direct.read, db.direct.write):
        with pytest.raises(ServiceUnavailable) as told:
            await way(statement, {})
        assert told.value.retry_after_s
        assert "SECRET" not in told.value.message
    await db.close()


async def test_connections_that_the_server_ended_are_replaced(postgres_url: str) -> None:
    db, killer = Database(postgres_url), Database(postgres_url)
    statement = Statement.of(sa.select(sa.literal_column("pg_backend_pid()").label("pid")), db.dialect)
    [first] = await db.direct.read(statement, {})
    assert isinstance(db.direct, PostgresDirect)
    assert db.direct.is_own(first["pid"])
    async with killer.write() as connection:
        await connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": first["pid"]})
    async with asyncio.timeout(30):
        while True:
            try:
                [second] = await db.direct.read(statement, {})
                break
            except ServiceUnavailable:  # its end may be noticed by the first who use it
                continue
    assert second["pid"] != first["pid"]
    assert not db.direct.is_own(first["pid"])
    await db.close()
    await killer.close()
