from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import inspect

from penstock.context import migrations
from penstock.db import Database
from penstock.migrations import upgrade


async def test_every_namespace_reaches_its_newest_revision_and_a_second_time_changes_nothing(database_url: str) -> None:
    db = Database(database_url)
    await upgrade(db, migrations())
    before = await tables(db)
    await upgrade(db, migrations())
    assert await tables(db) == before
    assert any("obscore" in name for name in before)
    await db.close()


async def test_two_processes_may_upgrade_at_once(database_url: str) -> None:
    first, second = Database(database_url), Database(database_url)
    await asyncio.gather(upgrade(first, migrations()), upgrade(second, migrations()))
    assert await tables(first) == await tables(second)
    await first.close()
    await second.close()


async def test_a_revision_that_fails_leaves_the_database_as_it_was(database_url: str) -> None:
    db = Database(database_url)
    with pytest.raises(ModuleNotFoundError):
        await upgrade(db, migrations() | {"broken": "no.such.package"})
    assert not [name for name in await tables(db) if "obscore" in name]
    await db.close()


async def tables(db: Database) -> set[str]:
    """Return the names of all tables of all schemas."""
    async with db.engine.connect() as connection:

        def names(sync: object) -> set[str]:
            inspector = inspect(sync)
            return {
                f"{schema}.{t}" for schema in inspector.get_schema_names() for t in inspector.get_table_names(schema)
            }

        found = await connection.run_sync(names)
    return {name for name in found if not name.startswith(("information_schema.", "pg_catalog."))}
