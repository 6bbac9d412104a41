"""The ports of DataLink's services: what ObsCore says of files, the bytes of replicas, who cuts data, and surveys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from datalink.core.known import Observed
from datalink.core.soda import Cut
from penstock.auth.principal import Principal
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A part of a file to be written to another.

    Parameters
    ----------
    source, target
        The file to read, and the one to write.
    cut
        Which part.
    did
        The publisher DID of the source, for its provenance.
    max_bytes
        How large the target may be.
    """

    source: Path
    target: Path
    cut: Cut
    did: str
    max_bytes: int


class Cutter(Protocol):
    """Cuts parts out of files."""

    async def cut(self, order: Order, *, time_limit_s: float) -> bool:
        """Write the part; return False, and write nothing, where the file has nothing there.

        Raises
        ------
        UsageError
            The file cannot be cut, not so, or not within the limits; the message says why.
        ServiceUnavailable
            There is no room or no process for it now.
        """
        ...

    async def close(self) -> None:
        """End whatever still runs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HipsFile:
    """A file of a survey: `path` where this process can read it, else `url` where anybody can.

    `checksum` changes with its content, where that is known. `public` tells whether everybody may read it.
    """

    path: Path | None = None
    url: str | None = None
    checksum: str | None = None
    public: bool = True


class HipsTree(Protocol):
    """Where the files of a survey are."""

    async def find(self, path: str, *, caller: Principal, now: datetime) -> HipsFile:
        """Return a file by its path below the root of the survey.

        Raises
        ------
        NotFound
            There is no such file.
        Forbidden
            The caller may not read it.
        ServiceUnavailable
            It cannot be had now.
        """
        ...
