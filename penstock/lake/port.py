"""The port of a data lake: files by data identifier (DID), their replicas, the sites that hold them.

A DID is ``scope:name``, as Rucio has it. Services see a lake only through `DataLake`, and through `StagingLake` where
it can make replicas at a site for a while.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    """A storage site: Rucio calls it a storage element (RSE).

    `attributes` are what the lake says of it besides, as text: ``{"country": "ES", "tier": "1"}``.
    """

    name: str
    title: str | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    medium: Medium = Medium.DISK
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A copy of a file at a site.

    `url` is where anybody may fetch it; `path` is set instead, or besides, when this process can read it as a file.
    `archived` says that `url` leads to an archive, of which the file is a part; a client would take
    the archive for the file. A site that offers its copy by several protocols has a replica for each.
    """

    site: str
    url: str | None = None
    path: Path | None = None
    state: ReplicaState = ReplicaState.AVAILABLE
    medium: Medium = Medium.DISK
    archived: bool = False

    @property
    def online(self) -> bool:
        """Whether the bytes can be read now, without staging or unpacking."""
        return self.state is ReplicaState.AVAILABLE and self.medium is Medium.DISK and not self.archived


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a dataset, a container or an archive holds; `size_bytes` is None where telling it would cost a call."""

    did: Did
    type: DidType = DidType.FILE
    size_bytes: int | None = None


class StagingState(StrEnum):
    """How far a staging is."""

    WAITING = "WAITING"  # for the approval of somebody, or for its turn
    REPLICATING = "REPLICATING"
    STUCK = "STUCK"  # some replicas cannot be made now; the lake may try again
    OK = "OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """How far the replicas are that were asked for: `done` of `total` files, `stuck` of them in trouble.

    `reason` says for people what holds it up; `expires` is when the replicas may go, None if they stay.
    """

    state: StagingState
    done: int
    total: int
    stuck: int = 0
    reason: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What makes replicas and keeps them; `created` tells whether it was made now, so that nobody ends another's."""

    id: str
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a caller has at a site; `limit_bytes` is None where nothing limits it."""

    site: str
    used_bytes: int
    limit_bytes: int | None = None


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

    async def distances(self, site: str) -> Mapping[str, int]:
        """Return how far other sites are from one, as the lake ranks them: the nearest least; empty where unknown."""
        ...

    def content(self, did: Did, *, caller: Principal) -> AsyncIterator[Member]:
        """Yield the members of a dataset, container or archive, in order; nothing for a file."""
        ...


@runtime_checkable
class StagingLake(Protocol):
    """A data lake that makes replicas at a site of the caller's choice; whoever asks again gets the same rule.

    Every method may raise `ServiceUnavailable` when the lake cannot be reached, and `Forbidden` or
    `AuthenticationRequired` when the caller may not do this.
    """

    async def stage(self, dids: Sequence[Did], *, site: str, lifetime: timedelta | None, caller: Principal) -> Rule:
        """Ask for replicas of files, and of all files of datasets and containers; return the rule to ask about.

        Raises
        ------
        NotFound
            There is no such DID or site.
        UsageError
            The lake cannot do it: the message says why and what to do, as when a quota is used up.
        """
        ...

    async def staging(self, rule: str, *, caller: Principal) -> Staging:
        """Return how far a rule is.

        Raises
        ------
        NotFound
            There is no such rule, or it has expired.
        """
        ...

    async def unstage(self, rule: str, *, caller: Principal) -> None:
        """Give a rule up, so that its replicas may go; one that is gone already is no error."""
        ...

    async def quotas(self, caller: Principal) -> Sequence[Quota]:
        """Return what the caller has at each site where staging is possible, by the name of the site."""
        ...
