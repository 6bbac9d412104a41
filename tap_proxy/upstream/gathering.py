"""Fetches the rows that a plan asks for, and makes of them the tables that the database joins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from penstock.dali.errors import ServiceError, UsageError
from penstock.identifiers import query_ready
from penstock.tables import Column
from penstock.votable.datatypes import arrow_type
from penstock.votable.model import Field
from penstock.votable.upload import UploadLimits
from tap_proxy.core.federation.batches import DID, Deduplicator, among, distinct, kept, kept_field, relinked
from tap_proxy.core.federation.catalogue import ARCHIVE, Federation
from tap_proxy.core.federation.plan import Fetch, Gather, Keys
from tap_proxy.ports import UploadedTable, elsewhere
from tap_proxy.upstream.answers import Rows, checked
from tap_proxy.upstream.asking import ask
from tap_proxy.upstream.client import Request, UpstreamClient, UpstreamFailed

KeysHere = Callable[[str], Awaitable[AsyncGenerator[pa.RecordBatch, None]]]
"""Runs a query on our own tables."""

_MOST_COLUMNS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be fetched for one query, from each table: rows, bytes, keys; and how long archives may take."""

    rows: int
    bytes: int
    keys: int
    archive_time_limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of a fetch: rows, or why there are none; `cut` tells that there are more."""

    fetch: Fetch
    columns: tuple[Field, ...]
    batches: tuple[pa.RecordBatch, ...] = ()
    cut: bool = False
    problem: str | None = None

    @property
    def rows(self) -> int:
        """How many rows came."""
        return sum(batch.num_rows for batch in self.batches)


class Gathering:
    """The fetches of one query.

    Parameters
    ----------
    federation
        The mounts and their tables.
    clients
        Who asks the upstreams, by name.
    bounds
        How much is fetched.
    links_url
        Our DataLink service.
    keys_here
        Finds keys in our own tables.
    """

    def __init__(
        self,
        federation: Federation,
        clients: Mapping[str, UpstreamClient],
        bounds: Bounds,
        *,
        links_url: str,
        keys_here: KeysHere,
    ) -> None:
        self._federation = federation
        self._clients = clients
        self._bounds = bounds
        self._links_url = links_url
        self._keys_here = keys_here
        self.fetched: list[Fetched] = []

    async def run(self, plan: Gather, *, maxrows: int, deadline: float) -> None:
        """Fetch everything, into `fetched`.

        Raises
        ------
        UsageError
            There is more than may be fetched, and the result would be wrong without it.
        UpstreamFailed
            An upstream whose table the query names does not answer.
        """
        for step in plan.steps:
            fetches = [fetch.capped(maxrows) if plan.narrowed else fetch for fetch in step]
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._fetch(fetch, deadline)) for fetch in fetches]
            except* ServiceError as errors:
                raise errors.exceptions[0] from None
            self.fetched += [task.result() for task in tasks]
        cut = [each for each in self.fetched if each.cut]
        if cut and not plan.tolerant:
            first = cut[0]
            raise UsageError(
                f"{first.fetch.archive} has more than {first.rows} rows of {first.fetch.written} for this query, and no"
                " more are fetched: add conditions, since without the others the result would be wrong."
            )

    async def _fetch(self, fetch: Fetch, deadline: float) -> Fetched:
        if not self._federation.is_union(*fetch.table):
            return await self._rows(fetch, deadline)
        latest = asyncio.get_running_loop().time() + self._bounds.archive_time_limit_s
        try:
            return await self._rows(fetch, min(deadline, latest))
        except ServiceError as error:
            # An archive of ivoa.obscore that fails costs its rows, not the result.
            return Fetched(fetch=fetch, columns=self._columns(fetch), problem=error.message)

    async def _rows(self, fetch: Fetch, deadline: float) -> Fetched:
        columns = self._columns(fetch)
        narrowed = await self._narrowed(fetch)
        if narrowed is None:
            return Fetched(fetch=fetch, columns=columns)
        most = self._bounds.rows if fetch.limit is None else min(self._bounds.rows, fetch.limit)
        client = self._clients[fetch.archive]
        mount = next(each for each in self._federation.mounts if each.name == fetch.archive)
        form = mount.metadata.ability.quickest()
        request = Request(params=parameters(fetch.text(*narrowed), form, most, mount.metadata.ability.version))
        async with ask(client, request, deadline=deadline) as response:
            limits = UploadLimits(
                max_bytes=self._bounds.bytes, max_rows=self._bounds.rows + 10**9, max_columns=_MOST_COLUMNS
            )
            chunks = checked(client, client.chunks(response, deadline=deadline), votable=True)
            async with aclosing(chunks):
                rows = Rows(client, chunks, limits)
                batches, cut = await self._taken(rows, columns, most)
        batches = [relinked(batch, fetch.columns, mount.dids_to_links, self._links_url) for batch in batches]
        fetched = Fetched(fetch=fetch, columns=columns, batches=tuple(batches))
        # Who gives fewer rows than were asked for, and says that there are more, has a lower limit of its own.
        enough = fetch.limit is not None and fetched.rows >= fetch.limit
        return replace(fetched, cut=cut and not enough)

    async def _taken(self, rows: Rows, columns: Sequence[Field], most: int) -> tuple[list[pa.RecordBatch], bool]:
        """Return the rows as they are kept, and whether there are more."""
        await rows.begin()
        if len(rows.fields) != len(columns):
            name = rows.client.site.name
            raise UpstreamFailed(
                f"{name}: it answers with {len(rows.fields)} columns where {len(columns)} were asked for."
            )
        batches: list[pa.RecordBatch] = []
        left = most
        async with aclosing(rows.batches()) as coming:
            async for batch in coming:
                if batch.num_rows > left:
                    batches.append(self._kept(rows, batch.slice(0, left), columns))
                    return batches, True
                batches.append(self._kept(rows, batch, columns))
                left -= batch.num_rows
        return batches, rows.overflowed

    def _kept(self, rows: Rows, batch: pa.RecordBatch, columns: Sequence[Field]) -> pa.RecordBatch:
        try:
            return kept(batch, rows.fields, columns)
        except (ValueError, ServiceError) as error:
            raise UpstreamFailed(f"{rows.client.site.name}: {error}.") from error

    def _columns(self, fetch: Fetch) -> tuple[Field, ...]:
        """Return the columns as they are published: those of ivoa.obscore are ours, whoever they come from."""
        published = {column.name.lower(): column for column in self._published(fetch)}
        return tuple(published[name.lower()] for name in fetch.columns)

    def _published(self, fetch: Fetch) -> tuple[Column, ...]:
        place = self._federation.place(*fetch.table)
        if place is not None:
            return place.remote.table.columns
        return union_columns(self._federation)

    async def _narrowed(self, fetch: Fetch) -> list[str] | None:
        """Return conditions from keys of other tables; None where these leave no row."""
        conditions = []
        for keys in fetch.keys:
            values = await self._values(keys)
            if values is not None and not values:
                return None
            if values:
                conditions.append(among(query_ready(keys.column), values))
        return conditions

    async def _values(self, keys: Keys) -> list[str | int] | None:
        """Return the keys, None where there are too many."""
        if keys.fetched:
            found = [each for each in self.fetched if each.fetch.table == keys.table]
            names = [_named(each, keys.column_there) for each in found]
            batches = [
                batch.select([name]).rename_columns(["key"])
                for each, name in zip(found, names, strict=True)
                for batch in each.batches
            ]
            return distinct(batches, "key", self._bounds.keys)
        async with aclosing(await self._keys_here(keys.query or "")) as coming:
            values = [batch.rename_columns(["key"]) async for batch in coming]
        return distinct(values, "key", self._bounds.keys)

    def tables(self) -> tuple[UploadedTable, ...]:
        """Return what was fetched as tables that go with the query."""
        by_table: dict[tuple[str, str], list[Fetched]] = {}
        for each in self.fetched:
            by_table.setdefault(each.fetch.table, []).append(each)
        return tuple(
            self._union(table, fetched) if self._federation.is_union(*table) else _table(table, fetched[0])
            for table, fetched in by_table.items()
        )

    def _union(self, table: tuple[str, str], fetched: Sequence[Fetched]) -> UploadedTable:
        names = {field.name for each in fetched for field in each.columns}
        names |= {name for each in fetched for name in each.fetch.absent}
        columns = [column for column in union_columns(self._federation) if column.name in names]
        fields = (*map(kept_field, columns), ARCHIVE)
        shown, batches = Deduplicator(), list[pa.RecordBatch]()
        for each in fetched:
            position = next((n for n, field in enumerate(each.columns) if field.name == DID), None)
            rest = list(each.batches) if position is None else shown.add(each.batches, position)
            batches += [_widened(batch, each, columns) for batch in rest]
        return UploadedTable(name=archives(*table), fields=fields, batches=tuple(batches))

    def infos(self, plan: Gather) -> tuple[tuple[str, str], ...]:
        """Return what should be told of each archive (name, value): one entry for each, and one for what is missing."""
        told: dict[str, list[str]] = {}
        for each in self.fetched:
            archive, rows, written = each.fetch.archive, each.rows, each.fetch.written
            if each.problem is not None:
                told.setdefault(f"warning_{archive}", []).append(f"its rows are missing: {each.problem}")
            elif each.cut:
                told.setdefault(f"warning_{archive}", []).append(f"only {rows} of its rows of {written} were fetched")
            else:
                told.setdefault(f"archive_{archive}", []).append(f"{rows} rows of {written}")
        for archive in plan.skipped:
            told.setdefault(f"archive_{archive}", []).append("not asked, the query rules it out")
        return tuple((name, "; ".join(texts)) for name, texts in told.items())

    def missing(self) -> str | None:
        """Return why rows are missing, None if none are."""
        cut = [each.fetch.archive for each in self.fetched if each.cut]
        return f"Rows are missing: {', '.join(cut)} has more than may be fetched." if cut else None


def union_columns(federation: Federation) -> tuple[Column, ...]:
    """Return the columns of ivoa.obscore without the one that names the archive."""
    tables = (
        table for schema in federation.own for table in schema.tables if federation.is_union(schema.name, table.name)
    )
    return tuple(column for table in tables for column in table.columns if column.name != ARCHIVE.name)


def parameters(text: str, form: str, maxrec: int, version: str) -> dict[str, str]:
    """Return the parameters of a query to an upstream (TAP 1.1 s2.7; TAP 1.0 s2.3)."""
    params = {"LANG": "ADQL", "QUERY": text, "MAXREC": str(maxrec), "RESPONSEFORMAT": form}
    return params if version >= "1.1" else {"REQUEST": "doQuery", **params, "FORMAT": form}


def archives(schema: str, table: str) -> str:
    """Return the name under which rows of other archives go with a query, to be put beside ours."""
    return f"{elsewhere(schema, table)} archives"


def _named(fetched: Fetched, column: str) -> str:
    return next(field.name for field in fetched.columns if field.name.lower() == column.lower())


def _table(table: tuple[str, str], fetched: Fetched) -> UploadedTable:
    return UploadedTable(
        name=elsewhere(*table), fields=tuple(map(kept_field, fetched.columns)), batches=fetched.batches
    )


def _widened(batch: pa.RecordBatch, fetched: Fetched, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return rows of one archive with all columns: NULL in those that it has not, and its name."""
    have = {field.name: index for index, field in enumerate(fetched.columns)}
    rows = batch.num_rows

    def values(column: Column) -> pa.Array[Any]:
        index = have.get(column.name)
        return batch.column(index) if index is not None else pa.array([None] * rows, arrow_type(kept_field(column)))

    arrays = [values(column) for column in columns]
    archive = pa.array([fetched.fetch.archive] * rows, pa.string())
    return pa.RecordBatch.from_arrays([*arrays, archive], names=[*(column.name for column in columns), ARCHIVE.name])
