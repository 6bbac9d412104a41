from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Table, Text, select

from penstock.db import Database, Namespace, async_url


def job_table(ns: Namespace) -> Table:
    return ns.table("job", Column("id", Text, primary_key=True), Column("n", Integer, nullable=False, default=0))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def job(db: Database) -> Table:
    ns = db.namespace("uws")
    table = job_table(ns)
    async with db.write() as connection:
        if db.dialect == "postgresql":
            await connection.exec_driver_sql("CREATE SCHEMA uws")
        await connection.run_sync(ns.metadata.create_all)
    return table


async def test_a_failed_block_leaves_nothing(db: Database, job: Table) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.write() as connection:
            await connection.execute(job.insert().values(id="lost"))
            raise ZeroDivisionError
    async with db.write() as connection:
        await connection.execute(job.insert().values(id="kept"))
    async with db.read() as connection:
        assert (await connection.execute(select(job.c.id))).scalars().all() == ["kept"]


async def test_a_cancelled_writer_frees_the_next(db: Database, job: Table) -> None:
    entered = asyncio.Event()

    async def linger() -> None:
        async with db.write() as connection:
            await connection.execute(job.insert().values(id="lingering"))
            entered.set()
            await asyncio.Event().wait()

    lingering = asyncio.create_task(linger())
    await entered.wait()
    lingering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lingering
    async with db.write() as connection:
        await connection.execute(job.insert().values(id="next"))
    async with db.read() as connection:
        assert (await connection.execute(select(job.c.id))).scalars().all() == ["next"]


async def test_many_writers_each_get_their_turn(db: Database, job: Table) -> None:
    async with db.write() as connection:
        await connection.execute(job.insert().values(id="counter"))

    async def count() -> None:
        async with db.write() as connection:
            await connection.execute(job.update().values(n=job.c.n + 1))

    await asyncio.gather(*(count() for _ in range(50)))
    async with db.read() as connection:
        assert (await connection.execute(select(job.c.n))).scalar_one() == 50


async def test_a_reader_sees_one_snapshot_while_others_write(tmp_path: object, db: Database, job: Table) -> None:
    if db.dialect == "postgresql":
        pytest.skip("PostgreSQL's default isolation reads what is committed at each statement")
    async with db.read() as reading:
        assert (await reading.execute(select(job.c.id))).all() == []
        async with db.write() as writing:
            await writing.execute(job.insert().values(id="new"))
        assert (await reading.execute(select(job.c.id))).all() == []


@pytest.mark.parametrize(("dialect", "name"), [("sqlite", "uws__job"), ("postgresql", "uws.job")])
def test_a_namespace_is_a_schema_or_a_prefix(dialect: str, name: str) -> None:
    ns = Namespace.of(dialect, "uws")  # type: ignore[arg-type]
    table = job_table(ns)
    child = ns.table("result", Column("job_id", Text, ForeignKey(ns.reference("job", "id"))))
    assert str(table) == name
    assert next(iter(child.foreign_keys)).column is table.c.id


@pytest.mark.parametrize("url", ["mysql://x/y", "oracle://x"])
def test_other_engines_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite: or postgresql:"):
        async_url(url)
