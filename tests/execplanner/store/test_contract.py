"""What every `Keeper` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from execplanner.core.phases import Event, Phase
from execplanner.core.request import Amounts
from execplanner.keeping import Change, Creation, Keeper, Listing
from execplanner.store import SqlKeeper
from penstock.db import Database
from penstock.migrations import upgrade
from tests.execplanner.store.builders import HOUR, NOW, ROOM, holding, identifier, movable, offer


@pytest.fixture
async def keeper(database_url: str) -> AsyncIterator[Keeper]:
    db = Database(database_url)
    await upgrade(db, {"execplanner": "execplanner.migrations"})
    yield SqlKeeper(db)
    await db.close()


ACCEPT, REJECT, CANCEL = Change(event=Event.ACCEPT), Change(event=Event.REJECT), Change(event=Event.CANCEL)


async def held_cores(keeper: Keeper, now: int = NOW, facility: str = "f") -> int:
    found = await keeper.reserved([facility], NOW, NOW + HOUR, now)
    totals = await keeper.totals([facility], NOW, NOW + HOUR, now)
    cores = int(found[facility][:, 2].sum()) if facility in found else 0
    assert cores == totals.get(facility, Amounts()).cores
    return cores


class TestKeeper:
    async def test_offers_come_back_as_they_were_kept(self, keeper: Keeper) -> None:
        given = holding(offer(name="x \u20ac", messages=({"a": "b"},)), offer("g"))
        held = await keeper.hold(given)
        found = await keeper.offerset(given.offerset.id)
        assert found is not None
        assert found[0] == given.offerset
        assert [replace(one, modified=0) for one in found[1]] == list(held.sessions)
        assert [one.seq for one in found[1]] == [0, 1]
        assert await keeper.session(held.sessions[0].id) == found[1][0]

    async def test_there_is_nothing_under_another_id(self, keeper: Keeper) -> None:
        assert await keeper.session(identifier()) is None
        assert await keeper.offerset(identifier()) is None
        assert (await keeper.change(identifier(), ACCEPT, NOW)).session is None

    async def test_an_offer_holds_its_capacity_until_the_instant_at_which_it_expires(self, keeper: Keeper) -> None:
        given = offer(cores=4)
        assert (await keeper.hold(holding(given))).kept
        expires = given.session.expires or 0
        refused = await keeper.hold(holding(offer(cores=1), now=expires - 1))
        assert not refused.kept
        assert await held_cores(keeper, expires - 1) == 4
        assert await held_cores(keeper, expires) == 0
        assert (await keeper.hold(holding(offer(cores=4), now=expires))).kept

    async def test_of_several_offers_those_are_kept_for_which_there_is_room(self, keeper: Keeper) -> None:
        await keeper.hold(holding(offer(cores=3)))
        held = await keeper.hold(holding(offer(cores=2), offer("g", cores=2), offer("g", cores=3)))
        assert [one.facility for one in held.sessions] == ["g"]

    async def test_time_that_is_not_shared_is_not_contended(self, keeper: Keeper) -> None:
        assert (await keeper.hold(holding(offer(cores=4)))).kept
        assert (await keeper.hold(holding(offer(cores=4, begins=NOW + HOUR)))).kept
        assert not (await keeper.hold(holding(offer(cores=1, begins=NOW + HOUR - 1)))).kept

    async def test_what_must_be_whole_is_kept_if_all_of_it_has_room(self, keeper: Keeper) -> None:
        await keeper.hold(holding(offer(cores=3)))
        refused = await keeper.hold(holding(offer(cores=2), offer("g"), whole=True))
        assert not refused.kept
        assert await held_cores(keeper, facility="g") == 0
        assert (await keeper.hold(holding(offer(cores=1), offer("g"), whole=True))).kept

    async def test_an_offer_whose_time_others_took_is_made_anew_for_a_later_one(self, keeper: Keeper) -> None:
        await keeper.hold(holding(offer(cores=3), offer("g", cores=4)))
        asked = [movable(offer(cores=2)), movable(offer("g", cores=4, begins=NOW + 1)), offer("h")]
        held = await keeper.hold(holding(*asked, rank=lambda session: (session.begins,)))
        assert [(one.facility, one.begins) for one in held.sessions] == [
            ("h", NOW),
            ("f", NOW + HOUR),
            ("g", NOW + HOUR),
        ]
        found = await keeper.offerset(held.sessions[0].offerset_id)
        assert found is not None
        assert [(one.facility, one.seq) for one in found[1]] == [("h", 0), ("f", 1), ("g", 2)]
        assert await held_cores(keeper) == 3

    async def test_offers_that_are_made_anew_do_not_take_each_others_room(self, keeper: Keeper) -> None:
        await keeper.hold(holding(offer(cores=3)))
        held = await keeper.hold(holding(*(movable(offer(cores=3)) for _ in range(3))))
        assert [one.begins for one in held.sessions] == [NOW + n * HOUR for n in (1, 2, 3)]

    async def test_an_offer_is_not_made_anew_where_all_of_its_time_is_taken_or_all_must_stay(
        self, keeper: Keeper
    ) -> None:
        await keeper.hold(holding(offer(cores=3)))
        assert not (await keeper.hold(holding(movable(offer(cores=2), hours=0)))).kept
        assert not (await keeper.hold(holding(movable(offer(cores=2)), offer("g"), whole=True))).kept
        assert await held_cores(keeper, facility="g") == 0

    async def test_what_began_long_before_is_held_until_its_end(self, keeper: Keeper) -> None:
        given = offer(cores=3, begins=NOW - 1000 * HOUR, expires=NOW + HOUR)
        assert given.reservation is not None
        long_one = replace(given, reservation=replace(given.reservation, ends=NOW + 1))
        later = [offer(cores=1, begins=NOW + number * HOUR) for number in range(1, 4)]
        assert (await keeper.hold(holding(long_one, *later))).kept
        assert await held_cores(keeper) == 3
        assert not (await keeper.hold(holding(offer(cores=2)))).kept
        assert (await keeper.hold(holding(offer(cores=2, begins=NOW + 1)))).kept

    async def test_accepting_keeps_the_capacity_and_rejects_the_siblings(self, keeper: Keeper) -> None:
        held = await keeper.hold(holding(offer(cores=2), offer("g"), offer("h")))
        chosen, *others = held.sessions
        outcome = await keeper.change(chosen.id, ACCEPT, NOW)
        assert outcome.session is not None
        assert (outcome.session.phase, outcome.session.version) == (Phase.ACCEPTED, 2)
        for other in others:
            found = await keeper.session(other.id)
            assert found is not None
            assert found.phase is Phase.REJECTED
            assert await held_cores(keeper, facility=other.facility) == 0
            assert (await keeper.change(other.id, ACCEPT, NOW)).refused
        assert await held_cores(keeper, NOW + 10 * HOUR) == 2

    async def test_accepting_twice_changes_nothing(self, keeper: Keeper) -> None:
        [session] = (await keeper.hold(holding(offer()))).sessions
        first = await keeper.change(session.id, ACCEPT, NOW)
        assert await keeper.change(session.id, ACCEPT, NOW + 10 * HOUR) == first

    async def test_an_expired_offer_cannot_be_accepted_whoever_swept(self, keeper: Keeper) -> None:
        [session] = (await keeper.hold(holding(offer()))).sessions
        outcome = await keeper.change(session.id, ACCEPT, session.expires or 0)
        assert outcome.refused
        assert outcome.session is not None
        assert outcome.session.phase is Phase.EXPIRED

    async def test_who_was_given_the_room_of_an_expired_offer_keeps_it_whatever_a_slow_clock_says(
        self, keeper: Keeper
    ) -> None:
        [first] = (await keeper.hold(holding(offer(cores=4)))).sessions
        assert (await keeper.hold(holding(offer(cores=4), now=first.expires or 0))).kept
        outcome = await keeper.change(first.id, ACCEPT, NOW)  # a process whose clock is late
        assert outcome.refused
        assert await held_cores(keeper) == 4

    @pytest.mark.parametrize("change", [REJECT, CANCEL])
    async def test_what_is_given_up_is_free(self, keeper: Keeper, change: Change) -> None:
        [session] = (await keeper.hold(holding(offer(cores=4)))).sessions
        await keeper.change(session.id, change, NOW)
        assert await held_cores(keeper) == 0

    async def test_what_has_ended_is_free(self, keeper: Keeper) -> None:
        [session] = (await keeper.hold(holding(offer(cores=4)))).sessions
        for event in (Event.ACCEPT, Event.PREPARE, Event.START, Event.RELEASE):
            outcome = await keeper.change(session.id, Change(event=event), NOW)
            assert not outcome.refused
            assert await held_cores(keeper, NOW + 10 * HOUR) == 4
        await keeper.change(session.id, Change(event=Event.COMPLETE), NOW)
        assert await held_cores(keeper) == 0

    async def test_only_the_expected_version_is_changed(self, keeper: Keeper) -> None:
        [session] = (await keeper.hold(holding(offer()))).sessions
        assert (await keeper.change(session.id, replace(ACCEPT, version=2), NOW)).stale
        assert not (await keeper.change(session.id, replace(ACCEPT, version=1), NOW)).stale

    async def test_values_are_written_without_an_event(self, keeper: Keeper) -> None:
        [session] = (await keeper.hold(holding(offer()))).sessions
        await keeper.change(session.id, ACCEPT, NOW)
        change = Change(handle="h", untidy=True, connectors=({"kind": "k"},), message={"m": "1"})
        await keeper.change(session.id, change, NOW)
        found = await keeper.session(session.id)
        assert found is not None
        assert (found.handle, found.untidy, found.connectors) == ("h", True, ({"kind": "k"},))
        assert found.messages == ({"m": "1"},)
        assert await keeper.untidy(10) == []
        await keeper.change(session.id, CANCEL, NOW)
        assert [one.id for one in await keeper.untidy(10)] == [session.id]

    async def test_an_open_offer_is_resized_as_far_as_there_is_room(self, keeper: Keeper) -> None:
        await keeper.hold(holding(offer(cores=1)))
        [session] = (await keeper.hold(holding(offer(cores=1)))).sessions
        outcome = await keeper.resize(session, Amounts(cores=3), ROOM, NOW)
        assert outcome.session is not None
        assert await held_cores(keeper) == 4
        assert (await keeper.resize(outcome.session, Amounts(cores=4), ROOM, NOW)).refused
        assert (await keeper.resize(session, Amounts(cores=1), ROOM, NOW)).stale
        assert (await keeper.resize(outcome.session, Amounts(cores=1), ROOM, session.expires or 0)).stale

    async def test_open_offers_are_capped_by_owner(self, keeper: Keeper) -> None:
        assert (await keeper.hold(holding(offer("a"), offer("b"), most_open=3))).kept
        over = await keeper.hold(holding(offer("c"), offer("d"), most_open=3))
        assert over.over_cap
        assert not over.kept
        assert (await keeper.hold(holding(offer("c", owner="bob"), offer("d", owner="bob"), most_open=3))).kept
        assert (await keeper.hold(holding(offer("c", owner=None), most_open=1))).kept
        assert (await keeper.hold(holding(offer("c", owner=None), most_open=1))).over_cap
        assert (await keeper.hold(holding(offer("c"), offer("d"), now=NOW + 300_000, most_open=3))).kept

    async def test_of_one_key_the_first_is_remembered(self, keeper: Keeper) -> None:
        creation = Creation(key="k", fingerprint="f", id="1", created=NOW)
        assert (await keeper.hold(holding(offer(), creation=creation))).kept
        again = await keeper.hold(holding(offer(), creation=replace(creation, id="2")))
        assert (again.kept, again.known) == (False, creation)
        assert await keeper.creation("k") == creation
        assert await held_cores(keeper) == 1

    async def test_a_request_without_room_is_not_remembered(self, keeper: Keeper) -> None:
        await keeper.hold(holding(offer(cores=4)))
        creation = Creation(key="k", fingerprint="f", id="1", created=NOW)
        assert not (await keeper.hold(holding(offer(), creation=creation))).kept
        assert await keeper.creation("k") is None

    async def test_sessions_are_listed_by_owner_phase_and_time(self, keeper: Keeper) -> None:
        ids = []
        for number in range(4):
            now = NOW + 1000 * number
            owner = "ada" if number < 3 else "bob"
            held = await keeper.hold(holding(offer(f"f{number}", owner=owner, now=now), now=now))
            ids.append(held.sessions[0].id)
        await keeper.change(ids[1], ACCEPT, NOW)
        mine = Listing(owner="ada", now=NOW)

        async def listed(listing: Listing) -> list[int]:
            return [ids.index(one.id) for one in await keeper.sessions(listing)]

        assert await listed(mine) == [2, 1, 0]
        assert await listed(replace(mine, last=2)) == [2, 1]
        assert await listed(replace(mine, before=ids[1])) == [0]
        assert await listed(replace(mine, after=NOW)) == [2, 1]
        assert await listed(replace(mine, phases=frozenset({Phase.ACCEPTED}))) == [1]
        assert await listed(replace(mine, phases=frozenset({Phase.EXPIRED}))) == []
        late = replace(mine, now=NOW + HOUR)
        assert await listed(replace(late, phases=frozenset({Phase.EXPIRED}))) == [2, 0]
        assert await listed(replace(mine, everybody=True)) == [3, 2, 1, 0]
        assert len(await keeper.offersets(mine)) == 3
        assert [ids.index(one.id) for one in await keeper.live("", 10)] == [1]

    async def test_old_offers_are_forgotten_and_accepted_ones_are_not(self, keeper: Keeper) -> None:
        kept, gone, empty = holding(offer(), offer("g")), holding(offer("h")), holding()
        for one in (kept, gone, empty):
            await keeper.hold(one)
        [chosen, other] = [one.session.id for one in kept.offers]
        await keeper.change(chosen, ACCEPT, NOW)
        await keeper.purge(NOW)
        assert await keeper.offerset(gone.offerset.id) is not None
        await keeper.purge(NOW + 1)
        assert await keeper.offerset(gone.offerset.id) is None
        assert await keeper.offerset(empty.offerset.id) is None
        assert await keeper.session(chosen) is not None
        assert await keeper.session(other) is None

    async def test_of_many_who_accept_siblings_at_once_one_wins(self, keeper: Keeper) -> None:
        held = await keeper.hold(holding(*(offer(f"f{number}") for number in range(10))))
        outcomes = await asyncio.gather(*(keeper.change(one.id, ACCEPT, NOW) for one in held.sessions))
        assert [one.refused for one in outcomes].count(False) == 1


async def test_200_clients_race_for_the_last_slot_and_one_wins(postgres_url: str) -> None:
    hosts = [Database(postgres_url) for _ in range(2)]
    await upgrade(hosts[0], {"execplanner": "execplanner.migrations"})
    keepers = [SqlKeeper(one) for one in hosts]
    try:
        await keepers[0].hold(holding(offer(cores=3)))
        races = (keepers[number % 2].hold(holding(offer(cores=1, owner=f"user {number}"))) for number in range(200))
        held = await asyncio.gather(*races)
        [winner] = [one.sessions[0] for one in held if one.kept]
        accepted = await asyncio.gather(*(keepers[n % 2].change(winner.id, ACCEPT, NOW) for n in range(200)))
        assert all(not one.refused for one in accepted)
        assert {one.session.version for one in accepted if one.session} == {2}
        assert await held_cores(keepers[0], NOW + 100 * HOUR) == 1
    finally:
        for one in hosts:
            await one.close()


async def test_100_who_ask_two_processes_at_once_for_one_facility_have_a_time_each(postgres_url: str) -> None:
    hosts = [Database(postgres_url) for _ in range(2)]
    await upgrade(hosts[0], {"execplanner": "execplanner.migrations"})
    keepers = [SqlKeeper(one) for one in hosts]
    try:
        asked = (keepers[n % 2].hold(holding(movable(offer(cores=4), hours=100))) for n in range(100))
        held = await asyncio.gather(*asked)
        assert sorted(one.sessions[0].begins for one in held) == [NOW + n * HOUR for n in range(100)]
    finally:
        for one in hosts:
            await one.close()


async def test_accepting_and_expiring_race_without_overbooking(postgres_url: str) -> None:
    """Half of the processes think that the offers have expired, and give their room away."""
    hosts = [Database(postgres_url) for _ in range(2)]
    await upgrade(hosts[0], {"execplanner": "execplanner.migrations"})
    keepers = [SqlKeeper(one) for one in hosts]
    try:
        sessions = [(await keepers[0].hold(holding(offer(cores=1)))).sessions[0] for _ in range(4)]
        expires = max(one.expires or 0 for one in sessions)
        accepts = [keepers[0].change(one.id, ACCEPT, expires - 1) for one in sessions]
        takes = [keepers[1].hold(holding(offer(cores=1, expires=expires + HOUR), now=expires)) for _ in range(20)]
        await asyncio.gather(*accepts, *takes)
        assert await held_cores(keepers[0], expires) == 4
    finally:
        for one in hosts:
            await one.close()
