from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa

from penstock.db import Database
from penstock.lake.catalogue import SCHEMAS
from penstock.migrations import upgrade
from penstock.tables import Column, Schema, Table
from tap_proxy.core.tap_schema import TAP_SCHEMA
from tap_proxy.store import TapSchemaTables, has_coverages, publish

ALL = (*SCHEMAS, TAP_SCHEMA)
MORE = Schema(name="more", tables=(Table(name="Odd Name", columns=(Column(name="select", datatype="int"),)),))


async def opened(url: str) -> Database:
    db = Database(url)
    await upgrade(db, {"tap_schema": "tap_proxy.migrations"})
    return db


async def names(db: Database, table: str, column: str) -> set[str]:
    described = TapSchemaTables.of(db.dialect).described[table]
    async with db.read() as connection:
        return set((await connection.execute(sa.select(described.c[column]))).scalars())


async def test_published_tables_are_described(database_url: str) -> None:
    db = await opened(database_url)
    await publish(db, ALL)
    assert await names(db, "schemas", "schema_name") == {"ivoa", "lake", "tap_schema"}
    assert '"size"' in await names(db, "columns", "column_name")
    await db.close()


async def test_a_change_rewrites_everything(database_url: str) -> None:
    db = await opened(database_url)
    await publish(db, ALL)
    await publish(db, (*ALL, MORE))
    assert 'more."Odd Name"' in await names(db, "tables", "table_name")
    assert '"select"' in await names(db, "columns", "column_name")
    await publish(db, ALL)
    assert "more" not in await names(db, "schemas", "schema_name")
    await db.close()


async def test_coverages_are_there_when_a_row_has_one(database_url: str) -> None:
    coverage = Column(name="coverage", datatype="char", arraysize="*", xtype="moc")
    schemas = (*ALL, Schema(name="tap_schema", tables=(Table(name="covered", columns=(coverage,)),)))
    db = await opened(database_url)
    covered = db.namespace("tap_schema").table("covered", sa.Column("coverage", sa.Text))
    seen = []
    async with db.write() as connection:
        await connection.run_sync(covered.create)
    for value in (None, "0/1"):
        async with db.write() as connection:
            await connection.execute(covered.insert(), [{"coverage": value}])
        seen.append(await has_coverages(db, schemas))
    assert seen == [False, True]
    await db.close()


async def test_a_database_that_is_away_shows_no_coverages(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'gone' / 'test.db'}")
    coverage = Column(name="coverage", datatype="char", arraysize="*", xtype="moc")
    assert not await has_coverages(db, (Schema(name="rr", tables=(Table(name="stc_spatial", columns=(coverage,)),)),))
    await db.close()


async def test_several_processes_publish_at_once(database_url: str) -> None:
    first = await opened(database_url)
    others = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(publish(db, ALL) for db in [first, *others]))
    assert await names(first, "schemas", "schema_name") == {"ivoa", "lake", "tap_schema"}
    for db in [first, *others]:
        await db.close()
