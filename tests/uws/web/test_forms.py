"""In which form documents are sent, and that all forms say the same."""

from __future__ import annotations

import orjson
import pytest

from tests.uws.web.client import BROWSER, JAVA, OLD_JAVA, Client, create, document, get
from uws.core import json

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.requirement("U-041", "U-043", "U-044")
@pytest.mark.parametrize(
    ("accept", "container", "atom"),
    [
        (JAVA, "application/xml", "text/plain"),
        (OLD_JAVA, "application/xml", "text/plain"),
        ("*/*", "application/xml", "text/plain"),
        ("", "application/xml", "text/plain"),
        ("application/xml,text/plain", "application/xml", "text/plain"),
        ("text/xml", "text/xml", "text/plain"),
        (BROWSER, "text/html", "text/plain"),
        ("application/json", "application/json", "application/json"),
        ("application/json, */*;q=0.5", "application/json", "application/json"),
        ("application/xml;q=0.9, application/json;q=0.5", "application/xml", "text/plain"),
        (";;;,,,=;q=x", "application/xml", "text/plain"),
    ],
)
async def test_negotiation(client: Client, accept: str, container: str, atom: str) -> None:
    path = await create(client)
    for resource in (path, "/uws/jobs"):
        async with client.get(resource, headers={"Accept": accept}) as response:
            assert (response.status, response.content_type) == (200, container)
            assert response.headers["Vary"] == "Accept, Sec-Fetch-Dest"
            assert response.headers["Cache-Control"] == "no-store"
    assert (await get(client, f"{path}/phase", accept))[1] == atom
    assert (await get(client, f"{path}?RESPONSEFORMAT=json"))[1] == "application/json"
    assert (await get(client, f"{path}?RESPONSEFORMAT=nonsense"))[0] == 400


async def test_json_says_the_same_as_xml_and_its_parts_are_the_members(client: Client) -> None:
    path = await create(client, DURATION="2", RUNID="r")
    whole = orjson.loads((await get(client, path, "application/json"))[2])
    assert json.job_from_json(orjson.dumps(whole)) == await document(client, path)
    assert whole["_actions"] == ["RUN", "ABORT", "UPDATE", "DELETE"]
    for resource, member in {
        "phase": "phase",
        "executionduration": "executionDuration",
        "destruction": "destruction",
        "quote": "quote",
        "owner": "ownerId",
        "results": "results",
        "parameters": "parameters",
    }.items():
        part = orjson.loads((await get(client, f"{path}/{resource}", "application/json"))[2])
        assert part == {member: whole[member]}
    jobs = (await get(client, "/uws/jobs", "application/json"))[2]
    assert orjson.loads(jobs)["jobs"][0]["jobId"] == whole["jobId"]


@pytest.mark.requirement("U-028", "U-111")
async def test_a_value_that_xml_cannot_carry_is_given_back_by_reference(client: Client) -> None:
    path = await create(client, "/async", A="bell\x07", B="x" * 70_000)
    job = await document(client, path)
    assert [p.by_reference for p in job.parameters] == [True, True]
    async with client.session.get(job.parameters[0].value) as response:
        assert await response.text() == "bell\x07"
