"""Celery as it is set up: its settings, its secrets, and its own command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from penstock.settings import SettingsError
from tests.support.processes import reap
from tests.support.redis import Redis, free_port, running_redis
from tests.support.server import environment
from tests.support.systems import ROOT
from tests.uws.celery_site import CelerySite
from tests.uws.hosting import make_settings
from tests.uws.waiting import eventually
from tests.uws.work import done, start
from uws.core.job import Phase
from uws.worker.celery_executor import CeleryExecutor
from uws.worker.celery_queue import open_celery

SECRET = "hunter2"
PATIENCE_S = 180


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with running_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def site(tmp_path: Path, redis: Redis) -> CelerySite:
    return CelerySite(folder=tmp_path, broker_url=redis.url, own={"queue": "tried", "drain_s": "0"})


@pytest.fixture
async def executor(site: CelerySite) -> AsyncIterator[CeleryExecutor]:
    executor = CeleryExecutor(open_celery(site.settings()), lambda _: "")
    yield executor
    await executor.close()


@pytest.mark.parametrize("url", [None, "", f"mongodb://user:{SECRET}@host/", f"://{SECRET}", "redis"])
def test_a_broker_that_cannot_be_is_refused_without_its_password(tmp_path: Path, url: str | None) -> None:
    broker_url = None if url is None else SecretStr(url)
    settings = make_settings(tmp_path).model_copy(update={"broker_url": broker_url})
    with pytest.raises(SettingsError, match="broker_url") as refused:
        open_celery(settings)
    assert SECRET not in str(refused.value)


def penstock(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(
        command,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


def test_the_broker_is_a_secret(tmp_path: Path) -> None:
    away = f"amqp://user:{SECRET}@127.0.0.1:{free_port()}//"
    own = {"PENSTOCK_BROKER_URL": away, "PENSTOCK_DATA_DIR": str(tmp_path)}
    for arguments in (["penstock", "settings"], ["penstock", "settings", "--json"]):
        shown, _ = penstock(*arguments, **own).communicate(timeout=PATIENCE_S)
        assert "BROKER_URL" in shown
        assert SECRET not in shown
    worker = penstock("penstock", "worker", **own, PENSTOCK_LOG_LEVEL="debug")
    assert worker.stdout
    for line in worker.stdout:
        assert SECRET not in line
        if "Cannot connect" in line:
            break
    worker.terminate()
    assert SECRET not in worker.stdout.read()
    assert reap(worker) == 0


def test_a_worker_without_broker_says_what_is_missing(tmp_path: Path) -> None:
    worker = penstock("penstock", "worker", PENSTOCK_DATA_DIR=str(tmp_path))
    said, _ = worker.communicate(timeout=PATIENCE_S)
    assert worker.returncode == 2
    assert said.strip().startswith("penstock: jobs go through Celery, so broker_url must be set")


async def test_that_the_broker_or_every_worker_is_away_is_told(site: CelerySite, executor: CeleryExecutor) -> None:
    assert await executor.problem() == "No worker answers: jobs wait until there is one."
    nowhere = CelerySite(folder=site.folder, broker_url=f"redis://127.0.0.1:{free_port()}/0", own=site.own)
    away = CeleryExecutor(open_celery(nowhere.settings()), lambda _: "")
    assert await away.problem() == "The message broker does not answer."
    await away.close()


async def test_an_executor_that_is_closed_takes_nothing(executor: CeleryExecutor) -> None:
    assert executor.capacity() > 0
    await executor.close()
    assert executor.capacity() == 0


@contextmanager
def celery(site: CelerySite, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run Celery's own command."""
    process = penstock("celery", "-A", "uws.celery_app", "worker", *options, **site.environment())
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


async def test_celerys_own_command_runs_jobs(site: CelerySite) -> None:
    with celery(site, "--concurrency", "2"):
        async with site.service() as service:
            assert (await done(service, await start(service, "echo"))).phase is Phase.COMPLETED
            executor = CeleryExecutor(open_celery(site.settings()), lambda _: "")

            async def answers() -> bool:
                return await executor.problem() is None

            await eventually(answers)
            await executor.close()


def test_a_pool_that_cannot_wait_for_processes_is_refused(site: CelerySite) -> None:
    with celery(site, "--pool", "solo") as process:
        assert process.wait(timeout=PATIENCE_S) == 2
