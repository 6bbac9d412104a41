from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Table, Text, select
from sqlalchemy.exc import IntegrityError

from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database, Namespace, async_url
from penstock.direct import Statement


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


async def test_a_reader_sees_one_snapshot_while_others_write(db: Database, job: Table) -> None:
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


@pytest.mark.parametrize("url", ["garbage", "", "postgresql://u:SECRET@h:x/d"])
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="it is no URL") as caught:
        async_url(url)
    assert "SEC" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_sqlite_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="SQLite needs a file"):
        async_url(url)


def test_the_sslmode_of_libpq_is_understood() -> None:
    assert dict(async_url("postgresql://u@h/d?sslmode=require").query) == {"ssl": "require"}


async def test_a_database_that_is_away_is_told_as_an_outage() -> None:
    db = Database("postgresql://u:SECRET@127.0.0.1:1/d")
    for way in (db.read, db.write):
        with pytest.raises(ServiceUnavailable) as caught:
            async with way():
                pass
        assert caught.value.retry_after_s
    await db.close()


async def test_an_error_does_not_repeat_the_values_of_a_statement(db: Database, job: Table) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with db.write() as connection:
            await connection.execute(job.insert().values(id="SECRET", n=None))
    assert "SECRET" not in str(caught.value).partition("DETAIL")[0]


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_was_removed_or_replaced_takes_no_more_writes(tmp_path: Path, replaced: bool) -> None:
    path = tmp_path / "x.db"
    db = Database(f"sqlite:///{path}")
    statement = Statement("INSERT INTO t VALUES (1)", (), {})
    async with db.write() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
    await db.direct.write(statement, {})
    path.rename(tmp_path / "elsewhere.db")
    if replaced:
        path.touch()
    with pytest.raises(ServiceUnavailable):
        await db.direct.write(statement, {})
    for opened in (db.write, db.read):
        with pytest.raises(ServiceUnavailable):
            async with opened():
                pass
    (tmp_path / "elsewhere.db").rename(path)
    await db.direct.write(statement, {})
    await db.close()
