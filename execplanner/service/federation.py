"""Other brokers: asked for offers at the same time, their answers merged with ours.

A peer that is slow, broken or away costs a warning, never an error, and no more than the deadline; one that failed
several times in a row is left alone for a while. An offer of a peer gets an identifier of ours; accepting it accepts it
at the peer first. Every request tells in ``Execution-Broker-Via`` who has seen it, so that none goes round in circles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from execplanner.core.ids import RANDOM_BYTES, new_id
from execplanner.core.messages import Level, Message, Urn, items, warning
from execplanner.core.model import REQUEST, SESSION
from execplanner.core.phases import ENDED, Event, Phase
from execplanner.core.request import Ask
from execplanner.core.shapes import Malformed, Reader, spell_kinds
from execplanner.core.times import parse_instant, parse_iso_duration, parse_window, to_ms
from execplanner.keeping import Change, Keeper, Offer, Session
from execplanner.service.broker import Asked, Further
from execplanner.service.planning import Plan
from penstock.auth.principal import Principal
from penstock.clock import Clock
from penstock.dali.errors import ServiceError, ServiceUnavailable, UsageError

VIA = "Execution-Broker-Via"
MOST_HOPS = 3
_FAILURES, _REST_S = 3, 30.0
_AT_ONCE = 20
log = structlog.get_logger(__name__)


class PeerAway(Exception):
    """A peer does not answer, or not as it should; the message says why."""


class PeerSilent(PeerAway):
    """A peer does not answer in time."""


class OfferRefused(UsageError):
    """The peer does not let its offer be accepted any more."""

    status_hint = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerId:
    """Another broker: its base URL, and its identifier."""

    url: str
    ivoid: str
    token: str | None = None
    forward_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a peer answers: a status, and a document."""

    status: int
    document: Any


