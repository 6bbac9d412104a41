"""What clients do with offers and sessions."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import structlog

from execplanner.core.columns import room_of
from execplanner.core.facility import Facility
from execplanner.core.ids import RANDOM_BYTES, is_id, made_at, new_id
from execplanner.core.messages import Message, Urn, items, reason
from execplanner.core.offers import CORES_PATH, MEMORY_PATH, PHASE_PATH, compute_ranges
from execplanner.core.phases import CLIENT, ENDED, LIVE, Event, OfferExpired, Phase, TransitionRefused
from execplanner.core.request import GIB, Amounts, Ask, Defaults, read_ask
from execplanner.core.times import to_ms
from execplanner.keeping import Change, Changed, Creation, Held, Holding, Listing, OfferSet, Session
from execplanner.service.outside import Jobs, Peers
from execplanner.service.planning import Plan, Planner, Wish, merged, rank_key
from penstock.auth.principal import Principal, refusal
from penstock.dali.errors import (
    AuthenticationRequired,
    NotFound,
    PreconditionFailed,
    ServiceUnavailable,
    TooManyRequests,
    UsageError,
)

_TRIES = 4  # each but the first fails only if others have taken all that there was at every facility of the plan
_LOOK_EVERY_S = 0.5
_MOST_WAITING = 500
log = structlog.get_logger(__name__)


class KeyReused(UsageError):
    """An Idempotency-Key came with another request than before."""

    status_hint = 422


class Gone(UsageError):
    """It was there once."""

    status_hint = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came: its document, the warnings of reading it, and what the client wishes besides."""

    document: Mapping[str, Any]
    warnings: tuple[Message, ...] = ()
    wish: Wish = field(default_factory=Wish)
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a deployment allows: how many offers of one owner, of the anonymous together, may be open at once.

    Offers that nobody accepted are kept for `keep_s` seconds.
    """

    defaults: Defaults
    keep_s: float = 172_800.0
    most_open: int | None = 100
    most_open_anonymous: int | None = 1000
    retry_after_s: int = 60


Further = Callable[[Ask, Asked, Principal], Awaitable[Plan]]
"""Asks other brokers."""


class Broker:
    """The use-cases.

    Parameters
    ----------
    planner
        Makes offers; with it come who keeps them, the clock and chance.
    jobs
        Runs what was accepted.
    peers
        Other brokers, None where there are none.
    """

    def __init__(
        self,
        planner: Planner,
        jobs: Jobs,
        peers: Peers | None,
        *,
        limits: Limits,
    ) -> None:
        self.planner = planner
        self.keeper = planner.keeper
        self.clock = planner.clock
        self._random = planner.random
        self._jobs = jobs
        self._peers = peers
        self._limits = limits
        self._waiting = 0
        self._closing = asyncio.Event()

    def now(self) -> int:
        """Return the present in milliseconds."""
        return to_ms(self.clock())

    async def request(
        self, asked: Asked, caller: Principal, further: Further | None = None
    ) -> tuple[OfferSet, list[Session]]:
        """Answer a request with a set of offers, which may be empty.

        Raises
        ------
        TooManyRequests
            The caller has too many open offers.
        KeyReused
            Another request came with the same key.
        """
        creation = self._creation(asked, caller)
        if creation is not None:
            known = await self.keeper.creation(creation.key)
            if known is not None:
                return await self.offerset(_same(known, creation), caller)
        ask = read_ask(asked.document, self.clock(), self._limits.defaults)

        for trial in range(_TRIES):
            plan = await self._plan(ask, asked, caller, further, unseen=further is None and trial == 0)
            if (made := await self._kept(plan, ask, asked, caller, creation)) is not None:
                return made
        none = reason(Urn.RESOURCE_LIMIT, "Others took the room that there was.", "/schedule/requested/start")
        nothing = await self._kept(Plan(messages=(none,)), ask, asked, caller, creation)
        assert nothing is not None  # noqa: S101  # no offers need no room
        return nothing

    async def _kept(
        self, plan: Plan, ask: Ask, asked: Asked, caller: Principal, creation: Creation | None
    ) -> tuple[OfferSet, list[Session]] | None:
        """Keep a plan, None if there is no room for any of it: then others had all that it could have had."""
        offerset = self._offerset(plan, ask, asked, caller)
        held = await self._hold(plan, offerset, asked, creation, caller)
        if held.known is not None and creation is not None:
            return await self.offerset(_same(held.known, creation), caller)
        if held.over_cap:
            raise self._too_many()
        return (offerset, list(held.sessions)) if held.kept else None

    async def direct(self, asked: Asked, caller: Principal) -> Session | tuple[Message, ...]:
        """Make the best offer and accept it at once; return the session, or why there is none."""
        one = replace(asked, wish=replace(asked.wish, most=1))
        offerset, sessions = await self.request(one, caller)
        accepted = next((session for session in sessions if session.phase in LIVE | ENDED), None)
        if accepted is not None:  # the same request came before
            return accepted
        if not sessions:
            return tuple(_read_back(message) for message in offerset.messages)
        return await self._accept(sessions[0], caller, None)

    async def _plan(self, ask: Ask, asked: Asked, caller: Principal, further: Further | None, *, unseen: bool) -> Plan:
        said = (*asked.warnings, *ask.messages)
        if ask.reasons:
            return Plan(messages=said)
        others = asyncio.ensure_future(further(ask, asked, caller)) if further is not None else None
        try:
            plan = await self.planner.plan(ask, caller, asked.wish, unseen=unseen)
        except BaseException:
            if others is not None:
                others.cancel()
            raise
        if others is not None:
            plan = merged(plan, await others, asked.wish)
        return replace(plan, messages=(*said, *plan.messages))

    def _offerset(self, plan: Plan, ask: Ask, asked: Asked, caller: Principal) -> OfferSet:
        messages = plan.messages
        if not plan.offers and not any(message.level == "ERROR" for message in messages):
            messages = (*messages, reason(Urn.NOT_SUPPORTED, "No facility takes the request."))
        now = self.now()
        return OfferSet(
            id=new_id(now, self._random(RANDOM_BYTES)),
            owner=caller.subject,
            created=now,
            dialect=asked.wish.dialect,
            result="YES" if plan.offers else "NO",
            name=ask.name,
            messages=tuple(items(messages, self.clock())),
        )

    async def _hold(
        self, plan: Plan, offerset: OfferSet, asked: Asked, creation: Creation | None, caller: Principal
    ) -> Held:
        holding = Holding(
            offerset=offerset,
            offers=plan.offers,
            creation=None if creation is None else replace(creation, id=offerset.id),
            most_open=self._most_open(caller) if plan.offers else None,
            whole=plan.unseen,
            rank=lambda session: rank_key(session, asked.wish),
            now=self.now(),
        )
        return await self.keeper.hold(holding)

    def _most_open(self, caller: Principal) -> int | None:
        return self._limits.most_open_anonymous if caller.anonymous else self._limits.most_open

    def _too_many(self) -> TooManyRequests:
        return TooManyRequests(
            "You have too many open offers: accept or reject some, or wait until they expire.",
            retry_after_s=self._limits.retry_after_s,
        )

    def _creation(self, asked: Asked, caller: Principal) -> Creation | None:
        if asked.key is None:
            return None
        scope = "anonymous" if caller.subject is None else f"subject {caller.subject}"
        key = hashlib.sha256(f"{scope}\0{asked.key}".encode()).hexdigest()
        what = orjson.dumps([asked.document, asked.wish.most], option=orjson.OPT_SORT_KEYS)
        return Creation(key=key, fingerprint=hashlib.sha256(what).hexdigest(), id="", created=self.now())

    async def offerset(self, offerset_id: str, caller: Principal) -> tuple[OfferSet, list[Session]]:
        """Return a set of offers with its sessions as they are now.

        Raises
        ------
        NotFound, Gone, AuthenticationRequired, Forbidden
            There is none, or it is somebody else's.
        """
        found = await self.keeper.offerset(offerset_id) if is_id(offerset_id) else None
        if found is None:
            raise self._missing("set of offers", offerset_id)
        offerset, sessions = found
        _require_owner(offerset.owner, caller)
        return offerset, [session.at(self.now()) for session in sessions]

    def _missing(self, what: str, name: str) -> UsageError:
        """Return the error for what is not there; an identifier older than offers are kept tells that it was."""
        made = made_at(name)
        if made is not None and made < self.now() - self._limits.keep_s * 1000:
            return Gone(f"The {what} {name!r} is not kept any more.")
        return NotFound(f"There is no {what} {name[:60]!r}.")

    async def session(self, session_id: str, caller: Principal) -> Session:
        """Return a session as it is now.

        Raises
        ------
        NotFound, Gone, AuthenticationRequired, Forbidden
            There is none, or it is somebody else's.
        """
        session = await self.keeper.session(session_id) if is_id(session_id) else None
        if session is None:
            raise self._missing("session", session_id)
        _require_owner(session.owner, caller)
        session = session.at(self.now())
        if session.peer is not None and self._peers is not None and session.phase in LIVE:
            return await self._peers.look(session)
        return session

    async def wait(self, session_id: str, phase: str | None, timeout_s: float, caller: Principal) -> Session:
        """Return a session when it is in another phase than `phase`, or than now, or when the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        session = await self.session(session_id, caller)
        left = phase or str(session.phase)
        if self._waiting >= _MOST_WAITING:
            return session
        self._waiting += 1
        try:
            while session.phase == left and session.phase not in ENDED and loop.time() < end:
                try:
                    async with asyncio.timeout(min(_LOOK_EVERY_S, end - loop.time())):
                        await self._closing.wait()
                    break
                except TimeoutError:
                    session = await self.session(session_id, caller)
        finally:
            self._waiting -= 1
        return session

    def close(self) -> None:
        """Answer all who wait, because the process is about to end."""
        self._closing.set()

    async def update(
        self, session_id: str, update: Mapping[str, Any], caller: Principal, version: int | None
    ) -> Session:
        """Let a client change a session as its options allow.

        Raises
        ------
        PreconditionFailed
            It is not of the version that the client has seen.
        TransitionRefused, OfferExpired
            Its phase does not allow it.
        UsageError
            There is no such option, or the value is not among its values.
        """
        session = await self.session(session_id, caller)
        if version is not None and version != session.version:
            raise PreconditionFailed("The session has changed since you read it.")
        path, kind = str(update.get("path", "")).strip("/").replace("state", PHASE_PATH), update["kind"]
        if path == PHASE_PATH:
            if kind not in ("enum-value-update", "string-value-update"):
                raise UsageError("/kind: the phase is changed by a uri:enum-value-update.")
            return await self._set_phase(session, str(update.get("value", "")), caller, version)
        if path in (CORES_PATH, MEMORY_PATH):
            return await self._resize(session, path, update)
        raise UsageError(f"/path: there is no option for {path[:80]!r}; meta.options of the session lists them.")

    async def _set_phase(self, session: Session, value: str, caller: Principal, version: int | None) -> Session:
        event = CLIENT.get(value)
        if event is None:
            raise UsageError(f"/value: {value[:40]!r} is not one of {', '.join(CLIENT)}.")
        if event is Event.ACCEPT:
            return await self._accept(session, caller, version)
        return await self._end(session, event, caller, version)

    async def _accept(self, session: Session, caller: Principal, version: int | None) -> Session:
        if session.peer is not None and self._peers is not None and session.phase is Phase.OFFERED:
            await self._peers.accept(session, caller)
        changed = await self._changed(session, Change(event=Event.ACCEPT, version=version))
        if session.phase is Phase.OFFERED and changed.peer is None:
            await self._submit(changed)
        if self._peers is not None and session.phase is Phase.OFFERED:
            await self._drop_siblings(changed, caller)
        return changed

    async def _submit(self, session: Session) -> None:
        """Make the job of a session; if the store of jobs is away, that is done later (see `Tending`)."""
        try:
            await self._jobs.submit(session)
        except ServiceUnavailable as error:
            log.warning("job_not_made_yet", session=session.id, reason=error.message)
        except TooManyRequests as error:
            said = reason(Urn.RESOURCE_LIMIT, "${why}", "", why=error.message).item(self.clock())
            await self.keeper.change(session.id, Change(event=Event.FAIL, message=said), self.now())
            raise

    async def _drop_siblings(self, session: Session, caller: Principal) -> None:
        """Reject the offers of other brokers that were not taken; they expire anyway."""
        found = await self.keeper.offerset(session.offerset_id)
        for other in found[1] if found else ():
            if other.peer is not None and other.id != session.id and self._peers is not None:
                await self._peers.update(other, "REJECTED", caller)

    async def _end(self, session: Session, event: Event, caller: Principal, version: int | None) -> Session:
        live = session.phase in LIVE
        untidy = True if live and session.handle is not None else None
        changed = await self._changed(session, Change(event=event, version=version, untidy=untidy))
        if session.peer is not None and self._peers is not None:
            await self._peers.update(session, "REJECTED" if event is Event.REJECT else "CANCELLED", caller)
        elif live:
            await self._jobs.abort(session)
        return changed

    async def _changed(self, session: Session, change: Change) -> Session:
        outcome = await self.keeper.change(session.id, change, self.now())
        return _require_changed(outcome, change)

    async def _resize(self, session: Session, path: str, update: Mapping[str, Any]) -> Session:
        """Change cores or memory of an open offer."""
        facility = self.facility_of(session)
        if session.phase is not Phase.OFFERED or facility is None or session.peer is not None:
            raise TransitionRefused(f"{path} can be changed only while the session is offered.")
        compute = session.document["compute"]
        cores, memory = compute["cores"]["min"], compute["memory"]["min"]
        value = _new_value(update, cores if path == CORES_PATH else memory)
        limit = facility.limits.cores if path == CORES_PATH else _in_gib(facility.limits.memory_bytes)
        if value < 1 or (limit is not None and value > limit):
            raise UsageError(f"/value: {value} is not from 1 to {limit}.")
        cores, memory = (value, memory) if path == CORES_PATH else (cores, value)
        gpus = compute.get("gpus", {}).get("min", 0)
        amounts = Amounts(cores=cores, memory_bytes=memory * GIB, gpus=gpus, store_bytes=_stored(session))
        document = {**session.document, "compute": {**compute, **compute_ranges(amounts)}}
        resized = replace(session, document=document)
        outcome = await self.keeper.resize(resized, amounts, room_of(facility), self.now())
        if outcome.refused:
            raise TransitionRefused("There is no room for so much in the time of the offer.")
        return _require_changed(outcome, Change(version=session.version))

    def facility_of(self, session: Session) -> Facility | None:
        """Return the facility of a session, None if it is not there any more, or at another broker."""
        table = self.planner.table()
        number = table.index.get(session.facility)
        return None if number is None else table.facilities[number]

    async def delete(self, session_id: str, caller: Principal) -> None:
        """Cancel a session if it lives, and forget it."""
        session = await self.session(session_id, caller)
        if session.phase not in ENDED:
            session = await self._end(session, Event.CANCEL, caller, None)
        if not session.untidy:
            await self.keeper.forget(session_id)

    async def sessions(self, listing: Listing, caller: Principal) -> Sequence[Session]:
        """Return sessions that the caller may see in lists, newest first."""
        return [one.at(listing.now) for one in await self.keeper.sessions(_listed(listing, caller))]

    async def offersets(self, listing: Listing, caller: Principal) -> Sequence[OfferSet]:
        """Return sets of offers that the caller may see in lists, newest first."""
        return await self.keeper.offersets(_listed(listing, caller))


