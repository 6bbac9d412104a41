"""One database, two engines: SQLite embedded, PostgreSQL in production.

Each service owns a `Namespace`: a schema in PostgreSQL, a prefix of table names in SQLite
(``uws.job`` there is the table ``uws__job``). Writers use `Database.write`, readers `Database.read`; statements that
every request runs go by `Database.direct`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import MetaData, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import SchemaItem

from penstock.direct import DatabaseFile, Direct, PostgresDirect, SqliteDirect, outage

Dialect = Literal["sqlite", "postgresql"]
SQLITE_BUSY_TIMEOUT_MS = 30_000


def physical_name(dialect: Dialect, schema: str, table: str) -> tuple[str | None, str]:
    """Return schema and table as the engine knows them: SQLite has no schemas, so the schema becomes a prefix."""
    return (schema, table) if dialect == "postgresql" else (None, f"{schema}__{table}")


@dataclass(frozen=True, slots=True)
class Namespace:
    """The tables of one owner in one dialect."""

    dialect: Dialect
    schema: str
    metadata: MetaData

    @classmethod
    def of(cls, dialect: Dialect, schema: str) -> Namespace:
        """Return an empty namespace."""
        return cls(dialect, schema, MetaData())

    def table(self, name: str, *items: SchemaItem) -> Table:
        """Declare a table of this namespace."""
        schema, physical = physical_name(self.dialect, self.schema, name)
        return Table(physical, self.metadata, *items, schema=schema)

    def reference(self, table: str, column: str) -> str:
        """Return the text by which a ForeignKey inside this namespace names a column."""
        schema, physical = physical_name(self.dialect, self.schema, table)
        return ".".join(part for part in (schema, physical, column) if part)


class Database:
    """The engine and its rules of transaction.

    Parameters
    ----------
    url
        An SQLAlchemy URL of either engine; the driver is filled in (aiosqlite, asyncpg).
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = async_url(url)
        self.dialect: Dialect = "postgresql" if self.url.get_backend_name() == "postgresql" else "sqlite"
        self._write_lock = asyncio.Lock() if self.dialect == "sqlite" else None
        self._file = DatabaseFile(Path(self.url.database or "")) if self.dialect == "sqlite" else None
        self.direct: Direct = self._open_direct(pool_size)
        # An error names no parameters: they may be anybody's secrets, and errors are logged.
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "hide_parameters": True}
        if self.dialect == "postgresql":
            options["pool_pre_ping"] = True
        self.engine: AsyncEngine = create_async_engine(self.url, **options)
        if self.dialect == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)

    def _open_direct(self, size: int) -> Direct:
        if self._write_lock is None or self._file is None:
            return PostgresDirect(self.url, size=size)
        path = self.url.database or ""

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(path, check_same_thread=False, cached_statements=256)
            connection.row_factory = sqlite3.Row
            _prepare_sqlite(connection, None)
            connection.execute("PRAGMA busy_timeout=0")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            return connection

        return SqliteDirect(connect, self._write_lock, patience_s=SQLITE_BUSY_TIMEOUT_MS / 1000, file=self._file)

    def namespace(self, schema: str) -> Namespace:
        """Return an empty namespace for this engine."""
        return Namespace.of(self.dialect, schema)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for reading: one consistent snapshot.

        Raises
        ------
        ServiceUnavailable
            The database does not answer.
        """
        async with self._connect() as connection:
            if self.dialect == "sqlite":
                await connection.exec_driver_sql("BEGIN")
            else:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection
            await connection.rollback()

    @asynccontextmanager
    async def write(self, lock: int | None = None) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that commits at the end of the block, and rolls back on any error.

        SQLite has one writer at a time: the lock keeps this process's writers from polling for it,
        and BEGIN IMMEDIATE keeps a reader from failing when it turns writer.

        Parameters
        ----------
        lock
            A number of one's own choice: of those that give it, one writes at a time in PostgreSQL too.

        Raises
        ------
        ServiceUnavailable
            The database does not answer.
        """
        async with self._write_lock or nullcontext(), self._connect() as connection:
            if self.dialect == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif lock is not None:
                await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock})
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncConnection]:
        if self._file is not None:
            self._file.require()
        with _outage_told():
            try:
                connection = await self.engine.connect()
            except OSError as error:
                raise outage() from error
            try:
                yield connection
            finally:
                await connection.close()

    async def close(self) -> None:
        """Close every connection."""
        await self.direct.close()
        await self.engine.dispose()


def among(dialect: Dialect, column: sa.ColumnElement[str], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of any number of values, with a single parameter."""
    if dialect == "postgresql":
        return column == sa.any_(sa.cast(list(values), postgresql.ARRAY(sa.Text)))
    listed = sa.func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(sa.select(listed.c.value))


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace those that have their keys; columns that the rows do not name stay as they are."""
    if not rows:
        return
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def async_url(url: str) -> URL:
    """Return `url` with the asynchronous driver of its engine.

    Raises
    ------
    ValueError
        It is no URL, or the engine is neither a file of SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # What cannot be parsed is not repeated: it may be a part of the password.
        raise ValueError("it is no URL; inside a name or password write : / @ as %3A %2F %40") from None
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    try:
        found = parsed.set(drivername=drivers[parsed.drivername.partition("+")[0]])
    except KeyError:
        raise ValueError(f"a database URL begins with sqlite: or postgresql:, not {parsed.drivername}:") from None
    if found.get_backend_name() == "sqlite" and found.database in {None, "", ":memory:"}:
        raise ValueError("SQLite needs a file, as in sqlite:////var/lib/penstock/penstock.db")
    if "sslmode" in found.query:  # as libpq spells it
        found = found.difference_update_query(["sslmode"]).update_query_dict({"ssl": found.query["sslmode"]})
    return found


@contextmanager
def _outage_told() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise outage() from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise outage() from error
        raise


def _prepare_sqlite(connection: DBAPIConnection | sqlite3.Connection, _record: object) -> None:
    """Set up a new SQLite connection; transactions are begun by us, not by the driver."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={SQLITE_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",  # a killed process loses nothing; a power cut may lose the last commits
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
