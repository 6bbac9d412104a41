from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from penstock.context import load
from uws.app import create_app
from uws.core import xml
from uws.core.job import Phase
from uws.job_types import installed_job_types
from uws.plugin import service


async def test_another_application_can_have_the_jobs_below_any_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = web.Application()
    theirs.add_subapp("/science/jobs", await create_app(data_dir=tmp_path, base_url="https://jobs.example.org"))
    async with TestClient(TestServer(theirs, handler_cancellation=True)) as client:
        order = {"JOBTYPE": "echo", "MESSAGE": "hello", "PHASE": "RUN"}
        async with client.post("/science/jobs/jobs", data=order, allow_redirects=False) as response:
            location = response.headers["Location"]
        assert location.startswith("https://jobs.example.org/science/jobs/jobs/")
        path = location.removeprefix("https://jobs.example.org")
        phase = Phase.QUEUED
        while phase in (Phase.QUEUED, Phase.EXECUTING):
            async with client.get(f"{path}?WAIT=30") as response:
                phase = xml.job_from_xml(await response.read()).phase
        assert phase is Phase.COMPLETED
        async with client.get(f"{path}/results/echo") as response:
            assert await response.text() == "hello"


def test_the_types_for_trying_out_are_installed() -> None:
    assert {"echo", "sleep", "fail"} <= set(installed_job_types())


@pytest.mark.requirement("U-037", "U-039", "SS-05")
@pytest.mark.parametrize(
    ("authenticator", "methods"),
    [("anonymous", ()), ("oidc", (None, "ivo://ivoa.net/sso#OAuth"))],
)
def test_the_service_describes_itself_without_being_opened(authenticator: str, methods: tuple[str | None, ...]) -> None:
    description = service.describe(load(authenticator=authenticator), "https://penstock.example/uws")
    [jobs, *_] = description.capabilities
    assert jobs.standard_id == "ivo://ivoa.net/std/UWS#rest-1.1"
    assert jobs.interfaces[0].access_url == "https://penstock.example/uws/jobs"
    assert jobs.interfaces[0].security_methods == methods
