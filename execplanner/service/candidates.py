"""Facilities that take a request: from when on they could, what they would give, and where there is room at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from execplanner.core.columns import FacilityTable, Match
from execplanner.core.facility import Capacity, Facility
from execplanner.core.locality import Transfer
from execplanner.core.messages import Message, Urn, reason
from execplanner.core.offers import RELEASING_S
from execplanner.core.request import GIB, Amounts, Ask
from execplanner.core.slots import NOTHING, Room, Rows, Slot, Wanted, is_open, within
from execplanner.core.times import to_ms
from execplanner.ports import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A facility that takes the request, and from when on it could."""

    facility: Facility
    number: int
    transfer: Transfer
    estimate: Estimate
    prepare_s: float
    wanted: Wanted
    room: Room
    wished: Amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A search for a slot, beside what is reserved and what else is to be offered."""

    candidate: Candidate
    beside: Rows | None = None

    def rows(self, taken: Mapping[str, Rows]) -> Rows:
        """Return what stands in the way."""
        reserved = taken.get(self.candidate.facility.id, NOTHING)
        return reserved if self.beside is None else np.concatenate([reserved, self.beside])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A facility, and when it has room."""

    candidate: Candidate
    slot: Slot


def ready_at(table: FacilityTable, number: int, match: Match, now: datetime) -> datetime:
    """Return when a facility has the data of a request and has started."""
    startup_s = table.facilities[number].capacity.startup_s
    return now + timedelta(seconds=match.transfer(number).seconds + startup_s)


def candidate_of(
    table: FacilityTable,
    number: int,
    match: Match,
    ask: Ask,
    told: tuple[datetime, Estimate],
    now: datetime,
) -> Candidate | Message:
    """Return a facility as a candidate by when it is ready and by its estimate, or why it is none."""
    facility, transfer, (ready, estimate) = table.facilities[number], match.transfer(number), told
    prepare_s = transfer.seconds + estimate.preparing_s
    earliest = max(estimate.start, ready, now + timedelta(seconds=prepare_s))
    if earliest > ask.latest and not _is_at_once(ask, earliest, now):
        text = "The session could start at ${start}, later than asked for."
        place = "/schedule/requested/start"
        return with_facility(facility, reason(Urn.RESOURCE_LIMIT, text, place, start=earliest.isoformat()))
    length, begins = round((ask.duration_s + RELEASING_S) * 1000), to_ms(earliest)
    wanted = Wanted(amounts=ask.need, earliest=begins, latest=max(to_ms(ask.latest), begins), length=length)
    return Candidate(
        facility=facility,
        number=number,
        transfer=transfer,
        estimate=estimate,
        prepare_s=prepare_s,
        wanted=wanted,
        room=table.room(number),
        wished=_limited(ask, table.limits[number]),
    )


def _is_at_once(ask: Ask, earliest: datetime, now: datetime) -> bool:
    """Tell whether a session is wanted now and can have it within a second: time passes while we look."""
    return ask.latest >= now - timedelta(seconds=1) and earliest <= now + timedelta(seconds=1)


def open_slots(candidates: Sequence[Candidate], totals: Mapping[str, Amounts]) -> list[Placed]:
    """Return the slots of those who have room for all that is wished beside all that is held."""
    found = []
    for one in candidates:
        used, start = totals.get(one.facility.id, Amounts()), one.wanted.earliest
        if within(used, one.wished, one.room) and is_open(one.room, start, start + one.wanted.length):
            found.append(Placed(candidate=one, slot=Slot(start=start, used=used)))
    return found


def _limited(ask: Ask, limits: Capacity) -> Amounts:
    """Return what is wished, as far as a session may have it here."""
    wish, need = ask.wish, ask.need
    return Amounts(
        cores=_at_most(wish.cores, need.cores, limits.cores),
        memory_bytes=_at_most(wish.memory_bytes, need.memory_bytes, limits.memory_bytes) // GIB * GIB,
        gpus=_at_most(wish.gpus, need.gpus, limits.gpus),
        store_bytes=need.store_bytes,
    )


def _at_most(wish: int, need: int, limit: int | None) -> int:
    return wish if limit is None else max(need, min(wish, limit))


def generous(ask: Ask, one: Candidate, slot: Slot) -> Amounts:
    """Return what is offered: as much of what was wished as is free, never less than the need."""
    wish, used, there = one.wished, slot.used, one.room.capacity
    return Amounts(
        cores=_at_most(wish.cores, ask.need.cores, there.cores - used.cores),
        memory_bytes=_at_most(wish.memory_bytes, ask.need.memory_bytes, there.memory_bytes - used.memory_bytes)
        // GIB
        * GIB,
        gpus=_at_most(wish.gpus, ask.need.gpus, there.gpus - used.gpus),
        store_bytes=ask.need.store_bytes,
    )


def with_facility(facility: Facility, message: Message) -> Message:
    """Return a message with the facility that it is of."""
    return Message(
        kind=message.kind,
        template=f"${{title}}: {message.template}",
        level=message.level,
        values={**message.values, "title": facility.title, "facility": facility.id},
    )
