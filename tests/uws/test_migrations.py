from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from penstock.db import Database
from penstock.migrations import upgrade
from uws.store import Tables


async def test_the_migrations_make_the_tables_that_the_code_declares(database_url: str) -> None:
    db = Database(database_url)
    await upgrade(db, {"uws": "uws.migrations"})
    metadata = Tables.of(db.dialect).metadata
    names = {table.name for table in metadata.tables.values()}

    def include(obj: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
        return kind != "table" or name in names

    def compare(connection: object) -> list[object]:
        options = {"include_schemas": True, "include_object": include}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with db.read() as connection:
        assert await connection.run_sync(compare) == []
    await db.close()
