"""The lake of directory trees on this host: the catalogue says where files lie, the disk says whether they still do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from penstock.auth.principal import Principal
from penstock.clock import utc_now
from penstock.dali.errors import NotFound, UsageError
from penstock.db import Database, among
from penstock.lake.copies import Copies, CopySettings
from penstock.lake.names import as_path, dataset_prefix
from penstock.lake.port import (
    DataLake,
    Did,
    DidType,
    Entry,
    Medium,
    Member,
    Quota,
    Replica,
    ReplicaState,
    Rule,
    Site,
    Staging,
)
from penstock.lake.sample import ensure_sample
from penstock.lake.store import PAGE, LakeStore
from penstock.settings import Settings

_TOLD = ("dataproduct_type", "obs_id", "target_name")  # columns of ObsCore that an entry's metadata repeat


class LocalLake:
    """The `DataLake` and `StagingLake` of the catalogue's own tables.

    Datasets are collections and the directories in them: ``collection:/`` and ``collection:directory/``.
    Everybody may know of every file; `Entry.public_from` says from when everybody may read it.
    """

    def __init__(self, store: LakeStore, copies: Copies | None = None) -> None:
        self._store = store
        self._db = store.db
        self._copies = copies

    @classmethod
    async def open(cls, settings: Settings, db: Database, _stack: AsyncExitStack | None = None) -> DataLake:
        """Return the lake of a deployment; one that is new is given the sample collection."""
        store = LakeStore(db, settings.authority)
        await store.publish_under(settings.authority)
        await ensure_sample(settings, store)
        folder = settings.data_dir.absolute() / "lake" / ".staged"
        own = CopySettings(folder=folder, limit_bytes=settings.local_staging_bytes)
        return cls(store, Copies(store, own, utc_now))

    async def resolve(self, dids: Sequence[Did], *, caller: Principal) -> Mapping[Did, Entry]:
        """Return what is known of each DID: one query for all files, one for each dataset."""
        files = [did for did in dids if dataset_prefix(did) is None]
        entries: dict[Did, Entry] = {}
        if files:
            rows = await self._rows(files)
            entries |= await asyncio.to_thread(_entries, rows)
        for did in set(dids).difference(files):
            entry = await self._dataset(did)
            if entry is not None:
                entries[did] = entry
        return entries

    async def _rows(self, dids: Sequence[Did]) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        t = self._store.tables
        wanted = among(self._db.dialect, t.files.c.did, (str(did) for did in dids))
        query = (
            sa.select(
                *t.files.c,
                *(t.replicas.c[name] for name in ("site", "state", "url", "path")),
                t.sites.c.medium,
                *(t.obscore.c[name] for name in _TOLD),
            )
            .select_from(t.files)
            .outerjoin(t.replicas, t.replicas.c.did == t.files.c.did)
            .outerjoin(t.sites, t.sites.c.name == t.replicas.c.site)
            .outerjoin(t.obscore, t.obscore.c.lake_did == t.files.c.did)
            .where(wanted)
            .order_by(t.files.c.did, t.replicas.c.site)
        )
        async with self._db.read() as connection:
            return (await connection.execute(query)).all()

    async def _dataset(self, did: Did) -> Entry | None:
        files = self._store.tables.files
        query = sa.select(sa.func.count(), sa.func.sum(files.c.size_bytes)).where(*self._members(did))
        async with self._db.read() as connection:
            count, size = (await connection.execute(query)).one()
        if not count:
            return None
        return Entry(did=did, type=DidType.DATASET, size_bytes=int(size or 0), metadata={"files": str(count)})

    def _members(self, did: Did) -> list[sa.ColumnElement[bool]]:
        files, prefix = self._store.tables.files, dataset_prefix(did) or ""
        return [files.c.scope == did.scope, sa.func.substr(files.c.name, 1, len(prefix)) == prefix]

    async def sites(self) -> Sequence[Site]:
        """Return all storage sites, by name."""
        return await self._store.sites()

    async def distances(self, site: str) -> Mapping[str, int]:
        """Return nothing: places of sites are all that is known of distances here."""
        return {}

    async def content(self, did: Did, *, caller: Principal) -> AsyncIterator[Member]:
        """Yield the files of a dataset, by name; nothing for a file."""
        files, after = self._store.tables.files, ""
        while dataset_prefix(did) is not None:
            query = (
                sa.select(files.c.name, files.c.size_bytes)
                .where(*self._members(did), files.c.name > after)
                .order_by(files.c.name)
                .limit(PAGE)
            )
            async with self._db.read() as connection:
                rows = (await connection.execute(query)).all()
            for name, size in rows:
                yield Member(did=Did(did.scope, name), size_bytes=size)
            if len(rows) < PAGE:
                return
            after = rows[-1].name

    async def stage(self, dids: Sequence[Did], *, site: str, lifetime: timedelta | None, caller: Principal) -> Rule:
        """Make a rule for files and all files of datasets; `staging` copies them."""
        copies = self._staged_here()
        await copies.site(site)
        if not dids:
            raise UsageError("Say what is to be staged: ID is missing.")
        entries = await self.resolve(dids, caller=caller)
        unknown = next((did for did in dids if did not in entries), None)
        if unknown is not None:
            raise NotFound(f"The lake knows no {unknown}.")
        files = {did: entry for did, entry in entries.items() if entry.type is DidType.FILE}
        for did in entries:
            async for member in self.content(did, caller=caller):
                files[member.did] = Entry(did=member.did, size_bytes=member.size_bytes)
        return await copies.stage(list(files.values()), site=site, lifetime=lifetime, caller=caller)

    async def staging(self, rule: str, *, caller: Principal) -> Staging:
        """Copy some of what still waits, and return how far the rule is."""
        copies = self._staged_here()
        site, dids = await copies.next(rule, caller)
        entries = await self.resolve(dids, caller=caller)
        await copies.copy(rule, site, list(entries.values()))
        await copies.missing(rule, [did for did in dids if did not in entries])
        return await copies.state(rule)

    async def unstage(self, rule: str, *, caller: Principal) -> None:
        """End a rule; the copies that no other rule keeps go with it."""
        await self._staged_here().end(rule, caller)

    async def quotas(self, caller: Principal) -> Sequence[Quota]:
        """Return what the caller has staged at each site."""
        return await self._staged_here().quotas(caller)

    def _staged_here(self) -> Copies:
        if self._copies is None:
            raise UsageError("This lake makes no copies.")
        return self._copies


def _entries(rows: Sequence[sa.Row[*tuple[Any, ...]]]) -> dict[Did, Entry]:
    """Make entries of rows in which those of one file stand together; looks for every copy on the disk."""
    entries: dict[Did, Entry] = {}
    for (scope, name), group in groupby(rows, key=lambda row: (row.scope, row.name)):
        did, of_file = Did(scope, name), list(group)
        entries[did] = _entry(did, of_file[0], [_replica(row) for row in of_file if row.site is not None])
    return entries


def _entry(did: Did, row: sa.Row[*tuple[Any, ...]], replicas: Sequence[Replica]) -> Entry:
    public_from = row.public_from and datetime.fromisoformat(row.public_from).replace(tzinfo=UTC)
    return Entry(
        did=did,
        size_bytes=row.size_bytes,
        adler32=row.adler32,
        md5=row.md5,
        media_type=row.media_type,
        public_from=public_from,
        replicas=tuple(replicas),
        metadata={name: value for name in _TOLD if (value := getattr(row, name)) is not None},
    )


def _replica(row: sa.Row[*tuple[Any, ...]]) -> Replica:
    path = None if row.path is None else as_path(row.path)
    there = path is None or _has_size(path, row.size_bytes)
    return Replica(
        site=row.site,
        url=row.url,
        path=path,
        state=ReplicaState(row.state) if there else ReplicaState.UNAVAILABLE,
        medium=Medium(row.medium),
    )


def _has_size(path: Path, size_bytes: int | None) -> bool:
    """Whether a file is there and not obviously another."""
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_size == size_bytes
