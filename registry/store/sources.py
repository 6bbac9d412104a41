"""Where it is kept what was harvested, from whom, how far, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from lxml import etree
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.db import Database, among, upsert
from registry.core.harvesting import Judged, Verdict
from registry.core.identifier import identifier_key
from registry.core.voresource import digest
from registry.ports import AnotherAtWork, Quarantined, Source, Tally
from registry.store.tables import LOCK_KEY, Index, RegistryTables, no_index

MAX_QUARANTINED_BYTES = 20_000
_SWEEP_PAGE = 500


class SourceStore:
    """What was harvested into one database.

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
        self._tables = RegistryTables.of(db.dialect)

    async def source(self, url: str) -> Source:
        """Return a source, a new one if nothing is known of it."""
        table = self._tables.source
        async with self._db.read() as connection:
            row = (await connection.execute(sa.select(table).where(table.c.url == url))).one_or_none()
        return Source(url=url) if row is None else Source(**row._mapping)

    async def sources(self) -> tuple[Source, ...]:
        """Return all sources, by URL."""
        table = self._tables.source
        async with self._db.read() as connection:
            rows = await connection.execute(sa.select(table).order_by(table.c.url))
            return tuple(Source(**row._mapping) for row in rows)

    async def save(self, source: Source) -> Source:
        """Write what is known of a source."""
        async with self._db.write(LOCK_KEY) as connection:
            return await self._save(connection, source)

    async def _save(self, connection: AsyncConnection, source: Source) -> Source:
        table, following = self._tables.source, replace(source, version=source.version + 1)
        known = await connection.scalar(sa.select(table.c.version).where(table.c.url == source.url))
        if (known or 0) != source.version:
            raise AnotherAtWork(f"another harvest of {source.url} is at work; wait for its end")
        await upsert(connection, table, [asdict(following)])
        return following

    async def take(self, source: Source, judged: Iterable[Judged], now: str) -> tuple[Source, Tally]:
        """Write a page of records and, with them, where the harvest goes on."""
        page = tuple(judged)
        async with self._db.write(LOCK_KEY) as connection:
            following = await self._save(connection, source)
            plan = _Plan(source, await self._known(connection, page))
            for one in page:
                plan.add(one, now)
            await upsert(connection, self._tables.record, plan.rows)
            await self._move(connection, plan.unchanged, source.generation)
            await self._release(connection, source, plan.settled)
            await upsert(connection, self._tables.quarantine, plan.refused)
            refused = await self._index_all(connection, plan.indexed)
            rows = [plan.refusal(ivoid, "kept, but RegTAP cannot hold what it says", now) for ivoid in refused]
            await upsert(connection, self._tables.quarantine, rows)
        return following, plan.tally()

    async def _index_all(self, connection: AsyncConnection, records: Mapping[str, etree._Element | None]) -> list[str]:
        """Bring the other view up to date, and return what it cannot hold: one odd record must not stop the rest."""
        try:
            async with connection.begin_nested():
                await self._index(connection, records)
        except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.StatementError):
            if len(records) == 1:
                return list(records)
            halves = tuple(records.items())[::2], tuple(records.items())[1::2]
            return [ivoid for half in halves for ivoid in await self._index_all(connection, dict(half))]
        return []

    async def _known(self, connection: AsyncConnection, page: Sequence[Judged]) -> dict[str, Any]:
        table = self._tables.record
        columns = (table.c.key, table.c.ivoid, table.c.origin, table.c.digest, table.c.deleted, table.c.created)
        keys = [identifier_key(one.ivoid) for one in page]
        query = sa.select(*columns).where(among(self._db.dialect, table.c.key, keys))
        return {row.key: row for row in await connection.execute(query)}

    async def _move(self, connection: AsyncConnection, ivoids: Sequence[str], generation: int) -> None:
        table = self._tables.record
        if ivoids:
            await connection.execute(
                sa.update(table)
                .where(among(self._db.dialect, table.c.ivoid, ivoids), table.c.generation != generation)
                .values(generation=generation)
            )

    async def _release(self, connection: AsyncConnection, source: Source, keys: Sequence[str]) -> None:
        table = self._tables.quarantine
        condition = among(self._db.dialect, table.c.key, keys)
        await connection.execute(sa.delete(table).where(table.c.source == source.url, condition))

    async def sweep(self, source: Source, now: str) -> tuple[Source, int]:
        """Delete the records of older generations, and return how many there were."""
        table = self._tables.record
        older = (table.c.origin == source.url, table.c.generation < source.generation, sa.not_(table.c.deleted))
        async with self._db.write(LOCK_KEY) as connection:
            following = await self._save(connection, source)
            gone = list(await connection.scalars(sa.select(table.c.ivoid).where(*older)))
            await connection.execute(sa.update(table).where(*older).values(deleted=True, updated=now))
            for begin in range(0, len(gone), _SWEEP_PAGE):
                await self._index(connection, dict.fromkeys(gone[begin : begin + _SWEEP_PAGE]))
        return following, len(gone)

    async def quarantined(self, url: str | None = None) -> tuple[Quarantined, ...]:
        """Return the records that were not taken, of one source or of all."""
        table = self._tables.quarantine
        columns = [table.c[name] for name in Quarantined.__slots__]
        query = sa.select(*columns).order_by(table.c.source, table.c.key)
        if url is not None:
            query = query.where(table.c.source == url)
        async with self._db.read() as connection:
            return tuple(Quarantined(**row._mapping) for row in await connection.execute(query))

    async def forget(self, url: str) -> int:
        """Forget a source and all that was harvested from it; return how many records there were."""
        record, source, quarantine = self._tables.record, self._tables.source, self._tables.quarantine
        async with self._db.write(LOCK_KEY) as connection:
            gone = list(await connection.scalars(sa.select(record.c.ivoid).where(record.c.origin == url)))
            for begin in range(0, len(gone), _SWEEP_PAGE):
                await self._index(connection, dict.fromkeys(gone[begin : begin + _SWEEP_PAGE]))
            await connection.execute(sa.delete(record).where(record.c.origin == url))
            await connection.execute(sa.delete(quarantine).where(quarantine.c.source == url))
            await connection.execute(sa.delete(source).where(source.c.url == url))
        return len(gone)