class PeerCalls(Protocol):
    """Speaks with peers."""

    async def call(
        self, method: str, url: str, document: Mapping[str, Any] | None, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """Send a request.

        Raises
        ------
        PeerAway
            There is no answer, or none that can be read.
        """
        ...


FindPeers = Callable[[], Awaitable[Sequence[PeerId]]]


@dataclass(slots=True)
class _Health:
    """How often a peer has failed in a row, and until when it is left alone."""

    failures: int = 0
    rests_until: float = field(default=0.0)


def loops(via: str | None, own: Sequence[str]) -> bool:
    """Tell whether a request was here before, or has come through too many brokers."""
    seen = [one.strip() for one in (via or "").split(",") if one.strip()]
    return len(seen) >= MOST_HOPS or any(one in seen for one in own)


class Federation:
    """Asks peers.

    Parameters
    ----------
    find
        Gives the peers.
    calls
        Speaks with them.
    own
        Our own identifier.
    """

    def __init__(
        self,
        find: FindPeers,
        calls: PeerCalls,
        keeper: Keeper,
        *,
        own: str,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self._find = find
        self._calls = calls
        self._keeper = keeper
        self._own = own
        self._clock = clock
        self._random = random
        self._health: dict[str, _Health] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    def asks(self, headers: Mapping[str, str], timeout_s: float) -> Further | None:
        """Return what asks the peers on behalf of a request with these headers, None if it must not go on."""
        via = headers.get(VIA)
        if loops(via, (self._own,)):
            return None
        passed = {VIA: f"{via}, {self._own}" if via else self._own}
        token = headers.get("Authorization")

        async def ask(_ask: Ask, asked: Asked, caller: Principal) -> Plan:
            seen = {one.strip() for one in (via or "").split(",")}
            peers = [peer for peer in await self._find() if peer.ivoid not in seen and peer.ivoid != self._own]
            plans = await asyncio.gather(
                *(self._one(peer, asked, caller, {**passed, **_authority(peer, token)}, timeout_s) for peer in peers)
            )
            offers = tuple(offer for plan in plans for offer in plan.offers)
            return Plan(offers=offers, messages=tuple(one for plan in plans for one in plan.messages))

        return ask

    async def _one(
        self, peer: PeerId, asked: Asked, caller: Principal, headers: Mapping[str, str], timeout_s: float
    ) -> Plan:
        loop = asyncio.get_running_loop()
        health = self._health.setdefault(peer.url, _Health())
        if loop.time() < health.rests_until:
            return Plan(
                messages=(_told(peer, Urn.PEER_ERROR, "it failed several times; it is left alone for a while"),)
            )
        try:
            async with asyncio.timeout(timeout_s), self._places:
                document = spell_kinds(REQUEST, asked.document)
                reply = await self._calls.call("POST", f"{peer.url}/requests", document, headers, timeout_s)
                plan = self._plan(peer, reply, asked, caller)
        except (TimeoutError, PeerSilent):
            return self._failed(peer, health, Urn.PEER_TIMEOUT, f"it did not answer in {timeout_s:g} s")
        except (PeerAway, Malformed) as error:
            return self._failed(peer, health, Urn.PEER_ERROR, str(error))
        health.failures = 0
        return plan

    def _failed(self, peer: PeerId, health: _Health, kind: Urn, why: str) -> Plan:
        health.failures += 1
        if health.failures >= _FAILURES:
            health.rests_until = asyncio.get_running_loop().time() + _REST_S
        log.warning("peer_failed", peer=peer.ivoid, reason=why)
        return Plan(messages=(_told(peer, kind, why),))

    def _plan(self, peer: PeerId, reply: Reply, asked: Asked, caller: Principal) -> Plan:
        """Return the offers of an answer.

        Raises
        ------
        PeerAway, Malformed
            The answer is none.
        """
        if reply.status not in (200, 201, 303) or not isinstance(reply.document, Mapping):
            raise PeerAway(f"it answers {reply.status}")
        offers = reply.document.get("offers") or []
        if not isinstance(offers, list):
            raise PeerAway("its answer has no list of offers")
        found = []
        for number, one in enumerate(offers[: asked.wish.most]):
            session = Reader(typed=True).read(SESSION, one, f"/offers/{number}")
            found.append(self._offer(peer, session, asked, caller))
        said = _said(reply.document) if not found else ()
        return Plan(offers=tuple(found), messages=tuple(_told(peer, Urn.PEER_ERROR, text) for text in said))

    def _offer(self, peer: PeerId, one: Mapping[str, Any], asked: Asked, caller: Principal) -> Offer:
        now = to_ms(self._clock())
        meta = one.get("meta", {})
        url = meta.get("url") or f"{peer.url}/sessions/{meta.get('uuid', '')}"
        if not url.startswith(f"{peer.url}/"):
            raise PeerAway("its offer is somewhere else")
        try:
            begins, ends, prepares = _times(one, now)
            expires = to_ms(parse_instant(one["expires"])[0]) if "expires" in one else now + 60_000
        except (ValueError, KeyError) as error:
            raise PeerAway("its offer has no times that can be read") from error
        document = spell_kinds(SESSION, one)
        kept = ("executable", "compute", "storage", "data", "costs", "metrics")
        at = _facility_of(meta)
        said = Message(
            kind=Urn.SESSION,
            template="At ${title}, offered by ${peer}",
            level=Level.INFO,
            values={"title": at.get("title", peer.ivoid), "peer": peer.ivoid, **at},
        )
        session = Session(
            id=new_id(now, self._random(RANDOM_BYTES)),
            offerset_id="",
            facility=at.get("facility", peer.ivoid),
            owner=caller.subject,
            created=now,
            prepares=prepares,
            begins=begins,
            ends=ends,
            document={name: document[name] for name in kept if name in document},
            expires=expires,
            dialect=asked.wish.dialect,
            name=meta.get("name"),
            messages=tuple(items([said], self._clock())),
            peer=url,
        )
        return Offer(session=session)

    async def accept(self, session: Session, caller: Principal) -> None:
        """Accept an offer where it was made.

        Raises
        ------
        OfferRefused
            It is not valid there any more.
        ServiceUnavailable
            The peer does not answer.
        """
        try:
            reply = await self._update(session, "ACCEPTED", caller)
        except PeerAway as error:
            raise ServiceUnavailable("The broker that made the offer does not answer.", retry_after_s=5) from error
        if reply.status not in (200, 303):
            raise OfferRefused(f"The broker that made the offer refuses: it answers {reply.status}.")

    async def update(self, session: Session, value: str, caller: Principal) -> None:
        """Tell the other broker of a change of phase, as well as can be."""
        try:
            await self._update(session, value, caller)
        except PeerAway as error:
            log.warning("peer_not_told", session=session.id, reason=str(error))

    async def _update(self, session: Session, value: str, caller: Principal) -> Reply:
        update = {"kind": "uri:enum-value-update", "path": "phase", "value": value}
        return await self._calls.call("POST", session.peer or "", update, await self._headers(session), _PATIENCE_S)

    async def _headers(self, session: Session) -> dict[str, str]:
        peers = {peer.url: peer for peer in await self._find()}
        url = session.peer or ""
        peer = next((one for base, one in peers.items() if url.startswith(f"{base}/")), None)
        return {} if peer is None else _authority(peer, None)

    async def look(self, session: Session) -> Session:
        """Return a session with the phase that it has where it runs; what we know of it, if that cannot be had."""
        try:
            reply = await self._calls.call("GET", session.peer or "", None, await self._headers(session), _PATIENCE_S)
            there = Reader(typed=True).read(SESSION, reply.document)
            phase = Phase(there["phase"])
        except (PeerAway, Malformed, KeyError, ServiceError):
            return session
        connectors = tuple(there.get("connectors", ()))
        event = _TO_PHASE.get(phase)
        if event is not None and (phase is not session.phase or connectors != session.connectors):
            change = Change(event=event, connectors=connectors)
            await self._keeper.change(session.id, change, to_ms(self._clock()))
        return replace(session, phase=phase, connectors=connectors) if phase in ENDED or event else session


_PATIENCE_S = 10.0
_TO_PHASE = {
    Phase.WAITING: Event.WAIT,
    Phase.PREPARING: Event.PREPARE,
    Phase.AVAILABLE: Event.OPEN,
    Phase.RUNNING: Event.START,
    Phase.RELEASING: Event.RELEASE,
    Phase.COMPLETED: Event.COMPLETE,
    Phase.FAILED: Event.FAIL,
    Phase.CANCELLED: Event.CANCEL,
}


def _authority(peer: PeerId, token: str | None) -> dict[str, str]:
    """Return the header by which we, or the caller where that is allowed, are known at a peer."""
    if peer.forward_token and token is not None and token.lower().startswith("bearer "):
        return {"Authorization": token}
    return {"Authorization": f"Bearer {peer.token}"} if peer.token else {}


def _told(peer: PeerId, kind: Urn, why: str) -> Message:
    return warning(kind, "${peer}: ${why}.", "", peer=peer.ivoid, why=why.rstrip("."))


def _said(document: Mapping[str, Any]) -> list[str]:
    """Return the reasons that a peer gives for its NO."""
    meta = document.get("meta")
    messages = meta.get("messages") if isinstance(meta, Mapping) else None
    found = [one.get("message") for one in messages or () if isinstance(one, Mapping)]
    return [text for text in found if isinstance(text, str)][:3]


def _facility_of(meta: Mapping[str, Any]) -> dict[str, str]:
    for message in meta.get("messages", ()):
        values = message.get("values", {})
        if "facility" in values:
            return {name: values[name] for name in ("facility", "title", "site") if name in values}
    return {}


def _times(one: Mapping[str, Any], now: int) -> tuple[int, int, int]:
    """Return start, end and the start of preparations of a peer's offer."""
    schedule = one.get("schedule", {})
    available, preparing = schedule.get("available", {}), schedule.get("preparing", {})
    begins = to_ms(parse_window(available["start"]).start) if "start" in available else now
    length_s = parse_iso_duration(available["duration"]) if "duration" in available else 3600.0
    prepares = to_ms(parse_instant(preparing["start"])[0]) if "start" in preparing else begins
    return begins, begins + round(length_s * 1000), min(prepares, begins)
