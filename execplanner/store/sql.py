"""The keeper on SQLite and PostgreSQL.

A reservation's row is the token of an offer: accepting confirms it, making another offer at the facility removes those
that have expired. Whichever of the two comes first wins, whatever the clocks of the processes show, so what is promised
is never more than there is: a row that is there counts, whatever it says of its expiry, and one that is being confirmed
is not waited for. Who makes offers at a facility holds its lock until they are written; on SQLite there is one writer
anyway. Who comes too late for the room that was seen searches for other room while it holds the lock: so nobody has to
try again and again while others win.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import sqlalchemy as sa

from execplanner.core.phases import ENDED, TABLE, Event, Phase
from execplanner.core.request import Amounts
from execplanner.core.slots import (
    NOTHING,
    Room,
    Rows,
    Slot,
    Wanted,
    amounts_of,
    fits,
    is_open,
    rows_of,
    search,
    vector,
    within,
)
from execplanner.keeping import Change, Changed, Creation, Held, Holding, Listing, Offer, OfferSet, Session
from execplanner.store.rows import (
    amounts_row,
    as_json,
    creation_row,
    offerset_of,
    offerset_row,
    reservation_row,
    session_of,
    session_row,
    taken_by_facility,
)
from execplanner.store.statements import Statements, among
from execplanner.store.tables import Tables
from penstock.db import Database
from penstock.direct import Row, Values, Work, many, one

_MOST_MESSAGES = 100
_EVERYTHING = 0
"""As the present: nothing that is there has expired then."""


class SqlKeeper:
    """The `Keeper` of a database.

    Parameters
    ----------
    db
        The database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._do = Statements.of(db.dialect)

    def _names(self, names: Sequence[str]) -> Any:
        """Return texts as the engine takes them."""
        return list(names) if self._db.dialect == "postgresql" else orjson.dumps(list(names)).decode()

    async def reserved(self, facilities: Sequence[str], begins: int, ends: int, now: int) -> Mapping[str, Rows]:
        """Return what is held at facilities at any instant of an interval."""
        values = {"facilities": self._names(facilities), "from": begins, "to": ends, "now": now}
        return taken_by_facility(await self._db.direct.read(self._do.reserved, values))

    async def totals(self, facilities: Sequence[str], begins: int, ends: int, now: int) -> Mapping[str, Amounts]:
        """Return the sums of what is held at facilities at any instant of an interval: the peak is not above it."""
        values = {"facilities": self._names(facilities), "from": begins, "to": ends, "now": now}
        return _totals(await self._db.direct.read(self._do.totals, values))

    async def hold(self, holding: Holding) -> Held:
        """Keep a set of offers, and reserve what they need, all in one transaction."""
        return await self._db.direct.transact(self._hold(holding))

    def _hold(self, holding: Holding) -> Work[Held]:
        offerset, creation, now = holding.offerset, holding.creation, holding.now
        if holding.most_open is not None:
            yield from self._lock_owner(offerset.owner)
            found = {"of_owner": offerset.owner, "now": now, "most": holding.most_open}
            [row] = yield from one(self._do.open_offers, found)
            if row["offers"] + len(holding.offers) > holding.most_open:
                return Held(kept=False, over_cap=True)
        fitting = yield from self._fitting(holding)
        if holding.offers and not fitting:
            return Held(kept=False)
        if creation is not None and not (yield from one(self._do.remember, creation_row(creation))):
            [row] = yield from one(self._do.creation, {"of_key": creation.key})
            return Held(kept=False, known=Creation(**dict(row)))
        sessions = [replace(offer.session, offerset_id=offerset.id, seq=seq) for seq, offer in enumerate(fitting)]
        held = [reservation_row(offer.reservation) for offer in fitting if offer.reservation is not None]
        yield from self._add(offerset_row(offerset), [session_row(session) for session in sessions], held)
        return Held(sessions=tuple(sessions))

    def _add(self, offerset: Values, sessions: Sequence[Values], reservations: Sequence[Values]) -> Work[None]:
        if self._do.add_all is not None:
            rows = {"offersets": [offerset], "sessions": sessions, "reservations": reservations}
            yield from one(self._do.add_all, {name: orjson.dumps(listed).decode() for name, listed in rows.items()})
            return
        yield from one(self._do.add_offerset, offerset)
        yield from many(self._do.add_session, sessions)
        yield from many(self._do.add_reservation, reservations)

    def _fitting(self, holding: Holding) -> Work[Sequence[Offer]]:
        """Return the offers for which there is room now, some of them made anew."""
        local = [offer for offer in holding.offers if offer.reservation is not None]
        names = sorted({offer.session.facility for offer in local})
        if not names:
            return holding.offers
        yield from self._lock_facilities(names)
        yield from one(self._do.drop_expired, {"facilities": self._names(names), "now": holding.now})
        begins = min(offer.reservation.begins for offer in local if offer.reservation)
        ends = max(offer.reservation.ends for offer in local if offer.reservation)
        values = {"facilities": self._names(names), "from": begins, "to": ends, "now": _EVERYTHING}
        totals = _totals((yield from one(self._do.totals, values)))
        if _all_fit(local, totals):
            return holding.offers
        fitting, full = _sorted_out(holding.offers, taken_by_facility((yield from one(self._do.reserved, values))))
        if holding.whole:
            return () if full else fitting
        return (yield from self._made_anew(holding, fitting, full))

    def _made_anew(self, holding: Holding, fitting: list[Offer], full: Sequence[Offer]) -> Work[Sequence[Offer]]:
        """Return the offers that fit and, of the others, those for which there is another time."""
        for offer in full:
            others = rows_of(one.reservation.row() for one in _at(offer.session.facility, fitting) if one.reservation)
            slot = yield from self._other_slot(offer, others)
            if slot is not None and offer.remade is not None:
                fitting.append(offer.remade(slot))
        rank = holding.rank
        return fitting if rank is None or not full else sorted(fitting, key=lambda one: rank(one.session))

    def _other_slot(self, offer: Offer, others: Rows) -> Work[Slot | None]:
        """Return when there is room for an offer beside what is reserved and some more."""
        if offer.room is None or offer.wanted is None:
            return None
        asking, name = search(offer.room, offer.wanted), offer.session.facility
        try:
            begins, ends = next(asking)
            while True:
                values = {"facilities": self._names([name]), "from": begins, "to": ends, "now": _EVERYTHING}
                taken = taken_by_facility((yield from one(self._do.reserved, values)))
                begins, ends = asking.send(np.concatenate([taken.get(name, NOTHING), others]))
        except StopIteration as end:
            slot: Slot | None = end.value
            return slot

    def _lock_facilities(self, names: Sequence[str]) -> Work[None]:
        if self._do.lock_facilities is not None:
            yield from one(self._do.lock_facilities, {"facilities": self._names(names)})

    def _lock_owner(self, owner: str | None) -> Work[None]:
        if self._do.lock_owner is not None:
            yield from one(self._do.lock_owner, {"of_name": owner or ""})

    async def creation(self, key: str) -> Creation | None:
        """Return what is remembered under a key."""
        rows = await self._db.direct.read(self._do.creation, {"of_key": key})
        return Creation(**dict(rows[0])) if rows else None

    async def session(self, session_id: str) -> Session | None:
        """Return a session as it was written."""
        rows = await self._db.direct.read(self._do.session, {"of_id": session_id})
        return session_of(rows[0]) if rows else None

    async def offerset(self, offerset_id: str) -> tuple[OfferSet, list[Session]] | None:
        """Return a set of offers with its sessions, in their order."""
        rows = await self._db.direct.read(self._do.offerset, {"of_id": offerset_id})
        if not rows:
            return None
        sessions = await self._db.direct.read(self._do.of_offerset, {"of_id": offerset_id})
        return offerset_of(rows[0]), [session_of(row) for row in sessions]

    async def change(self, session_id: str, change: Change, now: int) -> Changed:
        """Let an event happen to a session; accepting one offer rejects its siblings and frees what they held."""
        return await self._db.direct.transact(self._change(session_id, change, now))

    def _change(self, session_id: str, change: Change, now: int) -> Work[Changed]:
        rows = yield from one(self._do.session, {"of_id": session_id})
        if not rows:
            return Changed(session=None)
        yield from one(self._do.lock_offerset, {"of_offerset": rows[0]["offerset_id"]})
        [row] = (yield from one(self._do.session, {"of_id": session_id})) or [rows[0]]
        before = session_of(row)
        current = before.at(now)
        if change.version is not None and change.version != before.version:
            return Changed(session=current, stale=True)
        phase = current.phase if change.event is None else TABLE.get((current.phase, change.event))
        if phase is None:
            return Changed(session=current, refused=True)
        if phase is current.phase and _says_nothing(change):
            return Changed(session=current)
        accepts = change.event is Event.ACCEPT and current.phase is Phase.OFFERED
        if accepts and current.peer is None and not (yield from self._confirmed(session_id, now)):
            return Changed(session=replace(current, phase=Phase.EXPIRED), refused=True)
        after = _with(current, change, phase, now)
        if not (yield from one(self._do.update, _update_values(before, after))):
            return Changed(session=current, stale=True)
        if change.event is Event.ACCEPT:
            family = {"of_offerset": after.offerset_id, "of_id": session_id, "now": now}
            yield from one(self._do.reject_siblings, family)
            yield from one(self._do.release_siblings, family)
        elif phase in ENDED:
            yield from one(self._do.release, {"of_id": session_id})
        return Changed(session=replace(after, version=before.version + 1))

    def _confirmed(self, session_id: str, now: int) -> Work[bool]:
        return bool((yield from one(self._do.confirm, {"of_id": session_id, "now": now})))

    async def resize(self, session: Session, amounts: Amounts, room: Room, now: int) -> Changed:
        """Change what an open offer holds and its document, if there is room."""
        return await self._db.direct.transact(self._resize(session, amounts, room, now))

    def _resize(self, session: Session, amounts: Amounts, room: Room, now: int) -> Work[Changed]:
        yield from one(self._do.lock_offerset, {"of_offerset": session.offerset_id})
        yield from self._lock_facilities([session.facility])
        rows = yield from one(self._do.session, {"of_id": session.id})
        if not rows:
            return Changed(session=None)
        before = session_of(rows[0])
        if before.version != session.version or before.at(now).phase is not Phase.OFFERED:
            return Changed(session=before.at(now), stale=True)
        there = {"facilities": self._names([session.facility])}
        yield from one(self._do.drop_expired, there | {"now": now})
        values = {**there, "from": session.begins, "to": session.ends, "now": _EVERYTHING}
        rows = yield from one(self._do.others, values | {"of_id": session.id})
        length = session.ends - session.begins
        wanted = Wanted(amounts=amounts, earliest=session.begins, latest=session.begins, length=length)
        taken = taken_by_facility(rows).get(session.facility, NOTHING)
        if not fits(taken, room, wanted, session.begins):
            return Changed(session=before, refused=True)
        new = {f"new_{name}": value for name, value in (amounts_row(amounts) | {"ends": session.ends}).items()}
        if not (yield from one(self._do.resize, new | {"of_id": session.id, "now": now})):
            return Changed(session=replace(before, phase=Phase.EXPIRED), stale=True)
        after = replace(session, modified=now)
        yield from one(self._do.update, _update_values(before, after))
        return Changed(session=replace(after, version=before.version + 1))

    async def sessions(self, listing: Listing) -> list[Session]:
        """Return sessions, newest first."""
        t = Tables.of(self._db.dialect).session
        query = _listed(t, listing)
        if listing.phases:
            over = sa.and_(t.c.phase == str(Phase.OFFERED), t.c.expires <= listing.now)
            shown = sa.case((over, str(Phase.EXPIRED)), else_=t.c.phase)
            query = query.where(shown.in_([str(phase) for phase in listing.phases]))
        async with self._db.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [session_of(row) for row in rows]

    async def offersets(self, listing: Listing) -> list[OfferSet]:
        """Return sets of offers, newest first."""
        async with self._db.read() as connection:
            query = _listed(Tables.of(self._db.dialect).offerset, listing)
            rows = (await connection.execute(query)).mappings().all()
        return [offerset_of(row) for row in rows]

    async def live(self, after: str, limit: int) -> list[Session]:
        """Return sessions that were accepted and have not ended, by id."""
        rows = await self._db.direct.read(self._do.live, {"after": after, "most": limit})
        return [session_of(row) for row in rows]

    async def untidy(self, limit: int) -> list[Session]:
        """Return sessions that ended and may have left something at their facility."""
        rows = await self._db.direct.read(self._do.untidy, {"most": limit})
        return [found for found in map(session_of, rows) if found.phase in ENDED]

    async def forget(self, session_id: str) -> None:
        """Remove a session that has ended."""
        await self._db.direct.write(self._do.forget, {"of_id": session_id})

    async def purge(self, before: int) -> None:
        """Remove sets of offers that were made before, unless one of theirs was accepted, and what came of them."""
        t = Tables.of(self._db.dialect)
        s, o = t.session.c, t.offerset.c
        unwanted = [str(phase) for phase in (Phase.OFFERED, Phase.REJECTED, Phase.EXPIRED)]
        old = sa.select(o.id).where(o.created < before).order_by(o.created).limit(1000)
        async with self._db.write() as connection:
            ids = list((await connection.execute(old)).scalars())
            names = self._names(ids)
            offers = sa.and_(among(s.offerset_id, "ids", self._db.dialect), s.phase.in_(unwanted))
            gone = sa.select(s.id).where(offers)
            await connection.execute(
                sa.delete(t.reservation).where(t.reservation.c.session_id.in_(gone)), {"ids": names}
            )
            await connection.execute(sa.delete(t.session).where(offers), {"ids": names})
            kept = sa.exists().where(s.offerset_id == o.id)
            empty = sa.delete(t.offerset).where(among(o.id, "ids", self._db.dialect), ~kept)
            await connection.execute(empty, {"ids": names})
            await connection.execute(sa.delete(t.creation).where(t.creation.c.created < before))

    async def facility_records(self) -> Sequence[tuple[str, str]]:
        """Return the records of facilities in the table: identifier and JSON."""
        return [(row["id"], row["record"]) for row in await self._db.direct.read(self._do.facilities, {})]


