"""The use-case of ``penstock tap add``: a table of a file or a database becomes one that everybody may query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from penstock.clock import Clock
from penstock.dali.errors import UsageError
from penstock.db import Database, async_url
from tap_proxy.core.own_tables import DEFAULT_SCHEMA, OwnTable, checked_name, described
from tap_proxy.own.databases import PostgresTable, look, open_postgres, open_sqlite
from tap_proxy.own.loading import loading
from tap_proxy.own.reading import Reading, open_file
from tap_proxy.own.store import OwnTables, taken

T = TypeVar("T")
_DATABASES = ("postgresql:", "postgres:", "sqlite:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to add and how.

    Parameters
    ----------
    source
        Path of a file, or URL of a database with the table as its fragment: ``postgresql://host/db#schema.table``.
    schema, table
        The names to publish under; None takes those that suggest themselves.
    description
        What a row of the table is.
    indexes
        Columns that shall have an index, besides those whose UCD says that they are looked for.
    hdu
        The extension of a FITS file.
    without
        Columns to leave out.
    replace
        Whether a table of that name may be replaced.
    """

    source: str
    schema: str | None = None
    table: str | None = None
    description: str | None = None
    indexes: tuple[str, ...] = ()
    hdu: str | None = None
    without: tuple[str, ...] = ()
    replace: bool = False


class Adding:
    """Adds tables.

    Parameters
    ----------
    db
        Where they are kept.
    reserved
        Names of schemas that are not the operator's to fill, in lower case.
    clock
        Tells the time.
    progress
        Is told how many rows are in, and how far that is from 0 to 1.
    """

    def __init__(
        self, db: Database, *, reserved: frozenset[str], clock: Clock, progress: Callable[[int, float], None]
    ) -> None:
        self._db = db
        self._tables = OwnTables(db)
        self._reserved = reserved
        self._clock = clock
        self._progress = progress

    async def add(self, order: Order) -> OwnTable:
        """Add a table and return what is published.

        Raises
        ------
        UsageError
            The source or a name is wrong; the message says what to do.
        ServiceUnavailable
            A database does not answer, or the table is being loaded already.
        """
        source, _, fragment = order.source.partition("#")
        if not source.startswith(_DATABASES):
            scheme, mark, _ = source.partition("://")
            if mark:
                raise UsageError(f"{scheme[:40]}:// is not read: give a file, postgresql://... or sqlite:///...")
            path = Path(source)
            reading = await asyncio.to_thread(self._opened, path, order)
            return await self._load(order, reading, name=path.name.partition(".")[0], origin=path.name)
        url = async_url(source)
        schema, dot, name = fragment.rpartition(".")
        if not name:
            raise UsageError("name the table after the URL: postgresql://host/database#schema.table")
        shown = f"{url.render_as_string(hide_password=True)}#{fragment}"
        if url.get_backend_name() == "sqlite":
            reading = await asyncio.to_thread(open_sqlite, Path(url.database or ""), fragment, order.without)
            return await self._load(order, reading, name=name, origin=shown)
        table = await look(url, schema if dot else "public", name, order.without)
        if self._is_ours(url.host, url.port, url.database):
            return await self._publish_in_place(order, table)
        return await self._load(order, await open_postgres(url, table), name=name, origin=shown)

    @staticmethod
    def _opened(path: Path, order: Order) -> Reading:
        try:
            return open_file(path, hdu=order.hdu, without=order.without)
        except OSError as error:
            raise UsageError(f"{path} cannot be opened: {error.strerror}.") from error

    def _is_ours(self, host: str | None, port: int | None, database: str | None) -> bool:
        ours = self._db.url
        return (host, port or 5432, database) == (ours.host, ours.port or 5432, ours.database)

    async def _load(self, order: Order, reading: Reading, *, name: str, origin: str) -> OwnTable:
        schema = self._schema(order.schema or DEFAULT_SCHEMA)
        name = checked_name(order.table or name, "table")
        if not order.replace and await self._tables.find(schema, name) is not None:
            raise taken(schema, name)
        table = described(name, reading.fields, order.description or reading.description, order.indexes)
        rows = 0
        async with loading(self._db, schema, table) as load:
            while (batch := await asyncio.to_thread(_next, reading.batches)) is not None:
                await load.add(batch)
                rows += batch.num_rows
                self._progress(rows, reading.done())
            await load.finish()
            own = OwnTable(schema=schema, table=table, rows=rows, added=self._clock(), origin=origin)
            await self._tables.publish(own, replace=order.replace)
        return own

    async def _publish_in_place(self, order: Order, found: PostgresTable) -> OwnTable:
        if order.table not in (None, found.name) or order.schema not in (None, found.schema):
            raise UsageError(f"a table of this database is published as what it is, {found.schema}.{found.name}.")
        description = order.description or found.description
        name = checked_name(found.name, "table")
        own = OwnTable(
            schema=self._schema(found.schema),
            table=described(name, found.fields, description, found.indexes, choose=False),
            rows=found.rows,
            added=self._clock(),
            origin="this database",
            in_place=True,
        )
        await self._tables.publish(own, replace=order.replace)
        return own

    def _schema(self, name: str) -> str:
        if checked_name(name, "schema") in self._reserved:
            raise UsageError(f"the schema {name} is not for added tables; take another, such as {DEFAULT_SCHEMA}.")
        return name


def _next(batches: Iterator[T]) -> T | None:
    return next(batches, None)
