"""Statements on the driver's own connections: for the few that every request runs.

SQLAlchemy declares the tables and compiles each of these statements once. To execute one through its asynchronous
engine costs ten times what the statement itself does, so here they go to asyncpg and sqlite3 as they are.

A transaction is a generator: it yields a `Step`, is sent the rows, and returns what came of it. So one text serves both
engines, and it cannot wait for anything else in between. All or nothing of it is written.

PostgreSQL takes a round trip for each step. SQLite runs the whole generator at once, in the event loop's thread: a
statement takes some 20 microseconds, while a thread would have to win the interpreter's lock back after each one. Only
where another process is writing it waits in a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgresql_dialect
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import Dialect as SqlDialect
from sqlalchemy.sql.expression import ClauseElement

from penstock.dali.errors import ServiceUnavailable

T = TypeVar("T")
Row = Mapping[str, Any]
Values = Mapping[str, Any]
_CONNECTION_PATIENCE_S = 30.0
_COMMITS_PER_CHECKPOINT = 500
RETRY_AFTER_S = 5


_DIALECTS: Mapping[str, SqlDialect] = {
    "postgresql": postgresql_dialect(),  # type: ignore[no-untyped-call]
    "sqlite": sqlite_dialect(),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement: its text, the names of its values in order, and the values that are always the same."""

    sql: str
    names: tuple[str, ...]
    fixed: Values

    @classmethod
    def of(cls, clause: ClauseElement, dialect: Literal["sqlite", "postgresql"]) -> Statement:
        """Compile a clause; whatever its bindparams have no value for must be given at each execution.

        Columns of text and integers only: values go to the driver as they are.
        """
        compiled: Any = clause.compile(dialect=_DIALECTS[dialect])
        return cls(str(compiled), tuple(compiled.positiontup), dict(compiled.params))

    def arguments(self, values: Values) -> list[Any]:
        """Return the values in the order of the statement."""
        fixed = self.fixed
        return [values[name] if name in values else fixed[name] for name in self.names]


@dataclass(frozen=True, slots=True)
class Step:
    """A statement to execute once for every element of `values`; rows are sent back if there is one only."""

    statement: Statement
    values: Sequence[Values]


Work = Generator[Step, Sequence[Row], T]
"""A transaction; see the top of this module."""


