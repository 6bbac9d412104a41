"""What queries need in the database beside the tables: TAP_SCHEMA, and in PostgreSQL the helper functions.

Every process that opens the service calls `publish`. Where what it would write is not what was written last, it
rewrites everything in one transaction, so that a query sees either the old description or the new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database, Dialect, Namespace, physical_name
from penstock.tables import Schema
from tap_proxy.adql.kinds import shape_of
from tap_proxy.adql.postgres_functions import STATEMENTS as FUNCTIONS
from tap_proxy.core.tap_schema import NAME, TAP_SCHEMA, Row, rows_of

LOCK_KEY = 0x5441505F  # any constant: one rewriting at a time in a PostgreSQL database
_KEYS: Mapping[str, tuple[str, ...]] = {
    "schemas": ("schema_name",),
    "tables": ("table_name",),
    "columns": ("table_name", "column_name"),
    "keys": ("key_id",),
    "key_columns": ("key_id", "from_column"),
}


@dataclass(frozen=True, slots=True)
class TapSchemaTables:
    """The SQL tables; `publication` has one row with the digest of what the others hold."""

    metadata: sa.MetaData
    described: Mapping[str, sa.Table]
    publication: sa.Table

    @classmethod
    @cache
    def of(cls, dialect: Dialect) -> TapSchemaTables:
        """Declare the tables for a dialect."""
        ns = Namespace.of(dialect, NAME)
        described = {}
        for table in TAP_SCHEMA.tables:
            columns = [
                sa.Column(
                    column.name,
                    sa.Integer if column.datatype == "int" else sa.Text,
                    primary_key=column.name in _KEYS[table.name],
                    nullable=column.nullable,
                    autoincrement=False,
                )
                for column in table.columns
            ]
            described[table.name] = ns.table(table.name, *columns)
        publication = ns.table(
            "publication",
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("digest", sa.Text, nullable=False),
        )
        return cls(ns.metadata, described, publication)


async def publish(db: Database, schemas: Sequence[Schema]) -> None:
    """Make TAP_SCHEMA describe `schemas`, in one transaction, if it does not already."""
    tables = TapSchemaTables.of(db.dialect)
    rows = rows_of(schemas)
    functions = FUNCTIONS if db.dialect == "postgresql" else ()
    digest = hashlib.sha256(orjson.dumps((rows, functions))).hexdigest()
    async with db.read() as connection:
        if await _published(connection, tables) == digest:
            return
    async with db.write(LOCK_KEY) as connection:
        if await _published(connection, tables) != digest:
            await _create_functions(connection, functions)
            await _rewrite(connection, tables, rows, digest)


async def _published(connection: AsyncConnection, tables: TapSchemaTables) -> str | None:
    digest: str | None = await connection.scalar(sa.select(tables.publication.c.digest))
    return digest


async def _create_functions(connection: AsyncConnection, statements: Sequence[str]) -> None:
    """Create the functions in the schema that the connections of queries have as their search path."""
    if statements:
        await connection.exec_driver_sql(f"SET LOCAL search_path TO {NAME}")
    for statement in statements:
        await connection.exec_driver_sql(statement)


async def _rewrite(
    connection: AsyncConnection, tables: TapSchemaTables, rows: Mapping[str, Sequence[Row]], digest: str
) -> None:
    for name, table in tables.described.items():
        await connection.execute(sa.delete(table))
        named = [dict(zip(table.c.keys(), row, strict=True)) for row in rows[name]]
        if named:
            await connection.execute(sa.insert(table), named)
    await connection.execute(sa.delete(tables.publication))
    await connection.execute(sa.insert(tables.publication).values(id=1, digest=digest))


async def has_coverages(db: Database, schemas: Iterable[Schema]) -> bool:
    """Tell whether a table has a coverage, with which MOCs can be compared; what cannot be looked at has none."""
    columns = [
        (physical_name(db.dialect, schema.name, table.name), column.name)
        for schema in schemas
        for table in schema.tables
        for column in table.columns
        if shape_of(column) == "moc"
    ]
    try:
        async with db.read() as connection:
            found = [await connection.scalar(_any_value(*place, column)) for place, column in columns]
    except ServiceUnavailable:
        return False
    return any(found)


def _any_value(namespace: str | None, table: str, column: str) -> sa.Select[int]:
    value: sa.ColumnClause[str] = sa.column(column)
    return (
        sa.select(sa.literal(1))
        .select_from(sa.table(table, value, schema=namespace))
        .where(value.is_not(None))
        .limit(1)
    )
