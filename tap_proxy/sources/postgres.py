"""Queries on PostgreSQL: one read-only transaction each, cancelled when nobody waits any more.

Few rows are fetched at once; many are copied (see `postgres_copy`), or come through a server-side cursor where a column
has a type that only the driver can read, or a parameter is no string.

The session itself is read-only and has a statement_timeout, should this process be gone; a role that may only SELECT
(setting ``tap.database_url``) is the lock that no fault of ours can open.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import asyncpg
import pyarrow as pa
import structlog

from penstock.dali.errors import InternalError, ServiceError, ServiceUnavailable, UsageError
from penstock.db import Dialect
from penstock.votable.model import Field
from tap_proxy.adql.dialect import quoted
from tap_proxy.adql.postgresql import TYPES
from tap_proxy.ports import UPLOAD_MARK, Part, QueryTimeout, Statement, tables_changed
from tap_proxy.sources.columns import FIRST_ROWS, Row, batch_of, batch_sizes
from tap_proxy.sources.copy_forms import Form, form_for
from tap_proxy.sources.postgres_copy import copied, with_literals
from tap_proxy.sources.uploaded import is_array, values_of

_TYPES = {**TYPES, "boolean": "boolean"}
_LOOK_FOR_US_MS = 2_000
_log = structlog.get_logger(__name__)


class PostgresSource:
    """Answers queries from one PostgreSQL database.

    Parameters
    ----------
    pool
        Connections made by `open_pool`.
    queue_time_limit_s
        How long a query waits for a connection, in seconds.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, pool: asyncpg.Pool, *, queue_time_limit_s: float) -> None:
        self._pool = pool
        # The pool itself wakes who waits longest, but may have served a newcomer before that one looks again.
        self._slots = asyncio.Semaphore(pool.get_max_size())
        self._queue_time_limit_s = queue_time_limit_s

    async def open(self, statement: Statement, *, maxrows: int, time_limit_s: float) -> AsyncGenerator[Part, None]:
        """Run a query and yield its rows (`tap_proxy.ports.TapSource`)."""
        deadline = asyncio.get_running_loop().time() + time_limit_s
        if statement.uploads:
            statement = await asyncio.to_thread(_with_uploads, statement)
        left = min(maxrows, statement.limit or maxrows)
        async with (
            self._transaction(time_limit_s) as connection,
            aclosing(self._parts(connection, statement, left)) as parts,
        ):
            while True:
                async with _within(deadline, time_limit_s):
                    part = await anext(parts)
                rows = part.rows.slice(0, left)
                left -= rows.num_rows
                if part.last or left == 0:
                    break
                yield Part(rows, last=False)
        yield Part(rows, last=True)  # when nothing is left to do, so that a small result can go out in one piece

    async def _parts(self, connection: Any, statement: Statement, most: int) -> AsyncGenerator[Part, None]:
        if most <= FIRST_ROWS:
            records = await connection.fetch(statement.sql, *statement.params)
            yield Part(batch_of(records, statement.fields), last=True)
            return
        sql = with_literals(statement.sql, statement.params)
        form = None if sql is None else await _form(connection, statement)
        if sql is None or form is None:
            parts = _through_cursor(connection, statement, most)
        else:
            parts = copied(connection, sql, form)
        async with aclosing(parts):
            async for part in parts:
                yield part

    async def warm_up(self) -> None:
        """Open a connection (`tap_proxy.ports.TapSource`); a database that is away is told to who asks."""
        with suppress(ServiceUnavailable):
            async with self._connection():
                pass

    def offer(self, tables: Iterable[str]) -> None:
        """Do nothing: the database itself knows what its role may read (`tap_proxy.ports.TapSource`)."""

    async def ping(self) -> None:
        """Run the least of queries (`tap_proxy.ports.TapSource`)."""
        statement = Statement(sql="SELECT 1", params=(), fields=(Field(name="one", datatype="int"),))
        async with aclosing(self.open(statement, maxrows=1, time_limit_s=5)) as parts:
            async for _ in parts:
                pass

    async def rest(self) -> None:
        """Keep a connection (`tap_proxy.ports.TapSource`)."""
        await self.warm_up()

    async def close(self) -> None:
        """Close all connections, cutting off queries that still run."""
        self._pool.terminate()

    @asynccontextmanager
    async def _transaction(self, time_limit_s: float) -> AsyncGenerator[Any, None]:
        async with self._connection() as connection:
            try:
                await connection.execute(
                    f"BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {math.ceil(time_limit_s * 1000)}"
                )
                try:
                    yield connection
                finally:
                    await _roll_back(connection)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                # InternalClientError is what asyncpg says between the server's goodbye and the end of the connection.
                raise _as_service_error(error, time_limit_s) from error

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any, None]:
        """Lend a connection; they go to queries in the order in which these came."""
        try:
            async with asyncio.timeout(self._queue_time_limit_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise _busy() from error
        try:
            connection = await self._acquire()
            try:
                yield connection
            finally:
                await self._pool.release(connection)
        finally:
            self._slots.release()

    async def _acquire(self) -> Any:
        try:
            return await self._pool.acquire(timeout=self._queue_time_limit_s)
        except TimeoutError as error:
            raise _busy() from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("postgres_unreachable", error=str(error))
            raise ServiceUnavailable("The database cannot be reached; try again later.", retry_after_s=30) from error


def _busy() -> ServiceUnavailable:
    return ServiceUnavailable("Too many queries run already; try again later.", retry_after_s=10)


async def open_pool(url: str, *, connections: int, search_path: str) -> asyncpg.Pool:
    """Open connections that start every transaction read-only.

    Parameters
    ----------
    url
        ``postgresql://...``.
    connections
        How many queries run at once.
    search_path
        The schema with the functions that translated queries call; they name tables in full.
    """
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections,
        init=_end_with_us,
        reset=_leave_as_it_is,
        server_settings={
            "default_transaction_read_only": "on",
            "application_name": "penstock-tap",
            "search_path": search_path,
            "standard_conforming_strings": "on",
        },
    )


