"""Where records and their stamps are kept.

Stamps are text, UTC in whole seconds, which sorts as time does on both engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from lxml import etree
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database, Dialect, Namespace
from registry.core.envelope import Stored
from registry.core.oai import Selection
from registry.core.voresource import digest, stamp

SCHEMA = "registry"
LOCK_KEY = 0x52454749  # any constant: one publication at a time in a PostgreSQL database


@dataclass(frozen=True, slots=True)
class RegistryTables:
    """The tables in one dialect; `digest` is of a record without its stamps."""

    metadata: sa.MetaData
    record: sa.Table

    @classmethod
    def of(cls, dialect: Dialect) -> RegistryTables:
        """Declare the tables for a dialect."""
        ns = Namespace.of(dialect, SCHEMA)
        record = ns.table(
            "record",
            sa.Column("ivoid", sa.Text, primary_key=True),
            sa.Column("digest", sa.Text, nullable=False),
            sa.Column("created", sa.Text, nullable=False),
            sa.Column("updated", sa.Text, nullable=False),
            sa.Column("deleted", sa.Boolean, nullable=False),
            sa.Column("xml", sa.Text, nullable=False),
        )
        sa.Index("registry_record_updated", record.c.updated, record.c.ivoid)
        return cls(ns.metadata, record)


class RecordStore:
    """The records of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._record = RegistryTables.of(db.dialect).record

    async def publish(self, resources: Mapping[str, etree._Element], now: str) -> None:
        """Make `resources`, by identifier, the records that are not deleted, in one transaction.

        A record whose content is as it was keeps its date; one that is gone is kept as deleted.
        """
        async with self._db.write() as connection:
            if self._db.dialect == "postgresql":
                await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            known = {row.ivoid: row for row in await connection.execute(sa.select(self._record))}
            for ivoid, element in resources.items():
                await self._publish_one(connection, ivoid, element, known.get(ivoid), now)
            gone = [ivoid for ivoid, row in known.items() if ivoid not in resources and not row.deleted]
            await self._set(connection, gone, deleted=True, updated=now)

    async def _publish_one(
        self, connection: AsyncConnection, ivoid: str, element: etree._Element, row: Any, now: str
    ) -> None:
        fingerprint = digest(element)
        if row is None:
            xml = stamp(element, created=now, updated=now).decode()
            values = {"ivoid": ivoid, "digest": fingerprint, "created": now, "updated": now, "deleted": False}
            await connection.execute(sa.insert(self._record).values(**values, xml=xml))
        elif row.deleted or row.digest != fingerprint:
            xml = stamp(element, created=row.created, updated=now).decode()
            await self._set(connection, [ivoid], digest=fingerprint, updated=now, deleted=False, xml=xml)

    async def _set(self, connection: AsyncConnection, ivoids: list[str], **values: object) -> None:
        if ivoids:
            await connection.execute(sa.update(self._record).where(self._record.c.ivoid.in_(ivoids)).values(**values))

    async def problem(self) -> str | None:
        """Say what keeps the store from its work, None where nothing does."""
        try:
            await self.earliest()
        except (ServiceUnavailable, sa.exc.SQLAlchemyError):
            return "The database of the registry does not answer."
        return None

    async def get(self, ivoid: str) -> Stored | None:
        """Return a record, deleted or not, or None."""
        query = sa.select(self._record).where(self._record.c.ivoid == ivoid)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _stored(row)

    async def earliest(self) -> str | None:
        """Return the least datestamp, None where there is no record."""
        async with self._db.read() as connection:
            stamp: str | None = await connection.scalar(sa.select(sa.func.min(self._record.c.updated)))
        return stamp

    async def count(self, selection: Selection) -> int:
        """Count what is selected."""
        query = sa.select(sa.func.count()).select_from(self._record).where(*self._conditions(selection))
        async with self._db.read() as connection:
            return await connection.scalar(query) or 0

    async def select(self, selection: Selection, after: tuple[str, str] | None, limit: int) -> tuple[Stored, ...]:
        """Return the selected records that follow `after`, a (datestamp, identifier), in that order."""
        conditions = self._conditions(selection)
        key = (self._record.c.updated, self._record.c.ivoid)
        if after is not None:
            conditions.append(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after)))
        query = sa.select(self._record).where(*conditions).order_by(*key).limit(limit)
        async with self._db.read() as connection:
            return tuple(map(_stored, await connection.execute(query)))

    def _conditions(self, selection: Selection) -> list[sa.ColumnElement[bool]]:
        conditions: list[sa.ColumnElement[bool]] = []
        if selection.since is not None:
            conditions.append(self._record.c.updated >= selection.since)
        if selection.until is not None:
            conditions.append(self._record.c.updated <= selection.until)
        return conditions


def _stored(row: Any) -> Stored:
    return Stored(ivoid=row.ivoid, updated=row.updated, deleted=row.deleted, xml=row.xml.encode())
