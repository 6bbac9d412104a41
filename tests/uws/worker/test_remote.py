"""Workers that have neither the database nor the disk of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from penstock.dali.params import Part
from tests.support.files import files_below
from tests.uws.hosting import make_settings, open_local, open_resources, serving
from tests.uws.waiting import PATIENCE_S, eventually
from uws.compose import results_of
from uws.core.job import FINAL, Job, Phase
from uws.core.wait import Wait
from uws.ports import AttemptEnded, Dispatch, EndOfAttempt, Executor, JobReports
from uws.service.access import Access
from uws.service.jobs import Given, JobService, NewJob
from uws.worker.http_reports import HttpReports
from uws.worker_secret import attempt_tokens

ANYONE = Access()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Nobody:
    """An `Executor` of a service whose workers are elsewhere: it takes every attempt and does nothing with it."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[Dispatch] = asyncio.Queue()

    async def open(self, _resources: object, _reports: JobReports, _ended: AttemptEnded) -> Executor:
        return self

    def capacity(self, *, light: bool = False) -> int:
        return 10

    async def waiting(self) -> int:
        return 0

    async def start(self, dispatch: Dispatch) -> None:
        self.started.put_nowait(dispatch)

    async def stop(self, job_id: str) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class Network:
    """What lies between worker and service: `loses` says which answers it loses, `down` that nothing goes through."""

    def __init__(self) -> None:
        self.down = False
        self.refused = 0
        self.loses: Callable[[web.Request], bool] = lambda _: False

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.down:
            self.refused += 1
            return self._cut(request)
        response = await handler(request)
        return self._cut(request) if self.loses(request) else response

    def _cut(self, request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response(status=500)


class Deployment:
    """A service, and a worker in another directory that starts what the service has started."""

    def __init__(self, service: JobService, network: Network, reports: HttpReports, spool: Path) -> None:
        self.service = service
        self.network = network
        self.reports = reports
        self.spool = spool

    async def start(self, name: str, *parts: Part, **parameters: str) -> Job:
        given = Given(parameters=tuple(parameters.items()), parts=parts)
        return await self.service.create(NewJob(job_type=name, given=given, run=True), ANYONE)

    async def done(self, job: Job) -> Job:
        async with asyncio.timeout(PATIENCE_S):
            while job.phase not in FINAL:
                job = await self.service.wait(job.id, Wait(seconds=None), ANYONE)
        return job

    def content(self, job: Job) -> dict[str, bytes]:
        return {result.id: self.service.results.path(result.blob).read_bytes() for result in job.results}

    async def clean(self) -> None:
        """Wait until the worker has nothing of any job left."""
        await eventually(lambda: not files_below(self.spool))


@asynccontextmanager
async def deployed(folder: Path, **own: Any) -> AsyncIterator[Deployment]:
    here, there = make_settings(folder / "service", **own), make_settings(folder / "worker", **own)
    (folder / "service").mkdir()
    (folder / "worker").mkdir()
    nobody, network, tokens = Nobody(), Network(), attempt_tokens(here)
    async with serving(folder / "service", open_executor=nobody.open, **own) as (app, service):
        app.middlewares.insert(0, network.middleware)
        async with (
            TestServer(app, handler_cancellation=True) as server,
            HttpReports.open(
                str(server.make_url("/uws")), results_of(there), lease_s=own.get("lease_s", 60)
            ) as reports,
            open_resources(there) as resources,
            asyncio.TaskGroup() as tasks,
        ):
            executor = await open_local(resources, reports, reports.ended)

            async def pass_on() -> None:
                while True:
                    dispatch = await nobody.started.get()
                    reports.admit(dispatch, tokens(dispatch))
                    await executor.start(dispatch)

            passing = tasks.create_task(pass_on())
            try:
                yield Deployment(service, network, reports, folder / "worker" / "results")
            finally:
                passing.cancel()
                await executor.close()


async def test_a_job_runs_where_neither_database_nor_disk_is_shared(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    async with deployed(tmp_path) as there:
        part = Part(name="t", content=content, size_bytes=len(content))
        copied = await there.done(await there.start("copy", part, UPLOAD="t,param:t"))
        assert (copied.phase, there.content(copied)) == (Phase.COMPLETED, {"result": content})
        crashed = await there.done(await there.start("crash"))
        assert (crashed.phase, there.content(crashed)) == (Phase.ERROR, {"part": b"finished before the crash"})
        died = await there.done(await there.start("die", UNTIL="1"))
        assert (died.phase, died.attempt) == (Phase.COMPLETED, 2)
        await there.clean()


async def test_answers_that_are_lost_change_nothing(tmp_path: Path) -> None:
    async with deployed(tmp_path) as there:
        seen: set[str] = set()

        def first_of_its_kind(request: web.Request) -> bool:
            kind = request.path.rpartition("/")[2] if request.method == "POST" else request.method
            return kind not in seen and not seen.add(kind)

        there.network.loses = first_of_its_kind
        part = Part(name="t", content=b"upload", size_bytes=6)
        job = await there.done(await there.start("copy", part, UPLOAD="t,param:t"))
        assert (job.phase, job.attempt, there.content(job)) == (Phase.COMPLETED, 1, {"result": b"upload"})
        await there.clean()
        assert {"claim", "GET", "PUT", "complete"} <= seen


async def test_a_worker_waits_for_a_service_that_is_away(tmp_path: Path) -> None:
    async with deployed(tmp_path) as there:
        job = await there.start("sleep", DURATION="1.5")

        async def runs() -> bool:
            return "progress" in (await there.service.get(job.id, ANYONE)).info

        await eventually(runs)
        there.network.down = True
        await eventually(lambda: there.network.refused > 3)
        there.network.down = False
        done = await there.done(job)
        assert (done.phase, done.attempt) == (Phase.COMPLETED, 1)


async def test_an_abort_reaches_a_worker_that_is_elsewhere(tmp_path: Path) -> None:
    async with deployed(tmp_path, lease_s=3) as there:
        job = await there.start("sleep", DURATION="600")

        async def runs() -> bool:
            return (await there.service.get(job.id, ANYONE)).phase is Phase.EXECUTING

        await eventually(runs)
        await there.service.abort(job.id, ANYONE)
        await there.clean()
        await eventually(lambda: not there.reports.admitted)


async def test_a_result_that_is_too_large_for_the_service_is_an_error_of_the_job(tmp_path: Path) -> None:
    async with deployed(tmp_path, max_result_bytes=1000) as there:
        part = Part(name="t", content=bytes(2000), size_bytes=2000)
        job = await there.done(await there.start("copy", part, UPLOAD="t,param:t"))
        assert job.error
        assert (job.phase, job.error.type, job.results) == (Phase.ERROR, "fatal", ())
        assert "1000 bytes" in job.error.message


async def test_an_attempt_without_a_possible_job_is_not_admitted(tmp_path: Path) -> None:
    async with HttpReports.open("http://localhost", results_of(make_settings(tmp_path)), lease_s=1) as r:
        with pytest.raises(ValueError, match="id of a job"):
            r.admit(Dispatch(job_id="../../etc", attempt=1), "token")
        await r.ended(Dispatch(job_id="never", attempt=1), EndOfAttempt.VANISHED)
