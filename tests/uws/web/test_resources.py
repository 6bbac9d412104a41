"""The URI tree: every resource answers, and what is not there or not allowed is told."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest
from lxml import etree

from tests.uws.web.client import BROWSER, Client, client_of, create, document, get, post
from uws.core.job import Phase

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.requirement("U-004", "U-026", "U-038", "U-130")
async def test_a_new_job_is_pending_and_complete(client: Client) -> None:
    path = await create(client, RUNID='my "run" \u20ac  ', DURATION="3")
    job = await document(client, path)
    assert (job.phase, job.run_id, job.owner_id) == (Phase.PENDING, 'my "run" \u20ac  ', None)
    assert job.version == "1.1"
    assert job.parameters
    assert [(p.id, p.value) for p in job.parameters] == [("DURATION", "3")]
    for time in (job.creation_time, job.destruction, job.quote):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)


@pytest.mark.requirement("U-005", "U-035", "U-036", "U-041")
@pytest.mark.parametrize(
    ("resource", "media_type", "pattern"),
    [
        ("", "application/xml", r"(?s).*uws:job .*"),
        ("/phase", "text/plain", "PENDING"),
        ("/executionduration", "text/plain", r"\d+"),
        ("/destruction", "text/plain", r"[0-9T:.-]+Z"),
        ("/quote", "text/plain", r"[0-9T:.-]+Z"),
        ("/owner", "text/plain", ""),
        ("/results", "application/xml", r"(?s).*uws:results.*"),
        ("/parameters", "application/xml", r"(?s).*uws:parameters.*"),
        ("/parameters/DURATION", "text/plain", "3"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_every_resource_answers(client: Client, resource: str, media_type: str, pattern: str, slash: str) -> None:
    path = await create(client, DURATION="3")
    status, found, text = await get(client, path + resource + slash)
    assert (status, found) == (200, media_type)
    assert re.fullmatch(pattern, text)
    async with client.head(path + resource) as response:
        assert response.status == 200


@pytest.mark.requirement("U-031", "DA-13")
@pytest.mark.parametrize("path", ["/error", "/results/none", "/parameters/none", "/nonsense"])
async def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    status, _, text = await get(client, await create(client) + path)
    assert status == 404
    assert text


@pytest.mark.requirement("U-031", "DA-13")
@pytest.mark.parametrize("name", ["nope", "0" * 26, "%00", "..%2f..", "\u20ac", "0" * 300])
async def test_unknown_jobs_are_404(client: Client, name: str) -> None:
    for resource in ("", "/phase", "/results/x", "/parameters/x"):
        assert (await get(client, f"/uws/jobs/{name}{resource}"))[0] == 404
    for resource in ("/phase", "/destruction", "/parameters"):
        fields = {"PHASE": "RUN"} if resource == "/phase" else {"DESTRUCTION": "2030"} if "d" in resource else {}
        assert await post(client, f"/uws/jobs/{name}{resource}", **fields) == 404


@pytest.mark.requirement("U-027", "U-135")
@pytest.mark.parametrize(
    ("method", "resource", "allow"),
    [
        ("DELETE", "/phase", {"GET", "HEAD", "POST"}),
        ("PUT", "", {"DELETE", "GET", "HEAD", "POST"}),
        ("POST", "/results", {"GET", "HEAD"}),
        ("DELETE", "/results/x", {"GET", "HEAD"}),
        ("PUT", "/results/x", {"GET", "HEAD"}),
        ("POST", "/quote", {"GET", "HEAD"}),
        ("POST", "/owner", {"GET", "HEAD"}),
        ("POST", "/error", {"GET", "HEAD"}),
        ("DELETE", "/parameters/x", {"GET", "HEAD", "PUT"}),
    ],
)
async def test_other_methods_are_405_and_say_which_are_allowed(
    client: Client, method: str, resource: str, allow: set[str]
) -> None:
    async with client.request(method, await create(client) + resource) as response:
        assert response.status == 405
        assert {part.strip() for part in response.headers["Allow"].split(",")} == allow


async def test_each_list_shows_its_own_type_under_its_own_urls(client: Client) -> None:
    copy, sleep = await create(client, "/async"), await create(client)
    id_of = copy.rpartition("/")[2]
    assert (await get(client, f"/uws/jobs/{id_of}"))[0] == 200
    assert (await get(client, sleep.replace("/uws/jobs", "/async")))[0] == 404
    assert f"/async/{id_of}" in (await get(client, "/async"))[2]
    assert sleep.rpartition("/")[2] not in (await get(client, "/async"))[2]


async def test_the_catalogue_describes_the_types(client: Client) -> None:
    status, media_type, text = await get(client, "/uws/jobtypes", "application/json")
    assert (status, media_type) == (200, "application/json")
    assert "sleep" in [entry["name"] for entry in orjson.loads(text)["jobTypes"]]
    one = orjson.loads((await get(client, "/uws/jobtypes/sleep", "application/json"))[2])
    assert one["parameters"][0]["unit"] == "s"
    assert (await get(client, "/uws/jobtypes/none"))[0] == 404


@pytest.mark.parametrize("path", ["/uws", "/uws/"])
async def test_people_find_the_job_list_from_the_front_page(client: Client, path: str) -> None:
    status, media_type, text = await get(client, path, BROWSER)
    assert (status, media_type) == (200, "text/html")
    assert f'href="http://127.0.0.1:{client.port}/uws/jobs"' in text


@pytest.mark.requirement("U-037", "U-039", "VO-04", "DA-21")
async def test_vosi(client: Client) -> None:
    capabilities = etree.fromstring((await get(client, "/uws/capabilities"))[2].encode())
    assert capabilities.xpath("//capability[@standardID='ivo://ivoa.net/std/UWS#rest-1.1']")
    assert f"http://127.0.0.1:{client.port}/uws/jobs" in capabilities.xpath("//accessURL/text()")
    assert "true" in (await get(client, "/uws/availability"))[2]


@pytest.mark.requirement("U-003")
@pytest.mark.parametrize("name", ["creationTime", "CREATIONTIME"])
async def test_nobody_but_the_service_says_when_a_job_was_created(client: Client, name: str) -> None:
    path = await create(client, "/async", **{name: "1999-01-01T00:00:00Z"})
    job = await document(client, path)
    assert job.creation_time > "2020"
    await post(client, f"{path}/parameters", **{name: "1999-01-01T00:00:00Z"})
    assert (await document(client, path)).creation_time == job.creation_time
    async with client.post("/uws/jobs", json={"jobType": "echo", "creationTime": "1999-01-01"}) as response:
        assert response.status == 400


@pytest.mark.requirement("U-026")
async def test_several_jobs_may_have_one_run_id(client: Client) -> None:
    for _ in range(2):
        assert (await document(client, await create(client, RUNID="the same"))).run_id == "the same"


@pytest.mark.requirement("U-021", "U-022")
async def test_what_has_no_end_says_so_by_nil_and_empty_text(tmp_path: Path) -> None:
    async with client_of(tmp_path, max_lifetime_d=0, max_duration_s=0) as (client, _):
        path = await create(client, EXECUTIONDURATION="0", DESTRUCTION="")
        root = etree.fromstring((await get(client, path))[2].encode())
        for name in ("destruction", "quote"):
            assert (await get(client, f"{path}/{name}"))[::2] == (200, "")
            [element] = root.findall(f"{{*}}{name}")
            assert element.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true"
        assert (await get(client, f"{path}/executionduration"))[2] == "0"
