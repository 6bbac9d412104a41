"""What is kept of offers and sessions, and the port of whoever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from execplanner.core.phases import Event, Phase, seen
from execplanner.core.request import Amounts
from execplanner.core.slots import Room, Rows, Slot, Wanted, vector
from execplanner.core.times import from_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An offer, and what becomes of it; times are milliseconds since 1970.

    `prepares`, `begins` and `ends` are when its preparation begins, and from when to when it is open. `document` is
    what of it never changes, `peer` the URL of an offer that another broker made. `untidy` tells that something of it
    may be left at the facility. `version` counts changes.
    """

    id: str
    offerset_id: str
    facility: str
    owner: str | None
    created: int
    prepares: int
    begins: int
    ends: int
    document: Mapping[str, Any]
    seq: int = 0
    phase: Phase = Phase.OFFERED
    version: int = 1
    modified: int = 0
    expires: int | None = None
    dialect: str = "D1"
    name: str | None = None
    messages: tuple[Mapping[str, Any], ...] = ()
    connectors: tuple[Mapping[str, Any], ...] = ()
    handle: str | None = None
    peer: str | None = None
    untidy: bool = False

    def at(self, now: int) -> Session:
        """Return the session as everybody sees it at an instant: its offer may have expired."""
        expires = None if self.expires is None else from_ms(self.expires)
        phase = seen(self.phase, expires, from_ms(now))
        return self if phase is self.phase else replace(self, phase=phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What is held for a session at a facility; one of an offer is worth nothing from `expires` on."""

    session_id: str
    facility: str
    owner: str | None
    begins: int
    ends: int
    amounts: Amounts
    expires: int | None = None

    def row(self) -> tuple[int, ...]:
        """Return it as the search for room sees it."""
        return self.begins, self.ends, *vector(self.amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSet:
    """The answer to a request."""

    id: str
    owner: str | None
    created: int
    dialect: str
    result: str
    name: str | None = None
    messages: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """What is remembered of a request that must not be answered twice; neither text tells what was sent."""

    key: str
    fingerprint: str
    id: str
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A session that is to be offered, what it needs to be held, and the room that there is (None: at a peer).

    If others have taken its time, it may be made anew: for the first time that suits `wanted`, by `remade`.
    """

    session: Session
    reservation: Reservation | None = None
    room: Room | None = None
    wanted: Wanted | None = None
    remade: Callable[[Slot], Offer] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A set of offers to be kept: as many as there is still room for, at least one unless there are none.

    `most_open` is how many offers of the owner may be open at once. With `whole` it is all of them as they are, or
    nothing; without it those whose time others have taken are made anew, and then `rank` tells which are the best.
    """

    offerset: OfferSet
    offers: Sequence[Offer] = ()
    creation: Creation | None = None
    most_open: int | None = None
    whole: bool = False
    rank: Callable[[Session], tuple[float, ...]] | None = None
    now: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What was kept."""

    sessions: tuple[Session, ...] = ()
    kept: bool = True
    over_cap: bool = False
    known: Creation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An event, and what is written with it; None leaves a value as it is.

    Without an event only these values change. `version` demands that nobody has changed the session in between.
    """

    event: Event | None = None
    version: int | None = None
    handle: str | None = None
    connectors: tuple[Mapping[str, Any], ...] | None = None
    message: Mapping[str, Any] | None = None
    untidy: bool | None = None
    ends: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The session after a change; where that was `refused` it is as it was."""

    session: Session | None
    refused: bool = False
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which sessions or offer sets to list, newest first: of an owner, in phases, created after, before an id."""

    owner: str | None
    everybody: bool = False
    phases: frozenset[Phase] = field(default_factory=frozenset)
    after: int | None = None
    before: str | None = None
    last: int = 100
    now: int = 0


class Keeper(Protocol):
    """Where offers and sessions are kept; every method raises `ServiceUnavailable` when that does not answer."""

    async def reserved(self, facilities: Sequence[str], begins: int, ends: int, now: int) -> Mapping[str, Rows]:
        """Return what is held at facilities at any instant of an interval."""
        ...

    async def totals(self, facilities: Sequence[str], begins: int, ends: int, now: int) -> Mapping[str, Amounts]:
        """Return the sums of what is held at facilities at any instant of an interval: the peak is not above it."""
        ...

    async def hold(self, holding: Holding) -> Held:
        """Keep a set of offers, and reserve what they need, all in one transaction."""
        ...

    async def creation(self, key: str) -> Creation | None:
        """Return what is remembered under a key."""
        ...

    async def session(self, session_id: str) -> Session | None:
        """Return a session as it was written."""
        ...

    async def offerset(self, offerset_id: str) -> tuple[OfferSet, list[Session]] | None:
        """Return a set of offers with its sessions, in their order."""
        ...

    async def change(self, session_id: str, change: Change, now: int) -> Changed:
        """Let an event happen to a session; accepting one offer rejects its siblings and frees what they held."""
        ...

    async def resize(self, session: Session, amounts: Amounts, room: Room, now: int) -> Changed:
        """Change what an open offer holds and its document, if there is room."""
        ...

    async def sessions(self, listing: Listing) -> list[Session]:
        """Return sessions, newest first."""
        ...

    async def offersets(self, listing: Listing) -> list[OfferSet]:
        """Return sets of offers, newest first."""
        ...

    async def live(self, after: str, limit: int) -> list[Session]:
        """Return sessions that were accepted and have not ended, by id."""
        ...

    async def untidy(self, limit: int) -> list[Session]:
        """Return sessions that ended and may have left something at their facility."""
        ...

    async def forget(self, session_id: str) -> None:
        """Remove a session that has ended."""
        ...

    async def purge(self, before: int) -> None:
        """Remove sets of offers that were made before, unless one of theirs was accepted, and what came of them."""
        ...

    async def facility_records(self) -> Sequence[tuple[str, str]]:
        """Return the records of facilities in the table: identifier and JSON."""
        ...
