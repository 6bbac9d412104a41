"""A job as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.uws.hosting import Tokens, serving
from tests.uws.waiting import eventually
from tests.uws.web.client import Client, client_of, create, get, post

pytestmark = pytest.mark.asyncio(loop_scope="package")
OVER = ("COMPLETED", "ERROR", "ABORTED")


class Events:
    """The events of a stream, one after the other."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> tuple[str, dict[str, Any]] | None:
        """Return the name and the data of the next event, None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self.response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "event" in fields:
                    return fields["event"], orjson.loads(fields["data"])
        return None

    async def rest(self) -> list[tuple[str, str | None]]:
        """Return the names and phases of all that is still to come."""
        found = []
        while (event := await self.next()) is not None:
            found.append((event[0], event[1].get("phase")))
        return found


@asynccontextmanager
async def followed(client: Client, path: str, **headers: str) -> AsyncIterator[Events]:
    async with client.get(f"{path}/events", headers={"Accept": "text/event-stream", **headers}) as response:
        assert response.status == 200, await response.text()
        yield Events(response)


async def test_a_stream_begins_with_the_present_and_tells_every_phase_to_the_end(client: Client) -> None:
    path = await create(client, JOBTYPE="echo", MESSAGE="x", RUNID="r")
    async with followed(client, path) as events:
        headers = events.response.headers
        assert (headers["Content-Type"], headers["Cache-Control"]) == ("text/event-stream", "no-store")
        first = await events.next()
        assert first
        name, data = first
        assert (name, data["phase"], data["runId"]) == ("phase", "PENDING", "r")
        assert "parameters" not in data
        await post(client, f"{path}/phase", PHASE="RUN")
        phases = [phase for name, phase in await events.rest() if name == "phase"]
    # a job may be through a phase before anybody looks: what is told is in order and ends with the end
    assert phases[-1] == "COMPLETED"
    assert phases == [phase for phase in ("QUEUED", "EXECUTING", "COMPLETED") if phase in phases]


async def test_progress_and_other_changes_are_updates(client: Client) -> None:
    path = await create(client, DURATION="600")
    async with followed(client, path) as events:
        await events.next()
        await post(client, f"{path}/destruction", DESTRUCTION="2027-01-01")
        event = await events.next()
        assert event
        assert (event[0], event[1]["destruction"]) == ("update", "2027-01-01T00:00:00.000Z")
        await post(client, f"{path}/phase", PHASE="RUN")
        while event and not event[1]["jobInfo"].get("progress"):
            event = await events.next()
        assert event
        assert (event[0], event[1]["phase"]) == ("update", "EXECUTING")
        await post(client, f"{path}/phase", PHASE="ABORT")
        assert ("phase", "ABORTED") in await events.rest()


async def test_a_stream_ends_when_the_job_is_deleted(client: Client) -> None:
    path = await create(client)
    async with followed(client, path) as events:
        await events.next()
        assert (await client.delete(path, allow_redirects=False)).status == 303
        event = await events.next()
        assert event == ("deleted", {"jobId": path.rpartition("/")[2]})
        assert await events.next() is None
    assert (await get(client, f"{path}/events"))[0] == 404


async def test_who_comes_back_after_the_end_is_told_to_stop(client: Client) -> None:
    path = await create(client)
    await post(client, f"{path}/phase", PHASE="ABORT")
    async with client.get(f"{path}/events") as response:
        text = await response.text()
    assert text.startswith("retry: 3000\n\nid: ")
    last = text.partition("id: ")[2].partition("\n")[0]
    for said, status in ((last, 204), ("nonsense", 200), ("", 200), ("9" * 5000, 200)):
        async with client.get(f"{path}/events", headers={"Last-Event-ID": said}) as response:
            assert response.status == status


async def test_an_event_that_was_heard_already_does_no_harm(client: Client) -> None:
    path = await create(client)
    async with followed(client, path, **{"Last-Event-ID": "0"}) as events:
        assert await events.next()


async def test_head_tells_the_type_and_opens_nothing(client: Client) -> None:
    async with client.head(f"{await create(client)}/events") as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")


async def test_every_job_list_has_the_stream(client: Client) -> None:
    path = await create(client, "/async")
    async with followed(client, path) as events:
        assert await events.next()


async def test_a_stream_ends_with_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, _):
        server = TestServer(app, handler_cancellation=True)
        async with TestClient(server) as client, followed(client, await create(client)) as events:
            await events.next()
            closing = asyncio.create_task(server.close())
            assert await events.rest() == []
            await closing


async def test_places_are_limited_and_freed_when_a_client_leaves(tmp_path: Path) -> None:
    async with client_of(tmp_path, max_followers=3, max_followers_per_caller=2) as (client, service):
        paths = [await create(client) for _ in range(3)]
        async with aiohttp.ClientSession() as leaving:
            open_ones = [await leaving.get(client.make_url(f"{path}/events")) for path in (paths[0], *paths[:2])]
            assert [response.status for response in open_ones] == [200, 200, 200]
            async with client.get(f"{paths[2]}/events") as response:
                assert response.status == 429
                assert int(response.headers["Retry-After"]) > 0
            open_ones[2].close()
            await eventually(lambda: service.following.taken == 2)
            assert (await get(client, f"{paths[0]}/events"))[0] == 429
            async with followed(client, paths[2]) as events:
                assert await events.next()
        await eventually(lambda: service.following.taken == 0)
        assert service._events.waiting == 0


async def test_the_stream_of_a_job_is_its_owners_alone(tmp_path: Path) -> None:
    async with client_of(tmp_path, authenticator=Tokens()) as (client, _):
        alice = {"Authorization": "Test alice"}
        async with client.post("/uws/jobs", data={"JOBTYPE": "sleep"}, headers=alice, allow_redirects=False) as created:
            path = "/uws/jobs/" + created.headers["Location"].rpartition("/")[2]
        for who, status in (("", 401), ("bob", 403), ("wrong", 401)):
            headers = {"Authorization": f"Test {who}"} if who else {}
            assert (await get(client, f"{path}/events", **headers))[0] == status
        async with followed(client, path, **alice) as events:
            assert await events.next()
