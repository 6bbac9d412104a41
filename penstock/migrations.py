"""Migrations: every namespace has its own alembic revisions and its own version table.

A revision file uses `namespace`, `create_table`, `add_column`, `create_index` and their like, so that one text serves
both engines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from alembic import op
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, TextClause, text
from sqlalchemy.schema import SchemaItem

from penstock.db import Database, Dialect, Namespace, physical_name
from penstock.zones import index_statement

LOCK_KEY = 0x50454E53  # any constant: one migration at a time in a PostgreSQL database


def namespace(schema: str) -> Namespace:
    """Return the namespace of the running revision."""
    dialect: Dialect = "postgresql" if op.get_context().dialect.name == "postgresql" else "sqlite"
    return Namespace.of(dialect, schema)


def create_table(ns: Namespace, name: str, *items: SchemaItem) -> None:
    """Create a table of the namespace."""
    schema, physical = physical_name(ns.dialect, ns.schema, name)
    op.create_table(physical, *items, schema=schema)


def add_column(ns: Namespace, table: str, column: Column[Any]) -> None:
    """Add a column to a table of the namespace."""
    schema, physical = physical_name(ns.dialect, ns.schema, table)
    op.add_column(physical, column, schema=schema)


def drop_column(ns: Namespace, table: str, column: str) -> None:
    """Drop a column from a table of the namespace."""
    schema, physical = physical_name(ns.dialect, ns.schema, table)
    op.drop_column(physical, column, schema=schema)


def drop_table(ns: Namespace, name: str) -> None:
    """Drop a table of the namespace."""
    schema, physical = physical_name(ns.dialect, ns.schema, name)
    op.drop_table(physical, schema=schema)


def create_index(
    ns: Namespace,
    index: str,
    table: str,
    columns: Sequence[str | TextClause],
    *,
    unique: bool = False,
    where: str | None = None,
) -> None:
    """Create an index; SQLite wants index names unique in the database, so they begin with the namespace."""
    schema, physical = physical_name(ns.dialect, ns.schema, table)
    partial: dict[str, Any] = {} if where is None else {f"{ns.dialect}_where": text(where)}
    op.create_index(index, physical, list(columns), unique=unique, schema=schema, **partial)


def create_zone_index(ns: Namespace, index: str, table: str, *, ra: str, dec: str) -> None:
    """Create an index that finds rows round a position (`penstock.zones`)."""
    schema, physical = physical_name(ns.dialect, ns.schema, table)
    op.execute(index_statement(ns.dialect, index, f"{schema}.{physical}" if schema else physical, ra, dec))


def drop_index(ns: Namespace, index: str, table: str) -> None:
    """Drop an index."""
    schema, physical = physical_name(ns.dialect, ns.schema, table)
    op.drop_index(index, physical, schema=schema)


def create_view(ns: Namespace, name: str, definition: Callable[[str], str], *, of: str) -> None:
    """Create a view; `definition` is given the SQL name of the table that it is a view of."""
    op.execute(f"CREATE VIEW {_sql_name(ns, name)} AS {definition(_sql_name(ns, of))}")


def drop_view(ns: Namespace, name: str) -> None:
    """Drop a view."""
    op.execute(f"DROP VIEW {_sql_name(ns, name)}")


def _sql_name(ns: Namespace, name: str) -> str:
    return ".".join(part for part in physical_name(ns.dialect, ns.schema, name) if part)


async def upgrade(db: Database, packages: Mapping[str, str]) -> None:
    """Bring every namespace to its newest revision, in one transaction; two processes may call it at once.

    Parameters
    ----------
    db
        The database.
    packages
        The package of revision files of each namespace: ``{"uws": "uws.migrations"}``.
    """
    async with db.write(LOCK_KEY) as connection:
        for schema, package in packages.items():
            if db.dialect == "postgresql":
                await connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            await connection.run_sync(_upgrade_one, Namespace.of(db.dialect, schema), package)


def _upgrade_one(connection: Connection, ns: Namespace, package: str) -> None:
    with as_file(files(package)) as folder:
        script = _scripts(folder)

        def steps(revision: tuple[str, ...], _context: MigrationContext) -> list[RevisionStep]:
            return list(script._upgrade_revs("head", revision))  # type: ignore[arg-type]  # alembic's own tuple

        context = _context(connection, ns, steps)
        with Operations.context(context):
            context.run_migrations()


def _scripts(folder: Path) -> ScriptDirectory:
    return ScriptDirectory(str(folder), version_locations=[str(folder)])


def _context(connection: Connection, ns: Namespace, steps: object) -> MigrationContext:
    schema, version_table = physical_name(ns.dialect, ns.schema, "alembic_version")
    return MigrationContext.configure(
        connection,
        opts={"version_table": version_table, "version_table_schema": schema, "fn": steps, "transactional_ddl": True},
    )
