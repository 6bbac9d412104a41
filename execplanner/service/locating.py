"""Finds out where the data of a request are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from execplanner.core.locality import Locality, Located, unknown_size
from execplanner.core.messages import Message, Urn, reason, warning
from execplanner.core.request import Source
from penstock.auth.principal import Principal
from penstock.clock import Clock
from penstock.dali.errors import ServiceUnavailable
from penstock.lake.port import DataLake, Did, DidType, Entry, Medium, ReplicaState

_KEPT_S = 60.0
_MOST_KEPT = 10_000
_MOST_MEMBERS = 10_000
_DEEPEST = 5


class Locator:
    """Asks the lake, and remembers for a minute what it said.

    Parameters
    ----------
    lake
        The lake.
    clock
        What time it is.
    assumed_bytes
        The size of data of which nobody knows it.
    """

    def __init__(self, lake: DataLake, clock: Clock, assumed_bytes: int) -> None:
        self._lake = lake
        self._clock = clock
        self._assumed = assumed_bytes
        self._entries: dict[tuple[Did, str | None], tuple[float, Entry]] = {}

    async def locate(self, sources: Sequence[Source], caller: Principal, sites: frozenset[str]) -> Locality:
        """Return where data are; a lake that does not answer is a warning, data that it does not know a reason.

        Parameters
        ----------
        sources
            The data of a request.
        sites
            The storage sites to which distances matter.
        """
        if not sources:
            return Locality()
        messages: list[Message] = []
        asked = [one.did for one in sources if one.did is not None and not _self_told(one)]
        known: Mapping[Did, Entry] | None = {}
        try:
            known = await self._resolved(asked, caller)
        except ServiceUnavailable:
            known = None
        located: list[Located] = []
        for source in sources:
            located += await self._located(source, known, caller, messages)
        distances = await self._distances(located, sites)
        return Locality(data=tuple(located), distances=distances, messages=tuple(messages))

    async def _located(
        self, source: Source, known: Mapping[Did, Entry] | None, caller: Principal, messages: list[Message]
    ) -> list[Located]:
        if source.did is None or _self_told(source):
            return [self._as_told(source, messages)]
        entry = None if known is None else known.get(source.did)
        if known is None:
            text = "The lake does not answer: where ${path} is, is not known."
            messages.append(warning(Urn.LOCALITY_UNKNOWN, text, source.pointer))
        elif entry is None and source.url is None:
            text = "There is nothing called ${did} in the lake."
            messages.append(reason(Urn.RESOURCE_NOT_FOUND, text, source.pointer, did=source.did))
            return []
        elif entry is not None:
            return await self._of_entry(source, entry, caller, messages)
        return [self._as_told(replace(source, sites=None), messages)]

    async def _of_entry(
        self, source: Source, entry: Entry, caller: Principal, messages: list[Message]
    ) -> list[Located]:
        files = [entry] if entry.type is DidType.FILE else await self._files(entry.did, caller, 0)
        found = []
        for one in files:
            size = one.size_bytes
            if size is None:
                size = self._assumed
                messages.append(unknown_size(source.pointer, size))
            there = [replica for replica in one.replicas if replica.state is ReplicaState.AVAILABLE]
            online = frozenset(replica.site for replica in there if replica.medium is Medium.DISK)
            tape = frozenset(replica.site for replica in there if replica.medium is Medium.TAPE)
            found.append(Located(pointer=source.pointer, size_bytes=size, online=online, tape=tape))
        return found

    async def _files(self, did: Did, caller: Principal, depth: int) -> list[Entry]:
        """Return the files of a dataset or container, and of those below it."""
        members: list[Did] = []
        async for member in self._lake.content(did, caller=caller):
            members.append(member.did)
            if len(members) >= _MOST_MEMBERS:
                break
        entries = (await self._resolved(members, caller)).values() if members else ()
        files: list[Entry] = []
        for entry in entries:
            if entry.type is DidType.FILE:
                files.append(entry)
            elif depth < _DEEPEST and len(files) < _MOST_MEMBERS:
                files += await self._files(entry.did, caller, depth + 1)
        return files

    def _as_told(self, source: Source, messages: list[Message]) -> Located:
        size = source.size_bytes
        if size is None:
            size = self._assumed
            messages.append(unknown_size(source.pointer, size))
        sites = frozenset(source.sites or ())
        return Located(pointer=source.pointer, size_bytes=size, online=sites, anywhere=not sites)

    async def _resolved(self, dids: Sequence[Did], caller: Principal) -> dict[Did, Entry]:
        now = self._clock().timestamp()
        found: dict[Did, Entry] = {}
        missing = []
        for did in dict.fromkeys(dids):
            kept = self._entries.get((did, caller.subject))
            if kept is not None and now - kept[0] < _KEPT_S:
                found[did] = kept[1]
            else:
                missing.append(did)
        if missing:
            fresh = await self._lake.resolve(missing, caller=caller)
            if len(self._entries) + len(fresh) > _MOST_KEPT:
                self._entries.clear()
            self._entries |= {(did, caller.subject): (now, entry) for did, entry in fresh.items()}
            found |= fresh
        return found

    async def _distances(self, located: Sequence[Located], sites: frozenset[str]) -> dict[str, Mapping[str, int]]:
        """Return how far sites of data are from those of facilities, where the lake can tell."""
        ask: Any = getattr(self._lake, "distances", None)
        away = any(not one.online & sites and one.online | one.tape for one in located)
        if ask is None or not away:
            return {}
        try:
            return {site: await ask(site) for site in sorted(sites)[:100]}
        except ServiceUnavailable:
            return {}


def _self_told(source: Source) -> bool:
    """Tell whether a request says itself where its data are and how large: the lake need not be asked."""
    return source.sites is not None and source.size_bytes is not None
