"""The bytes of a file, whole and right, from whichever replicas can be read.

The replicas are tried in the order given; where one fails, the next takes over at the byte at which it failed. What is
sent whole is checked: its last piece is held back until the checksum is known to be right, so that a client gets either
all bytes of the file or a connection that is cut. As long as nothing was sent, as for files of one piece, a wrong
replica is passed over like one that cannot be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import structlog

from datalink.core.digests import Checked
from datalink.core.replicas import scheme_of
from datalink.facts import Remembered
from datalink.ports import Storage, UnreadableReplica
from datalink.service import Found
from penstock.dali.errors import ServiceUnavailable
from penstock.lake.port import Entry, Replica

_log = structlog.get_logger(__name__)
RETRY_AFTER_S = 30
Place = tuple[str, str]


class Courier:
    """Fetches files.

    Parameters
    ----------
    storage
        Where replicas are read.
    avoid_s
        For how many seconds a place that failed is tried after all others.
    """

    def __init__(self, storage: Storage, avoid_s: float = 0.0) -> None:
        self._storage = storage
        self._failed: Remembered[Place, bool] = Remembered(avoid_s, 10_000)

    async def size_of(self, found: Found) -> int:
        """Return the size of a file in bytes; where the lake does not know it, storage is asked.

        Raises
        ------
        ServiceUnavailable
            No replica can be read.
        """
        if found.entry.size_bytes is not None:
            return found.entry.size_bytes
        reasons: list[str] = []
        for replica in self._ordered(found.replicas):
            try:
                async with self._storage.open(found.entry, replica) as opened:
                    return opened.size_bytes
            except UnreadableReplica as error:
                self._note(found.entry, replica, error, 0, reasons)
        raise _unreadable(found.entry, reasons)

    async def stream(self, found: Found, start: int, stop: int, size_bytes: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file from one place up to another.

        Raises
        ------
        ServiceUnavailable
            No replica can be read to the end, or what was read is not the file.
        """
        entry, whole = found.entry, (start, stop) == (0, size_bytes)
        reasons: list[str] = []
        at, sent, held, checked = start, start, b"", Checked(entry)
        for replica in self._ordered(found.replicas):
            try:
                async with self._pieces(entry, replica, (at, stop), size_bytes) as pieces:
                    async for piece in pieces:
                        if held:
                            yield held
                            sent = at
                        held = piece
                        at += len(piece)
                        if whole:
                            checked.take(piece)
                _require_right(checked, whole=whole)
                break
            except UnreadableReplica as error:
                self._note(entry, replica, error, at, reasons)
                if at == stop and sent > start:  # all of it came, and it is wrong
                    raise _unreadable(entry, reasons) from error
                if at == stop:
                    at, held, checked = start, b"", Checked(entry)
        else:
            raise _unreadable(entry, reasons)
        yield held

    @asynccontextmanager
    async def _pieces(
        self, entry: Entry, replica: Replica, span: tuple[int, int], size_bytes: int
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Open a part of a replica whose file must have so many bytes in all."""
        start, stop = span
        async with self._storage.open(entry, replica, start, None if stop == size_bytes else stop) as opened:
            if opened.size_bytes != size_bytes:
                raise UnreadableReplica(f"it has {opened.size_bytes} bytes where the file has {size_bytes}")
            async with aclosing(opened.pieces) as pieces:
                yield pieces

    def _ordered(self, replicas: Sequence[Replica]) -> list[Replica]:
        """Return the replicas, those of places that failed lately at the end."""
        now_s = asyncio.get_running_loop().time()
        return sorted(replicas, key=lambda one: self._failed.get(_place(one), now_s) is not None)

    def _note(self, entry: Entry, replica: Replica, error: UnreadableReplica, at: int, reasons: list[str]) -> None:
        self._failed.put(_place(replica), True, asyncio.get_running_loop().time())  # a value
        reasons.append(f"at {replica.site} {error}")
        _log.warning("replica_unreadable", did=str(entry.did), site=replica.site, at_byte=at, reason=str(error))


def _require_right(checked: Checked, *, whole: bool) -> None:
    if whole and not checked.right():
        raise UnreadableReplica("its bytes are not those of the file")


def _place(replica: Replica) -> Place:
    return replica.site, scheme_of(replica)


def _unreadable(entry: Entry, reasons: Sequence[str]) -> ServiceUnavailable:
    told = "; ".join(reasons)
    return ServiceUnavailable(f"No replica of {entry.did} can be read now: {told}.", retry_after_s=RETRY_AFTER_S)