def _with_uploads(statement: Statement) -> Statement:
    """Give the rows of uploaded tables as arrays among the parameters: nothing need be written anywhere."""
    sql, params = statement.sql, [*statement.params]
    for table in statement.uploads:
        mark = f"{UPLOAD_MARK}{table.name}{UPLOAD_MARK}"
        if mark not in sql:
            continue  # PostgreSQL refuses parameters that nothing uses
        types = ["text" if is_array(field) else _TYPES.get(field.datatype, "text") for field in table.fields]
        arrays = ", ".join(f"${len(params) + n}::{kind}[]" for n, kind in enumerate(types, 1))
        names = ", ".join(quoted(field.name) for field in table.fields)
        rows = f"(SELECT * FROM unnest({arrays}) AS uploaded({names}))"  # noqa: S608  # names are quoted
        sql = sql.replace(mark, rows)
        params += values_of(table)
    return Statement(sql=sql, params=params, fields=statement.fields)


async def _end_with_us(connection: Any) -> None:
    """Have queries end soon after this process has, however that ended."""
    with suppress(asyncpg.PostgresError):  # PostgreSQL 13 cannot look for its clients, and some systems cannot
        await connection.execute(f"SET client_connection_check_interval = {_LOOK_FOR_US_MS}")


async def _leave_as_it_is(_connection: Any) -> None:
    """Save the pool's round trip: a read-only transaction that was rolled back leaves nothing to reset."""


async def _roll_back(connection: Any) -> None:
    """End the transaction, or else the connection: that of a COPY that was given up may not listen any more."""
    try:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
    except asyncio.CancelledError:
        connection.terminate()
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        with suppress(asyncpg.InterfaceError):  # the pool has dropped it already
            connection.terminate()


@asynccontextmanager
async def _within(deadline: float, time_limit_s: float) -> AsyncGenerator[None, None]:
    """Give up at `deadline`; asyncpg then cancels what the server does."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise QueryTimeout(time_limit_s) from error


async def _form(connection: Any, statement: Statement) -> Form | None:
    prepared = await connection.prepare(statement.sql)
    return form_for([attribute.type.name for attribute in prepared.get_attributes()], statement.fields)


async def _through_cursor(connection: Any, statement: Statement, most: int) -> AsyncGenerator[Part, None]:
    cursor = await connection.cursor(statement.sql, *statement.params)
    for size in batch_sizes(most):
        records = await cursor.fetch(size)
        yield Part(await _batch_of(records, statement.fields), len(records) < size)


async def _batch_of(records: Sequence[Row], fields: tuple[Field, ...]) -> pa.RecordBatch:
    if len(records) <= FIRST_ROWS:
        return batch_of(records, fields)
    return await asyncio.to_thread(batch_of, records, fields)


def _as_service_error(error: Exception, time_limit_s: float) -> ServiceError:
    state = getattr(error, "sqlstate", None) or ""
    match state[:2]:
        case "57" if state == "57014":
            return QueryTimeout(time_limit_s)
        case "42" if state == "42P01":
            return tables_changed()
        case "22" | "54":  # data exception, program limit exceeded (PostgreSQL, appendix A)
            return UsageError(f"The database refuses the query: {error}.")
        case "" | "08" | "53" | "57":
            _log.warning("postgres_unavailable", error=str(error))
            return ServiceUnavailable("The database cannot be read just now; try again later.", retry_after_s=30)
        case _:
            _log.error("postgres_refused_translation", error=str(error), sqlstate=state)
            return InternalError("The service could not run the query on its database; please report the query.")
