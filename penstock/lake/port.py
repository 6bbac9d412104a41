"""The port of a data lake: files by data identifier (DID), their replicas, the sites that hold them.

A DID is ``scope:name``, as Rucio has it. Services see a lake only through `DataLake`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from penstock.auth.principal import Principal
from penstock.dali.errors import UsageError

MAX_DID_LENGTH = 25 + 1 + 500  # Rucio's own limits for scope and name


@dataclass(frozen=True, slots=True, order=True)
class Did:
    """A data identifier: `scope` and `name`."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.scope}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``scope:name``.

        Raises
        ------
        UsageError
            `text` is not of that form, too long, or has control characters.
        """
        scope, colon, name = text.partition(":")
        if not (scope and colon and name) or len(text) > MAX_DID_LENGTH or not text.isprintable():
            raise UsageError(f"{text[:80]!r} is not a data identifier of the form scope:name")
        return cls(scope, name)


class DidType(StrEnum):
    """What a DID names: a file, or a collection of others."""

    FILE = "FILE"
    DATASET = "DATASET"
    CONTAINER = "CONTAINER"


class ReplicaState(StrEnum):
    """Whether a replica can be read now."""

    AVAILABLE = "AVAILABLE"
    UNAVAILABLE = "UNAVAILABLE"


class Medium(StrEnum):
    """What a site stores on: a replica on tape must be staged before it can be read."""

    DISK = "DISK"
    TAPE = "TAPE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A storage site: Rucio calls it a storage element (RSE)."""

    name: str
    title: str | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    medium: Medium = Medium.DISK


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A copy of a file at a site.

    `url` is where anybody may fetch it; `path` is set instead, or besides, when this process can read it as a file.
    """

    site: str
    url: str | None = None
    path: Path | None = None
    state: ReplicaState = ReplicaState.AVAILABLE
    medium: Medium = Medium.DISK

    @property
    def online(self) -> bool:
        """Whether the bytes can be read now, without staging."""
        return self.state is ReplicaState.AVAILABLE and self.medium is Medium.DISK


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a lake knows of one DID.

    `adler32` and `md5` are lower-case hexadecimal; `public_from` is the end of an embargo, None if there is none.
    """

    did: Did
    type: DidType = DidType.FILE
    size_bytes: int | None = None
    adler32: str | None = None
    md5: str | None = None
    media_type: str = "application/octet-stream"
    public_from: datetime | None = None
    replicas: tuple[Replica, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class DataLake(Protocol):
    """A data lake, read.

    Every method may raise `ServiceUnavailable` when the lake cannot be reached.
    """

    async def resolve(self, dids: Sequence[Did], *, caller: Principal) -> Mapping[Did, Entry]:
        """Return what is known of each DID, in one call whatever their number; unknown ones are absent."""
        ...

    async def sites(self) -> Sequence[Site]:
        """Return all storage sites, by name."""
        ...

    def content(self, did: Did, *, caller: Principal) -> AsyncIterator[Did]:
        """Yield the members of a dataset or container, in order; nothing for a file."""
        ...
