"""Where records are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from lxml import etree
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database, among, upsert
from registry.core.envelope import Stored
from registry.core.identifier import identifier_key
from registry.core.oai import Selection
from registry.core.reading import facts_of
from registry.core.voresource import digest, stamp
from registry.ports import Decision, Filter, Origin, Summary
from registry.store.tables import LOCK_KEY, Index, RegistryTables, no_index, stored


class RecordStore:
    """The records of one database.

    Parameters
    ----------
    db
        The migrated database.
    index
        Another view of records to be kept up to date.
    """

    def __init__(self, db: Database, index: Index = no_index) -> None:
        self._db = db
        self._index = index
        self._record = RegistryTables.of(db.dialect).record

    async def publish(
        self, origin: Origin, resources: Mapping[str, etree._Element], now: str, *, base_url: str
    ) -> None:
        """Make `resources`, by identifier, the records of an origin that are not deleted, in one transaction.

        A record whose content and base URL are as they were keeps its date; one that is gone is kept as deleted.
        """
        table = self._record
        keys = [identifier_key(ivoid) for ivoid in resources]
        either = sa.or_(table.c.origin == origin, among(self._db.dialect, table.c.key, keys))
        async with self._db.write(LOCK_KEY) as connection:
            known = {row.key: row for row in await connection.execute(sa.select(table).where(either))}
            changed = {}
            for ivoid, element in resources.items():
                row = known.get(identifier_key(ivoid))
                fingerprint = digest(element, base_url)
                if row is None or row.deleted or row.digest != fingerprint or row.origin != origin:
                    changed[ivoid] = _row(ivoid, element, row, now) | {"origin": origin, "digest": fingerprint}
            gone = [row for key, row in known.items() if key not in keys and row.origin == origin and not row.deleted]
            await self._write(connection, list(changed.values()), [row.ivoid for row in gone], now)
            shown = {ivoid: resources[ivoid] for ivoid in changed}
            await self._index(connection, {**shown, **{row.ivoid: None for row in gone}})

    async def edit(self, ivoid: str, decide: Decision, now: str) -> Stored:
        """Change one record as `decide` says, in one transaction, and return it as it is then."""
        table = self._record
        query = sa.select(table).where(table.c.key == identifier_key(ivoid))
        async with self._db.write(LOCK_KEY) as connection:
            row = (await connection.execute(query)).one_or_none()
            element = decide(None if row is None else stored(row))
            if element is None:
                await self._write(connection, [], [row.ivoid] if row is not None else [], now)
                await self._index(connection, {ivoid: None})
            else:
                fingerprint = digest(element)
                if row is None or row.deleted or row.digest != fingerprint:
                    values = _row(ivoid, element, row, now) | {"origin": Origin.OPERATOR, "digest": fingerprint}
                    await self._write(connection, [values], [], now)
                    await self._index(connection, {ivoid: element if values["status"] == "active" else None})
            return stored((await connection.execute(query)).one())

    async def _write(self, connection: AsyncConnection, rows: list[dict[str, Any]], gone: list[str], now: str) -> None:
        await upsert(connection, self._record, rows)
        if gone:
            condition = among(self._db.dialect, self._record.c.ivoid, gone)
            await connection.execute(sa.update(self._record).where(condition).values(deleted=True, updated=now))

    async def problem(self) -> str | None:
        """Say what keeps the store from its work, None where nothing does."""
        try:
            await self.earliest()
        except (ServiceUnavailable, sa.exc.SQLAlchemyError):
            return "The database of the registry does not answer."
        return None

    async def get(self, ivoid: str) -> Stored | None:
        """Return a record, deleted or not, or None; the case of the identifier does not count."""
        query = sa.select(self._record).where(self._record.c.key == identifier_key(ivoid))
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else stored(row)

    async def earliest(self) -> str | None:
        """Return the least datestamp of our own records, None where there is none."""
        query = sa.select(sa.func.min(self._record.c.updated)).where(self._record.c.managed)
        async with self._db.read() as connection:
            found: str | None = await connection.scalar(query)
        return found

    async def count(self, selection: Selection) -> int:
        """Count what is selected of our own records."""
        query = sa.select(sa.func.count()).select_from(self._record).where(*self._conditions(selection))
        async with self._db.read() as connection:
            return await connection.scalar(query) or 0

    async def select(self, selection: Selection, after: tuple[str, str] | None, limit: int) -> tuple[Stored, ...]:
        """Return the selected records of our own that follow `after`, a (datestamp, identifier), in that order."""
        conditions = self._conditions(selection)
        key = (self._record.c.updated, self._record.c.ivoid)
        if after is not None:
            conditions.append(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after)))
        query = sa.select(self._record).where(*conditions).order_by(*key).limit(limit)
        async with self._db.read() as connection:
            return tuple(map(stored, await connection.execute(query)))

    def _conditions(self, selection: Selection) -> list[sa.ColumnElement[bool]]:
        conditions: list[sa.ColumnElement[bool]] = [self._record.c.managed]
        if selection.since is not None:
            conditions.append(self._record.c.updated >= selection.since)
        if selection.until is not None:
            conditions.append(self._record.c.updated <= selection.until)
        return conditions

    async def search(self, wanted: Filter, after: str, limit: int) -> tuple[Summary, ...]:
        """Return records of all origins whose identifiers follow `after`, in the order of identifiers."""
        table = self._record
        said = {table.c.type: wanted.type, table.c.origin: wanted.origin}
        conditions = [column == value for column, value in said.items() if value is not None]
        if not wanted.deleted:
            conditions.append(sa.not_(table.c.deleted))
        for word in wanted.words:
            lower = word.lower()
            found = sa.func.lower(table.c.title).contains(lower, autoescape=True)
            conditions.append(found | table.c.key.contains(lower, autoescape=True))
        columns = [table.c[name] for name in Summary.__slots__]
        query = sa.select(*columns).where(table.c.key > after, *conditions).order_by(table.c.key).limit(limit)
        async with self._db.read() as connection:
            return tuple(Summary(**row._mapping) for row in await connection.execute(query))


def _row(ivoid: str, element: etree._Element, known: Any, now: str) -> dict[str, Any]:
    """Return the row of a record of our own that is written now."""
    created = now if known is None else known.created or now
    facts = facts_of(element)
    return {
        "ivoid": ivoid if known is None else known.ivoid,
        "key": identifier_key(ivoid),
        "created": created,
        "updated": now,
        "deleted": False,
        "xml": stamp(element, created=created, updated=now).decode(),
        "managed": True,
        "type": facts.type,
        "title": facts.title,
        "status": facts.status,
        "generation": 0,
    }
