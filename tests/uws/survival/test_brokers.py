"""A message broker that is away, or forgets everything (failure group 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.rabbitmq import RabbitMq, running_rabbitmq
from tests.support.redis import Redis, running_redis
from tests.uws.celery_site import CelerySite
from tests.uws.waiting import eventually
from tests.uws.work import ANYONE, done, gone, pids_of, start
from tests.uws.worker_process import WorkerProcess
from uws.core.job import Phase
from uws.core.phases import Refused
from uws.service.jobs import JobService, NewJob
from uws.worker.celery_executor import CeleryExecutor
from uws.worker.celery_queue import open_celery

pytestmark = pytest.mark.asyncio(loop_scope="module")
OWN = {"kill_after_s": "0.3", "max_running": "2", "redispatch_s": "0.5", "drain_s": "0"}
Broker = Redis | RabbitMq


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    running = running_redis if request.param == "redis" else running_rabbitmq
    with running(tmp_path_factory.mktemp(request.param)) as broker:
        yield broker


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> CelerySite:
    return CelerySite(folder=tmp_path_factory.mktemp("site"), broker_url=broker.url, own=OWN)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(site: CelerySite) -> AsyncIterator[JobService]:
    async with site.service() as service:
        yield service


@pytest.fixture(scope="module")
def worker(site: CelerySite) -> Iterator[WorkerProcess]:
    with site.worker() as worker:
        yield worker


async def waiting(site: CelerySite) -> int:
    """Return how many messages wait in the broker."""
    executor = CeleryExecutor(open_celery(site.settings()), lambda _: "")
    try:
        return await executor.waiting()
    finally:
        await executor.close()


async def test_messages_that_were_lost_are_sent_again_and_no_more(
    site: CelerySite, service: JobService, broker: Broker, request: pytest.FixtureRequest
) -> None:
    """There is no worker yet: the messages of three jobs wait, are forgotten, and wait again."""
    jobs = [await start(service, "echo") for _ in range(3)]

    async def three_wait() -> bool:
        return await waiting(site) == 3

    await eventually(three_wait)
    broker.flush()
    await eventually(three_wait)
    request.getfixturevalue("worker")
    ended = [await done(service, job) for job in jobs]
    assert {(job.phase, job.attempt) for job in ended} == {(Phase.COMPLETED, 1)}
    assert await waiting(site) == 0


async def test_while_the_broker_is_away_everything_is_accepted_and_nothing_is_lost(
    service: JobService, worker: WorkerProcess, broker: Broker
) -> None:
    runs = await start(service, "spawn")
    pids = await pids_of(service, runs)
    broker.kill()
    pending = await service.create(NewJob(job_type="echo"), ANYONE)
    queued = await start(service, "echo")
    unwanted = await start(service, "echo")
    assert (pending.phase, queued.phase) == (Phase.PENDING, Phase.QUEUED)
    assert (await service.abort(unwanted.id, ANYONE)).phase is Phase.ABORTED
    assert (await service.abort(runs.id, ANYONE)).phase is Phase.ABORTED
    await gone(*pids)
    assert (await service.run(pending.id, ANYONE)).phase is Phase.QUEUED
    broker.start()
    for job in (pending, queued):
        job = await done(service, job)
        assert (job.phase, job.attempt) == (Phase.COMPLETED, 1)
    with pytest.raises(Refused):
        await service.run(unwanted.id, ANYONE)


async def test_a_job_that_runs_does_not_need_the_broker(
    service: JobService, worker: WorkerProcess, broker: Broker
) -> None:
    job = await start(service, "spawn", LEAVE="yes")
    broker.kill()
    broker.start()
    assert (await done(service, job)).phase is Phase.COMPLETED
    assert (await done(service, await start(service, "echo"))).phase is Phase.COMPLETED
