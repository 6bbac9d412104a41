"""The catalogue of a lake in the database, written: every batch of a scan is one transaction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.db import Database, Dialect, among, upsert
from penstock.direct import Statement
from penstock.lake.catalogue import Catalogue
from penstock.lake.judge import Copy, Known, Offer, Verdict, judge
from penstock.lake.names import as_path, as_text
from penstock.lake.port import Did, Medium, ReplicaState, Site
from penstock.lake.record import Found
from penstock.lake.rows import Row, file_row, identity, obscore_row, replica_row

PAGE = 1000
_SCAN_LOCK = 0x4C414B45  # any constant: one writer of the catalogue at a time in a PostgreSQL database
_AUTHORITY = "authority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a file; `reason` says why it was refused."""

    verdict: Verdict
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a collection holds at a site."""

    collection: str
    site: str
    files: int
    available: int
    size_bytes: int


@cache
def _metadata(dialect: Dialect) -> Statement:
    """Return the question for what is known of the files in the parameter `dids`."""
    files = Catalogue.of(dialect).files
    query = sa.select(files.c.did, files.c.media_type, files.c.public_from, files.c.metadata)
    if dialect == "postgresql":
        wanted = files.c.did == sa.any_(sa.cast(sa.bindparam("dids"), postgresql.ARRAY(sa.Text)))
    else:
        listed = sa.func.json_each(sa.bindparam("dids")).table_valued("value")
        wanted = files.c.did.in_(sa.select(listed.c.value))
    return Statement.of(query.where(wanted), dialect)


class LakeStore:
    """The tables of a lake and the transactions on them.

    Parameters
    ----------
    db
        The migrated database.
    authority
        The naming authority of the identifiers that are written.
    """

    def __init__(self, db: Database, authority: str) -> None:
        self.db = db
        self.authority = authority
        self.tables = Catalogue.of(db.dialect)
        self._metadata = _metadata(db.dialect)

    async def put_site(self, site: Site) -> None:
        """Write a site: what is given replaces what was known, what is not given stays."""
        row = {
            "name": site.name,
            "title": site.title,
            "latitude_deg": site.latitude_deg,
            "longitude_deg": site.longitude_deg,
            "medium": site.medium.value,
        }
        async with self.writing() as connection:
            known = (
                await connection.execute(sa.select(self.tables.sites).where(self.tables.sites.c.name == site.name))
            ).one_or_none()
            kept = {} if known is None else {k: v for k, v in known._mapping.items() if row[k] is None}
            await upsert(connection, self.tables.sites, [row | kept])

    async def sites(self) -> list[Site]:
        """Return all sites, by name."""
        async with self.db.read() as connection:
            rows = await connection.execute(sa.select(self.tables.sites).order_by(self.tables.sites.c.name))
            return [
                Site(
                    name=row.name,
                    title=row.title,
                    latitude_deg=row.latitude_deg,
                    longitude_deg=row.longitude_deg,
                    medium=Medium(row.medium),
                )
                for row in rows
            ]

    async def known(self, dids: Collection[Did]) -> dict[str, Known]:
        """Return what is known of files, by the text of their identifiers."""
        async with self.db.read() as connection:
            return await self._known(connection, [str(did) for did in dids])

    async def _known(self, connection: AsyncConnection, dids: Sequence[str]) -> dict[str, Known]:
        files, replicas = self.tables.files, self.tables.replicas
        query = (
            sa.select(files.c.did, files.c.size_bytes, files.c.md5, replicas)
            .select_from(files.outerjoin(replicas, files.c.did == replicas.c.did))
            .where(among(self.db.dialect, files.c.did, dids))
        )
        known: dict[str, Known] = {}
        for row in await connection.execute(query):
            copies = () if (earlier := known.get(row.did)) is None else earlier.copies
            if row.site is not None:
                state = ReplicaState(row.state)
                copies = (*copies, Copy(site=row.site, path=row.path, state=state, modified_ns=row.modified_ns))
            known[row.did] = Known(size_bytes=row.size_bytes, md5=row.md5, copies=copies)
        return known

    async def record(self, site: str, found: Sequence[Found], *, here: Collection[str] = ()) -> list[Outcome]:
        """Write a batch of files that were read at a site, all or none, and say what became of each.

        Parameters
        ----------
        site
            The name of a site that was put.
        found
            The files; no two have the same identifier.
        here
            Those identifiers whose known copy at the site lies elsewhere and is still there.
        """
        dids = [str(file.candidate.did) for file in found]
        async with self.writing() as connection:
            known = await self._known(connection, dids)
            described = await self._described(connection, known)
            plan = _Plan(site, self.authority)
            outcomes = [
                plan.take(file, known.get(did), described.get(did), other_is_there=did in here)
                for did, file in zip(dids, found, strict=True)
            ]
            await upsert(connection, self.tables.files, plan.files)
            await upsert(connection, self.tables.obscore, plan.observations)
            await upsert(connection, self.tables.replicas, plan.replicas)
            await self._withdraw(connection, site, plan.withdrawn)
        return outcomes

    async def _described(self, connection: AsyncConnection, dids: Iterable[str]) -> dict[str, Row]:
        table = self.tables.obscore
        rows = await connection.execute(sa.select(table).where(among(self.db.dialect, table.c.lake_did, dids)))
        return {row.lake_did: dict(row._mapping) for row in rows}

    async def withdraw(self, site: str, dids: Collection[str]) -> None:
        """Note that copies at a site cannot be read."""
        async with self.writing() as connection:
            await self._withdraw(connection, site, dids)

    async def _withdraw(self, connection: AsyncConnection, site: str, dids: Collection[str]) -> None:
        table = self.tables.replicas
        if dids:
            await connection.execute(
                sa.update(table)
                .where(table.c.site == site, among(self.db.dialect, table.c.did, dids))
                .values(state=ReplicaState.UNAVAILABLE.value)
            )

    async def copies_below(self, site: str, root: Path) -> AsyncIterator[list[tuple[str, Path]]]:
        """Yield, in pages, identifier and path of the readable copies of a site below a directory."""
        table, prefix, after = self.tables.replicas, as_text(str(root)).rstrip("/") + "/", ""
        while True:
            query = (
                sa.select(table.c.did, table.c.path)
                .where(
                    table.c.site == site,
                    table.c.did > after,
                    table.c.state == ReplicaState.AVAILABLE.value,
                    sa.func.substr(table.c.path, 1, len(prefix)) == prefix,
                )
                .order_by(table.c.did)
                .limit(PAGE)
            )
            async with self.db.read() as connection:
                rows = (await connection.execute(query)).all()
            if not rows:
                return
            yield [(row.did, as_path(row.path)) for row in rows]
            after = rows[-1].did

    async def holdings(self) -> list[Holding]:
        """Return how many files every collection has at every site."""
        files, replicas = self.tables.files, self.tables.replicas
        available = sa.func.sum(sa.case((replicas.c.state == ReplicaState.AVAILABLE.value, 1), else_=0))
        query = (
            sa.select(files.c.scope, replicas.c.site, sa.func.count(), available, sa.func.sum(files.c.size_bytes))
            .join(replicas, files.c.did == replicas.c.did)
            .group_by(files.c.scope, replicas.c.site)
            .order_by(files.c.scope, replicas.c.site)
        )
        async with self.db.read() as connection:
            return [
                Holding(collection=scope, site=site, files=count, available=int(there), size_bytes=int(size or 0))
                for scope, site, count, there, size in await connection.execute(query)
            ]

    async def remove(self, collection: str) -> int:
        """Forget a collection and return how many files it had; the files themselves stay where they are."""
        files, replicas, obscore = self.tables.files, self.tables.replicas, self.tables.obscore
        dids = sa.select(files.c.did).where(files.c.scope == collection)
        async with self.writing() as connection:
            rejected = self.tables.rejected
            await connection.execute(sa.delete(rejected).where(rejected.c.scope == collection))
            await connection.execute(sa.delete(obscore).where(obscore.c.lake_did.in_(dids)))
            await connection.execute(sa.delete(replicas).where(replicas.c.did.in_(dids)))
            return (await connection.execute(sa.delete(files).where(files.c.scope == collection))).rowcount

    async def mark(self, key: str) -> str | None:
        """Return a mark about the whole lake."""
        table = self.tables.marks
        async with self.db.read() as connection:
            return (await connection.execute(sa.select(table.c.value).where(table.c.key == key))).scalar_one_or_none()

    async def set_mark(self, key: str, value: str) -> None:
        """Write a mark about the whole lake."""
        async with self.writing() as connection:
            await upsert(connection, self.tables.marks, [{"key": key, "value": value}])

    async def is_empty(self) -> bool:
        """Whether the lake has no files."""
        async with self.db.read() as connection:
            return (await connection.execute(sa.select(self.tables.files.c.did).limit(1))).first() is None

    async def publish_under(self, authority: str) -> None:
        """See that the identifiers of all files are of an authority, which an operator may have changed."""
        if await self.mark(_AUTHORITY) == authority:
            return
        table, after = self.tables.obscore, ""
        change = (
            sa.update(table)
            .where(table.c.lake_did == sa.bindparam("did"))
            .values({name: sa.bindparam(f"new_{name}") for name in identity(authority, Did("a", "b"))})
        )
        async with self.writing() as connection:
            while True:
                page = (
                    sa.select(table.c.lake_did).where(table.c.lake_did > after).order_by(table.c.lake_did).limit(PAGE)
                )
                dids = (await connection.execute(page)).scalars().all()
                if not dids:
                    break
                new = [{"did": did, **_renamed(identity(authority, Did(*did.split(":", 1))))} for did in dids]
                await connection.execute(change, new)
                after = dids[-1]
            await upsert(connection, self.tables.marks, [{"key": _AUTHORITY, "value": authority}])

    async def metadata(self, dids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return media type, release date and metadata of the files that are known, by the text of their DIDs."""
        wanted = list(dids) if self.db.dialect == "postgresql" else json.dumps(list(dids))
        return {row["did"]: row for row in await self.db.direct.read(self._metadata, {"dids": wanted})}

    async def put_copy(self, did: Did, site: str, path: Path, modified_ns: int) -> None:
        """Note that a file has a copy on this host for a site."""
        row = {
            "did": str(did),
            "site": site,
            "state": ReplicaState.AVAILABLE.value,
            "url": None,
            "path": as_text(str(path)),
            "modified_ns": modified_ns,
        }
        async with self.writing() as connection:
            await upsert(connection, self.tables.replicas, [row])

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Give a transaction; the catalogue has one writer at a time."""
        return self.db.write(_SCAN_LOCK)


def _renamed(row: Row) -> Row:
    return {f"new_{name}": value for name, value in row.items()}


class _Plan:
    """The rows that a batch will write."""

    def __init__(self, site: str, authority: str) -> None:
        self._site = site
        self._authority = authority
        self.files: list[Row] = []
        self.observations: list[Row] = []
        self.replicas: list[Row] = []
        self.withdrawn: list[str] = []

    def take(self, file: Found, known: Known | None, described: Row | None, *, other_is_there: bool) -> Outcome:
        """Judge a file and plan what is to be written."""
        replica = replica_row(file, self._site)
        offer = Offer(site=self._site, path=replica["path"], size_bytes=file.content.size_bytes, md5=file.content.md5)
        decision = judge(offer, known, other_is_there=other_is_there)
        if decision.verdict is Verdict.REFUSED:
            self.withdrawn += [replica["did"]] * decision.withdraw
            return Outcome(verdict=Verdict.REFUSED, reason=decision.reason)
        self.replicas.append(replica)
        row = obscore_row(file, self._authority)
        if decision.new_content or row != described:
            self.files.append(file_row(file))
            self.observations.append(row)
            if decision.verdict is Verdict.UNCHANGED:  # the same bytes tell more than they used to
                return Outcome(verdict=Verdict.UPDATED)
        return Outcome(verdict=decision.verdict)
