"""Jobs at an upstream that attempts of a job of ours make, take up and leave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest
import requests

from penstock.clock import utc_now
from penstock.db import Database
from penstock.migrations import upgrade
from tap_proxy.upstream.asking import ask
from tap_proxy.upstream.client import Request, Site, UpstreamClient
from tap_proxy.upstream.shadows import Attempt, Shadow, Shadows
from tests.tap_proxy.hosting import MIGRATIONS
from tests.tap_proxy.upstream.sites import penstock, row, running

QUERY = {"LANG": "ADQL", "QUERY": "SELECT obs_id FROM ivoa.obscore ORDER BY obs_id", "RESPONSEFORMAT": "csv"}
ENDLESS = QUERY | {
    "QUERY": "SELECT COUNT(*) AS n FROM {} WHERE {} < -1".format(
        ", ".join(f"ivoa.obscore AS a{n}" for n in range(12)), " + ".join(f"a{n}.s_ra" for n in range(12))
    )
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("upstream")
    with running(penstock(folder, [row(n, "up") for n in range(20)])) as base:
        yield f"{base}/tap"


class World:
    """A client of the upstream, and a database with what is known of its jobs."""

    def __init__(self, url: str, db: Database, wanted: frozenset[str]) -> None:
        async def unfinished(_jobs: object) -> frozenset[str]:
            return wanted

        self.client = UpstreamClient(Site(name="up", url=url, trusted=True), allow_private=False)
        self.shadows = Shadows(db, unfinished, utc_now)
        self.told: list[str] = []
        self.attempt = Attempt(self.shadows, "ours", self._report)

    async def _report(self, text: str) -> None:
        self.told.append(text)

    async def asked(self, params: Mapping[str, str]) -> str:
        """Run a query as a job and return its answer."""
        deadline = asyncio.get_running_loop().time() + 60
        async with ask(self.client, Request(params=params), deadline=deadline, here=self.attempt) as response:
            return await response.text()

    async def known(self) -> str | None:
        """Return the job there that is noted."""
        shadow = await self.shadows.find("ours")
        return shadow.url if shadow else None

    async def keep(self, url: str, params: Mapping[str, str] = QUERY) -> None:
        await self.attempt.keep(self.client, Request(params=params), url, 60)


@pytest.fixture
async def opened(url: str, tmp_path: Path):
    """Open worlds on one database; the argument tells whether our job is wanted still."""
    db = Database(f"sqlite:///{tmp_path / 'test.db'}")
    await upgrade(db, MIGRATIONS)
    worlds: list[World] = []

    def make(*, wanted: bool) -> World:
        worlds.append(World(url, db, frozenset({"ours"} if wanted else ())))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.client.close()
    await db.close()


def made(url: str, params: Mapping[str, str], *, run: bool) -> str:
    """Make a job at the upstream."""
    data = {**params, **({"PHASE": "RUN"} if run else {})}
    response = requests.post(f"{url}/async", data=data, timeout=60, allow_redirects=False)
    return response.headers["Location"]


def phase(job: str, *, wait: str = "") -> str:
    path = f"{job}?WAIT=60&PHASE={wait}" if wait else job
    found: str = requests.get(path, timeout=90, headers={"Accept": "application/json"}).json()["phase"]
    return found


def jobs(url: str) -> set[str]:
    found = requests.get(f"{url}/async", timeout=60, headers={"Accept": "application/json"}).json()
    return {job["href"] for job in found["jobs"]}


async def test_a_job_is_noted_before_it_runs_and_forgotten_when_it_is_read(opened, url: str) -> None:
    world = opened(wanted=True)
    noted: list[str | None] = []

    async def report(_text: str) -> None:
        noted.append(await world.known())

    world.attempt.report = report
    assert (await world.asked(QUERY)).startswith("obs_id")
    assert noted[0] in await asyncio.to_thread(jobs, url)
    assert await world.known() is None


@pytest.mark.parametrize("before", ["PENDING", "COMPLETED"])
async def test_a_job_of_an_earlier_attempt_is_taken_up(opened, url: str, before: str) -> None:
    world = opened(wanted=True)
    job = await asyncio.to_thread(made, url, QUERY, run=before == "COMPLETED")
    while before == "COMPLETED" and (found := await asyncio.to_thread(phase, job)) != before:
        await asyncio.to_thread(phase, job, wait=found)
    known = await asyncio.to_thread(jobs, url)
    await world.keep(job)
    assert (await world.asked(QUERY)).startswith("obs_id")
    assert await asyncio.to_thread(jobs, url) == known
    assert await world.known() is None


@pytest.mark.parametrize("why", ["gone", "aborted", "of another query", "at another host"])
async def test_a_job_that_is_of_no_use_is_made_anew(
    opened, url: str, why: Literal["gone", "aborted", "of another query", "at another host"]
) -> None:
    world = opened(wanted=True)
    job = await asyncio.to_thread(made, url, ENDLESS, run=True)
    if why == "gone":
        await asyncio.to_thread(requests.delete, job, timeout=60)
    elif why == "aborted":
        await asyncio.to_thread(requests.post, f"{job}/phase", data={"PHASE": "ABORT"}, timeout=60)
    other = "https://other.example/tap/async/1"
    await world.keep(other if why == "at another host" else job, ENDLESS if why == "of another query" else QUERY)
    assert (await world.asked(QUERY)).startswith("obs_id")
    assert await world.known() is None
    if why == "of another query":
        assert await asyncio.to_thread(phase, job) == "ABORTED"
    await asyncio.to_thread(requests.delete, job, timeout=60)


@pytest.mark.parametrize("wanted", [True, False])
async def test_an_attempt_that_is_stopped_leaves_a_job_for_the_next_one_only(opened, url: str, wanted: bool) -> None:
    world = opened(wanted=wanted)
    running_there = asyncio.Event()

    async def report(text: str) -> None:
        if text == "up: EXECUTING":
            running_there.set()

    world.attempt.report = report
    attempt = asyncio.create_task(world.asked(ENDLESS))
    await running_there.wait()
    job = await world.known()
    assert job is not None
    attempt.cancel()
    await asyncio.wait({attempt})
    assert await asyncio.to_thread(phase, job) == ("EXECUTING" if wanted else "ABORTED")
    assert await world.known() == (job if wanted else None)
    after = opened(wanted=False)
    await after.shadows.tidy({"up": after.client})
    assert await asyncio.to_thread(phase, job) == "ABORTED"
    assert await after.known() is None


async def test_what_cannot_be_aborted_is_tried_again_until_its_time_is_over(opened, url: str) -> None:
    world = opened(wanted=False)
    away = UpstreamClient(Site(name="up", url="http://127.0.0.1:1/tap", trusted=True), allow_private=False)
    await world.attempt.keep(away, Request(params=QUERY), f"{away.site.url}/async/1", 60)
    for clients in ({"up": away}, {}):
        await world.shadows.tidy(clients)
        assert await world.known() is not None
    await world.attempt.keep(away, Request(params=QUERY), f"{away.site.url}/async/1", -1)
    await world.shadows.tidy({"up": away})
    assert await world.known() is None
    await away.close()


async def test_a_job_is_not_forgotten_in_the_place_of_another(opened) -> None:
    world = opened(wanted=True)
    await world.keep("https://up.example/1")
    await world.attempt.forget("https://up.example/2")
    (kept,) = await world.shadows.all()
    assert isinstance(kept, Shadow)
    assert kept.url == "https://up.example/1"
