"""Queries on SQLite: read-only connections, each used by one thread at a time, interrupted when nobody waits any more.

Three locks keep a query from writing: the file is opened read-only, ``query_only`` is set, and an authorizer allows
reading the published tables and nothing else, so that a hole in the translator would show nothing that is not public.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from penstock.dali.errors import InternalError, ServiceError, ServiceUnavailable, UsageError
from penstock.db import Dialect
from penstock.votable.model import Field
from tap_proxy.adql.dialect import quoted
from tap_proxy.ports import UPLOAD_MARK, Part, QueryTimeout, Statement, UploadedTable, tables_changed
from tap_proxy.sources.columns import FIRST_ROWS, batch_of, batch_sizes
from tap_proxy.sources.sqlite_bulk import Reader, Readers, readable_in_bulk
from tap_proxy.sources.uploaded import values_of

Functions = Mapping[str, tuple[int, Callable[..., Any]]]
"""SQL functions that translated queries call: name -> (number of arguments, the function)."""

_log = structlog.get_logger(__name__)
_REPEAT_INTERRUPT_S = 0.02
_BUSY_TIMEOUT_S = 5.0
_AT_ONCE_S = 0.002
_LOOK_AFTER_STEPS = 500  # of SQLite's virtual machine
_NOT_NOW = frozenset({sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_MAX_VALUE_BYTES = 64 * 1024 * 1024
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_RAISED = "user-defined function raised exception"  # what SQLite leaves of an error; of our functions casts alone raise
_CALLERS_FAULTS = ("too many", "expression tree is too large", "parser stack overflow", "integer overflow")


class SqliteSource:
    """Answers queries from one SQLite file.

    Parameters
    ----------
    path
        The file.
    tables
        Names of the tables and views that may be read, as SQLite knows them.
    functions
        What translated queries call.
    connections
        How many queries run at once; more wait.
    queue_time_limit_s
        How long a query waits for a connection, in seconds.
    """

    dialect: Dialect = "sqlite"

    def __init__(
        self, path: Path, *, tables: Iterable[str], functions: Functions, connections: int, queue_time_limit_s: float
    ) -> None:
        self._path = path
        self._tables = frozenset(tables)
        self._added: set[str] = set()
        self._functions = functions
        self._queue_time_limit_s = queue_time_limit_s
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[sqlite3.Connection] = []
        self._quick: sqlite3.Connection | None = None
        self._readers = Readers(path)
        self._connections = connections
        self._threads: ThreadPoolExecutor | None = None
        self._settling: set[asyncio.Task[None]] = set()

    async def open(self, statement: Statement, *, maxrows: int, time_limit_s: float) -> AsyncGenerator[Part, None]:
        """Run a query and yield its rows (`tap_proxy.ports.TapSource`)."""
        deadline = asyncio.get_running_loop().time() + time_limit_s
        most = min(maxrows, statement.limit or maxrows)
        if not statement.uploads and (part := self._at_once(statement, most)) is not None:
            yield part
            return
        await self._enter(time_limit_s)
        run = _Run(statement, most)
        try:
            last = False
            while not last:
                try:
                    async with asyncio.timeout_at(deadline):
                        part = await self._fetch(run)
                except TimeoutError as error:
                    raise QueryTimeout(time_limit_s) from error
                last = part.last
                yield part
        finally:
            await self._leave(run)

    async def warm_up(self) -> None:
        """Be ready for the first query (`tap_proxy.ports.TapSource`)."""
        await asyncio.to_thread(self._readers.warm_up)

    def offer(self, tables: Iterable[str]) -> None:
        """Let queries read more tables, on connections that are open already too (`tap_proxy.ports.TapSource`)."""
        self._added.update(tables)

    async def ping(self) -> None:
        """Run the least of queries (`tap_proxy.ports.TapSource`)."""
        statement = Statement(sql="SELECT 1", params=(), fields=(Field(name="one", datatype="int"),))
        async with aclosing(self.open(statement, maxrows=1, time_limit_s=5)) as parts:
            async for _ in parts:
                pass

    async def rest(self) -> None:
        """Keep one connection for small queries and one for others (`tap_proxy.ports.TapSource`)."""
        await self._end_threads()
        with suppress(sqlite3.Error):  # who asks next is told
            self._quick = self._quick or self._connect(patience_s=0)
            self._idle = self._idle or [self._connect()]
        while len(self._idle) > 1:
            self._idle.pop().close()

    async def close(self) -> None:
        """Close all connections, when the queries that were given up are through."""
        await self._end_threads()
        for connection in (*self._idle, self._quick):
            if connection is not None:
                connection.close()
        self._idle.clear()
        self._quick = None
        self._readers.close()

    async def _end_threads(self) -> None:
        if self._settling:
            await asyncio.wait(set(self._settling))
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
            await asyncio.to_thread(self._readers.rest)

    async def _enter(self, time_limit_s: float) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(min(self._queue_time_limit_s, time_limit_s)):
                await self._slots.acquire()
        except TimeoutError as error:
            raise ServiceUnavailable("Too many queries run already; try again later.", retry_after_s=10) from error

    def _at_once(self, statement: Statement, most: int) -> Part | None:
        """Return the whole result if that takes next to no time and it is short, else None.

        This runs in the event loop's thread: handing a small query to another one takes longer than the query does,
        and the two then compete for the interpreter.
        """
        size, until = min(most, FIRST_ROWS), time.perf_counter() + _AT_ONCE_S
        cursor = None
        try:
            connection = self._quick = self._quick or self._connect(patience_s=0)
            connection.set_progress_handler(lambda: time.perf_counter() > until, _LOOK_AFTER_STEPS)
            cursor = connection.execute(_sql(statement), statement.params)
            rows = cursor.fetchmany(size)
        except (sqlite3.Error, OverflowError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_NOW:
                return None
            raise _as_service_error(error) from error
        finally:
            if cursor is not None:
                cursor.close()
        whole = len(rows) < size or size == most
        return Part(batch_of(rows, statement.fields), last=True) if whole else None

    async def _fetch(self, run: _Run) -> Part:
        run.working = asyncio.get_running_loop().run_in_executor(self._pool(), self._fetch_in_thread, run)
        # The thread cannot be cancelled, only its query interrupted: `working` stays until it is through.
        part = await asyncio.shield(run.working)
        run.working = None
        return part

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._connections, thread_name_prefix="tap-sqlite")
        return self._threads

    def _fetch_in_thread(self, run: _Run) -> Part:
        if run.cursor is None and run.reader is None:
            self._begin(run)
        if run.reader is not None:
            return run.reader.fetch()
        size = next(run.sizes)
        try:
            rows = run.cursor.fetchmany(size) if run.cursor is not None else []
        except (sqlite3.Error, OverflowError) as error:
            raise _as_service_error(error) from error
        run.left -= len(rows)
        return Part(batch_of(rows, run.statement.fields), last=len(rows) < size or run.left == 0)

    def _begin(self, run: _Run) -> None:
        """Prepare the query on a connection that judges it; a reader goes on with it where it can."""
        uploads = run.statement.uploads
        try:
            run.connection = self._connect(uploads) if uploads or not self._idle else self._idle.pop()
            if run.most > FIRST_ROWS and self._readers.worth(run.most) and readable_in_bulk(run.statement):
                run.connection.execute(f"EXPLAIN {_sql(run.statement)}", run.statement.params).close()
                run.reader = self._readers.take()
                run.reader.begin(run.statement, run.most)
            else:
                run.cursor = run.connection.execute(_sql(run.statement), run.statement.params)
        except (sqlite3.Error, OverflowError) as error:
            raise _as_service_error(error) from error

    def _connect(
        self, uploads: Sequence[UploadedTable] = (), *, patience_s: float = _BUSY_TIMEOUT_S
    ) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=patience_s,
        )
        for table in uploads:
            _keep(connection, table)
        connection.execute("PRAGMA query_only=ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for name, (arity, function) in self._functions.items():
            connection.create_function(name, arity, function, deterministic=True)
        private = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")} | {"sqlite_master"}
        readable = _readable(connection, self._tables | {_upload_name(table) for table in uploads})
        connection.set_authorizer(_authorizer(readable, private - readable, self._added))
        return connection

    async def _leave(self, run: _Run) -> None:
        if run.working is None or run.working.done():
            self._give_back(run)
            return
        # This task may be cancelled once more while the thread winds up, and the connection must still come back.
        task = asyncio.get_running_loop().create_task(self._settle(run, run.working))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        await asyncio.shield(task)

    async def _settle(self, run: _Run, working: asyncio.Future[Part]) -> None:
        """Interrupt the query until its thread is through: an interrupt between two statements has no effect."""
        while not working.done():
            if run.reader is not None:
                run.reader.stop()
            elif run.connection is not None:
                run.connection.interrupt()
            await asyncio.wait({working}, timeout=_REPEAT_INTERRUPT_S)
        working.exception()  # whatever it is, nobody waits for it
        self._give_back(run)

    def _give_back(self, run: _Run) -> None:
        if run.cursor is not None:
            run.cursor.close()
        if run.reader is not None:
            self._pool().submit(self._readers.give_back, run.reader)
        if run.connection is not None and run.statement.uploads:
            run.connection.close()  # and with it the uploaded tables
        elif run.connection is not None:
            self._idle.append(run.connection)
        self._slots.release()


@dataclass(slots=True)
class _Run:
    """One query: the connection and perhaps the reader that it has, and what a thread does for it now."""

    statement: Statement
    most: int
    sizes: Iterator[int] = field(init=False)
    left: int = field(init=False)
    connection: sqlite3.Connection | None = None
    cursor: sqlite3.Cursor | None = None
    reader: Reader | None = None
    working: asyncio.Future[Part] | None = None

    def __post_init__(self) -> None:
        self.sizes, self.left = batch_sizes(self.most), self.most


def _upload_name(table: UploadedTable) -> str:
    return f"TAP_UPLOAD__{table.name}"


def _sql(statement: Statement) -> str:
    sql = statement.sql
    for table in statement.uploads:
        sql = sql.replace(f"{UPLOAD_MARK}{table.name}{UPLOAD_MARK}", f"temp.{quoted(_upload_name(table))}")
    return sql


def _keep(connection: sqlite3.Connection, table: UploadedTable) -> None:
    """Put an uploaded table where the connection keeps what is temporary; the file itself is open for reading only."""
    name, columns = quoted(_upload_name(table)), ", ".join(quoted(field.name) for field in table.fields)
    connection.execute(f"CREATE TEMP TABLE {name} ({columns})")
    marks = ", ".join("?" * len(table.fields))
    connection.execute("BEGIN")
    connection.executemany(
        f"INSERT INTO temp.{name} VALUES ({marks})",  # noqa: S608  # names are quoted
        zip(*values_of(table), strict=True),
    )
    connection.execute("COMMIT")


def _readable(connection: sqlite3.Connection, names: Iterable[str]) -> frozenset[str]:
    """Return the names with those of the tables that lie below the views among them."""
    found: set[str] = set(names)

    def note(action: int, first: str | None, *_rest: str | None) -> int:
        if action == sqlite3.SQLITE_READ and first is not None:
            found.add(first)
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    for name in names:
        quoted = name.replace('"', '""')
        connection.execute(f'SELECT * FROM "{quoted}" LIMIT 0')  # noqa: S608  # names that we publish
    return frozenset(found)


def _authorizer(readable: Set[str], private: Set[str], added: Set[str]) -> Callable[..., int]:
    def authorize(action: int, first: str | None, second: str | None, database: str | None, _within: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            # Where only rows are counted, no database is named; the name may be one that the query itself made.
            known = first in readable or first in added
            allowed = known or (database is None and first not in private)
        elif action == sqlite3.SQLITE_PRAGMA:
            allowed = first == "data_version"  # full-text indexes ask whether others have written
        else:
            allowed = action in _ALLOWED and second not in _FORBIDDEN_FUNCTIONS
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return authorize


def _as_service_error(error: Exception) -> ServiceError:
    if isinstance(error, OverflowError):
        return UsageError("A number in the query is too large for the database.")
    text = str(error)
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_IOERR:
            return ServiceUnavailable("The database cannot be read just now; try again later.", retry_after_s=5)
        case sqlite3.SQLITE_INTERRUPT:
            return ServiceUnavailable("The query was interrupted.")
        case sqlite3.SQLITE_TOOBIG | sqlite3.SQLITE_MISMATCH:
            return UsageError(f"The database refuses the query: {text}.")
        case sqlite3.SQLITE_ERROR if text == _RAISED:
            return UsageError("The database refuses the query: a value is none of the type that CAST makes of it.")
        case sqlite3.SQLITE_ERROR if text.startswith("no such table"):
            return tables_changed()
        case sqlite3.SQLITE_ERROR if text.lower().startswith(_CALLERS_FAULTS):
            return UsageError(f"The database refuses the query: {text}.")
        case _:
            _log.error("sqlite_refused_translation", error=text)
            return InternalError("The service could not run the query on its database; please report the query.")
