"""The ports of TAP: what a place that answers queries must do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa

from penstock.dali.errors import ServiceError, ServiceUnavailable
from penstock.db import Dialect
from penstock.votable.model import Field


class QueryTimeout(ServiceError):
    """A query took longer than it may, with the time in which its rows were taken; `limit_s` is in seconds."""

    status_hint = 504

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"The query took longer than {limit_s:g} s and was stopped; narrow it, or run it as a job under /async."
        )


def tables_changed() -> ServiceUnavailable:
    """Return the error of a query on a table that the operator has taken away or replaced while it was translated."""
    return ServiceUnavailable("The tables of this service were changed just now; try again.", retry_after_s=1)


BASE_MARK = "\x02base\x02"
"""What stands in SQL, within a quoted string, for the base URL of the host."""


UPLOAD_MARK = "\x02upload\x02"
"""What surrounds the name of an uploaded table in SQL, where a source must put its rows."""


def marked(name: str) -> str:
    """Return what stands in SQL for a table whose rows come with the query."""
    return f"{UPLOAD_MARK}{name}{UPLOAD_MARK}"


def elsewhere(schema: str, table: str) -> str:
    """Return the name under which fetched rows of a table go with a query; no uploaded table can have it."""
    return f"{schema}.{table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedTable:
    """A table that came with a query, whole; it lives as long as the query."""

    name: str
    fields: tuple[Field, ...]
    batches: tuple[pa.RecordBatch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A query in the words of a source.

    Parameters
    ----------
    sql
        The SQL, with placeholders as the source's driver has them.
    params
        Their values, in order.
    fields
        The columns of the result, in order.
    uploads
        The tables that came with the query.
    limit
        Rows that the query itself wants at most (its TOP), None if it does not say.
    functions
        Functions that the SQL calls and that are not the engine's own.
    elsewhere
        Whether it reads tables whose rows come from other archives.
    notes
        What of the query is deprecated, and where.
    """

    sql: str
    params: Sequence[Any]
    fields: tuple[Field, ...]
    uploads: tuple[UploadedTable, ...] = ()
    limit: int | None = None
    functions: frozenset[str] = frozenset()
    elsewhere: bool = False
    notes: tuple[str, ...] = ()

    def at(self, base_url: str) -> Statement:
        """Return the statement with the base URL in the place of its marks."""
        if BASE_MARK not in self.sql:
            return self
        sql = self.sql.replace(BASE_MARK, base_url.replace("'", "''"))
        return replace(self, sql=sql)


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a result; `last` says that no more follow, so that a small result goes out in one piece."""

    rows: pa.RecordBatch
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """An answer of another service, byte for byte in the form that the caller wants."""

    pieces: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Rows that come from other services, or from theirs and ours together.

    Parameters
    ----------
    fields
        The columns of the result.
    parts
        The rows.
    infos
        (name, value) of what should be told about where they come from.
    has_links
        Whether our DataLink service knows datasets among them.
    missing
        Says, after the last part, why rows are missing; None if none are.
    """

    fields: tuple[Field, ...]
    parts: AsyncGenerator[Part, None]
    infos: tuple[tuple[str, str], ...] = ()
    has_links: bool = True
    missing: Callable[[], str | None] = lambda: None


class TapSource(Protocol):
    """A place that answers queries, and cannot write."""

    dialect: Dialect

    def open(self, statement: Statement, *, maxrows: int, time_limit_s: float) -> AsyncGenerator[Part, None]:
        """Run a query and yield its rows, the first soon, no more than `maxrows` of them; at least one part.

        Closing the generator, or cancelling its consumer, ends the query at the source too.

        Raises
        ------
        QueryTimeout
            The query, with the time in which its rows were taken, exceeds `time_limit_s` (seconds).
        UsageError
            The source refuses the query because of its values, such as a division by zero.
        ServiceUnavailable
            The source cannot be reached, or is busy.
        """
        ...

    async def warm_up(self) -> None:
        """Be ready for the first query, so that nobody need wait for what takes long but once."""
        ...

    def offer(self, tables: Iterable[str]) -> None:
        """Let queries read more tables, named as SQL names them."""
        ...

    async def ping(self) -> None:
        """Do nothing if the source answers.

        Raises
        ------
        ServiceUnavailable
            It does not.
        """
        ...

    async def rest(self) -> None:
        """Have open what the next query needs, and nothing else; to be called when none runs."""
        ...

    async def close(self) -> None:
        """Give back everything."""
        ...
