"""An existing storage attached to Rucio: its files are read where they are, registered, and described in ObsCore.

Whatever is registered already and looks as it did is left alone, so a scan that was cut short goes on. What Rucio knows
under a name with other checksums is refused: a name stands for one content.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from penstock.dali.errors import NotFound, UsageError
from penstock.lake.mapping import as_timestamp
from penstock.lake.names import as_path, as_text
from penstock.lake.pool import Readers
from penstock.lake.port import Did, ReplicaState
from penstock.lake.record import Candidate, Found, Skipped
from penstock.lake.rows import Row, without_suffix
from penstock.lake.rucio.client import Refusal
from penstock.lake.rucio.harvest import Source, add
from penstock.lake.rucio.rows import JsonRow, checksum, did_of, json_did
from penstock.lake.rucio.shelf import Batch, Shelf
from penstock.lake.rucio.webdav import Remote, WebDav
from penstock.lake.tree import Tree, walk

BATCH = 100
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What is attached: `place` is a path or a URL, `url` where clients find what is there."""

    place: str
    site: str
    scope: str
    url: str
    verify: bool = False


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done; `skipped` are names and reasons, `doubts` names and what is said there of a place that is none."""

    attached: int = 0
    unchanged: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    doubts: list[tuple[str, str]] = field(default_factory=list)


class Attacher:
    """Attaches storages.

    Parameters
    ----------
    source
        Rucio, as an account that may register replicas, and how metadata become ObsCore.
    shelf
        The catalogue.
    progress
        Is told how many files are done, and how many were found so far.
    """

    def __init__(self, source: Source, shelf: Shelf, progress: Progress | None = None) -> None:
        self._source = source
        self._client = source.client
        self._dav = WebDav(source.client.session)
        self._shelf = shelf
        self._progress = progress
        self._report = Report()
        self._done = 0

    async def run(self, job: Attachment, *, account: str) -> Report:
        """Attach a storage and return what was done.

        Raises
        ------
        UsageError
            There is no such site, or it computes paths from names, or the place is none.
        ServiceUnavailable
            Rucio or the storage is away.
        """
        await self._prepare(job, account)
        async with Readers() as readers:
            async for batch in self._batches(job):
                await self._take(job, readers, batch)
                self._done += len(batch)
                if self._progress:
                    self._progress(self._done, self._done)
        return self._report

    async def _prepare(self, job: Attachment, account: str) -> None:
        site = self._source.sites.get(job.site)
        if site is None:
            raise NotFound(
                f"Rucio has no storage element {job.site!r}; it has {', '.join(sorted(self._source.sites))}."
            )
        about = await self._client.get(f"/rses/{job.site}")
        if about.get("deterministic"):
            raise UsageError(
                f"{job.site} computes where files are from their names, so that no other place can be attached: make a "
                "storage element with `rucio rse add --non-deterministic`, and give it the protocol of the storage."
            )
        await self._shelf.put_sites([site])
        if job.scope not in (await self._client.get("/scopes/") or []):
            await self._told(self._client.send("POST", f"/accounts/{account}/scopes/{job.scope}", None))

    async def _told(self, answer: Awaitable[object]) -> None:
        try:
            await answer
        except Refusal as error:
            raise UsageError(f"Rucio refuses: {error.kind}: {error.text}") from error

    async def _batches(self, job: Attachment) -> AsyncIterator[Sequence[Candidate | Remote | Skipped]]:
        if "://" in job.place:
            page: list[Candidate | Remote | Skipped] = []
            async for found in self._dav.walk(job.place, job.scope):
                page.append(found)
                if len(page) == BATCH:
                    yield page
                    page = []
            if page:
                yield page
            return
        path = await asyncio.to_thread(lambda: Path(job.place).resolve())
        if not await asyncio.to_thread(path.is_dir):
            raise UsageError(f"{job.place} is not a directory.")
        files: Iterator[Candidate | Skipped] = walk(Tree(path=path, collection=job.scope))
        while batch := await asyncio.to_thread(lambda: list(islice(files, BATCH))):
            yield batch

    async def _take(self, job: Attachment, readers: Readers, batch: Sequence[Candidate | Remote | Skipped]) -> None:
        self._skip([item for item in batch if isinstance(item, Skipped)])
        named = [item for item in batch if not isinstance(item, Skipped)]
        offered = [item for item in named if self._source.settings.takes(item.did)]
        refused = [item.did for item in named if not self._source.settings.takes(item.did)]
        self._report.skipped += [(str(did), "Rucio's schema does not take its name") for did in refused]
        known = await self._known([item.did for item in offered], job)
        fresh = [item for item in offered if job.verify or not self._settled(item, known.get(item.did), job)]
        self._report.unchanged += len(offered) - len(fresh)
        found: list[Found] = []
        results = await readers.read([item for item in fresh if isinstance(item, Candidate)])
        results += [await self._dav.read(item) for item in fresh if isinstance(item, Remote)]
        self._skip([item for item in results if isinstance(item, Skipped)])
        for item in results:
            if isinstance(item, Found):
                if (reason := _conflict(item, known.get(item.candidate.did))) is None:
                    found.append(item)
                    self._report.doubts += [(str(item.candidate.did), doubt) for doubt in item.doubts]
                else:
                    self._report.skipped.append((str(item.candidate.did), reason))
        if found:
            urls = {item.did: _url(item, job) for item in fresh}
            await self._register(job, found, known, urls)

    def _skip(self, items: Sequence[Skipped]) -> None:
        self._report.skipped += [(str(item.path), item.reason) for item in items]

    async def _known(self, dids: Sequence[Did], job: Attachment) -> dict[Did, JsonRow]:
        """Return what Rucio knows of files, and where the site has them."""
        if not dids:
            return {}
        wanted = [json_did(did) for did in dids]
        body: dict[str, object] = {"dids": wanted, "plugin": "DID_COLUMN"}
        known = {did_of(row): row async for row in self._client.rows("POST", "/dids/bulkmeta", body)}
        body = {"dids": wanted, "sort": "random", "all_states": True, "rse_expression": job.site}
        return known | {did_of(row): row async for row in self._client.rows("POST", "/replicas/list", body)}

    def _settled(self, item: Candidate | Remote, row: JsonRow | None, job: Attachment) -> bool:
        """Whether the site has a file of this name and size registered at this place."""
        if row is None or row.get("bytes") != item.size_bytes:
            return False
        return _url(item, job) in (row.get("rses") or {}).get(job.site, ())

    async def _register(
        self, job: Attachment, found: Sequence[Found], known: Mapping[Did, JsonRow], urls: Mapping[Did, str]
    ) -> None:
        """Register replicas and metadata in Rucio, then write the catalogue: who is killed in between does it again."""
        new = [one for one in found if job.site not in (known.get(one.candidate.did, {}).get("rses") or {})]
        if new:
            files = [_described(one) | {"pfn": urls[one.candidate.did]} for one in new]
            body = {"rse": job.site, "files": files, "ignore_availability": True}
            await self._told(self._client.send("POST", "/replicas", body))
        metadata = [json_did(one.candidate.did) | {"meta": _metadata(one)} for one in found]
        await self._told(self._client.send("POST", "/dids/bulkdidsmeta", {"dids": metadata}))
        batch, now = Batch(), as_timestamp(self._source.clock())
        for one in found:
            did = one.candidate.did
            add(batch, did, _described(one), _metadata(one), source=self._source, now=now)
            batch.replicas.append(_replica(one, job, urls[did]))
        await self._shelf.put(batch, all_replicas=False)
        self._report.attached += len(found)


def _conflict(found: Found, row: JsonRow | None) -> str | None:
    if row is None:
        return None
    theirs = row.get("bytes"), checksum(row.get("adler32")), checksum(row.get("md5"))
    ours = found.content.size_bytes, found.content.adler32, found.content.md5
    pairs = zip(theirs, ours, ("size", "adler32", "md5"), strict=True)
    differing = [name for a, b, name in pairs if a is not None and a != b]
    return f"Rucio knows other bytes by this name: {', '.join(differing)} differ" if differing else None


def _described(found: Found) -> dict[str, object]:
    content = found.content
    told = {"bytes": content.size_bytes, "adler32": content.adler32, "md5": content.md5}
    return json_did(found.candidate.did) | told


def _replica(found: Found, job: Attachment, url: str) -> Row:
    """Return the row of the copy; this host reads those of a directory where they are."""
    here = "://" not in job.place
    return {
        "did": str(found.candidate.did),
        "site": job.site,
        "state": ReplicaState.AVAILABLE.value,
        "url": url,
        "path": as_text(str(found.candidate.path)) if here else None,
        "modified_ns": found.candidate.modified_ns if here else None,
    }


def _metadata(found: Found) -> dict[str, object]:
    """Return the keys of ObsCore that headers tell of, and what it demands besides."""
    told = {name: value for name, value in asdict(found.observation).items() if value is not None}
    did = found.candidate.did
    observation = told.get("obs_id") or without_suffix(did.name)
    return {"obs_collection": did.scope, **told, "obs_id": observation}


def _url(item: Candidate | Remote, job: Attachment) -> str:
    if isinstance(item, Remote):
        return item.url
    return f"{job.url}/{quote(os.fsencode(as_path(item.did.name)), safe='/')}"
