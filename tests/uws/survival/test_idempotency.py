"""A creation that is sent again because its answer was lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from penstock.auth.principal import Principal
from penstock.dali.errors import TooManyRequests, UsageError
from penstock.dali.params import Part
from tests.uws.hosting import Tokens
from tests.uws.house import ALICE, ANYONE, BOB, House, open_idle, opened
from tests.uws.waiting import eventually
from tests.uws.web.client import Client, client_of
from uws.core.filters import Filters
from uws.core.job import Phase
from uws.ports import JobQuery
from uws.service.idempotency import KeyReused, parse_key, scoped
from uws.service.jobs import Given, NewJob
from uws.service.quota import Quotas
from uws.settings import Quota

KEY = "8e03978e-40d5-43dd-bc93-6e87f8d3bb11"
OTHER_KEY = "clkyoesmbgybucifusbbtdsbohtyuuwz"
ECHO = NewJob(job_type="echo", given=Given(parameters=(("MESSAGE", "hi"),)), run=True)
ALL = JobQuery(filters=Filters())


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with client_of(tmp_path, authenticator=Tokens(), open_executor=open_idle) as (client, _):
        yield client


async def post(
    client: Client, data: Any = None, *, key: str = KEY, who: str = "alice", path: str = "/uws/jobs", **more: Any
) -> tuple[int, str]:
    """Create a job and return the status and where we are sent, or why not."""
    headers = {"Idempotency-Key": key} | ({"Authorization": f"Test {who}"} if who else {})
    async with client.post(path, data=data, headers=headers, allow_redirects=False, **more) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


def a_form(content: bytes = b"rows", **fields: str) -> aiohttp.FormData:
    """Return a multipart form, whose boundary is another each time."""
    form = aiohttp.FormData({"UPLOAD": "t,param:part1", **fields})
    form.add_field("part1", content, filename="t.vot", content_type="application/x-votable+xml")
    return form


async def count(client: Client, path: str) -> int:
    headers = {"Authorization": "Test admin", "Accept": "application/json"}
    async with client.get(path, headers=headers) as answer:
        return len((await answer.json())["jobs"])


@pytest.mark.parametrize(
    ("path", "send", "other"),
    [
        ("/uws/jobs", {"data": {"JOBTYPE": "echo", "MESSAGE": "x"}}, {"data": {"JOBTYPE": "echo", "MESSAGE": "y"}}),
        ("/uws/jobs", {"data": {"JOBTYPE": "echo"}}, {"data": {"JOBTYPE": "sleep"}}),
        ("/uws/jobs", {"data": {"JOBTYPE": "echo"}}, {"data": {"JOBTYPE": "echo", "PHASE": "RUN"}}),
        ("/uws/jobs", {"data": {"JOBTYPE": "echo"}}, {"data": {"JOBTYPE": "echo", "RUNID": "1"}}),
        ("/uws/jobs", {"data": {"JOBTYPE": "echo"}}, {"data": {"JOBTYPE": "echo", "DESTRUCTION": "2030"}}),
        ("/uws/jobs", {"json": {"jobType": "echo"}}, {"json": {"jobType": "echo", "runId": "1"}}),
        ("/async", {"data": {"QUERY": "x"}}, {"data": {"QUERY": "y"}}),
        ("/async", {"upload": b"rows"}, {"upload": b"other rows"}),
    ],
)  # fmt: skip
async def test_the_same_request_leads_to_the_same_job_and_another_is_refused(
    client: Client, path: str, send: dict[str, Any], other: dict[str, Any]
) -> None:
    def sent(request: dict[str, Any]) -> dict[str, Any]:
        return {"data": a_form(request["upload"])} if "upload" in request else request

    status, location = await post(client, path=path, **sent(send))
    assert status == 303
    assert await post(client, path=path, **sent(send)) == (303, location)
    status, text = await post(client, path=path, **sent(other))
    assert status == 422
    assert "another request" in text
    assert await count(client, path) == 1


async def test_a_creation_that_was_refused_is_not_remembered(client: Client) -> None:
    assert (await post(client, {"JOBTYPE": "echo", "NONSENSE": "1"}))[0] == 403
    assert (await post(client, {"JOBTYPE": "echo"}))[0] == 303


async def test_a_form_and_json_that_say_the_same_are_the_same(client: Client) -> None:
    _, location = await post(client, {"jobtype": "echo", "MESSAGE": "hi", "PHASE": "RUN"})
    body = {"jobType": "echo", "parameters": [{"id": "MESSAGE", "value": "hi"}], "phase": "RUN"}
    assert await post(client, json=body) == (303, location)


async def test_a_job_of_another_key_or_caller_is_another(client: Client) -> None:
    order = {"JOBTYPE": "echo"}
    answers = {
        await post(client, order),
        await post(client, order, key=OTHER_KEY),
        await post(client, order, who="bob"),
        await post(client, order, who=""),
    }
    assert {status for status, _ in answers} == {303}
    assert len(answers) == 4


async def test_the_key_of_somebody_unknown_is_a_capability(client: Client) -> None:
    order = {"JOBTYPE": "echo"}
    status, text = await post(client, order, who="", key="1")
    assert status == 400
    assert "random UUID" in text
    assert await post(client, order, who="", key=KEY) == await post(client, order, who="", key=f'"{KEY}"')


@pytest.mark.parametrize("key", ["", '""', "a\u0301", "x" * 256])
async def test_what_is_no_key_is_refused(client: Client, key: str) -> None:
    status, _ = await post(client, {"JOBTYPE": "echo"}, key=key)
    assert status == 400


async def test_two_keys_are_refused(client: Client) -> None:
    headers = [("Idempotency-Key", KEY), ("Idempotency-Key", OTHER_KEY)]
    async with client.post("/uws/jobs", data={"JOBTYPE": "echo"}, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("values", "key"),
    [([], None), (["abc"], "abc"), ([' "a b" '], "a b"), ([r'"a\"b\\"'], 'a"b\\'), (["a-b:c"], "a-b:c")],
)
def test_a_key_is_read_with_quotes_and_without(values: list[str], key: str | None) -> None:
    assert parse_key(values) == key


@pytest.mark.parametrize("values", [[""], ['""'], ["\t"], ["a\tb"], ["é"], ["x" * 256], ["a", "b"], ['" a"']])
def test_other_values_are_no_keys(values: list[str]) -> None:
    with pytest.raises(UsageError, match="Idempotency-Key"):
        parse_key(values)


def test_a_key_is_remembered_by_what_does_not_tell_it_and_tells_callers_apart() -> None:
    callers = (Principal(subject="alice"), Principal(subject="bob"), Principal())
    names = [scoped(KEY, caller) for caller in callers]
    assert len({*names, scoped(OTHER_KEY, callers[0])}) == 4
    assert not any(KEY in name or "alice" in name for name in names)


async def test_of_twenty_at_once_one_creates_and_all_are_led_to_it(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as one, opened(tmp_path, database_url) as other:
        other.now = one.now + timedelta(milliseconds=1)
        creations = [(one if number % 2 else other).jobs.create_once(ECHO, ALICE, KEY) for number in range(20)]
        [job_id] = set(await asyncio.gather(*creations))
        assert [job.id for job in await one.store.list_jobs(ALL)] == [job_id]
        assert len(await one.store.take(100, now=one.now, stale=one.now)) == 1


async def test_files_of_a_repeated_creation_are_not_kept_twice(tmp_path: Path) -> None:
    parts = (Part(name="table", content=b"bytes", size_bytes=5),)
    new = NewJob(job_type="copy", given=Given(parts=parts))
    async with opened(tmp_path) as house:
        job_ids = await asyncio.gather(*(house.jobs.create_once(new, ANYONE, KEY) for _ in range(5)))
        assert [folder.name for folder in house.folder.iterdir()] == [job_ids[0]]


async def test_a_repeated_creation_is_not_a_new_one_to_the_quota(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, quotas=Quotas(owner=Quota(max_kept=1))) as house:
        same = await asyncio.gather(*(house.jobs.create_once(ECHO, ALICE, KEY) for _ in range(5)))
        assert await house.jobs.create_once(ECHO, ALICE, KEY) == same[0]
        with pytest.raises(TooManyRequests):
            await house.jobs.create_once(ECHO, ALICE, OTHER_KEY)


async def _created_and(house: House, what: str) -> str:
    job_id = await house.jobs.create_once(ECHO, ALICE, KEY)
    if what == "deleted":
        await house.jobs.delete(job_id, ALICE)
    house.now += timedelta(hours=24)
    await house.upkeep.sweep()
    return job_id


@pytest.mark.parametrize("what", ["kept", "deleted"])
async def test_a_key_is_remembered_for_a_day_whatever_becomes_of_the_job(tmp_path: Path, what: str) -> None:
    async with opened(tmp_path) as house:
        job_id = await _created_and(house, what)
        assert await house.jobs.create_once(ECHO, ALICE, KEY) == job_id
        with pytest.raises(KeyReused):
            await house.jobs.create_once(NewJob(job_type="echo"), ALICE, KEY)
        house.now += timedelta(milliseconds=1)
        await house.upkeep.sweep()
        assert await house.jobs.create_once(ECHO, ALICE, KEY) != job_id
        assert await house.jobs.create_once(ECHO, BOB, KEY) != job_id


async def test_a_client_that_leaves_in_the_middle_finds_its_job_with_the_same_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        creating = asyncio.create_task(house.jobs.create_once(ECHO, ALICE, KEY))
        async with house.db._write_lock or asyncio.Lock():
            await asyncio.sleep(0.05)
            creating.cancel()
            await asyncio.sleep(0.05)

        async def is_there() -> bool:
            return len(await house.store.list_jobs(ALL)) == 1

        await eventually(is_there)
        job_id = await house.jobs.create_once(ECHO, ALICE, KEY)
        assert [(job.id, job.phase) for job in await house.store.list_jobs(ALL)] == [(job_id, Phase.QUEUED)]


async def test_a_client_that_lost_the_answer_finds_its_job(client: Client) -> None:
    order = json.dumps({"jobType": "echo"}).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(
        b"POST /uws/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Test alice\r\n"
        + f"Idempotency-Key: {KEY}\r\n".encode()
        + f"Content-Type: application/json\r\nContent-Length: {len(order)}\r\n\r\n".encode()
        + order
    )
    await writer.drain()
    writer.close()

    async def is_there() -> bool:
        return await count(client, "/uws/jobs") == 1

    await eventually(is_there)
    assert (await post(client, json={"jobType": "echo"}))[0] == 303
    assert await count(client, "/uws/jobs") == 1