class Direct(Protocol):
    """The drivers' connections; every method raises `ServiceUnavailable` when the database does not answer."""

    async def read(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Execute one statement that only reads."""
        ...

    async def write(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Execute one statement in a transaction of its own."""
        ...

    async def transact(self, work: Work[T]) -> T:
        """Execute a transaction."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def one(statement: Statement, values: Values) -> Generator[Step, Sequence[Row], Sequence[Row]]:
    """Be the transaction of a single statement, or a part of a larger one."""
    return (yield Step(statement, (values,)))


def many(statement: Statement, values: Sequence[Values]) -> Generator[Step, Sequence[Row], None]:
    """Be the part of a transaction that executes a statement for each of many values, none too."""
    if values:
        yield Step(statement, values)


class DatabaseFile:
    """Sees that an SQLite file is where it was: one that was removed or replaced takes all writes, and loses them.

    Parameters
    ----------
    path
        Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: int | None = None

    def require(self) -> None:
        """See that the file is the one that was there at first, if it ever was.

        Raises
        ------
        ServiceUnavailable
            It is not.
        """
        try:
            number = self._path.stat().st_ino
        except OSError as error:
            if self._found is not None:
                raise outage() from error
            return
        if self._found not in (None, number):
            raise outage()
        self._found = number


class SqliteDirect:
    """One connection that reads and one that writes.

    Parameters
    ----------
    connect
        Opens a connection that never waits for a lock.
    write_lock
        Held by whoever writes in this process.
    patience_s
        How long to wait while another process writes.
    file
        The database.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        write_lock: asyncio.Lock,
        *,
        patience_s: float,
        file: DatabaseFile,
    ) -> None:
        self._connect = connect
        self._file = file
        self._write_lock = write_lock
        self._patience_ms = round(patience_s * 1000)
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._commits = 0

    async def read(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Execute one statement that only reads: readers wait for nobody."""
        self._file.require()
        try:
            if self._reader is None:
                self._reader = self._connect()
            return self._reader.execute(statement.sql, statement.arguments(values)).fetchall()
        except sqlite3.OperationalError as error:
            raise outage() from error

    async def write(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Execute one statement in a transaction of its own."""
        return await self.transact(one(statement, values))

    async def transact(self, work: Work[T]) -> T:
        """Execute a transaction, at once if nobody else writes."""
        async with self._write_lock:
            self._file.require()
            try:
                if self._writer is None:
                    self._writer = self._connect()
                writer = self._writer
                if not _begun(writer):
                    await _in_thread(lambda: _begin_patiently(writer, self._patience_ms))
                done = _driven(writer, work)
            except sqlite3.OperationalError as error:
                raise outage() from error
            self._commits += 1
            if self._commits % _COMMITS_PER_CHECKPOINT == 0:
                await _in_thread(lambda: writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
        return done

    async def close(self) -> None:
        """Close both connections."""
        async with self._write_lock:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None


def _begun(writer: sqlite3.Connection) -> bool:
    try:
        writer.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _begin_patiently(writer: sqlite3.Connection, patience_ms: int) -> None:
    writer.execute(f"PRAGMA busy_timeout={patience_ms}")
    try:
        writer.execute("BEGIN IMMEDIATE")
    finally:
        writer.execute("PRAGMA busy_timeout=0")


def _driven(writer: sqlite3.Connection, work: Work[T]) -> T:
    """Run a transaction that is begun, and end it."""
    try:
        step = next(work)
        while True:
            rows: Sequence[Row] = []
            for values in step.values:
                rows = writer.execute(step.statement.sql, step.statement.arguments(values)).fetchall()
            step = work.send(rows)
    except StopIteration as end:
        writer.execute("COMMIT")
        done: T = end.value
        return done
    finally:
        if writer.in_transaction:
            writer.execute("ROLLBACK")


async def _in_thread(work: Callable[[], object]) -> None:
    """Do something in a thread, to the end even if the caller is cancelled: nobody else may use the connection."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise


class PostgresDirect:
    """A pool of connections that are used for one transaction each time.

    A connection on which anything went wrong is dropped; one that the server closed is found closed.

    Parameters
    ----------
    url
        The database, as SQLAlchemy spells it.
    size
        The most connections.
    """

    def __init__(self, url: URL, *, size: int) -> None:
        self._dsn = libpq_url(url)
        self._slots = asyncio.Semaphore(size)
        self._idle: list[asyncpg.Connection] = []
        self._backends: set[int] = set()

    def is_own(self, backend: int) -> bool:
        """Tell whether a server process serves one of these connections."""
        return backend in self._backends

    async def read(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Execute one statement that only reads."""
        return await self.write(statement, values)

    async def write(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Execute one statement, which is a transaction of its own."""
        arguments = statement.arguments(values)

        async def execute(connection: asyncpg.Connection) -> Sequence[Row]:
            rows: list[Any] = await connection.fetch(statement.sql, *arguments)
            return rows

        return await self._with_connection(execute)

    async def transact(self, work: Work[T]) -> T:
        """Execute a transaction."""

        async def execute(connection: asyncpg.Connection) -> T:
            await connection.execute("BEGIN")
            done = await _stepped(connection, work)
            await connection.execute("COMMIT")
            return done

        return await self._with_connection(execute)

    async def close(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            await self._idle.pop().close()

    async def _with_connection(self, do: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(_CONNECTION_PATIENCE_S if self._slots.locked() else None):
                await self._slots.acquire()
        except TimeoutError as error:
            raise outage() from error
        try:
            connection = await self._connection()
            try:
                done = await do(connection)
            except BaseException:
                self._drop(connection)
                raise
            self._idle.append(connection)
        except _OUTAGES as error:
            raise outage() from error
        else:
            return done
        finally:
            self._slots.release()

    async def _connection(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._drop(connection)
        connection = await asyncpg.connect(self._dsn, max_cached_statement_lifetime=0)
        self._backends.add(connection.get_server_pid())
        return connection

    def _drop(self, connection: asyncpg.Connection) -> None:
        self._backends.discard(connection.get_server_pid())
        connection.terminate()


async def _stepped(connection: asyncpg.Connection, work: Work[T]) -> T:
    rows: Any
    try:
        step = next(work)
        while True:
            sql, arguments = step.statement.sql, [step.statement.arguments(values) for values in step.values]
            if len(arguments) == 1:
                rows = await connection.fetch(sql, *arguments[0])
            else:
                await connection.executemany(sql, arguments)
                rows = []
            step = work.send(rows)
    except StopIteration as end:
        done: T = end.value
        return done


_OUTAGES = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection was lost at a moment for which the driver is not prepared
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.InvalidCachedStatementError,  # the tables were changed by an upgrade: the next try knows them
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,  # a standby that has not taken over yet
    asyncpg.exceptions.InvalidCatalogNameError,
)


def libpq_url(url: URL) -> str:
    """Return the URL as libpq spells it, which is what asyncpg itself reads."""
    plain = url.set(drivername="postgresql")
    if (ssl := plain.query.get("ssl")) is not None:
        plain = plain.difference_update_query(["ssl"]).update_query_dict({"sslmode": ssl})
    return plain.render_as_string(hide_password=False)


def outage() -> ServiceUnavailable:
    """Return the error of a database that does not answer."""
    return ServiceUnavailable("The database does not answer.", retry_after_s=RETRY_AFTER_S)
