"""Where harvested files are put: every batch is one transaction, and the same batch may be put again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from penstock.db import among, upsert
from penstock.lake.port import Did, Site
from penstock.lake.rows import Row
from penstock.lake.store import PAGE, LakeStore

_BETWEEN = "\n"  # in no identifier and in no name of a site


@dataclass(slots=True)
class Batch:
    """Rows of some files, which replace what was known of them; what is rejected only needs no row of a file."""

    files: list[Row] = field(default_factory=list)
    observations: list[Row] = field(default_factory=list)
    replicas: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)


class Shelf:
    """The catalogue as a harvest writes it.

    Parameters
    ----------
    store
        The catalogue.
    """

    def __init__(self, store: LakeStore) -> None:
        self._store = store

    async def put_sites(self, sites: Sequence[Site]) -> None:
        """Write sites."""
        for site in sites:
            await self._store.put_site(site)

    async def put(self, batch: Batch, *, all_replicas: bool = True) -> None:
        """Write a batch; unless it has `all_replicas` of its files, those that it does not name stay."""
        t, dialect = self._store.tables, self._store.db.dialect
        dids = [row["did"] for row in batch.files]
        described = {row["lake_did"] for row in batch.observations}
        pairs = [f"{row['did']}{_BETWEEN}{row['site']}" for row in batch.replicas]
        key = t.replicas.c.did + sa.literal(_BETWEEN) + t.replicas.c.site
        undescribed = [did for did in dids if did not in described]
        async with self._store.writing() as connection:
            if all_replicas:
                gone = among(dialect, t.replicas.c.did, dids), ~among(dialect, key, pairs)
                await connection.execute(sa.delete(t.replicas).where(*gone))
            await connection.execute(sa.delete(t.obscore).where(among(dialect, t.obscore.c.lake_did, undescribed)))
            await connection.execute(sa.delete(t.rejected).where(among(dialect, t.rejected.c.did, dids)))
            await upsert(connection, t.files, batch.files)
            await upsert(connection, t.obscore, batch.observations)
            await upsert(connection, t.replicas, batch.replicas)
            await upsert(connection, t.rejected, batch.rejected)

    async def settled(self, dids: Collection[str]) -> set[str]:
        """Return those of the files that are known, and were not rejected."""
        t, dialect = self._store.tables, self._store.db.dialect
        known = sa.select(t.files.c.did).where(among(dialect, t.files.c.did, dids))
        rejected = sa.select(t.rejected.c.did).where(
            among(dialect, t.rejected.c.did, dids), t.rejected.c.in_obscore == 0
        )
        async with self._store.db.read() as connection:
            found = set((await connection.execute(known)).scalars())
            return found.difference((await connection.execute(rejected)).scalars())

    async def dids(self, scope: str) -> AsyncIterator[Sequence[Did]]:
        """Yield the files of a scope, a page at a time."""
        files, after = self._store.tables.files, ""
        while True:
            query = (
                sa.select(files.c.name)
                .where(files.c.scope == scope, files.c.name > after)
                .order_by(files.c.name)
                .limit(PAGE)
            )
            async with self._store.db.read() as connection:
                names = (await connection.execute(query)).scalars().all()
            if not names:
                return
            yield [Did(scope, name) for name in names]
            after = names[-1]

    async def remove(self, dids: Collection[str]) -> None:
        """Forget files."""
        t, dialect = self._store.tables, self._store.db.dialect
        async with self._store.writing() as connection:
            for table, column in ((t.obscore, "lake_did"), (t.rejected, "did"), (t.replicas, "did"), (t.files, "did")):
                await connection.execute(sa.delete(table).where(among(dialect, table.c[column], dids)))

    async def watermark(self, scope: str) -> str | None:
        """Return up to when a scope was harvested, by Rucio's clock."""
        return await self._store.mark(f"harvest:{scope}")

    async def set_watermark(self, scope: str, instant: str) -> None:
        """Note up to when a scope was harvested."""
        await self._store.set_mark(f"harvest:{scope}", instant)
