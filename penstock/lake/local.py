"""The lake of directory trees on this host: the catalogue says where files lie, the disk says whether they still do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from penstock.auth.principal import Principal
from penstock.db import Database
from penstock.lake.names import as_path, dataset_prefix
from penstock.lake.port import DataLake, Did, DidType, Entry, Medium, Member, Replica, ReplicaState, Site
from penstock.lake.sample import ensure_sample
from penstock.lake.store import PAGE, LakeStore, among
from penstock.settings import Settings

_TOLD = ("dataproduct_type", "obs_id", "target_name")  # columns of ObsCore that an entry's metadata repeat


class LocalLake:
    """The `DataLake` of the catalogue's own tables.

    Datasets are collections and the directories in them: ``collection:/`` and ``collection:directory/``.
    Everybody may know of every file; `Entry.public_from` says from when everybody may read it.
    """

    def __init__(self, store: LakeStore) -> None:
        self._store = store
        self._db = store.db

    @classmethod
    async def open(cls, settings: Settings, db: Database) -> DataLake:
        """Return the lake of a deployment; one that is new is given the sample collection."""
        store = LakeStore(db, settings.authority)
        await store.publish_under(settings.authority)
        await ensure_sample(settings, store)
        return cls(store)

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
