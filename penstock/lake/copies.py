"""Staging in the local lake: copies of files, made on this host's disk and checked by their checksums.

Nobody works in the background: whoever looks at a rule moves some of its bytes on the way, so that a rule goes on
wherever it is looked at, and after any crash.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.auth.principal import Principal
from penstock.clock import Clock
from penstock.dali.errors import NotFound, UsageError
from penstock.db import among
from penstock.lake.names import as_path, as_text
from penstock.lake.port import Did, Entry, Medium, Quota, Rule, Site, Staging, StagingState
from penstock.lake.store import LakeStore

SCRATCH = Site(name="scratch", title="Staged copies on this host")
_AT_ONCE_BYTES = 64 * 2**20
_PIECE = 2**20
_WAITING, _DONE, _STUCK = "WAITING", "DONE", "STUCK"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySettings:
    """Where copies are put, and how many bytes of them one owner may have."""

    folder: Path
    limit_bytes: int


class Copies:
    """The rules of a local lake and the copies that they keep.

    Parameters
    ----------
    store
        The catalogue.
    settings
        Where copies are put.
    clock
        Tells which rules have expired.
    """

    def __init__(self, store: LakeStore, settings: CopySettings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def site(self, name: str) -> None:
        """See that files can be staged to a site.

        Raises
        ------
        NotFound
            There is no such site.
        UsageError
            It keeps files on tape.
        """
        if name == SCRATCH.name:
            await self._store.put_site(SCRATCH)
            return
        known = {site.name: site for site in await self._store.sites()}
        if name not in known:
            names = ", ".join(sorted({*known, SCRATCH.name}))
            raise NotFound(f"{name[:80]!r} is not a site of this lake; files can be staged to: {names}.")
        if known[name].medium is not Medium.DISK:
            raise UsageError(f"{name} stores on tape: stage to another site.")

    async def stage(self, files: Sequence[Entry], *, site: str, lifetime: timedelta | None, caller: Principal) -> Rule:
        """Make a rule for files, or attach to the caller's own that is there already.

        Raises
        ------
        UsageError
            The caller would have more than the limit.
        """
        await self.sweep()
        expires = None if lifetime is None else (self._clock() + lifetime).isoformat()
        fingerprint = _fingerprint(site, caller, files)
        t = self._store.tables
        async with self._store.writing() as connection:
            same = sa.select(t.rules).where(t.rules.c.fingerprint == fingerprint)
            if (found := (await connection.execute(same)).one_or_none()) is not None:
                if found.expires is not None and (expires is None or found.expires < expires):
                    change = sa.update(t.rules).where(t.rules.c.id == found.id).values(expires=expires)
                    await connection.execute(change)
                return Rule(id=found.id, created=False)
            used = await self._used(connection, caller)
            wanted = sum(file.size_bytes or 0 for file in files)
            if used + wanted > self._settings.limit_bytes:
                raise UsageError(
                    f"{wanted} bytes were asked for, and {used} of {self._settings.limit_bytes} are staged already: "
                    "stage less, or wait until something expires."
                )
            rule = uuid.uuid4().hex
            row = {"id": rule, "site": site, "owner": caller.subject, "fingerprint": fingerprint, "expires": expires}
            await connection.execute(sa.insert(t.rules), [row])
            rows = [
                {"rule": rule, "did": str(file.did), "size_bytes": file.size_bytes or 0, "state": _WAITING}
                for file in files
            ]
            await connection.execute(sa.insert(t.rule_files), rows)
        return Rule(id=rule, created=True)

    async def _used(self, connection: AsyncConnection, caller: Principal) -> int:
        t = self._store.tables
        query = (
            sa.select(sa.func.coalesce(sa.func.sum(t.rule_files.c.size_bytes), 0))
            .join(t.rules, t.rules.c.id == t.rule_files.c.rule)
            .where(t.rules.c.owner.is_not_distinct_from(caller.subject))
        )
        return int((await connection.execute(query)).scalar_one())

    async def next(self, rule: str, caller: Principal) -> tuple[str, list[Did]]:
        """Return the site of a rule and some files that still wait for their copies there.

        Raises
        ------
        NotFound
            There is no such rule of this caller, or it has expired.
        """
        await self.sweep()
        t = self._store.tables
        async with self._store.db.read() as connection:
            found = (await connection.execute(sa.select(t.rules).where(t.rules.c.id == rule))).one_or_none()
            if found is None or not (caller.admin or found.owner == caller.subject):
                raise NotFound("There is no such staging, or it has expired.")
            waiting = (
                sa.select(t.rule_files.c.did, t.rule_files.c.size_bytes)
                .where(t.rule_files.c.rule == rule, t.rule_files.c.state == _WAITING)
                .order_by(t.rule_files.c.did)
                .limit(100)
            )
            rows = (await connection.execute(waiting)).all()
        dids: list[Did] = []
        size = 0
        for row in rows:
            size += row.size_bytes
            if dids and size > _AT_ONCE_BYTES:
                break
            dids.append(Did.parse(row.did))
        return found.site, dids

    async def copy(self, rule: str, site: str, entries: Sequence[Entry]) -> None:
        """Make copies at a site, and note which were made."""
        for entry in entries:
            there = any(one.site == site and one.online for one in entry.replicas)
            target = self._target(site, entry.did)
            try:
                if not there:
                    modified_ns = await asyncio.to_thread(_copy, entry, target)
                    await self._store.put_copy(entry.did, site, target, modified_ns)
            except OSError as error:
                await self._note(rule, entry.did, _STUCK, str(error.strerror or error))
                continue
            await self._note(rule, entry.did, _DONE)

    async def _note(self, rule: str, did: Did, state: str, reason: str | None = None) -> None:
        t = self._store.tables.rule_files
        change = sa.update(t).where(t.c.rule == rule, t.c.did == str(did)).values(state=state, reason=reason)
        async with self._store.writing() as connection:
            await connection.execute(change)

    async def missing(self, rule: str, dids: Sequence[Did]) -> None:
        """Note that files are not in the lake any more."""
        for did in dids:
            await self._note(rule, did, _STUCK, f"the lake knows no {did}")

    async def state(self, rule: str) -> Staging:
        """Return how far a rule is."""
        t = self._store.tables
        query = (
            sa.select(t.rule_files.c.state, sa.func.count(), sa.func.max(t.rule_files.c.reason))
            .where(t.rule_files.c.rule == rule)
            .group_by(t.rule_files.c.state)
        )
        async with self._store.db.read() as connection:
            counts = {state: (count, reason) for state, count, reason in await connection.execute(query)}
            expires = (
                await connection.execute(sa.select(t.rules.c.expires).where(t.rules.c.id == rule))
            ).scalar_one_or_none()
        done, waiting = (counts.get(state, (0, None))[0] for state in (_DONE, _WAITING))
        stuck, reason = counts.get(_STUCK, (0, None))
        moving = StagingState.REPLICATING if waiting else StagingState.STUCK if stuck else StagingState.OK
        return Staging(
            state=moving,
            done=done,
            total=done + waiting + stuck,
            stuck=stuck,
            reason=reason,
            expires=expires and datetime.fromisoformat(expires),
        )

    async def end(self, rule: str, caller: Principal) -> None:
        """End a rule of the caller; the copies that no other rule keeps go with it."""
        t = self._store.tables
        query = sa.select(t.rules.c.id).where(t.rules.c.id == rule)
        if not caller.admin:
            query = query.where(t.rules.c.owner.is_not_distinct_from(caller.subject))
        await self._end(query)

    async def sweep(self) -> None:
        """End the rules that have expired."""
        t = self._store.tables
        await self._end(sa.select(t.rules.c.id).where(t.rules.c.expires <= self._clock().isoformat()))

    async def _end(self, which: sa.Select[Any]) -> None:
        t = self._store.tables
        async with self._store.db.read() as connection:
            rules = (await connection.execute(which)).scalars().all()
        for rule in rules:
            async with self._store.writing() as connection:
                files = await self._only_of(connection, rule)
                await connection.execute(sa.delete(t.rule_files).where(t.rule_files.c.rule == rule))
                await connection.execute(sa.delete(t.rules).where(t.rules.c.id == rule))
                await self._drop(connection, files)
            await asyncio.to_thread(_remove, [as_path(one.path) for one in files])

    async def _only_of(self, connection: AsyncConnection, rule: str) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        """Return the copies of ours that a rule keeps and no other does."""
        t = self._store.tables
        others = t.rule_files.alias()
        their_rules = t.rules.alias()
        kept_by_others = sa.exists().where(
            others.c.did == t.rule_files.c.did,
            others.c.rule != rule,
            their_rules.c.id == others.c.rule,
            their_rules.c.site == t.rules.c.site,
        )
        ours = as_text(str(self._settings.folder)) + "/"
        query = (
            sa.select(t.replicas.c.did, t.replicas.c.site, t.replicas.c.path)
            .join(t.rule_files, t.rule_files.c.did == t.replicas.c.did)
            .join(t.rules, sa.and_(t.rules.c.id == t.rule_files.c.rule, t.rules.c.site == t.replicas.c.site))
            .where(t.rules.c.id == rule, sa.func.substr(t.replicas.c.path, 1, len(ours)) == ours, ~kept_by_others)
        )
        return (await connection.execute(query)).all()

    async def _drop(self, connection: AsyncConnection, files: Sequence[sa.Row[*tuple[Any, ...]]]) -> None:
        table = self._store.tables.replicas
        for site in {one.site for one in files}:
            dids = [one.did for one in files if one.site == site]
            there = among(self._store.db.dialect, table.c.did, dids)
            await connection.execute(sa.delete(table).where(table.c.site == site, there))

    async def quotas(self, caller: Principal) -> Sequence[Quota]:
        """Return what the caller has staged at each site, and what may be staged in all."""
        t = self._store.tables
        query = (
            sa.select(t.rules.c.site, sa.func.sum(t.rule_files.c.size_bytes))
            .join(t.rule_files, t.rule_files.c.rule == t.rules.c.id)
            .where(t.rules.c.owner.is_not_distinct_from(caller.subject))
            .group_by(t.rules.c.site)
        )
        async with self._store.db.read() as connection:
            used = {site: int(size) for site, size in await connection.execute(query)}
        sites = {site.name for site in await self._store.sites() if site.medium is Medium.DISK} | {SCRATCH.name}
        limit = self._settings.limit_bytes
        return [Quota(site=name, used_bytes=used.get(name, 0), limit_bytes=limit) for name in sorted(sites)]

    def _target(self, site: str, did: Did) -> Path:
        """Return where the copy of a file is put; what users chose is only the last part of the path."""
        digest = hashlib.sha256(str(did).encode()).hexdigest()
        name = did.name.rpartition("/")[2][-100:] or "file"
        return self._settings.folder / site / digest[:2] / digest / f"_{name}"


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _fingerprint(site: str, caller: Principal, files: Sequence[Entry]) -> str:
    text = "\n".join((site, caller.subject or "", *sorted(str(file.did) for file in files)))
    return hashlib.sha256(text.encode()).hexdigest()


def _copy(entry: Entry, target: Path) -> int:
    """Copy a file from a replica whose bytes are right, whole or not at all; return its time of modification in ns."""
    sources = [one.path for one in entry.replicas if one.online and one.path is not None]
    if not sources:
        raise OSError(f"no replica of {entry.did} can be read on this host")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        for source in sources:
            if _copied(source, partial) == (entry.size_bytes, entry.adler32):
                partial.replace(target)
                return target.stat().st_mtime_ns
    finally:
        partial.unlink(missing_ok=True)
    raise OSError(f"the checksum of {entry.did} is not what the lake says")


def _copied(source: Path, target: Path) -> tuple[int, str]:
    """Copy one file; return its size and checksum."""
    size, adler = 0, 1
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(_PIECE):
            size += len(piece)
            adler = zlib.adler32(piece, adler)
            writing.write(piece)
    return size, f"{adler:08x}"
