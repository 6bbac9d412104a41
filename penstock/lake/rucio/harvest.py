"""Rucio's files brought into the catalogue, with the observations that their metadata tell of.

One pass over a scope lists all names, which Rucio does fast, and asks about those that are new, changed since the last
pass, or were rejected then: their metadata take Rucio most of its time. Every batch is a transaction of its own, so a
pass that was killed goes on where it stopped. What is listed no more is removed at the end, and then only the watermark
moves. Rucio tells no change of metadata that users set, nor a replica that comes or goes: a `full` pass finds them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np
import orjson

from penstock.clock import Clock
from penstock.dali.errors import NotFound
from penstock.dali.formats import DATALINK_TYPE
from penstock.lake.mapping import NEVER, ObsCoreMapping, Problem, as_timestamp
from penstock.lake.port import Did, Site
from penstock.lake.rows import Row, identity
from penstock.lake.rucio.client import CHUNK, RucioClient
from penstock.lake.rucio.rows import JsonRow, ReplicaReader, checksum, did_of, did_path, guessed_type, json_did
from penstock.lake.rucio.settings import RucioSettings
from penstock.lake.rucio.shelf import Batch, Shelf

AT_ONCE = 3
"""How many batches are asked about at once."""

_MARGIN = timedelta(minutes=5)  # transactions of Rucio that began before they can be seen
_KBYTE = 1000

Progress = Callable[[int, int], None]
"""Is told how many names were seen, and how many of them are done."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a pass did; `rejected` files have no row in ivoa.obscore, `flawed` ones lack a value there."""

    scope: str
    listed: int = 0
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: int = 0
    flawed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a harvest comes from, and what is made of it."""

    client: RucioClient
    mapping: ObsCoreMapping
    settings: RucioSettings
    sites: Mapping[str, Site]
    authority: str
    clock: Clock


class Harvest:
    """Harvests scopes.

    Parameters
    ----------
    source
        Where from.
    shelf
        Where to.
    progress
        Is told how far a pass is.
    """

    def __init__(self, source: Source, shelf: Shelf, progress: Progress | None = None) -> None:
        self._source = source
        self._client = source.client
        self._shelf = shelf
        self._progress = progress
        self._reader = ReplicaReader(source.settings.schemes, {}, source.sites)

    async def run(self, scope: str, *, full: bool = False) -> Report:
        """Make one pass over a scope and return what was done.

        Raises
        ------
        NotFound
            Rucio has no such scope: it would list nothing, and everything would be removed.
        ServiceUnavailable
            Rucio is away; the next pass goes on.
        """
        if scope not in (await self._client.get("/scopes/") or []):
            raise NotFound(f"Rucio has no scope {scope!r}.")
        await self._shelf.put_sites(list(self._source.sites.values()))
        began = as_timestamp(await self._client.server_time() - _MARGIN)
        watermark = None if full else await self._shelf.watermark(scope)
        changed = set() if watermark is None else await self._changed(scope, watermark)
        report, seen = Report(scope=scope), _Seen()
        try:
            await self._pass(scope, report, seen, changed=changed, full=full)
        except ExceptionGroup as group:  # of batches at once, the first that failed is told
            raise group.exceptions[0] from group
        await self._remove(scope, seen, report)
        await self._shelf.set_watermark(scope, began)
        return report

    async def _changed(self, scope: str, since: str) -> set[int]:
        names = self._names(scope, [{"updated_at.gte": since}])
        return {_hash(name) async for page in names for name in page}

    async def _names(self, scope: str, filters: Sequence[Mapping[str, str]]) -> AsyncIterator[list[str]]:
        """Yield the names of a scope's files, a batch at a time.

        All are read first, into a file: Rucio would not wait for what is made of them.
        """
        params = {"type": "file", "filters": json.dumps(filters)}
        path = f"/dids/{did_path(Did(scope, 'dids/search'))}"
        with tempfile.TemporaryFile() as spool:
            async for name in self._client.rows("GET", path, params=params):
                spool.write(orjson.dumps(name, option=orjson.OPT_APPEND_NEWLINE))
            spool.seek(0)
            while page := [orjson.loads(line) for line in islice(spool, CHUNK)]:
                yield page

    async def _pass(self, scope: str, report: Report, seen: _Seen, *, changed: set[int], full: bool) -> None:
        """Ask about what is not settled, some batches at once, and write what comes."""
        waiting: list[Did] = []
        async with asyncio.TaskGroup() as group:
            turns = asyncio.Semaphore(AT_ONCE)

            async def take(dids: Sequence[Did]) -> None:
                try:
                    await self._take(dids, report)
                finally:
                    turns.release()
                self._tell(report)

            async for page in self._names(scope, [{}]):
                hashes = seen.add(page)
                report.listed += len(page)
                dids = [Did(scope, name) for name in page]
                await self._reject([did for did in dids if not self._source.settings.takes(did)], report)
                settled = set() if full else await self._shelf.settled([str(did) for did in dids])
                waiting += [
                    did
                    for did, key in zip(dids, hashes, strict=True)
                    if (str(did) not in settled or key in changed) and self._source.settings.takes(did)
                ]
                while len(waiting) >= CHUNK:
                    await turns.acquire()
                    group.create_task(take(waiting[:CHUNK]))
                    waiting = waiting[CHUNK:]
            if waiting:
                await turns.acquire()
                group.create_task(take(waiting))
        report.unchanged = report.listed - report.written
        self._tell(report)

    async def _reject(self, dids: Sequence[Did], report: Report) -> None:
        """Report files about which Rucio cannot be asked: it would fail at the whole call."""
        if not dids:
            return
        problem = Problem(column="obs_publisher_did", reason="rucio.scope_pattern or rucio.name_pattern does not fit")
        now = as_timestamp(self._source.clock())
        rows = [rejection(did, problem, in_obscore=False, now=now) for did in dids]
        await self._shelf.put(Batch(rejected=rows))
        report.rejected += len(dids)

    def _tell(self, report: Report) -> None:
        if self._progress:
            self._progress(report.written, report.listed)

    async def _take(self, dids: Sequence[Did], report: Report) -> None:
        wanted = [json_did(did) for did in dids]
        body = {"dids": wanted, "sort": "random", "schemes": list(self._source.settings.schemes), "all_states": True}
        meta = {"dids": wanted, "plugin": "JSON"}
        rows, told = await asyncio.gather(self._by_did("/replicas/list", body), self._by_did("/dids/bulkmeta", meta))
        # A file without replicas is in no list of replicas; one that is gone by now is nowhere.
        missing = [json_did(did) for did in dids if did not in rows]
        if missing:
            rows |= await self._by_did("/dids/bulkmeta", {"dids": missing, "plugin": "DID_COLUMN"})
        there = [did for did in dids if did in rows]
        batch = await asyncio.to_thread(self._batch, there, rows, told)
        await self._shelf.put(batch)
        report.written += len(batch.files)
        in_obscore = {row["lake_did"] for row in batch.observations}
        flawed = {row["did"] for row in batch.rejected}
        report.rejected += len(batch.files) - len(in_obscore)
        report.flawed += len(flawed & in_obscore)

    async def _by_did(self, path: str, body: Any) -> dict[Did, JsonRow]:
        return {did_of(row): row async for row in self._client.rows("POST", path, body)}

    def _batch(self, dids: Sequence[Did], rows: Mapping[Did, JsonRow], told: Mapping[Did, JsonRow]) -> Batch:
        batch, now = Batch(), as_timestamp(self._source.clock())
        for did in dids:
            metadata = {key: value for key, value in told.get(did, {}).items() if key not in ("scope", "name")}
            add(batch, did, rows[did], metadata, source=self._source, now=now)
            sites: set[str] = set()
            for replica in self._reader.replicas(rows[did]):
                if replica.site in self._source.sites and replica.site not in sites:
                    sites.add(replica.site)
                    batch.replicas.append(
                        {"did": str(did), "site": replica.site, "state": replica.state.value, "url": replica.url}
                    )
        return batch

    async def _remove(self, scope: str, seen: _Seen, report: Report) -> None:
        """Remove what was not listed."""
        there = seen.sorted()
        async for page in self._shelf.dids(scope):
            keys = np.array([_hash(did.name) for did in page], dtype=np.uint64)
            gone = [str(did) for did, found in zip(page, np.isin(keys, there), strict=True) if not found]
            if gone:
                await self._shelf.remove(gone)
                report.removed += len(gone)


def add(batch: Batch, did: Did, row: JsonRow, metadata: JsonRow, *, source: Source, now: str) -> None:
    """Add the rows of a file to a batch, apart from those of its replicas."""
    mapped = source.mapping.apply(did, metadata)
    released = source.mapping.released(did, metadata)
    size = row.get("bytes")
    batch.files.append(
        {
            "did": str(did),
            "scope": did.scope,
            "name": did.name,
            "size_bytes": size,
            "adler32": checksum(row.get("adler32")),
            "md5": checksum(row.get("md5")),
            "media_type": str(metadata.get("media_type") or metadata.get("access_format") or guessed_type(did.name)),
            "public_from": _timestamp(released),
            "metadata": orjson.dumps(metadata).decode(),
        }
    )
    if mapped.complete:
        batch.observations.append(
            {
                **mapped.row,
                **identity(source.authority, did),
                "obs_release_date": _timestamp(released),
                "lake_did": str(did),
                "access_format": DATALINK_TYPE,
                "access_estsize": None if size is None else math.ceil(size / _KBYTE),
            }
        )
    batch.rejected += [rejection(did, one, in_obscore=mapped.complete, now=now) for one in mapped.problems]


def rejection(did: Did, problem: Problem, *, in_obscore: bool, now: str) -> Row:
    """Return the row of ``lake.rejected``."""
    return {
        "did": str(did),
        "column_name": problem.column,
        "scope": did.scope,
        "reason": problem.reason,
        "in_obscore": int(in_obscore),
        "found_at": now,
    }


def _timestamp(instant: datetime | None) -> str | None:
    return None if instant is None else as_timestamp(min(instant, NEVER))


class _Seen:
    """The names that were listed, eight bytes each."""

    def __init__(self) -> None:
        self._pages: list[np.ndarray[Any, np.dtype[np.uint64]]] = []

    def add(self, names: Sequence[str]) -> list[int]:
        """Add names and return their hashes."""
        hashes = [_hash(name) for name in names]
        self._pages.append(np.array(hashes, dtype=np.uint64))
        return hashes

    def sorted(self) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """Return all hashes."""
        return np.sort(np.concatenate(self._pages)) if self._pages else np.array([], dtype=np.uint64)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
