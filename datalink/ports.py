"""What DataLink needs besides the lake: what ObsCore says of files, and the bytes of replicas."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from datalink.core.known import Observed
from penstock.lake.port import Did, Entry, Replica


class Observations(Protocol):
    """The observations that files are of."""

    async def of(self, dids: Sequence[Did]) -> Mapping[Did, Observed]:
        """Return what is known of the observations of files; those of which nothing is known are absent.

        Raises
        ------
        ServiceUnavailable
            Whoever knows does not answer.
        """
        ...


class UnreadableReplica(Exception):
    """The bytes of a replica cannot be had, or are not those of the file; the message says why, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A replica that is being read: the size of the whole file, and the bytes that were asked for.

    `pieces` raises `UnreadableReplica` where they break off.
    """

    size_bytes: int
    pieces: AsyncGenerator[bytes, None]


class Storage(Protocol):
    """The storage that holds replicas."""

    def open(
        self, entry: Entry, replica: Replica, start: int = 0, stop: int | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        """Open a replica of a file from byte `start` up to `stop`, the end if None.

        Raises
        ------
        UnreadableReplica
            It cannot be read, or is not the file that `entry` describes as far as can be told before reading it.
        """
        ...
