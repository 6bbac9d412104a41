"""WAIT: requests that block until something changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.uws.hosting import serving
from tests.uws.waiting import eventually
from tests.uws.web.client import Client, client_of, create, document, get, post
from uws.core.job import Phase

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.requirement("U-052", "U-060")
async def test_a_request_that_waits_ends_with_the_change(client: Client) -> None:
    path = await create(client)
    waiting = asyncio.create_task(document(client, f"{path}?WAIT=-1"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await post(client, f"{path}/phase", PHASE="ABORT")
    assert (await waiting).phase is Phase.ABORTED


@pytest.mark.requirement("U-050", "U-063")
async def test_wait_counts_at_the_job_only(client: Client) -> None:
    path = await create(client)
    for resource in (f"{path}/phase", f"{path}/results", "/uws/jobs"):
        async with asyncio.timeout(10):
            assert (await get(client, f"{resource}?WAIT=600"))[0] == 200
    for bad in ("abc", "1.5", "-5", "1&WAIT=2", "1&PHASE=NO"):
        assert (await get(client, f"{path}?WAIT={bad}"))[0] == 400


@pytest.mark.requirement("U-062")
async def test_a_client_that_leaves_frees_its_place(tmp_path: Path) -> None:
    async with client_of(tmp_path) as (client, service):
        path = await create(client)
        hub = service._events
        async with aiohttp.ClientSession() as leaving:
            task = asyncio.create_task(leaving.get(client.make_url(f"{path}?WAIT=50")))
            await eventually(lambda: hub.waiting == 1)
            task.cancel()
        await eventually(lambda: hub.waiting == 0)


@pytest.mark.requirement("U-061")
async def test_the_end_of_the_server_answers_those_who_wait(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, _):
        server = TestServer(app, handler_cancellation=True)
        async with TestClient(server) as client:
            path = await create(client)
            waiting = asyncio.create_task(document(client, f"{path}?WAIT=50"))
            await asyncio.sleep(0.3)
            closing = asyncio.create_task(server.close())
            assert (await waiting).phase is Phase.PENDING
            await closing


@pytest.mark.requirement("U-059", "U-063")
async def test_wait_is_read_in_any_case(client: Client) -> None:
    path = await create(client)
    assert (await get(client, f"{path}?wait=0"))[0] == 200
    assert (await get(client, f"{path}?wait=x"))[0] == 400
