"""What is known of files, from the lake and from ObsCore, remembered for a moment.

A client that reads a file in a hundred parts asks for its replicas a hundred times, and one that lists a page of a
table asks again for the next column. What was not found is not remembered, so that a new file is there at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from datalink.core.known import NOTHING, Known
from datalink.ports import Observations
from penstock.auth.principal import Principal
from penstock.lake.port import DataLake, Did, DidType, Site

K = TypeVar("K")
V = TypeVar("V")
MOST = 50_000
_MOST_SITES = 1000


class Remembered(Generic[K, V]):
    """Values that are good for a time; the oldest goes when there are too many.

    Parameters
    ----------
    seconds
        How long a value is good.
    most
        How many are kept.
    """

    def __init__(self, seconds: float, most: int = MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._values: dict[K, tuple[float, V]] = {}

    def get(self, key: K, now_s: float) -> V | None:
        """Return the value of a key, None where there is none that is good."""
        found = self._values.get(key)
        return found[1] if found is not None and now_s < found[0] else None

    def put(self, key: K, value: V, now_s: float) -> None:
        """Keep a value."""
        if self._seconds <= 0:
            return
        self._values.pop(key, None)  # so that the order of keys is that of age
        while len(self._values) >= self._most:
            del self._values[next(iter(self._values))]
        self._values[key] = (now_s + self._seconds, value)


class Facts:
    """The lake as DataLink asks it.

    Parameters
    ----------
    lake, observations
        Who knows.
    remember_s
        How long what they say is good, in seconds; what one caller was told is not told to another.
    """

    def __init__(self, lake: DataLake, observations: Observations, remember_s: float) -> None:
        self._lake = lake
        self._observations = observations
        self._known: Remembered[tuple[Principal, Did], Known] = Remembered(remember_s)
        self._sites: Remembered[None, Sequence[Site]] = Remembered(remember_s, 1)
        self._distances: Remembered[str, Mapping[str, int]] = Remembered(remember_s, _MOST_SITES)
        self.content = lake.content

    async def resolve(self, dids: Sequence[Did], caller: Principal) -> Mapping[Did, Known]:
        """Return what is known of each DID; unknown ones are absent."""
        now_s = asyncio.get_running_loop().time()
        found: dict[Did, Known] = {}
        for did in dids:
            known = self._known.get((caller, did), now_s)
            if known is not None:
                found[did] = known
        missing = [did for did in dids if did not in found]
        if missing:
            asked = await self._ask(missing, caller)
            for did, known in asked.items():
                self._known.put((caller, did), known, now_s)
            found |= asked
        return found

    async def sites(self) -> Sequence[Site]:
        """Return all storage sites, by name."""
        now_s = asyncio.get_running_loop().time()
        sites = self._sites.get(None, now_s)
        if sites is None:
            sites = await self._lake.sites()
            self._sites.put(None, sites, now_s)
        return sites

    async def distances(self, site: str) -> Mapping[str, int]:
        """Return how far the lake ranks other sites from one; empty for a site that it does not have."""
        now_s = asyncio.get_running_loop().time()
        distances = self._distances.get(site, now_s)
        if distances is None:
            distances = await self._lake.distances(site)
            self._distances.put(site, distances, now_s)
        return distances

    async def _ask(self, dids: Sequence[Did], caller: Principal) -> Mapping[Did, Known]:
        entries = await self._lake.resolve(dids, caller=caller)
        files = [did for did, entry in entries.items() if entry.type is DidType.FILE]
        observed = await self._observations.of(files) if files else {}
        return {did: Known(entry=entry, observed=observed.get(did, NOTHING)) for did, entry in entries.items()}
