"""A directory tree brought into the catalogue: what is new is added, what changed is updated, what is gone is noted.

Files are taken in batches, and each batch is one transaction: a scan that is killed has written whole batches, and the
next one goes on from there. A file is read again only when its size or time of modification has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from penstock.lake.judge import Copy, Known, Verdict
from penstock.lake.names import as_path, as_text
from penstock.lake.pool import Readers
from penstock.lake.port import ReplicaState, Site
from penstock.lake.record import Candidate, Found, Skipped
from penstock.lake.store import LakeStore
from penstock.lake.tree import Tree, walk

Progress = Callable[[int, int], None]  # files done, files in all


@dataclass(slots=True)
class Report:
    """What a scan did; `doubts` are paths and what is said there of a place that is none."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    vanished: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    doubts: list[tuple[Path, str]] = field(default_factory=list)

    def count(self, verdict: Verdict) -> None:
        """Count a file that is in the catalogue now."""
        match verdict:
            case Verdict.ADDED:
                self.added += 1
            case Verdict.UPDATED:
                self.updated += 1
            case Verdict.UNCHANGED:
                self.unchanged += 1
            case Verdict.REFUSED:
                raise ValueError(verdict)


@dataclass(slots=True, kw_only=True)
class Scan:
    """One scan of one tree for one site.

    Parameters
    ----------
    store
        The catalogue.
    tree
        What to scan.
    site
        The site that the tree is at.
    verify
        Read every file, whether it seems changed or not.
    progress
        Is told how far the scan is.
    batch_size
        How many files are written in one transaction.
    """

    store: LakeStore
    tree: Tree
    site: Site
    verify: bool = False
    progress: Progress | None = None
    batch_size: int = 512
    report: Report = field(default_factory=Report)
    _done: int = 0
    _total: int = 0

    async def run(self) -> Report:
        """Scan the tree and return what was done."""
        await self.store.put_site(self.site)
        if self.progress:
            self._total = await asyncio.to_thread(lambda: sum(1 for _ in walk(self.tree)))
        async with Readers() as readers:
            files = walk(self.tree)
            while batch := await asyncio.to_thread(lambda: list(islice(files, self.batch_size))):
                await self._take(readers, batch)
                self._done += len(batch)
                if self.progress:
                    self.progress(self._done, max(self._done, self._total))
        await self._note_vanished()
        return self.report

    async def _take(self, readers: Readers, batch: Sequence[Candidate | Skipped]) -> None:
        self.report.skipped += [item for item in batch if isinstance(item, Skipped)]
        candidates = [item for item in batch if isinstance(item, Candidate)]
        known = await self.store.known([candidate.did for candidate in candidates])
        copies = {did: copy for did, file in known.items() if (copy := _copy_at(file, self.site.name))}
        to_read = [c for c in candidates if self.verify or not _settled(c, known.get(str(c.did)), copies)]
        self.report.unchanged += len(candidates) - len(to_read)
        results = await readers.read(to_read) if to_read else []
        await self._record([result for result in results if isinstance(result, Found)], copies)
        await self._drop([result for result in results if isinstance(result, Skipped)], copies)

    async def _record(self, found: Sequence[Found], copies: dict[str, Copy]) -> None:
        """Write what was read."""
        if not found:
            return
        here = await asyncio.to_thread(_still_elsewhere, found, copies)
        outcomes = await self.store.record(self.site.name, found, here=here)
        for file, outcome in zip(found, outcomes, strict=True):
            if outcome.reason is None:
                self.report.count(outcome.verdict)
                self.report.doubts += [(file.candidate.path, doubt) for doubt in file.doubts]
            else:
                self.report.skipped.append(Skipped(path=file.candidate.path, reason=outcome.reason))

    async def _drop(self, unread: Sequence[Skipped], copies: dict[str, Copy]) -> None:
        """Report what could not be read, and note that it is no longer the copy that it may have been."""
        self.report.skipped += unread
        paths = {as_text(str(item.path)) for item in unread}
        spoiled = [did for did, copy in copies.items() if copy.path in paths]
        if spoiled:
            await self.store.withdraw(self.site.name, spoiled)

    async def _note_vanished(self) -> None:
        """Note which copies below the tree are no longer there."""
        if not self.tree.path.is_dir():
            return
        async for page in self.store.copies_below(self.site.name, self.tree.path):
            gone = await asyncio.to_thread(lambda page=page: [did for did, path in page if not path.is_file()])  # type: ignore[misc]  # bound now
            if gone:
                await self.store.withdraw(self.site.name, gone)
                self.report.vanished += len(gone)


def _copy_at(file: Known, site: str) -> Copy | None:
    return next((copy for copy in file.copies if copy.site == site), None)


def _settled(candidate: Candidate, file: Known | None, copies: dict[str, Copy]) -> bool:
    """Whether a file is the copy that the catalogue has, as far as can be told without reading it."""
    copy = copies.get(str(candidate.did))
    return (
        file is not None
        and copy is not None
        and copy.state is ReplicaState.AVAILABLE
        and copy.path == as_text(str(candidate.path))
        and (file.size_bytes, copy.modified_ns) == (candidate.size_bytes, candidate.modified_ns)
    )


def _still_elsewhere(found: Sequence[Found], copies: dict[str, Copy]) -> set[str]:
    """Return those identifiers whose copy at the site is another file, which is still there."""
    others = ((str(file.candidate.did), file.candidate.path) for file in found)
    return {
        did
        for did, path in others
        if (copy := copies.get(did)) and copy.path and copy.path != as_text(str(path)) and as_path(copy.path).is_file()
    }
