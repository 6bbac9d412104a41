"""The one use-case of TAP: a query in, the bytes of its result out, in constant memory.

Sync and async share it. Up to the first piece every error is raised, so that the caller can still be given an error
document; later ones are told at the end of the document where the format can (DALI 1.2 s5.4.2), else raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from tempfile import TemporaryFile
from typing import Protocol, TypeVar

import pyarrow as pa
import structlog

from penstock.auth.principal import ANONYMOUS, Principal
from penstock.dali.errors import ServiceError, ServiceUnavailable, UsageError
from penstock.dali.values import format_timestamp
from penstock.votable.document import QueryStatus
from penstock.votable.model import Field
from tap_proxy.core.formats import new_writer
from tap_proxy.core.formats.model import Outcome, ResultHead
from tap_proxy.core.request import RowLimits, TapQuery
from tap_proxy.core.uploads import UploadOrder
from tap_proxy.ports import Gathered, QueryTimeout, Relayed, Statement, TapSource, UploadedTable
from tap_proxy.prefetch import prefetched

T = TypeVar("T")

Compile = Callable[[str, int, Sequence[UploadedTable]], Statement]
"""Turns ADQL into a statement that gives at most so many rows; raises `UsageError` where it cannot."""

LoadUploads = Callable[[Sequence[UploadOrder], Principal], Awaitable[tuple[UploadedTable, ...]]]
"""Reads the tables that come with a caller's query; raises `UsageError` or `TooLarge` where it cannot."""