class _Plan:
    """What a page changes: `settled` are the keys of records that are not in quarantine any more."""

    def __init__(self, source: Source, known: dict[str, Any]) -> None:
        self._source = source
        self._known = known
        self._counts = dict.fromkeys(Tally.__slots__, 0)
        self.rows: list[dict[str, Any]] = []
        self.unchanged: list[str] = []
        self.refused: list[dict[str, Any]] = []
        self.settled: list[str] = []
        self.indexed: dict[str, Any] = {}

    def tally(self) -> Tally:
        """Return what became of the records."""
        return Tally(**self._counts)

    def add(self, one: Judged, now: str) -> None:
        """Plan what becomes of a record."""
        row = self._known.get(identifier_key(one.ivoid))
        if one.verdict is Verdict.OWN:
            self._counts["own"] += 1
        elif one.verdict is Verdict.REFUSE:
            self._refuse(one, one.reason, now)
        elif row is not None and row.origin != self._source.url and not row.deleted:
            self._refuse(one, f"there is a record of this identifier from {row.origin} already", now)
        else:
            self.settled.append(identifier_key(one.ivoid))
            self._take(one, row)

    def _refuse(self, one: Judged, reason: str, now: str) -> None:
        self._counts["quarantined"] += 1
        row = self.refusal(one.ivoid, reason, now, one.xml)
        if all(earlier["key"] != row["key"] for earlier in self.refused):
            self.refused.append(row)

    def refusal(self, ivoid: str, reason: str, now: str, xml: bytes = b"") -> dict[str, Any]:
        """Return the row of a record that is not taken."""
        return {
            "source": self._source.url,
            "key": identifier_key(ivoid)[:1000],
            "ivoid": ivoid[:1000],
            "reason": reason,
            "seen": now,
            "xml": xml[:MAX_QUARANTINED_BYTES].decode(errors="replace"),
        }

    def _take(self, one: Judged, row: Any) -> None:
        gone = one.verdict is Verdict.DELETE
        if gone and (row is None or row.deleted):
            self._counts["unchanged"] += 1
            return
        fingerprint = "" if one.resource is None else digest(one.resource, one.resource.get("updated", ""))
        if row is not None and not gone and not row.deleted and row.digest == fingerprint:
            self._counts["unchanged"] += 1
            self.unchanged.append(row.ivoid)
            return
        self._counts["deleted" if gone else "added" if row is None or row.deleted else "updated"] += 1
        ivoid = one.ivoid if row is None else row.ivoid
        self.rows.append(self._row(one, row, fingerprint) | {"ivoid": ivoid})
        self.indexed[ivoid] = one.resource if one.facts is not None and one.facts.status == "active" else None

    def _row(self, one: Judged, row: Any, fingerprint: str) -> dict[str, Any]:
        facts = one.facts
        return {
            "key": identifier_key(one.ivoid),
            "digest": fingerprint,
            "created": one.resource.get("created", "") if one.resource is not None else row.created,
            "updated": one.datestamp,
            "deleted": one.verdict is Verdict.DELETE,
            "xml": one.xml.decode(),
            "origin": self._source.url,
            "managed": False,
            "type": facts.type if facts else "",
            "title": facts.title if facts else "",
            "status": facts.status if facts else "",
            "generation": self._source.generation,
        }