def _totals(rows: Sequence[Row]) -> dict[str, Amounts]:
    return {row["facility"]: amounts_of(orjson.loads(row["amounts"])) for row in rows}


def _all_fit(offers: Sequence[Offer], totals: dict[str, Amounts]) -> bool:
    """Tell whether all offers fit even if everything was reserved at the same time, as is usual."""
    for offer in offers:
        held, room, name = offer.reservation, offer.room, offer.session.facility
        used = totals.get(name, Amounts())
        if held is None or room is None or not within(used, held.amounts, room):
            return False
        if not is_open(room, held.begins, held.ends):
            return False
        totals[name] = amounts_of([a + b for a, b in zip(vector(used), vector(held.amounts), strict=True)])
    return True


def _sorted_out(offers: Sequence[Offer], taken: dict[str, Rows]) -> tuple[list[Offer], list[Offer]]:
    """Return the offers that fit beside what is taken and beside each other, and those that do not."""
    fitting, full = [], []
    for offer in offers:
        name, held, room = offer.session.facility, offer.reservation, offer.room
        if held is None or room is None:
            fitting.append(offer)
            continue
        there = taken.get(name, NOTHING)
        length = held.ends - held.begins
        wanted = Wanted(amounts=held.amounts, earliest=held.begins, latest=held.begins, length=length)
        if fits(there, room, wanted, held.begins):
            taken[name] = np.concatenate([there, rows_of([held.row()])])
            fitting.append(offer)
        else:
            full.append(offer)
    return fitting, full