LINKS_PATH = "/datalink/links"
LONG_QUERY_LENGTH = 4096
SMALL_BATCH_ROWS = 256

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfJob:
    """The job that a query is; `report` tells how it is doing."""

    id: str
    report: Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The circumstances of one query.

    Parameters
    ----------
    now
        When it was asked.
    base_url
        Where the host is reached, without a slash at its end.
    time_limit_s
        How long it may take, in seconds, with the time in which its rows are taken.
    caller
        Who asks.
    tell_failure
        Tell a failure after the first row inside the document, rather than raise it.
    job
        The job that it is, None if it is none.
    cacheable
        Whether the caller would take a result from a cache: who sends a GET would (TAP 1.1 s2.1).
    """

    now: datetime
    base_url: str
    time_limit_s: float
    caller: Principal = ANONYMOUS
    tell_failure: bool = True
    job: OfJob | None = None
    cacheable: bool = False


class Elsewhere(Protocol):
    """Answers queries on tables of other services."""

    def answer(
        self, query: TapQuery, statement: Statement, run: Run
    ) -> AbstractAsyncContextManager[Relayed | Gathered]:
        """Begin to answer a query, of which `statement` is the translation; leaving the block ends what still runs.

        Raises
        ------
        UsageError
            Another service refuses the query, or there is too much to fetch.
        ServiceUnavailable
            Another service does not answer as it should.
        """
        ...


class TapService:
    """Answers queries.

    Parameters
    ----------
    compile
        The translator, bound to the published tables.
    source
        Where translated queries run.
    load_uploads
        How tables that come with a query are read.
    limits
        How many rows a result has at most.
    cached_queries
        How many translations are kept.
    links_url
        The DataLink resource that results refer to; None for that of the same host.

    Attributes
    ----------
    elsewhere
        Who answers queries on tables of other services, None where there are none.
    look_again
        Takes note of tables that were published meanwhile.
    """

    def __init__(
        self,
        *,
        compile: Compile,  # noqa: A002  # the word for it
        source: TapSource,
        load_uploads: LoadUploads,
        limits: RowLimits,
        cached_queries: int,
        links_url: str | None,
    ) -> None:
        self.source = source
        self.limits = limits
        self._cached_queries = cached_queries
        self.load_uploads = load_uploads
        self._links_url = links_url
        self.elsewhere: Elsewhere | None = None
        self.look_again: Callable[[], Awaitable[None]] = _nothing_new
        self.compile_with(compile)

    def compile_with(self, compile: Compile) -> None:  # noqa: A002  # the word for it
        """Take another translator, since other tables are published now."""
        self._compile_anew = compile
        self._compile_cached = lru_cache(maxsize=self._cached_queries)(lambda text, rows: compile(text, rows, ()))

    async def warm_up(self) -> None:
        """Translate something, so that the first caller waits neither for the parser's tables nor for the source."""
        await asyncio.to_thread(self._compile_anew, "SELECT table_name FROM tap_schema.tables", 1, ())
        await self.source.warm_up()

    async def answer(self, query: TapQuery, run: Run) -> AsyncGenerator[bytes, None]:
        """Run a query and yield its result, the first piece as soon as there are rows or there is an end.

        Raises
        ------
        UsageError
            The query is wrong.
        QueryTimeout
            It takes longer than it may.
        ServiceUnavailable, InternalError
            The source fails.
        """
        statement = await self._compiled(query, run)
        if query.maxrec == 0:
            # Metadata are wanted, and nothing need be executed (DALI 1.2 s4.3.4).
            head = self._head(query, statement.fields, run, _warnings(statement))
            writer = new_writer(query.format, head, TemporaryFile)
            yield b"".join((writer.begin(), *writer.end(_overflow(0))))
            return
        answer = self._answer_elsewhere if statement.elsewhere else self._answer_here
        async with aclosing(answer(query, statement, run)) as pieces:
            async for piece in pieces:
                yield piece

    async def _answer_here(self, query: TapQuery, statement: Statement, run: Run) -> AsyncGenerator[bytes, None]:
        parts = self.source.open(statement.at(run.base_url), maxrows=query.maxrec + 1, time_limit_s=run.time_limit_s)
        rows = Gathered(fields=statement.fields, parts=parts, infos=_warnings(statement))
        async with aclosing(self._written(query, rows, run)) as pieces:
            async for piece in pieces:
                yield piece

    async def _answer_elsewhere(self, query: TapQuery, statement: Statement, run: Run) -> AsyncGenerator[bytes, None]:
        if self.elsewhere is None:
            raise ServiceUnavailable("The tables of this query are those of another service, which is not known.")
        async with self.elsewhere.answer(query, statement, run) as answer:
            pieces = answer.pieces if isinstance(answer, Relayed) else self._written(query, answer, run)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece

    async def _compiled(self, query: TapQuery, run: Run) -> Statement:
        # One row more than wanted tells whether rows were dropped: OVERFLOW is set only then (TAP 1.1 s2.7.4, s3.4).
        maxrows = query.maxrec + 1
        if len(query.text) <= LONG_QUERY_LENGTH and not query.uploads:
            return await self._compiled_quickly(query.text, maxrows)
        try:
            async with asyncio.timeout(run.time_limit_s):
                uploads = await self.load_uploads(query.uploads, run.caller) if query.uploads else ()
                return await asyncio.to_thread(self._compile_anew, query.text, maxrows, uploads)
        except TimeoutError as error:
            raise QueryTimeout(run.time_limit_s) from error

    async def _compiled_quickly(self, text: str, maxrows: int) -> Statement:
        """Compile a short query; what it names may have been published a moment ago, and by another process."""
        if "tap_schema" in text.lower():
            await self.look_again()
        translator = self._compile_cached
        try:
            return translator(text, maxrows)
        except UsageError:
            await self.look_again()
            if self._compile_cached is translator:  # somebody else may have looked just before
                raise
        return self._compile_cached(text, maxrows)

    def _head(
        self,
        query: TapQuery,
        fields: tuple[Field, ...],
        run: Run,
        more: Sequence[tuple[str, str]] = (),
        *,
        has_links: bool = True,
    ) -> ResultHead:
        """Say what the result is (DALI 1.2 s5.4.3)."""
        infos = [
            ("standardID", query.standard_id),
            ("request_date", format_timestamp(run.now)),
            ("QUERY", query.text),
            ("LANG", query.language),
            ("MAXREC", str(query.maxrec)),
        ]
        if query.runid is not None:
            infos.append(("RUNID", query.runid))
        infos += more
        if query.ucds:
            fields = tuple(replace(field, ucd=query.ucds.get(field.name, field.ucd)) for field in fields)
        links_url = (self._links_url or run.base_url + LINKS_PATH) if has_links else None
        return ResultHead(fields=fields, infos=tuple(infos), links_url=links_url, this=query.this)

    async def _written(self, query: TapQuery, rows: Gathered, run: Run) -> AsyncGenerator[bytes, None]:
        head = self._head(query, rows.fields, run, rows.infos, has_links=rows.has_links)
        writer = new_writer(query.format, head, TemporaryFile)
        counter = _Counter(query.maxrec, rows.missing)
        waiting, begun = writer.begin(), False
        try:
            async with aclosing(prefetched(rows.parts)) as coming:
                async for part in coming:
                    batch = counter.cut(part.rows)
                    waiting += await _worked(batch.num_rows, partial(writer.rows, batch))
                    if part.last or counter.full:
                        next_piece = partial(next, iter(writer.end(counter.outcome())), None)
                        while (piece := await _worked(counter.rows, next_piece)) is not None:
                            yield waiting + piece
                            waiting = b""
                        return
                    if waiting:
                        yield waiting
                        waiting, begun = b"", True
        except ServiceError as error:
            if not (begun and run.tell_failure and writer.tells_failure):
                raise
            _log.warning("result_broke_off", error=error.message, rows=counter.rows)
            for piece in writer.end(Outcome(status=QueryStatus.ERROR, message=error.labelled())):
                yield piece


def _warnings(statement: Statement) -> tuple[tuple[str, str], ...]:
    return tuple(("warning", note) for note in statement.notes)


async def _nothing_new() -> None:
    return


class _Counter:
    """Counts rows up to a limit."""

    def __init__(self, maxrec: int, missing: Callable[[], str | None]) -> None:
        self.rows = 0
        self.full = False
        self._maxrec = maxrec
        self._missing = missing

    def cut(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return what of a batch is within the limit."""
        left = self._maxrec - self.rows
        self.full = batch.num_rows > left
        kept = batch.slice(0, left) if self.full else batch
        self.rows += kept.num_rows
        return kept

    def outcome(self) -> Outcome:
        if self.full:
            return _overflow(self._maxrec)
        missing = self._missing()
        return Outcome(status=QueryStatus.OVERFLOW if missing else QueryStatus.OK, message=missing)


def _overflow(maxrec: int) -> Outcome:
    return Outcome(
        status=QueryStatus.OVERFLOW,
        message=f"The result was cut at {maxrec} rows by MAXREC or the limits of the service.",
    )


async def _worked(rows: int, work: Callable[[], T]) -> T:
    """Do what some rows need: for many of them in a thread, so that others are answered meanwhile."""
    return work() if rows <= SMALL_BATCH_ROWS else await asyncio.to_thread(work)
