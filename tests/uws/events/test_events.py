from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from penstock.db import Database
from penstock.migrations import upgrade
from tests.uws.builders import NOW, make_job
from tests.uws.waiting import eventually
from uws.core.job import Phase
from uws.core.phases import Run, apply
from uws.events import Hub, open_hub
from uws.events.datagrams import DatagramSender
from uws.ports import Change, change_from_text, change_to_text
from uws.store import SqlStore

QUEUED = Change(job_id="j", phase=Phase.QUEUED)


@pytest.mark.parametrize("change", [QUEUED, Change(job_id="j", phase=None)])
def test_a_change_is_the_same_after_the_journey(change: Change) -> None:
    assert change_from_text(change_to_text(change)) == change


@pytest.mark.parametrize("text", ["", "j", "j NONSENSE", "j QUEUED x"])
def test_other_text_is_no_change(text: str) -> None:
    assert change_from_text(text) is None


async def test_news_between_the_start_of_a_watch_and_the_wait_are_not_lost() -> None:
    hub = Hub()
    with hub.watch("j") as watch:
        await hub.announce(QUEUED)
        assert await watch.wait(60)
        assert not await watch.wait(0.01)


async def test_only_those_who_wait_for_the_job_are_woken() -> None:
    hub = Hub()
    with hub.watch("j") as watch, hub.watch("other") as other:
        await hub.announce(QUEUED)
        assert await watch.wait(60)
        assert not await other.wait(0.01)


async def test_five_thousand_waiters_are_woken_and_forgotten() -> None:
    hub = Hub()

    async def wait() -> bool:
        with hub.watch("j") as watch:
            return await watch.wait(60)

    tasks = [asyncio.create_task(wait()) for _ in range(5000)]
    await eventually(lambda: hub.waiting == 5000)
    await hub.announce(QUEUED)
    assert all(await asyncio.gather(*tasks))
    assert hub.waiting == 0


async def test_a_waiter_that_is_cancelled_is_forgotten() -> None:
    hub = Hub()

    async def wait() -> None:
        with hub.watch("j") as watch:
            await watch.wait(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    assert hub.waiting == 1
    task.cancel()
    await asyncio.wait({task})
    assert hub.waiting == 0


async def test_closing_wakes_everybody() -> None:
    hub = Hub()
    with hub.watch("j") as watch:
        hub.close()
        assert await watch.wait(60)
        assert hub.closing


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url)
    await upgrade(db, {"uws": "uws.migrations"})
    yield db
    await db.close()


async def test_a_change_by_another_process_wakes_those_who_wait_in_this_one(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    directory = tmp_path / ("long" * 30) / "notify"
    async with AsyncExitStack() as here, AsyncExitStack() as there:
        its_db = Database(database_url)
        there.push_async_callback(its_db.close)
        hub, other = await open_hub(db, directory, here), await open_hub(its_db, directory, there)
        job, store = make_job(), SqlStore(its_db)
        await store.create(job)
        with hub.watch(job.id) as watch:
            decision = apply(job, Run(), NOW)
            await store.change(job, decision.job, decision.effects)
            await other.announce(Change(job_id=job.id, phase=Phase.QUEUED))
            assert await watch.wait(30)


async def test_what_this_process_changed_is_not_heard_a_second_time(postgres_url: str) -> None:
    db = Database(postgres_url)
    await upgrade(db, {"uws": "uws.migrations"})
    heard: list[Change] = []
    async with AsyncExitStack() as stack:
        hub = await open_hub(db, Path("unused"), stack)
        hub.listen(heard.append)
        job = make_job()
        await SqlStore(db).create(job)
        decision = apply(job, Run(), NOW)
        await SqlStore(db).change(job, decision.job, decision.effects)
        async with db.write() as connection:
            await connection.exec_driver_sql("SELECT pg_notify('penstock_uws', 'another QUEUED')")
        await eventually(lambda: [change.job_id for change in heard] == ["another"])
    await db.close()


async def test_a_socket_that_nobody_reads_is_removed(tmp_path: Path) -> None:
    with DatagramSender.opened(tmp_path) as announcer:
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        dead.bind(str(tmp_path / "1-dead.sock"))
        dead.close()
        await announcer.announce(QUEUED)
        assert not (tmp_path / "1-dead.sock").exists()


async def test_a_burst_larger_than_the_queue_of_a_socket_arrives_whole(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/x.db")
    heard: list[Change] = []
    async with AsyncExitStack() as stack:
        hub, announcer = await open_hub(db, tmp_path, stack), stack.enter_context(DatagramSender.opened(tmp_path))
        hub.listen(heard.append)
        await asyncio.gather(*(announcer.announce(QUEUED) for _ in range(500)))
        await eventually(lambda: len(heard) == 500)


async def test_when_the_listening_connection_is_lost_everybody_looks_again_and_hears_again(postgres_url: str) -> None:
    db = Database(postgres_url)
    await upgrade(db, {"uws": "uws.migrations"})
    async with AsyncExitStack() as stack:
        hub = await open_hub(db, Path("unused"), stack)
        with hub.watch("j") as watch:
            async with db.write() as connection:
                await connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            assert await watch.wait(30)
            async with db.write() as connection:
                await connection.exec_driver_sql("SELECT pg_notify('penstock_uws', 'j QUEUED')")
            assert await watch.wait(30)
    await db.close()
