"""Requests that wait: many of them, and what can happen to them meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from penstock.dali.errors import NotFound
from tests.support.server import Server, serve
from tests.uws.hosting import JOB_TYPES, make_settings, open_resources
from tests.uws.house import ALICE, ANYONE, BOB, House, open_idle, opened
from tests.uws.waiting import eventually
from tests.uws.web.client import client_of, create, document, post
from uws.app import open_jobs
from uws.core.job import Job, Phase
from uws.core.wait import REFUSED_S, Wait, WaitingLimits, WaitingRoom
from uws.ports import Change
from uws.service.access import Access
from uws.service.jobs import JobService, NewJob

FOR_EVER = Wait(seconds=None)
MANY = 5000
HUNDREDS = 300
Tasks = list[asyncio.Task[Job]]


async def pending(jobs: JobService, access: Access = ANYONE) -> Job:
    return await jobs.create(NewJob(job_type="echo"), access)


@asynccontextmanager
async def waiting(
    jobs: JobService, job: Job, number: int, access: Access = ANYONE
) -> AsyncIterator[list[asyncio.Task[Job]]]:
    """Let some wait for a job, as far as they may, and give them when they do."""
    before = jobs.waiting.taken
    tasks = [asyncio.create_task(jobs.wait(job.id, FOR_EVER, access)) for _ in range(number)]
    await eventually(lambda: jobs.waiting.taken == before + number)
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class TestWaitingRoom:
    def test_places_are_counted_for_all_for_a_job_and_for_a_caller(self) -> None:
        room = WaitingRoom(WaitingLimits(total=5, per_job=3, per_caller=2))
        with (
            room.place("j", "alice") as first,
            room.place("j", "alice") as second,
            room.place("k", "alice") as too_many_of_alice,
            room.place("j", None) as third,
            room.place("j", "bob") as too_many_for_the_job,
            room.place("k", None) as fourth,
            room.place("k", None) as fifth,
            room.place("l", "bob") as too_many,
        ):
            assert (first, second, third, fourth, fifth) == (True,) * 5
            assert (too_many_of_alice, too_many_for_the_job, too_many) == (False,) * 3
            assert room.taken == 5
        assert room.taken == 0
        with room.place("k", "alice") as again:
            assert again

    def test_a_place_is_free_again_after_a_failure(self) -> None:
        room = WaitingRoom(WaitingLimits(total=1))
        for _ in range(2):
            with pytest.raises(RuntimeError), room.place("j", None) as found:
                assert found
                raise RuntimeError
        assert room.taken == 0


async def test_five_thousand_wait_without_a_thread_and_all_hear_of_the_change(tmp_path: Path) -> None:
    async with opened(tmp_path, max_wait_s=600) as house:
        jobs = [await pending(house.jobs) for _ in range(10)]
        threads = threading.active_count()
        each = MANY // len(jobs)
        tasks = [asyncio.create_task(house.jobs.wait(job.id, FOR_EVER, ANYONE)) for job in jobs for _ in range(each)]
        await eventually(lambda: house.jobs.waiting.taken == MANY)
        assert threading.active_count() == threads
        for job in jobs:
            await house.jobs.run(job.id, ANYONE)
        assert {job.phase for job in await asyncio.gather(*tasks)} == {Phase.QUEUED}
        assert house.jobs.waiting.taken == house.hub.waiting == 0
        assert threading.active_count() == threads


@pytest.mark.requirement("U-062")
@pytest.mark.parametrize(
    ("limits", "access"),
    [
        (WaitingLimits(total=3), BOB),
        (WaitingLimits(per_job=3), BOB),
        (WaitingLimits(per_caller=3), ALICE),
    ],
)
async def test_who_finds_no_place_waits_a_second_and_is_shown_the_job(
    tmp_path: Path, limits: WaitingLimits, access: Access
) -> None:
    loop = asyncio.get_running_loop()
    async with opened(tmp_path, max_wait_s=600, waiting=limits) as house:
        job = await pending(house.jobs)
        async with waiting(house.jobs, job, 3, ALICE):
            start = loop.time()
            assert (await house.jobs.wait(job.id, FOR_EVER, access)).phase is Phase.PENDING
            assert loop.time() - start >= REFUSED_S * 0.99
            start = loop.time()
            await house.jobs.wait(job.id, Wait(seconds=0), access)
            await house.jobs.wait(job.id, Wait(seconds=None, phase=Phase.QUEUED), access)
            assert loop.time() - start < REFUSED_S
        async with waiting(house.jobs, job, 1, access):
            pass


async def test_who_finds_no_place_is_shown_what_the_job_has_become(tmp_path: Path) -> None:
    async with opened(tmp_path, max_wait_s=600, waiting=WaitingLimits(total=1)) as house:
        job = await pending(house.jobs)
        async with waiting(house.jobs, job, 1):
            refused = asyncio.create_task(house.jobs.wait(job.id, FOR_EVER, ANYONE))
            await eventually(lambda: house.hub.waiting == 2)
            await house.jobs.delete(job.id, ANYONE)
            with pytest.raises(NotFound):
                await refused


@pytest.mark.requirement("U-061")
async def test_a_thousand_hear_that_their_job_is_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path, max_wait_s=600) as house:
        job = await pending(house.jobs)
        async with waiting(house.jobs, job, 1000) as tasks:
            await house.jobs.delete(job.id, ANYONE)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {NotFound}


@pytest.mark.requirement("U-061")
async def test_a_thousand_are_answered_when_the_process_ends(tmp_path: Path) -> None:
    async with opened(tmp_path, max_wait_s=600) as house:
        job = await pending(house.jobs)
        async with waiting(house.jobs, job, 1000) as tasks:
            house.jobs.stop_waiting()
            assert {job.phase for job in await asyncio.gather(*tasks)} == {Phase.PENDING}
        assert (await house.jobs.wait(job.id, FOR_EVER, ANYONE)).phase is Phase.PENDING


class Slow:
    """A store whose readings end when they are told to: what they have read may be old by then."""

    def __init__(self, house: House) -> None:
        self._get = house.store.get
        self.read = asyncio.Event()
        self.go = asyncio.Event()
        house.store.get = self.get  # type: ignore[method-assign]

    async def get(self, job_id: str) -> Job | None:
        job = await self._get(job_id)
        self.read.set()
        await self.go.wait()
        return job


@pytest.mark.requirement("U-061")
async def test_a_change_after_the_job_was_read_and_before_the_wait_is_not_lost(
    tmp_path: Path, database_url: str
) -> None:
    async with opened(tmp_path, database_url) as house, opened(tmp_path, database_url) as other:
        job = await pending(other.jobs)
        slow = Slow(house)
        task = asyncio.create_task(house.jobs.wait(job.id, FOR_EVER, ANYONE))
        await slow.read.wait()
        changed = await other.jobs.run(job.id, ANYONE)
        await house.hub.announce(Change(job_id=job.id, phase=changed.phase))
        slow.go.set()
        assert (await task).phase is Phase.QUEUED


@pytest.mark.requirement("U-061")
async def test_waiting_goes_on_when_the_connection_that_listens_is_killed(tmp_path: Path, postgres_url: str) -> None:
    settings = make_settings(tmp_path, postgres_url, max_wait_s=600)
    async with open_resources(settings) as resources, opened(tmp_path, postgres_url) as other:
        jobs = await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_idle)
        job = await pending(jobs)
        async with waiting(jobs, job, 20) as tasks:
            async with other.db.write() as connection:
                await connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            await other.jobs.run(job.id, ANYONE)
            async with asyncio.timeout(60):
                assert {job.phase for job in await asyncio.gather(*tasks)} == {Phase.QUEUED}


async def test_news_are_heard_again_after_the_directory_of_their_sockets_was_removed(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, max_wait_s=600)
    async with open_resources(settings) as resources, open_resources(settings, migrate=False) as more:
        one = await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_idle)
        other = await open_jobs(more, job_types=JOB_TYPES, open_executor=open_idle)
        job = await pending(one)
        directory = tmp_path / "notify"
        async with waiting(one, job, 5) as tasks:
            sockets = sorted(directory.iterdir())
            assert len(sockets) == 2
            for socket in sockets:
                socket.unlink()
            directory.rmdir()
            assert (await other.run(job.id, ANYONE)).phase is Phase.QUEUED
            async with asyncio.timeout(60):
                assert {job.phase for job in await asyncio.gather(*tasks)} == {Phase.QUEUED}
        await eventually(lambda: sorted(directory.iterdir()) == sockets)
        async with waiting(one, job, 5) as tasks:
            await other.abort(job.id, ANYONE)
            assert {job.phase for job in await asyncio.gather(*tasks)} == {Phase.ABORTED}


@pytest.mark.requirement("U-062")
async def test_clients_that_leave_free_their_places(tmp_path: Path) -> None:
    async with client_of(tmp_path, open_executor=open_idle) as (client, service):
        path = await create(client)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as leaving:
            tasks = [asyncio.create_task(leaving.get(client.make_url(f"{path}?WAIT=50"))) for _ in range(100)]
            await eventually(lambda: service.waiting.taken == 100)
            for task in tasks[:60]:
                task.cancel()
            await eventually(lambda: service.waiting.taken == 40)
            await post(client, f"{path}/phase", PHASE="ABORT")
            assert {answer.status for answer in await asyncio.gather(*tasks[60:])} == {200}
        await eventually(lambda: service.waiting.taken == 0)
        assert (await document(client, path)).phase is Phase.ABORTED


async def new_job(session: aiohttp.ClientSession, server: Server, **fields: str) -> str:
    order = {"JOBTYPE": "sleep", "DURATION": "600", **fields}
    async with session.post(f"{server.base}/uws/jobs", data=order, allow_redirects=False) as answer:
        assert answer.status == 303
        return answer.headers["Location"].removeprefix(server.base)


async def phase_after(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url, headers={"Accept": "application/json"}) as answer:
        assert answer.status == 200
        job: dict[str, Any] = await answer.json()
        return str(job["phase"])


@asynccontextmanager
async def a_session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        yield session


@pytest.mark.requirement("U-061")
async def test_hundreds_wait_without_a_thread_more_and_a_restart_loses_none_of_them(tmp_path: Path) -> None:
    async with a_session() as session:
        with serve(tmp_path, "uws") as server:
            process = psutil.Process(server.process.pid)
            path = await new_job(session, server)

            async def all_wait() -> bool:
                async with session.get(f"{server.base}/metrics") as answer:
                    return f'requests_in_progress{{service="uws"}} {HUNDREDS}.0' in await answer.text()

            threads = process.num_threads()
            tasks = [asyncio.create_task(phase_after(session, f"{server.base}{path}?WAIT=60")) for _ in range(HUNDREDS)]
            await eventually(all_wait)
            assert process.num_threads() <= threads
            os.kill(process.pid, signal.SIGTERM)
            assert set(await asyncio.gather(*tasks)) == {"PENDING"}
        with serve(tmp_path, "uws") as server:
            task = asyncio.create_task(phase_after(session, f"{server.base}{path}?WAIT=60"))
            async with session.post(f"{server.base}{path}/phase", data={"PHASE": "ABORT"}) as answer:
                assert answer.status == 200
            assert await task == "ABORTED"


async def test_two_servers_run_each_job_once_and_tell_each_other(tmp_path: Path, postgres_url: str) -> None:
    more = {"PENSTOCK_DATABASE_URL": postgres_url}
    with serve(tmp_path, "uws", **more) as one, serve(tmp_path, "uws", **more) as other:
        async with a_session() as session:
            paths = [await new_job(session, one, DURATION="0") for _ in range(6)]
            tasks = [asyncio.create_task(ended(session, f"{one.base}{path}")) for path in paths]
            for path in paths:
                await asyncio.gather(
                    *(session.post(f"{server.base}{path}/phase", data={"PHASE": "RUN"}) for server in (one, other))
                )
            assert [job["phase"] for job in await asyncio.gather(*tasks)] == ["COMPLETED"] * 6


async def ended(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Wait, request after request, until a job is over."""
    while True:
        async with session.get(f"{url}?WAIT=60", headers={"Accept": "application/json"}) as answer:
            job: dict[str, Any] = await answer.json()
        if job["phase"] not in ("PENDING", "QUEUED", "EXECUTING"):
            return job
