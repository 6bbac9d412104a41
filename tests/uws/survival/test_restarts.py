"""Servers that end while jobs run and clients wait, and several of them at once (failure group 10)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.files import files_below
from tests.support.postgres import fresh_database
from tests.support.processes import reap
from tests.support.redis import running_redis
from tests.support.server import serve
from tests.uws.celery_site import CelerySite
from tests.uws.waiting import PATIENCE_S
from tests.uws.work import ANYONE, content, done, gone, pids_of, start
from tests.uws.worker_process import COMMAND, OWN_COMMAND, worker
from uws.core.job import Phase

OWN = {"max_running": "2", "redispatch_s": "1", "lease_s": "20", "drain_s": "0"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CelerySite]:
    folder = tmp_path_factory.mktemp("site")
    with running_redis(folder / "broker") as redis:
        yield CelerySite(folder=folder, broker_url=redis.url, database_url=fresh_database(), own=OWN)


async def run(client: aiohttp.ClientSession, base: str, **fields: str) -> str:
    """Create a job and run it; return its path."""
    async with client.post(f"{base}/uws/jobs", data=fields | {"PHASE": "RUN"}, allow_redirects=False) as response:
        assert response.status == 303
        return response.headers["Location"].removeprefix(base)


async def document(client: aiohttp.ClientSession, url: str, **query: str) -> dict[str, str]:
    async with client.get(url, params={"RESPONSEFORMAT": "json", **query}) as response:
        assert response.status == 200
        found: dict[str, str] = await response.json()
        return found


async def ended(client: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """Wait as clients do until a job is over."""
    async with asyncio.timeout(PATIENCE_S):
        while (job := await document(client, url, WAIT="30"))["phase"] in {"QUEUED", "EXECUTING"}:
            pass
    return job


async def test_a_job_outlives_the_server_that_started_it_and_is_waited_for_at_the_next(site: CelerySite) -> None:
    async with aiohttp.ClientSession() as client:
        with site.worker(COMMAND):
            with serve(site.data, "uws", **site.environment()) as server:
                path = await run(client, server.base, JOBTYPE="sleep", DURATION="3")
                while (await document(client, server.base + path))["phase"] == "QUEUED":
                    await document(client, server.base + path, WAIT="30", PHASE="QUEUED")
                waits = asyncio.create_task(document(client, server.base + path, WAIT="60"))
                queued = await run(client, server.base, JOBTYPE="echo", MESSAGE="x")
                server.process.kill()
                reap(server.process)
                with pytest.raises(aiohttp.ClientError):
                    await waits
            with serve(site.data, "uws", **site.environment()) as server:
                for each in (path, queued):
                    assert (await ended(client, server.base + each))["phase"] == "COMPLETED"
                seen = await document(client, server.base + path)
                assert "'attempt': 1" in repr(seen)


async def test_a_worker_with_nothing_but_broker_and_http_runs_jobs_and_hands_them_back(
    site: CelerySite, tmp_path: Path
) -> None:
    apart = CelerySite(
        folder=site.folder / "apart",
        broker_url=site.broker_url,
        database_url=fresh_database(),
        own={**OWN, "lease_s": "3", "queue": "apart"},
    )
    outside = {**apart.environment(), "PENSTOCK_DATA_DIR": str(tmp_path)}
    del outside["PENSTOCK_DATABASE_URL"]
    async with apart.server() as (service, url):
        with worker(outside, (*OWN_COMMAND, "--api", url)) as remote:
            echo = await done(service, await start(service, "echo", MESSAGE="from outside"))
            assert content(service, echo, "echo") == b"from outside"
            aborted = await start(service, "spawn")
            pids = await pids_of(service, aborted)
            await service.abort(aborted.id, ANYONE)
            await gone(*pids)
            job = await start(service, "spawn")
            pids = await pids_of(service, job)
            await asyncio.to_thread(remote.stop)
            await gone(*pids)
        job = await service.get(job.id, ANYONE)
        assert (job.phase, job.attempt) == (Phase.QUEUED, 2)
    assert not files_below(tmp_path)


async def test_two_services_on_one_database_start_every_job_once(site: CelerySite) -> None:
    pair = CelerySite(folder=site.folder / "pair", broker_url=site.broker_url, database_url=fresh_database(), own=OWN)
    async with pair.service() as stays:
        with pair.worker():
            async with pair.service() as leaves:
                jobs = [await start(service, "echo") for _ in range(10) for service in (stays, leaves)]
                for job in jobs[:5]:
                    assert (await done(leaves, job)).phase is Phase.COMPLETED
            jobs += [await start(stays, "echo")]
            ended = [await done(stays, job) for job in jobs]
            assert {(job.phase, job.attempt) for job in ended} == {(Phase.COMPLETED, 1)}
