"""The contract of `JobReports` for each way that reports can take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.uws.worker.reports_contract import JobReportsContract, World
from uws.core.job import Job
from uws.core.tokens import attempt_token
from uws.ports import Dispatch, JobReports
from uws.results import FileResults
from uws.worker.http_reports import HttpReports
from uws.worker.reporting import RemoteReports, ReportDesk
from uws.worker_api import WorkerApi

SECRET = b"s" * 32


class TestDirectReports(JobReportsContract):
    @pytest.fixture
    def reports(self, world: World) -> JobReports:
        return world.reports

    @pytest.fixture
    def files(self, world: World) -> FileResults:
        return world.results


class TestReportsToADesk(JobReportsContract):
    @pytest.fixture
    async def reports(self, world: World) -> AsyncIterator[JobReports]:
        async with ReportDesk(world.reports, lambda _: True).open() as path:
            yield RemoteReports(path)

    @pytest.fixture
    def files(self, world: World) -> FileResults:
        return world.results


class Admitting(HttpReports):
    """Reports of a worker that was given the token of whatever it claims."""

    async def claim(self, dispatch: Dispatch, worker: str) -> Job | None:
        self.admit(dispatch, attempt_token(SECRET, dispatch.job_id, dispatch.attempt))
        return await super().claim(dispatch, worker)


class TestReportsOverHttp(JobReportsContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> FileResults:
        return FileResults(tmp_path / "elsewhere")

    @pytest.fixture
    async def reports(self, world: World, files: FileResults) -> AsyncIterator[JobReports]:
        most = {"max_result_bytes": 10**6, "max_attempt_bytes": 10**7}
        app = web.Application()
        app.add_subapp("/uws/worker", WorkerApi(world.reports, world.results, secret=SECRET, **most).make_app())
        async with (
            TestServer(app, handler_cancellation=True) as server,
            Admitting.open(str(server.make_url("/uws/")), files, lease_s=0.5) as reports,
        ):
            yield reports
