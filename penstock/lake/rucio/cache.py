"""What a lake said of files, believed for a short while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from penstock.lake.port import Did, Entry

View = str | None
"""Who may see an entry: the subject of a caller with a token of their own, None for all who see through the service."""


class EntryCache:
    """Keeps entries by DID and by who may see them, for `seconds`, and the newest `most`.

    Parameters
    ----------
    seconds, most
        How long, and how many.
    now
        A clock that only goes forward, in seconds.
    """

    def __init__(self, seconds: float, most: int, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._kept: dict[tuple[View, Did], tuple[float, Entry]] = {}

    def find(self, view: View, dids: Iterable[Did]) -> tuple[dict[Did, Entry], list[Did]]:
        """Return what is known of DIDs, and those of which nothing is."""
        now, kept = self._now(), self._kept
        found: dict[Did, Entry] = {}
        missing: list[Did] = []
        for did in dids:
            held = kept.get((view, did))
            if held is not None and held[0] > now:
                found[did] = held[1]
            else:
                missing.append(did)
        return found, missing

    def keep(self, view: View, entries: Mapping[Did, Entry]) -> None:
        """Keep entries; the oldest make room."""
        until = self._now() + self._seconds
        for did, entry in entries.items():
            self._kept.pop((view, did), None)
            self._kept[view, did] = (until, entry)
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def forget(self, dids: Iterable[Did]) -> None:
        """Forget what is known of DIDs, whoever sees it."""
        gone = set(dids)
        for key in [key for key in self._kept if key[1] in gone]:
            del self._kept[key]
