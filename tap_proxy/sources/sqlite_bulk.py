"""Many rows from SQLite: processes that make Arrow columns of them, see `sqlite_reader`.

A query comes here only after the guarded connection of `sqlite` has prepared the very same SQL, whose authorizer
judges what it reads. The file is open for reading only here too.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from threading import Lock

import pyarrow as pa
import structlog

from penstock.dali.errors import InternalError, ServiceError, ServiceUnavailable, UsageError
from penstock.votable.conform import conform
from penstock.votable.datatypes import arrow_type, fields_schema
from penstock.votable.model import Field
from tap_proxy.ports import Part, Statement
from tap_proxy.sources import sqlite_reader as wire

_IDLE = 2
_WORTH_A_START = 200_000
_CALLERS_FAULTS = ("too many", "too large", "too big", "overflow")
_PASSING = ("locked", "busy", "disk i/o", "unable to open")
_log = structlog.get_logger(__name__)


def readable_in_bulk(statement: Statement) -> bool:
    """Tell whether a reader can answer: it knows none of our functions, and a value is one number or text for it."""
    simple = all(not pa.types.is_list(arrow_type(field)) for field in statement.fields)
    return simple and not statement.uploads and not statement.functions


def typed(sql: str, fields: tuple[Field, ...], most: int) -> str:
    """Return the SQL with a row before all others that tells ADBC the types of the columns.

    SQLite's columns have none, and ADBC judges by the first rows: where these are null it would be wrong.
    """
    samples = ", ".join(f'{_sample(field)} AS "{number}"' for number, field in enumerate(fields))
    return f"SELECT {samples} UNION ALL SELECT * FROM ({sql}) LIMIT {most + 1}"  # noqa: S608  # SQL of ours


def _sample(field: Field) -> str:
    kind = arrow_type(field)
    return "''" if pa.types.is_string(kind) else "0.5" if pa.types.is_floating(kind) else "0"


class Readers:
    """The reader processes of one file, kept for the next query; its methods block and may be called in any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Reader] = []
        self._lock = Lock()
        self._warm = self._closed = False

    def warm_up(self) -> None:
        """Start a process and from now on have one, so that no query need wait for that."""
        with self._lock:
            self._warm = True
            if not self._idle:
                self._idle.append(Reader(self._path))

    def worth(self, most: int) -> bool:
        """Tell whether a result of up to so many rows should come from a reader: to start one takes half a second."""
        return self._warm or most >= _WORTH_A_START

    def take(self) -> Reader:
        """Return a reader that nobody uses."""
        with self._lock:
            while self._idle:
                reader = self._idle.pop()
                if reader.idle:
                    return reader
                reader.end()
            return Reader(self._path)

    def give_back(self, reader: Reader) -> None:
        """Keep a reader for the next query; one that was stopped half-way is ended, and replaced by a new one."""
        with self._lock:
            if reader.idle and len(self._idle) < _IDLE and not self._closed:
                self._idle.append(reader)
                return
            if self._warm and not self._idle:
                self._idle.append(Reader(self._path))
        reader.end()

    def rest(self) -> None:
        """End the processes that wait, unless one is always to be there."""
        with self._lock:
            idle, self._idle = ([], self._idle) if self._warm else (self._idle, [])
        for reader in idle:
            reader.end()

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._closed, self._warm = True, False
        self.rest()


class Reader:
    """A process that answers one query at a time; `fetch` may wait in one thread while another calls `stop`."""

    def __init__(self, path: Path) -> None:
        self._talking, theirs = socket.socketpair()
        with theirs:
            program = [sys.executable, "-m", wire.__name__, str(path.absolute()), str(theirs.fileno())]
            self._process = subprocess.Popen(program, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])  # noqa: S603
        self._ended, self._stopped = True, False
        self._fields: tuple[Field, ...] = ()
        self._schema = pa.schema([])
        self._left = 0
        self._first = True

    @property
    def idle(self) -> bool:
        """Whether it can take a query."""
        return self._ended and not self._stopped and self._process.poll() is None

    def begin(self, statement: Statement, most: int) -> None:
        """Ask for at most so many rows of a query that `readable_in_bulk` takes.

        Raises
        ------
        ServiceError
            The query fails, or its process was stopped.
        """
        self._ended, self._first, self._fields, self._left = False, True, statement.fields, most
        asked = json.dumps([typed(statement.sql, statement.fields, most), list(statement.params)])
        try:
            wire.send(self._talking, wire.QUERY, asked.encode())
        except OSError as error:
            raise _gone() from error
        schema = self._receive(wire.SCHEMA)
        self._schema = pa.ipc.read_schema(schema) if schema is not None else fields_schema(self._fields)

    def fetch(self) -> Part:
        """Return the next rows.

        Raises
        ------
        ServiceError
            The query fails, or its process was stopped.
        """
        data = self._receive(wire.BATCH)
        if data is None:
            return Part(pa.RecordBatch.from_pylist([], schema=fields_schema(self._fields)), last=True)
        batch = pa.ipc.read_record_batch(data, self._schema)
        rows = _conformed(batch.slice(1) if self._first else batch, self._fields)
        self._first = False
        self._left -= rows.num_rows
        if self._left <= 0:
            self._receive(wire.END)
        return Part(rows, last=self._ended)

    def _receive(self, wanted: bytes) -> pa.Buffer | None:
        """Return what the next message brings, None at the end."""
        try:
            kind, data = wire.receive(self._talking)
        except (EOFError, OSError) as error:
            raise _gone() from error
        self._ended = kind in (wire.END, wire.FAILURE)
        if kind == wire.FAILURE:
            raise _as_service_error(bytes(data).decode())
        return data if kind == wanted else None

    def stop(self) -> None:
        """End the query, and the process with it: ADBC cannot be interrupted."""
        self._stopped = True
        self._process.kill()

    def end(self) -> None:
        """End the process and wait for that."""
        self._process.kill()
        self._process.wait()
        self._talking.close()
        if self._process.stdin is not None:
            self._process.stdin.close()


def _conformed(batch: pa.RecordBatch, fields: tuple[Field, ...]) -> pa.RecordBatch:
    columns = [conform(array, field) for array, field in zip(batch.columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=fields_schema(fields))


def _gone() -> ServiceUnavailable:
    return ServiceUnavailable("The query was interrupted.", retry_after_s=5)


def _as_service_error(text: str) -> ServiceError:
    if any(fault in text.lower() for fault in _CALLERS_FAULTS):
        return UsageError(f"The database refuses the query: {text}.")
    if any(fault in text.lower() for fault in _PASSING):
        return ServiceUnavailable("The database cannot be read just now; try again later.", retry_after_s=5)
    _log.error("sqlite_reader_failed", error=text)
    return InternalError(f"The service could not read the result: {text}.")
