"""Makes offers: who takes a request, when there is room, what it costs.

Facilities are asked in the order of the ranking, some at a time and more each time, until there are enough offers.
First it is seen whether they have room at once; only those that do not are searched for a later time. Nothing is
reserved here.

Most requests find room at once at the best facilities, and whether they do is seen anyway when the offers are written.
So a plan may be made `unseen`, without looking at what is reserved; it holds if all its offers can be kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np

from execplanner.core.columns import DEFAULT_RANKING, Column, Criterion, FacilityTable, Match
from execplanner.core.facility import Facility
from execplanner.core.ids import RANDOM_BYTES, new_id
from execplanner.core.locality import site_names
from execplanner.core.messages import Message, Urn, items, reason, warning
from execplanner.core.offers import METRIC_TYPE, asked_parts, at_facility, metrics_of, offered_document
from execplanner.core.request import COST_TYPE, Ask
from execplanner.core.slots import FOREVER, Rows, Slot, Window, rows_of, search, vector
from execplanner.core.stages import quote
from execplanner.core.times import to_ms
from execplanner.keeping import Keeper, Offer, Reservation, Session
from execplanner.ports import Estimate
from execplanner.service.candidates import (
    Candidate,
    Look,
    Placed,
    candidate_of,
    generous,
    open_slots,
    ready_at,
    with_facility,
)
from execplanner.service.hints import Hints
from execplanner.service.locating import Locator
from execplanner.service.workshop import Workshop
from penstock.auth.principal import Principal
from penstock.clock import Clock
from penstock.dali.errors import ServiceError

_ROUNDS = (8, 32, 128, 512, 2048)
_MOST_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a client wants offers: at most so many, ranked, in a dialect; each is valid for `valid_s` seconds."""

    most: int = 4
    ranking: tuple[Criterion, ...] = DEFAULT_RANKING
    dialect: str = "D1"
    valid_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Offers, the best first, and what there is to say of the request.

    It is `unseen` if nobody looked whether there is room.
    """

    offers: tuple[Offer, ...] = ()
    messages: tuple[Message, ...] = ()
    unseen: bool = False


class Planner:
    """Makes offers.

    Parameters
    ----------
    table
        Gives the facilities.
    keeper
        Knows what is reserved.
    locator
        Knows where data are.
    workshop
        Knows the executors.
    clock
        What time it is.
    random
        Gives as many random bytes as asked for.
    """

    def __init__(
        self,
        table: Callable[[], FacilityTable],
        keeper: Keeper,
        locator: Locator,
        workshop: Workshop,
        *,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self.table = table
        self.keeper = keeper
        self._locator = locator
        self._workshop = workshop
        self.clock = clock
        self.random = random
        self._sites: tuple[FacilityTable, frozenset[str]] | None = None
        self._hints = Hints(clock, lambda: len(table().facilities))

    async def plan(self, ask: Ask, caller: Principal, wish: Wish, *, unseen: bool = False) -> Plan:
        """Return offers for a request that has no reasons against it; `unseen` allows a plan that may not hold."""
        table = self.table()
        locality = await self._locator.locate(ask.sources, caller, self._known_sites(table))
        if any(message.level == "ERROR" for message in locality.messages):
            return Plan(messages=locality.messages)
        match = table.match(ask, caller, locality)
        messages = [*locality.messages, *_capped(ask, table, match)]
        slots = await self._unseen(table, match, ask, caller, wish) if unseen else []
        late: list[Message] = []
        if not slots:
            unseen = False
            slots, late = await self._search(table, match, ask, caller, wish)
        if not slots:
            refused = table.refusals(ask, caller, match, _MOST_REASONS)
            told = [with_facility(facility, one) for facility, refusal in refused for one in refusal.messages]
            return Plan(messages=(*messages, *late, *told))
        parts = asked_parts(ask)
        offers = tuple(
            self._offer(one.candidate, one.slot, ask, parts, caller, wish) for one in _best(slots, match, wish)
        )
        return Plan(offers=offers, messages=(*messages, *(warned(one) for one in late)), unseen=unseen)

    def _known_sites(self, table: FacilityTable) -> frozenset[str]:
        if self._sites is None or self._sites[0] is not table:
            self._sites = (table, site_names(table.facilities))
        return self._sites[1]

    async def _unseen(
        self, table: FacilityTable, match: Match, ask: Ask, caller: Principal, wish: Wish
    ) -> list[Placed]:
        """Return the slots at once of the first facilities, nothing if too few of them may have room."""
        order = match.order(self._rough_starts(table, match, ask), wish.ranking)
        late = self._hints.late_s() if self._is_soon(ask) else None
        places = (number for number in order if late is None or not late[number])
        slots: list[Placed] = []
        for most in (wish.most, _ROUNDS[0]):  # those that are closed are few
            found = await self._candidates(table, list(islice(places, most)), match, ask, caller)
            slots += open_slots([one for one in found if isinstance(one, Candidate)], {})
            if len(slots) >= min(wish.most, len(match.chosen)):
                return slots
        return []

    async def _search(
        self, table: FacilityTable, match: Match, ask: Ask, caller: Principal, wish: Wish
    ) -> tuple[list[Placed], list[Message]]:
        order = match.order(self._rough_starts(table, match, ask), wish.ranking)
        slots: list[Placed] = []
        messages: list[Message] = []
        for size in _sizes():
            numbers = list(islice(order, size))
            if not numbers or len(slots) >= wish.most:
                break
            found = await self._candidates(table, numbers, match, ask, caller)
            candidates = [one for one in found if isinstance(one, Candidate)]
            messages += [one for one in found if isinstance(one, Message)]
            slots += await self._slots(candidates, ask, messages, enough=wish.most - len(slots))
        return slots, messages[:_MOST_REASONS]

    def _rough_starts(self, table: FacilityTable, match: Match, ask: Ask) -> Column:
        ahead_s = max(0.0, (ask.earliest - self.clock()).total_seconds())
        starts: Column = np.maximum(match.seconds + table.startup, ahead_s)
        return starts + self._hints.late_s() if self._is_soon(ask) else starts

    def _is_soon(self, ask: Ask) -> bool:
        """Tell whether a session may start at once: only of that there are hints."""
        return ask.earliest <= self.clock() + timedelta(seconds=1)

    async def _candidates(
        self, table: FacilityTable, numbers: Sequence[int], match: Match, ask: Ask, caller: Principal
    ) -> list[Candidate | Message]:
        """Return for each facility from when on it could take the request, or why it cannot."""
        now = self.clock()
        found: list[Candidate | Message] = []
        places = [(table.facilities[n], max(ready_at(table, n, match, now), ask.earliest)) for n in numbers]
        estimates = await self._estimates(places, ask, caller)
        for number, (_, earliest), estimate in zip(numbers, places, estimates, strict=True):
            if isinstance(estimate, ServiceError):
                found.append(
                    with_facility(
                        table.facilities[number], reason(Urn.NOT_SUPPORTED, "${why}", "", why=estimate.message)
                    )
                )
            else:
                found.append(candidate_of(table, number, match, ask, (earliest, estimate), now))
        return found

    async def _estimates(
        self, places: Sequence[tuple[Facility, datetime]], ask: Ask, caller: Principal
    ) -> list[Estimate | ServiceError]:
        """Return what facilities expect, or why they cannot be asked; those that must be asked are so all at once."""

        async def told(facility: Facility, earliest: datetime) -> Estimate | ServiceError:
            try:
                return await self._workshop.estimate(facility, ask, earliest, caller)
            except ServiceError as error:
                return error

        known = [self._workshop.known(facility, ask, earliest) for facility, earliest in places]
        asked = iter(
            await asyncio.gather(*(told(*place) for place, one in zip(places, known, strict=True) if one is None))
        )
        return [next(asked) if one is None else one for one in known]

    async def _slots(
        self, candidates: Sequence[Candidate], ask: Ask, messages: list[Message], *, enough: int
    ) -> list[Placed]:
        if not candidates:
            return []
        found = await self._at_once(candidates)
        at_once = {placed.candidate.number for placed in found}
        later = [one for one in candidates if one.number not in at_once]
        if self._is_soon(ask):
            for one in later:
                self._hints.note(one.number)
        if len(found) >= enough:
            return found
        looks = [Look(candidate=one) for one in later]
        for one, slot in zip(later, await self._searched(looks), strict=True):
            if self._is_soon(ask):
                late_ms = FOREVER if slot is None else slot.start - one.wanted.earliest
                self._hints.note(one.number, late_ms / 1000)
            if slot is not None:
                found.append(Placed(candidate=one, slot=slot))
            else:
                text = "There is no room in the time that was asked for."
                messages.append(
                    with_facility(one.facility, reason(Urn.RESOURCE_LIMIT, text, "/schedule/requested/start"))
                )
        return [*found, *await self._fuller(found, ask)]

    async def _fuller(self, found: Sequence[Placed], ask: Ask) -> list[Placed]:
        """Return later slots that have all that is wished, beside those that have less."""
        looks = []
        for placed in found:
            one, had = placed.candidate, generous(ask, placed.candidate, placed.slot)
            if had != one.wished:
                own = (placed.slot.start, placed.slot.start + one.wanted.length, *vector(had))
                whole = replace(one, wanted=replace(one.wanted, amounts=one.wished))
                looks.append(Look(candidate=whole, beside=rows_of([own])))
        slots = zip(looks, await self._searched(looks), strict=True)
        return [Placed(candidate=look.candidate, slot=slot) for look, slot in slots if slot is not None]

    async def _at_once(self, candidates: Sequence[Candidate]) -> list[Placed]:
        """Return the slots of those who have room for all that is wished, even if all was reserved at one time."""
        begins = min(one.wanted.earliest for one in candidates)
        ends = max(one.wanted.earliest + one.wanted.length for one in candidates)
        names = [one.facility.id for one in candidates]
        return open_slots(candidates, await self.keeper.totals(names, begins, ends, to_ms(self.clock())))

    async def _searched(self, looks: Sequence[Look]) -> list[Slot | None]:
        """Return the first slot of each, None where there is none; all who still search look at once."""
        searches = [search(look.candidate.room, look.candidate.wanted) for look in looks]
        found: list[Slot | None] = [None] * len(looks)
        sent: dict[int, Rows | None] = dict.fromkeys(range(len(looks)))
        while sent:
            windows: dict[int, Window] = {}
            for number, rows in sent.items():
                try:
                    windows[number] = next(searches[number]) if rows is None else searches[number].send(rows)
                except StopIteration as end:
                    found[number] = end.value
            taken = await self._reserved([looks[number].candidate for number in windows], windows.values())
            sent = {number: looks[number].rows(taken) for number in windows}
        return found

    async def _reserved(self, candidates: Sequence[Candidate], windows: Collection[Window]) -> Mapping[str, Rows]:
        if not windows:
            return {}
        begins, ends = min(first for first, _ in windows), max(last for _, last in windows)
        return await self.keeper.reserved([one.facility.id for one in candidates], begins, ends, to_ms(self.clock()))

    def _offer(
        self, one: Candidate, slot: Slot, ask: Ask, parts: Mapping[str, Any], caller: Principal, wish: Wish
    ) -> Offer:
        now = to_ms(self.clock())
        amounts = generous(ask, one, slot)
        session_id = new_id(now, self.random(RANDOM_BYTES))
        costs = quote(one.facility.costs, ask, one.transfer)
        metrics = metrics_of(one.facility, one.transfer if ask.sources else None)
        ends = slot.start + round(ask.duration_s * 1000)
        expires = now + round(wish.valid_s * 1000)
        said = [at_facility(one.facility)]
        if one.estimate.message:
            said.append(warning(Urn.SESSION, "${estimate}", "", estimate=one.estimate.message))
        session = Session(
            id=session_id,
            offerset_id="",
            facility=one.facility.id,
            owner=caller.subject,
            created=now,
            prepares=min(slot.start, max(now, slot.start - round(one.prepare_s * 1000))),
            begins=slot.start,
            ends=ends,
            document=offered_document(parts, amounts, costs, metrics),
            expires=expires,
            dialect=wish.dialect,
            name=ask.name,
            messages=tuple(items(said, self.clock())),
        )
        reservation = Reservation(
            session_id=session_id,
            facility=one.facility.id,
            owner=caller.subject,
            begins=slot.start,
            ends=slot.start + one.wanted.length,
            amounts=amounts,
            expires=expires,
        )
        return Offer(
            session=session,
            reservation=reservation,
            room=one.room,
            wanted=one.wanted,
            remade=lambda other: self._offer(one, other, ask, parts, caller, wish),
        )


def _sizes() -> Iterator[int]:
    yield from _ROUNDS
    while True:
        yield _ROUNDS[-1]


def _best(slots: Sequence[Placed], match: Match, wish: Wish) -> list[Placed]:
    """Return the best slots by the ranking; equals in the order of the facilities."""

    def key(placed: Placed) -> tuple[float, ...]:
        number = placed.candidate.number
        values = {
            Criterion.START: placed.slot.start // 60_000,
            Criterion.BYTES: placed.candidate.transfer.bytes_to_move,
            Criterion.COST: float(match.cost[number]),
            Criterion.CARBON: float(match.carbon[number]),
        }
        return (*(values[criterion] for criterion in wish.ranking), number)

    return sorted(slots, key=key)[: wish.most]


def _capped(ask: Ask, table: FacilityTable, match: Match) -> list[Message]:
    """Return warnings for wishes that no facility can fulfil, though it takes the request."""
    chosen = match.chosen
    if not len(chosen) or ask.wish == ask.need:
        return []
    limits = [table.limits[int(number)] for number in chosen[:_MOST_REASONS]]
    found = []
    for pointer, wish, there in (
        ("/compute/cores/max", ask.wish.cores, [one.cores for one in limits]),
        ("/compute/memory/max", ask.wish.memory_bytes, [one.memory_bytes for one in limits]),
        ("/compute/gpus/max", ask.wish.gpus, [one.gpus for one in limits]),
    ):
        known = [value for value in there if value is not None]
        if len(known) == len(there) and wish > max(known):
            text = "${path} is more than there is; ${limit} is the most."
            found.append(warning(Urn.RESOURCE_LIMIT, text, pointer, limit=max(known)))
    return found


def warned(message: Message) -> Message:
    """Return a reason as a warning: other facilities made offers."""
    return warning(Urn(message.kind), message.template, "", **message.values) if message.level == "ERROR" else message


def merged(own: Plan, others: Plan, wish: Wish) -> Plan:
    """Return the offers of all brokers: ours first where the start is the same, none twice."""
    seen: set[tuple[object, ...]] = set()
    offers = []
    for offer in sorted((*own.offers, *others.offers), key=lambda one: rank_key(one.session, wish)):
        session = offer.session
        compute = session.document.get("compute", {})
        key = (session.facility, session.begins // 60_000, str(compute.get("cores")), str(compute.get("memory")))
        if key not in seen:
            seen.add(key)
            offers.append(offer)
    return Plan(offers=tuple(offers[: wish.most]), messages=(*own.messages, *others.messages))


def rank_key(session: Session, wish: Wish) -> tuple[float, ...]:
    """Return by what an offer is compared with those of other brokers: what its document says."""
    costs = {one["type"]: float(one.get("min", 0.0)) for one in session.document.get("costs", ()) if "type" in one}
    metrics = {one["type"]: float(one.get("min", 0.0)) for one in session.document.get("metrics", ()) if "type" in one}
    values = {
        Criterion.START: session.begins // 60_000,
        Criterion.BYTES: metrics.get(f"{METRIC_TYPE}bytes-to-move", 0.0),
        Criterion.COST: costs.get(f"{COST_TYPE}monetary", 0.0),
        Criterion.CARBON: costs.get(f"{COST_TYPE}carbon", 0.0),
    }
    return tuple(values[criterion] for criterion in wish.ranking)
