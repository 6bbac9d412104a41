"""A client of the URI tree of UWS."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from tests.uws.hosting import serving
from uws.core import xml
from uws.core.job import Phase
from uws.service.jobs import JobService

JAVA = "text/html, image/gif, image/jpeg, */*; q=0.2"
OLD_JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
Client = TestClient[Any, Any]


@asynccontextmanager
async def client_of(folder: Path, **more: Any) -> AsyncIterator[tuple[Client, JobService]]:
    async with (
        serving(folder, **more) as (app, service),
        TestClient(TestServer(app, handler_cancellation=True)) as client,
    ):
        yield client, service


async def create(client: Client, path: str = "/uws/jobs", **fields: str) -> str:
    """Create a job and return its path."""
    data = {"JOBTYPE": "sleep", **fields} if path == "/uws/jobs" else fields
    async with client.post(path, data=data, allow_redirects=False) as response:
        assert response.status == 303, await response.text()
        location = response.headers["Location"]
    assert location.startswith(f"http://127.0.0.1:{client.port}{path}/")
    return location.removeprefix(f"http://127.0.0.1:{client.port}")


async def get(client: Client, path: str, accept: str = "*/*", **headers: str) -> tuple[int, str, str]:
    """Return status, media type and text."""
    async with client.get(path, headers={"Accept": accept, **headers}) as response:
        return response.status, response.content_type, await response.text()


async def document(client: Client, path: str) -> Any:
    async with client.get(path) as response:
        assert response.status == 200
        return xml.job_from_xml(await response.read())


async def post(client: Client, path: str, **fields: str) -> int:
    """Post a form and return the status; a redirect must lead to the job."""
    async with client.post(path, data=fields, allow_redirects=False) as response:
        if response.status == 303:
            job = re.match(r"/\w+(/\w+)?/[0-9a-z]{26}", path)
            assert job
            assert response.headers["Location"].endswith(job[0])
        return response.status


async def finished(client: Client, path: str) -> Any:
    """Wait until a job is over."""
    async with asyncio.timeout(60):
        while (job := await document(client, f"{path}?WAIT=30")).phase in (Phase.QUEUED, Phase.EXECUTING):
            pass
    return job
