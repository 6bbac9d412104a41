"""Rows into a new table of either engine, beside the one that may be there; nobody sees it before it is published.

A load that is killed leaves the staged table behind; the next load of the same table drops it. Two loads of one table
at once would ruin each other, so the second is refused; SQLite, which has one writer, takes one load at a time.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

import asyncpg
import pyarrow as pa
import pyarrow.csv as pacsv

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.db import Database, Dialect, physical_name
from penstock.direct import libpq_url
from penstock.tables import Table
from penstock.votable.model import Datatype, Field
from penstock.zones import index_statement
from tap_proxy.adql.dialect import quoted
from tap_proxy.core.own_tables import index_columns, position_of
from tap_proxy.sources.uploaded import is_array, plain

_BUSY_TIMEOUT_S = 60.0
_LOCK_KEY = 0x5441_5041  # any constant, beside the hash of the name: one load of a table at a time

_TYPES: dict[Datatype, str] = {
    "boolean": "BOOLEAN",
    "bit": "SMALLINT",
    "unsignedByte": "SMALLINT",
    "short": "SMALLINT",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "REAL",
    "double": "DOUBLE PRECISION",
    "char": "TEXT",
    "unicodeChar": "TEXT",
    "floatComplex": "TEXT",
    "doubleComplex": "TEXT",
}


class Load(Protocol):
    """A table that is being filled."""

    async def add(self, batch: pa.RecordBatch) -> None:
        """Append rows.

        Raises
        ------
        UsageError
            The database cannot hold a value.
        """
        ...

    async def finish(self) -> None:
        """Make the indexes, and let the database count what is there."""
        ...


def staged_name(table: str) -> str:
    """Return the name that a table has while it is loaded."""
    return f"{table}__new"


@asynccontextmanager
async def loading(db: Database, schema: str, table: Table) -> AsyncIterator[Load]:
    """Make an empty staged table and give what fills it; what is not published within the block is dropped.

    Raises
    ------
    ServiceUnavailable
        The same table is being loaded already.
    """
    opened = _loading_sqlite if db.dialect == "sqlite" else _loading_postgres
    async with opened(db, schema, table) as load:
        yield load


def _definition(name: str, table: Table) -> str:
    columns = ", ".join(f"{quoted(column.name)} {sql_type(column)}" for column in table.columns)
    return f"CREATE TABLE {name} ({columns})"


def sql_type(field: Field) -> str:
    """Return the SQL type that keeps a column, the same on both engines; arrays are text."""
    text = field.datatype in ("char", "unicodeChar")
    return "TEXT" if text or is_array(field) else _TYPES[field.datatype]


def _indexes(dialect: Dialect, schema: str, staged: str, table: Table) -> list[str]:
    def name() -> str:
        return quoted(f"{schema}_{token_hex(8)}")  # unique, since a table that is replaced still has its own

    columns = index_columns(table)
    made = [f"CREATE INDEX {name()} ON {staged} ({', '.join(map(quoted, each))})" for each in columns]
    position, texts = position_of(table.columns), {one.name for one in table.columns if sql_type(one) == "TEXT"}
    if position is not None and texts.isdisjoint(position):  # sexagesimal positions have the same UCDs
        made.append(index_statement(dialect, name(), staged, *map(quoted, position)))
    return made


def _columns(batch: pa.RecordBatch, table: Table) -> list[pa.Array[Any]]:
    return [plain(array, column) for array, column in zip(batch.columns, table.columns, strict=True)]


@asynccontextmanager
async def _loading_sqlite(db: Database, schema: str, table: Table) -> AsyncIterator[Load]:
    path = Path(db.url.database or "")
    name = quoted(physical_name("sqlite", schema, staged_name(table.name))[1])
    with path.with_name(f"{path.name}.tap-add.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _busy("a table") from error
        connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
        try:
            # In threads, since each may wait for somebody who writes, perhaps a task of this very event loop.
            await asyncio.to_thread(connection.execute, f"DROP TABLE IF EXISTS {name}")
            await asyncio.to_thread(connection.execute, _definition(name, table))
            yield _SqliteLoad(connection, name, schema, table)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            await asyncio.to_thread(connection.execute, f"DROP TABLE IF EXISTS {name}")
            connection.close()


class _SqliteLoad:
    def __init__(self, connection: sqlite3.Connection, name: str, schema: str, table: Table) -> None:
        self._connection = connection
        self._name = name
        self._schema = schema
        self._table = table

    async def add(self, batch: pa.RecordBatch) -> None:
        await asyncio.to_thread(self._add, batch)

    async def finish(self) -> None:
        await asyncio.to_thread(self._finish)

    def _add(self, batch: pa.RecordBatch) -> None:
        columns = [array.to_pylist() for array in _columns(batch, self._table)]
        marks = ", ".join("?" * len(columns))
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                f"INSERT INTO {self._name} VALUES ({marks})",  # noqa: S608  # the name is quoted
                zip(*columns, strict=True),
            )
        except OverflowError as error:
            raise UsageError("a whole number is too large for the database.") from error
        self._connection.execute("COMMIT")

    def _finish(self) -> None:
        for statement in _indexes("sqlite", self._schema, self._name, self._table):
            self._connection.execute(statement)
        self._connection.execute(f"ANALYZE {self._name}")


@asynccontextmanager
async def _loading_postgres(db: Database, schema: str, table: Table) -> AsyncIterator[Load]:
    connection = await asyncpg.connect(libpq_url(db.url))
    name = f"{quoted(schema)}.{quoted(staged_name(table.name))}"
    try:
        lock = "SELECT pg_try_advisory_lock($1, hashtext($2))"
        if not await connection.fetchval(lock, _LOCK_KEY, f"{schema}.{table.name}"):
            raise _busy(f"{schema}.{table.name}")
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        await connection.execute(f"DROP TABLE IF EXISTS {name}")
        await connection.execute(_definition(name, table))
        try:
            yield _PostgresLoad(connection, name, schema, table)
        finally:
            await connection.execute(f"DROP TABLE IF EXISTS {name}")
    finally:
        await connection.close()


class _PostgresLoad:
    def __init__(self, connection: asyncpg.Connection, name: str, schema: str, table: Table) -> None:
        self._connection = connection
        self._name = name
        self._schema = schema
        self._table = table

    async def add(self, batch: pa.RecordBatch) -> None:
        rows = await asyncio.to_thread(self._as_csv, batch)
        try:
            await self._connection.copy_to_table(
                staged_name(self._table.name), schema_name=self._schema, source=rows, format="csv"
            )
        except asyncpg.DataError as error:
            raise UsageError(f"the database cannot hold a value: {error}.") from error

    async def finish(self) -> None:
        for statement in _indexes("postgresql", self._schema, self._name, self._table):
            await self._connection.execute(statement)
        await self._connection.execute(f"ANALYZE {self._name}")

    def _as_csv(self, batch: pa.RecordBatch) -> io.BytesIO:
        rows = io.BytesIO()
        columns = _columns(batch, self._table)
        named = pa.RecordBatch.from_arrays(columns, names=[column.name for column in self._table.columns])
        pacsv.write_csv(named, rows, pacsv.WriteOptions(include_header=False))  # null is empty, "" is quoted
        rows.seek(0)
        return rows


def _busy(what: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"{what} is being loaded already; try again when that is through.")
