"""Offers and sessions for the tests of what keeps them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from execplanner.core.ids import RANDOM_BYTES, new_id
from execplanner.core.request import Amounts
from execplanner.core.slots import Room, Slot, Wanted
from execplanner.keeping import Holding, Offer, OfferSet, Reservation, Session

NOW = 1_800_000_000_000
HOUR = 3_600_000
ROOM = Room(capacity=Amounts(cores=4, memory_bytes=100, gpus=1, store_bytes=100))
DOCUMENT = {"executable": {"kind": "x"}, "compute": {"kind": "y", "cores": {"min": 1}, "memory": {"min": 1}}}


def identifier(now: int = NOW) -> str:
    return new_id(now, os.urandom(RANDOM_BYTES))


def offer(facility: str = "f", *, cores: int = 1, begins: int = NOW, now: int = NOW, **more: Any) -> Offer:
    """Return an offer of an hour that is valid for five minutes."""
    session_id, owner = identifier(now), more.pop("owner", "ada")
    room = more.pop("room", ROOM)
    expires = more.pop("expires", now + 300_000)
    session = Session(
        id=session_id,
        offerset_id="",
        facility=facility,
        owner=owner,
        created=now,
        prepares=begins,
        begins=begins,
        ends=begins + HOUR,
        document=DOCUMENT,
        expires=expires,
        **more,
    )
    reservation = Reservation(
        session_id=session_id,
        facility=facility,
        owner=owner,
        begins=begins,
        ends=begins + HOUR,
        amounts=Amounts(cores=cores),
        expires=expires,
    )
    return Offer(session=session, reservation=reservation, room=room)


def movable(given: Offer, hours: int = 5) -> Offer:
    """Return an offer that may also begin up to so many hours later."""
    session, held = given.session, given.reservation
    assert held is not None

    def remade(slot: Slot) -> Offer:
        ends = slot.start + HOUR
        return replace(
            given,
            session=replace(session, prepares=slot.start, begins=slot.start, ends=ends),
            reservation=replace(held, begins=slot.start, ends=ends),
        )

    latest = held.begins + hours * HOUR
    wanted = Wanted(amounts=held.amounts, earliest=held.begins, latest=latest, length=HOUR)
    return replace(given, wanted=wanted, remade=remade)


def holding(*offers: Offer, now: int = NOW, **more: Any) -> Holding:
    """Return a set of offers to be kept."""
    owner = offers[0].session.owner if offers else "ada"
    offerset = OfferSet(id=identifier(now), owner=owner, created=now, dialect="D1", result="YES" if offers else "NO")
    return Holding(offerset=offerset, offers=offers, now=now, **more)
