"""Three brokers, a slow one and a dead one: their offers are one list, and accepting goes to who offered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from execplanner.keeping import Listing
from execplanner.ports import Step
from execplanner.store import SqlKeeper
from tests.execplanner.hosting import MemoryExecutor, Site, record, request_for, serving
from tests.support.redis import free_port
from tests.uws.waiting import eventually


@dataclass
class Federation:
    """A hub that asks two others."""

    hub: Site
    others: list[Site]
    stack: AsyncExitStack
    folder: Path

    async def asking(self, name: str, *urls: str, **own: Any) -> Site:
        """Start one more broker that asks brokers at URLs."""
        peers = [{"url": url, "ivoid": f"ivo://peer.example/{number}"} for number, url in enumerate(urls)]
        folder = self.folder / name
        folder.mkdir()
        return await self.stack.enter_async_context(
            serving(folder, records=[record(name)], peers=peers, executor=long(), **own)
        )


def long() -> MemoryExecutor:
    return MemoryExecutor(steps=(Step.RUNNING,))


def base(site: Site) -> str:
    return str(site.client.make_url("/execplanner"))


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Federation]:
    async with AsyncExitStack() as stack:
        others = []
        for name in ("second", "third"):
            folder = tmp_path / name
            folder.mkdir()
            others.append(await stack.enter_async_context(serving(folder, records=[record(name)], executor=long())))
        urls = [base(one) for one in others]
        found = Federation(hub=others[0], others=others, stack=stack, folder=tmp_path)
        found.hub = await found.asking("first", *urls)
        yield found


def places(document: dict[str, Any]) -> list[str]:
    return [one["meta"]["messages"][0]["values"]["facility"].rpartition("/")[2] for one in document["offers"]]


def warnings(document: dict[str, Any]) -> list[str]:
    return [one["kind"] for one in document["meta"].get("messages", ())]


async def test_the_offers_of_all_are_one_list_under_our_own_identifiers(federation: Federation) -> None:
    document = await federation.hub.ask()
    assert sorted(places(document)) == ["first", "second", "third"]
    for offer in document["offers"]:
        assert offer["meta"]["url"].startswith(base(federation.hub))
        status, found = await federation.hub.json("GET", f"/sessions/{offer['meta']['uuid']}")
        assert (status, found["phase"]) == (200, "OFFERED")
    assert len((await federation.hub.ask(None, "/requests?MAXOFFERS=2"))["offers"]) == 2


async def test_accepting_accepts_where_it_was_offered_and_rejects_elsewhere(federation: Federation) -> None:
    document = await federation.hub.ask()
    ids = dict(zip(places(document), [one["meta"]["uuid"] for one in document["offers"]], strict=True))
    status, session = await federation.hub.set_phase(ids["second"], "ACCEPTED")
    assert (status, session["phase"]) == (200, "ACCEPTED")
    second, third = federation.others
    await eventually(lambda: bool(second.executor.works))

    async def runs() -> bool:
        _, found = await federation.hub.json("GET", f"/sessions/{ids['second']}")
        return bool(found["phase"] == "RUNNING")

    await eventually(runs)
    assert third.executor.works == {}
    assert federation.hub.executor.works == {}
    assert (await federation.hub.set_phase(ids["third"], "ACCEPTED"))[0] == 409
    rejected = [one.phase for one in await _sessions(third)]
    assert rejected == ["REJECTED"]
    await federation.hub.set_phase(ids["second"], "CANCELLED")
    await eventually(lambda: bool(second.executor.stopped))


async def _sessions(site: Site) -> Any:
    return await SqlKeeper(site.resources.db).sessions(Listing(owner=None, everybody=True))


async def test_an_offer_that_the_peer_gave_away_leaves_the_others_open(federation: Federation) -> None:
    document = await federation.hub.ask()
    ids = dict(zip(places(document), [one["meta"]["uuid"] for one in document["offers"]], strict=True))
    [there] = await _sessions(federation.others[0])
    await federation.others[0].set_phase(there.id, "REJECTED")
    assert (await federation.hub.set_phase(ids["second"], "ACCEPTED"))[0] == 409
    assert (await federation.hub.set_phase(ids["first"], "ACCEPTED"))[0] == 200


async def test_the_slow_and_the_dead_cost_a_warning_each(federation: Federation) -> None:
    release = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await release.wait()
        return web.json_response({})

    async def rubbish(_request: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    async def circle(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.path)

    app = web.Application()
    for path, handler in (("/slow", slow), ("/rubbish", rubbish), ("/circle", circle)):
        app.router.add_post(f"{path}/requests", handler)
    server = await federation.stack.enter_async_context(TestServer(app))
    dead = f"http://127.0.0.1:{free_port()}/execplanner"
    urls = [str(server.make_url(path)) for path in ("/slow", "/rubbish", "/circle")]
    hub = await federation.asking("fourth", base(federation.others[1]), *urls, dead, peer_timeout_s=1)
    document = await hub.ask()
    release.set()
    assert sorted(places(document)) == ["fourth", "third"]
    kinds = warnings(document)
    assert kinds.count("urn:peer-timeout") == 1
    assert kinds.count("urn:peer-error") == 3
    assert document["result"] == "YES"


async def test_a_peer_that_fails_again_and_again_is_left_alone(federation: Federation) -> None:
    calls = 0

    async def broken(_request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.Response(status=500)

    app = web.Application()
    app.router.add_post("/requests", broken)
    server = await federation.stack.enter_async_context(TestServer(app))
    hub = await federation.asking("fourth", str(server.make_url("/")).rstrip("/"))
    for _ in range(5):
        document = await hub.ask()
    assert calls == 3
    assert "left alone" in document["meta"]["messages"][-1]["message"]


async def test_a_request_does_not_go_round_in_circles(federation: Federation) -> None:
    """A broker that is among its own peers is not asked twice, and one that has seen a request does not pass it on."""
    own = "ivo://penstock.example/execplanner"
    headers = {"Execution-Broker-Via": own}
    assert places(await federation.hub.ask(request_for(), headers=headers)) == ["first"]
    many = {"Execution-Broker-Via": "ivo://a/1, ivo://a/2, ivo://a/3"}
    assert places(await federation.hub.ask(request_for(), headers=many)) == ["first"]


async def test_the_same_offer_by_two_ways_is_shown_once(federation: Federation) -> None:
    twice = base(federation.others[0])
    hub = await federation.asking("fourth", twice, twice)
    assert sorted(places(await hub.ask())) == ["fourth", "second"]