def _listed(listing: Listing, caller: Principal) -> Listing:
    if caller.anonymous and not listing.everybody:
        raise AuthenticationRequired("Say who you are to list what is yours.")
    return replace(listing, owner=caller.subject, everybody=listing.everybody or caller.admin)


def _require_owner(owner: str | None, caller: Principal) -> None:
    """See that a caller may use something; what nobody owns is for whoever knows its identifier."""
    if owner is None or caller.admin or owner == caller.subject:
        return
    raise refusal(caller, "This belongs to somebody else.")


def _require_changed(outcome: Changed, change: Change) -> Session:
    session = outcome.session
    if session is None:
        raise Gone("The session is gone.")
    if outcome.refused and session.phase is Phase.EXPIRED:
        raise OfferExpired("The offer has expired; ask for new ones.")
    if outcome.refused:
        raise TransitionRefused(f"{change.event or 'This'} does not fit a session that is {session.phase}.")
    if outcome.stale and change.version is not None:
        raise PreconditionFailed("The session has changed since you read it.")
    if outcome.stale:
        raise ServiceUnavailable("The session is being changed by too many at once.", retry_after_s=1)
    return session


def _same(known: Creation, creation: Creation) -> str:
    if known.fingerprint != creation.fingerprint:
        raise KeyReused("This Idempotency-Key was used for another request: give each its own.")
    return known.id


def _new_value(update: Mapping[str, Any], present: int) -> int:
    value, delta = update.get("value"), update.get("delta")
    if update["kind"] == "integer-value-update" and isinstance(value, int):
        return int(value)
    if update["kind"] == "integer-delta-update" and isinstance(delta, int):
        return int(present + delta)
    raise UsageError("/kind: this option takes a uri:integer-value-update or a uri:integer-delta-update.")


def _in_gib(size_bytes: int | None) -> int | None:
    return None if size_bytes is None else size_bytes // GIB


def _stored(session: Session) -> int:
    sizes: list[int] = [one.get("size", {}).get("min", 0) for one in session.document.get("storage", ())]
    return sum(sizes) * GIB


def _read_back(message: Mapping[str, Any]) -> Message:
    return Message(
        kind=message["kind"], template=message["template"], level=message["level"], values=message.get("values", {})
    )