def _at(facility: str, offers: Sequence[Offer]) -> list[Offer]:
    return [offer for offer in offers if offer.session.facility == facility]


def _says_nothing(change: Change) -> bool:
    """Tell whether nothing but the phase would change."""
    return change == Change(event=change.event, version=change.version)


def _with(session: Session, change: Change, phase: Phase, now: int) -> Session:
    messages = session.messages if change.message is None else (*session.messages, change.message)
    return replace(
        session,
        phase=phase,
        modified=now,
        handle=session.handle if change.handle is None else change.handle,
        connectors=session.connectors if change.connectors is None else change.connectors,
        messages=messages[-_MOST_MESSAGES:],
        untidy=session.untidy if change.untidy is None else change.untidy,
        ends=session.ends if change.ends is None else change.ends,
    )


def _update_values(before: Session, after: Session) -> dict[str, Any]:
    return {
        "of_id": before.id,
        "of_version": before.version,
        "new_phase": str(after.phase),
        "new_modified": after.modified,
        "new_handle": after.handle,
        "new_connectors": as_json(after.connectors),
        "new_messages": as_json(after.messages),
        "new_untidy": int(after.untidy),
        "new_ends": after.ends,
        "new_document": as_json(after.document),
    }


def _listed(table: sa.Table, listing: Listing) -> sa.Select[Any]:
    """Return the query for a list: identifiers begin with the time of their making."""
    query = sa.select(table).order_by(table.c.id.desc()).limit(listing.last)
    if not listing.everybody:
        query = query.where(table.c.owner == listing.owner if listing.owner else table.c.owner.is_(None))
    if listing.after is not None:
        query = query.where(table.c.created > listing.after)
    if listing.before is not None:
        query = query.where(table.c.id < listing.before)
    return query
