"""Offers as the planner makes them, before anybody has kept them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from execplanner.core.columns import FacilityTable
from execplanner.core.documents import read_given
from execplanner.core.ids import RANDOM_BYTES, new_id
from execplanner.core.request import Defaults, read_ask
from execplanner.core.times import from_ms, to_ms
from execplanner.facilities import RecordReader
from execplanner.keeping import Holding, OfferSet
from execplanner.service.locating import Locator
from execplanner.service.planning import Planner, Wish
from execplanner.service.workshop import Workshop
from execplanner.store import SqlKeeper
from penstock.auth.principal import ANONYMOUS
from tests.execplanner.hosting import Site, compute, record, request_for, serving

WHOLE = record(executors={"main": {"plugin": "memory", "estimates": False}})


def planner_of(site: Site) -> Planner:
    table = FacilityTable([RecordReader().read(json.dumps(WHOLE).encode(), "a record")])
    locator = Locator(site.resources.lake, site.clock, 0)
    keeper, workshop = SqlKeeper(site.resources.db), Workshop(site.resources)
    return Planner(lambda: table, keeper, locator, workshop, clock=site.clock, random=os.urandom)


async def test_an_offer_of_all_that_was_wished_is_of_all_when_it_is_made_anew(tmp_path: Path) -> None:
    async with serving(tmp_path, records=[WHOLE]) as site:
        await site.ask(request_for(compute=compute(6)))
        body = json.dumps(request_for(compute=compute({"min": 1, "max": 8}))).encode()
        given = read_given(body, "application/json", "offers-request")
        ask = read_ask(given.document, site.clock(), Defaults())
        planner = planner_of(site)
        plan = await planner.plan(ask, ANONYMOUS, Wish())
        soon, later = plan.offers
        # In whole seconds, and not so early that the first offer, which is not held yet, is in the way.
        begin = from_ms(later.session.begins + 1000).strftime("%Y-%m-%dT%H:%M:%SZ/PT1M")
        taken = await site.ask(request_for(compute=compute(5), schedule={"requested": {"start": begin}}))
        assert taken["result"] == "YES"
        now = to_ms(site.clock())
        offerset = OfferSet(
            id=new_id(now, os.urandom(RANDOM_BYTES)), owner=None, created=now, dialect="D1", result="YES"
        )
        held = await planner.keeper.hold(Holding(offerset=offerset, offers=plan.offers, now=now))
        assert [one.document["compute"]["cores"]["min"] for one in held.sessions] == [2, 8]
        assert held.sessions[0].begins == soon.session.begins
        assert held.sessions[1].begins > later.session.begins
