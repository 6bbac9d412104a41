"""The URI tree of UWS over HTTP."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from lxml import etree

from tests.uws.hosting import Tokens, serving
from tests.uws.waiting import eventually
from uws.core import json, xml
from uws.core.job import Phase
from uws.service.jobs import JobService

JAVA = "text/html, image/gif, image/jpeg, */*; q=0.2"
OLD_JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
pytestmark = pytest.mark.asyncio(loop_scope="module")
Client = TestClient[Any, Any]


@asynccontextmanager
async def client_of(folder: Path, **more: Any) -> AsyncIterator[tuple[Client, JobService]]:
    async with (
        serving(folder, **more) as (app, service),
        TestClient(TestServer(app, handler_cancellation=True)) as client,
    ):
        yield client, service


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with client_of(tmp_path_factory.mktemp("web"), max_wait_s=30) as (client, _):
        yield client


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


async def test_a_new_job_is_pending_and_complete(client: Client) -> None:
    path = await create(client, RUNID='my "run" \u20ac  ', DURATION="3")
    job = await document(client, path)
    assert (job.phase, job.run_id, job.owner_id) == (Phase.PENDING, 'my "run" \u20ac  ', None)
    assert job.version == "1.1"
    assert job.parameters
    assert [(p.id, p.value) for p in job.parameters] == [("DURATION", "3")]
    for time in (job.creation_time, job.destruction, job.quote):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)


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


@pytest.mark.parametrize("path", ["/error", "/results/none", "/parameters/none", "/nonsense"])
async def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    status, _, text = await get(client, await create(client) + path)
    assert status == 404
    assert text


@pytest.mark.parametrize("name", ["nope", "0" * 26, "%00", "..%2f..", "\u20ac", "0" * 300])
async def test_unknown_jobs_are_404(client: Client, name: str) -> None:
    for resource in ("", "/phase", "/results/x", "/parameters/x"):
        assert (await get(client, f"/uws/jobs/{name}{resource}"))[0] == 404
    for resource in ("/phase", "/destruction", "/parameters"):
        fields = {"PHASE": "RUN"} if resource == "/phase" else {"DESTRUCTION": "2030"} if "d" in resource else {}
        assert await post(client, f"/uws/jobs/{name}{resource}", **fields) == 404


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


async def test_a_job_can_be_run_in_one_request_by_body_or_url(client: Client) -> None:
    for data, query in (({"PHASE": "RUN"}, ""), ({}, "?phase=run")):
        async with client.post(
            f"/uws/jobs{query}", data={"JOBTYPE": "echo", "MESSAGE": "hi", **data}, allow_redirects=False
        ) as response:
            location = response.headers["Location"]
        job = await finished(client, location.removeprefix(f"http://127.0.0.1:{client.port}"))
        assert job.phase is Phase.COMPLETED
        [result] = job.results
        assert result.size == 2
        async with client.session.get(result.href) as response:
            assert (response.status, await response.text()) == (200, "hi")
            assert response.headers["Content-Type"] == result.media_type
            etag = response.headers["ETag"]
        async with client.session.get(result.href, headers={"Range": "bytes=1-"}) as response:
            assert (response.status, await response.text()) == (206, "i")
        async with client.session.get(result.href, headers={"If-None-Match": etag}) as response:
            assert response.status == 304


async def test_a_failed_job_is_200_and_tells_why(client: Client) -> None:
    path = await create(client, JOBTYPE="fail", MESSAGE="because <&> \x01", PHASE="RUN")
    job = await finished(client, path)
    assert job.phase is Phase.ERROR
    assert job.error.message.startswith("UsageError: because <&>")
    assert job.error.has_detail
    status, media_type, text = await get(client, f"{path}/error")
    assert (status, media_type) == (200, "text/plain")
    assert text.startswith("UsageError: because")
    status, media_type, text = await get(client, f"{path}/error", "application/json")
    assert (status, media_type) == (200, "application/problem+json")
    assert (await get(client, f"{path}/results"))[0] == 200


async def test_the_phase_matrix_over_http(client: Client) -> None:
    path = await create(client, DURATION="600")
    assert await post(client, f"{path}/phase", PHASE="RUN") == 303
    assert await post(client, f"{path}/phase", PHASE="RUN") == 303
    assert await post(client, f"{path}/parameters", DURATION="1") == 403
    assert await post(client, f"{path}/executionduration", EXECUTIONDURATION="60") == 303
    assert await post(client, f"{path}/phase", PHASE="ABORT") == 303
    assert await post(client, f"{path}/phase", phase="abort") == 303
    assert await post(client, f"{path}/phase", PHASE="RUN") == 403
    assert await post(client, f"{path}/executionduration", EXECUTIONDURATION="60") == 403
    assert await post(client, f"{path}/destruction", DESTRUCTION="2027-01-01T00:00:00.123Z") == 303
    job = await document(client, path)
    assert (job.phase, job.execution_duration) == (Phase.ABORTED, 60)
    assert job.destruction == "2027-01-01T00:00:00.123Z"
    assert job.end_time


@pytest.mark.parametrize(
    ("resource", "fields"),
    [
        ("/phase", {"PHASE": "SUSPEND"}),
        ("/phase", {}),
        ("/phase", {"PHASE": ""}),
        ("/executionduration", {"EXECUTIONDURATION": "-1"}),
        ("/executionduration", {"EXECUTIONDURATION": "1.5"}),
        ("/executionduration", {}),
        ("/destruction", {"DESTRUCTION": "tomorrow"}),
        ("/destruction", {"DESTRUCTION": "2030-01-01T00:00:00+01:00"}),
        ("", {}),
        ("", {"ACTION": "BURN"}),
        ("/parameters", {"PHASE": "RUN"}),
        ("/parameters", {"RUNID": "x" * 100}),
    ],
)
async def test_posts_that_say_nothing_sensible_are_400_and_change_nothing(
    client: Client, resource: str, fields: dict[str, str]
) -> None:
    path = await create(client)
    before = await get(client, path)
    assert await post(client, path + resource, **fields) == 400
    assert await get(client, path) == before


@pytest.mark.parametrize("how", ["DELETE", "POST"])
async def test_a_deleted_job_is_gone_and_the_client_is_sent_to_the_list(client: Client, how: str) -> None:
    path = await create(client)
    data = {"ACTION": "DELETE"} if how == "POST" else None
    async with client.request(how, path, data=data, allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == f"http://127.0.0.1:{client.port}/uws/jobs"
    assert (await get(client, path))[0] == 404
    assert path.rpartition("/")[2] not in (await get(client, "/uws/jobs"))[2]


async def test_parameters_can_be_changed_one_way_or_the_other_while_pending(client: Client) -> None:
    path = await create(client, DURATION="1")
    assert await post(client, f"{path}/parameters", duration="2", RUNID="new") == 303
    async with client.put(f"{path}/parameters/DURATION", data=b"3", allow_redirects=False) as response:
        assert response.status == 303
    assert await post(client, path, DURATION="4") == 303
    job = await document(client, path)
    assert ([(p.id, p.value) for p in job.parameters], job.run_id) == ([("DURATION", "4")], "new")
    assert await post(client, f"{path}/parameters", NONSENSE="1") == 403
    async with client.put(f"{path}/parameters/DURATION", data=b"\xff", allow_redirects=False) as response:
        assert response.status == 400


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"JOBTYPE": "nonsense"}, 403),
        ({"JOBTYPE": "sleep", "NONSENSE": "1"}, 403),
        ({"JOBTYPE": "sleep", "DURATION": "x"}, 403),
        ({"DURATION": "1"}, 400),
        ({"JOBTYPE": "sleep", "PHASE": "ABORT"}, 400),
        ({"JOBTYPE": "sleep", "DESTRUCTION": "x"}, 400),
        ({"JOBTYPE": "sleep", "EXECUTIONDURATION": "x"}, 400),
    ],
)
async def test_a_creation_that_is_refused_says_why(client: Client, fields: dict[str, str], status: int) -> None:
    async with client.post("/uws/jobs", data=fields, allow_redirects=False) as response:
        assert response.status == status
        assert len(await response.text()) > 20


async def test_type_is_another_name_of_jobtype(client: Client) -> None:
    async with client.post("/uws/jobs", data={"TYPE": "echo"}, allow_redirects=False) as response:
        assert response.status == 303


async def test_the_list_filters(client: Client) -> None:
    paths = [await create(client) for _ in range(3)]
    await post(client, f"{paths[2]}/phase", PHASE="ABORT")
    ids = [path.rpartition("/")[2] for path in paths]

    async def listed(query: str) -> list[str]:
        async with client.get(f"/uws/jobs?{query}") as response:
            assert response.status == 200
            return [ref.job_id for ref in xml.jobs_from_xml(await response.read()).jobs]

    assert (await listed(""))[:3] == ids[::-1]
    assert await listed("LAST=2") == [ids[2], ids[1]]
    assert (await listed("PHASE=ABORTED"))[0] == ids[2]
    assert ids[2] not in await listed("PHASE=PENDING&PHASE=ERROR")
    assert ids[2] in await listed("PHASE=PENDING&phase=ABORTED")
    assert await listed("PHASE=ARCHIVED") == []
    created = (await document(client, paths[1])).creation_time
    assert set(await listed(f"AFTER={created}")) <= {ids[2]}
    for bad in ("PHASE=X", "LAST=0", "LAST=x", "AFTER=x", "AFTER=2015-10-26T09:00%2B01:00"):
        assert (await get(client, f"/uws/jobs?{bad}"))[0] == 400


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
            assert response.headers["Vary"] == "Accept"
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


async def test_json_is_taken_wherever_a_form_is(client: Client) -> None:
    order = {
        "jobType": "sleep",
        "runId": "r",
        "parameters": [{"id": "DURATION", "value": "600"}],
        "executionDuration": 77,
        "destruction": "2027-01-01",
    }
    async with client.post("/uws/jobs", json=order, headers={"Accept": "application/json"}) as response:
        job = await response.json()
        path = response.url.path
    assert (job["runId"], job["executionDuration"], job["phase"]) == ("r", 77, "PENDING")
    assert job["destruction"] == "2027-01-01T00:00:00.000Z"
    for resource, body in (
        ("/parameters", {"parameters": [{"id": "DURATION", "value": "500"}]}),
        ("/executionduration", {"executionDuration": 78}),
        ("/destruction", {"destruction": "2027-01-02"}),
        ("/phase", {"phase": "RUN"}),
        ("/phase", {"phase": "ABORT"}),
        ("", {"action": "DELETE"}),
    ):
        async with client.post(path + resource, json=body, allow_redirects=False) as response:
            assert response.status == 303, resource
    assert (await get(client, path))[0] == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"jobType": 1}', b'{"nonsense": 1}', b'{"parameters": [{"id": "a"}]}', b"\xff", b"[" * 99999],
)
async def test_bad_json_is_400(client: Client, body: bytes) -> None:
    async with client.post(
        "/uws/jobs", data=body, headers={"Content-Type": "application/json"}, allow_redirects=False
    ) as response:
        assert response.status == 400


async def test_an_upload_is_kept_run_and_given_back(client: Client) -> None:
    content = bytes(range(256)) * 100
    form = aiohttp.FormData({"UPLOAD": "t,param:part1", "PHASE": "RUN"})
    form.add_field("part1", content, filename="t.vot", content_type="application/x-votable+xml")
    async with client.post("/async", data=form, allow_redirects=False) as response:
        assert response.status == 303
        path = response.headers["Location"].removeprefix(f"http://127.0.0.1:{client.port}")
    job = await finished(client, path)
    assert job.phase is Phase.COMPLETED
    assert [(p.id, p.by_reference) for p in job.parameters] == [("UPLOAD", None), ("part1", True)]
    for url in (job.parameters[1].value, job.results[0].href):
        async with client.session.get(url) as response:
            assert await response.read() == content


async def test_a_dali_list_takes_parameters_at_creation_and_at_parameters_only(client: Client) -> None:
    path = await create(client, "/async", RUNID="one", X="")
    assert await post(client, path, X="1") == 403
    assert await post(client, f"{path}/parameters", RUNID="two") == 303
    job = await document(client, path)
    assert [(p.id, p.value) for p in job.parameters] == [("X", ""), ("RUNID", "two")]
    assert job.run_id == "two"
    assert await post(client, path, PHASE="ABORT") == 303


async def test_each_list_shows_its_own_type_under_its_own_urls(client: Client) -> None:
    copy, sleep = await create(client, "/async"), await create(client)
    id_of = copy.rpartition("/")[2]
    assert (await get(client, f"/uws/jobs/{id_of}"))[0] == 200
    assert (await get(client, sleep.replace("/uws/jobs", "/async")))[0] == 404
    assert f"/async/{id_of}" in (await get(client, "/async"))[2]
    assert sleep.rpartition("/")[2] not in (await get(client, "/async"))[2]


async def test_a_value_that_xml_cannot_carry_is_given_back_by_reference(client: Client) -> None:
    path = await create(client, "/async", A="bell\x07", B="x" * 70_000)
    job = await document(client, path)
    assert [p.by_reference for p in job.parameters] == [True, True]
    async with client.session.get(job.parameters[0].value) as response:
        assert await response.text() == "bell\x07"


async def test_a_request_that_waits_ends_with_the_change(client: Client) -> None:
    path = await create(client)
    waiting = asyncio.create_task(document(client, f"{path}?WAIT=-1"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await post(client, f"{path}/phase", PHASE="ABORT")
    assert (await waiting).phase is Phase.ABORTED


async def test_wait_counts_at_the_job_only(client: Client) -> None:
    path = await create(client)
    for resource in (f"{path}/phase", f"{path}/results", "/uws/jobs"):
        async with asyncio.timeout(10):
            assert (await get(client, f"{resource}?WAIT=600"))[0] == 200
    for bad in ("abc", "1.5", "-5", "1&WAIT=2", "1&PHASE=NO"):
        assert (await get(client, f"{path}?WAIT={bad}"))[0] == 400


async def test_a_client_that_leaves_frees_its_place(tmp_path: Path) -> None:
    async with client_of(tmp_path) as (client, service):
        path = await create(client)
        hub = service._events
        async with aiohttp.ClientSession() as leaving:
            task = asyncio.create_task(leaving.get(client.make_url(f"{path}?WAIT=50")))
            await eventually(lambda: hub.waiting == 1)
            task.cancel()
        await eventually(lambda: hub.waiting == 0)


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


async def test_a_job_cannot_be_created_while_the_database_is_away(tmp_path: Path) -> None:
    async with client_of(tmp_path) as (client, _):
        shutil.rmtree(tmp_path)
        order = {"JOBTYPE": "echo", "PHASE": "RUN"}
        async with client.post("/uws/jobs", data=order, allow_redirects=False) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0


EXPECTED = {"": 401, "alice": 200, "bob": 403, "admin": 200, "wrong": 401}
READ = ("", "/phase", "/executionduration", "/destruction", "/quote", "/owner", "/results", "/parameters")
WRITE = (
    ("/executionduration", {"EXECUTIONDURATION": "5"}),
    ("/destruction", {"DESTRUCTION": "2027"}),
    ("/parameters", {"DURATION": "1"}),
    ("", {"DURATION": "1"}),
    ("/phase", {"PHASE": "ABORT"}),
)


class TestOwnership:
    async def test_every_resource_is_the_owners_alone(self, tmp_path: Path) -> None:
        async with client_of(tmp_path, authenticator=Tokens()) as (client, _):
            headers = {who: {"Authorization": f"Test {who}"} if who else {} for who in EXPECTED}
            new = {"JOBTYPE": "sleep"}
            async with client.post("/uws/jobs", data=new, headers=headers["alice"], allow_redirects=False) as response:
                path = "/uws/jobs/" + response.headers["Location"].rpartition("/")[2]
            for who in EXPECTED:
                for resource in READ:
                    assert (await get(client, path + resource, **headers[who]))[0] == EXPECTED[who], resource
                for resource, data in WRITE if who in ("", "bob", "wrong") else ():
                    async with client.post(path + resource, data=data, headers=headers[who]) as response:
                        assert response.status == EXPECTED[who], resource
                if who in ("", "bob"):
                    async with client.delete(path, headers=headers[who]) as response:
                        assert response.status == EXPECTED[who]
                if who != "wrong":
                    listed = (await get(client, "/uws/jobs", **headers[who]))[2]
                    assert (path in listed) == (who in ("alice", "admin"))
            async with client.delete(path, headers=headers["alice"], allow_redirects=False) as response:
                assert response.status == 303

    async def test_an_anonymous_job_is_a_capability_and_listed_nowhere(self, tmp_path: Path) -> None:
        async with client_of(tmp_path, authenticator=Tokens()) as (client, _):
            path = await create(client)
            assert (await get(client, path))[0] == 200
            assert (await get(client, path, Authorization="Test bob"))[0] == 200
            assert path not in (await get(client, "/uws/jobs"))[2]


async def test_the_catalogue_describes_the_types(client: Client) -> None:
    status, media_type, text = await get(client, "/uws/jobtypes")
    assert (status, media_type) == (200, "application/json")
    assert "sleep" in [entry["name"] for entry in orjson.loads(text)["jobTypes"]]
    one = orjson.loads((await get(client, "/uws/jobtypes/sleep"))[2])
    assert one["parameters"][0]["unit"] == "s"
    assert (await get(client, "/uws/jobtypes/none"))[0] == 404


@pytest.mark.parametrize("path", ["/uws", "/uws/"])
async def test_people_find_the_job_list_from_the_front_page(client: Client, path: str) -> None:
    status, media_type, text = await get(client, path, BROWSER)
    assert (status, media_type) == (200, "text/html")
    assert f'href="http://127.0.0.1:{client.port}/uws/jobs"' in text


async def test_vosi(client: Client) -> None:
    capabilities = etree.fromstring((await get(client, "/uws/capabilities"))[2].encode())
    assert capabilities.xpath("//capability[@standardID='ivo://ivoa.net/std/UWS#rest-1.1']")
    assert f"http://127.0.0.1:{client.port}/uws/jobs" in capabilities.xpath("//accessURL/text()")
    assert "true" in (await get(client, "/uws/availability"))[2]


async def test_a_page_for_people_escapes_what_people_wrote(client: Client) -> None:
    path = await create(client, "/async", X="<script>alert(1)</script>")
    _, media_type, text = await get(client, path, BROWSER)
    assert media_type == "text/html"
    assert "<script>" not in text
    assert 'name="PHASE"' in text


async def test_a_page_opened_by_another_host_name_has_forms_that_work(client: Client) -> None:
    path = await create(client, "/async")
    async with (
        aiohttp.ClientSession() as other,
        other.get(f"http://localhost:{client.port}{path}", headers={"Accept": BROWSER}) as answer,
    ):
        text, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert f'action="{path}/phase"' in text
    assert f"form-action 'self' http://127.0.0.1:{client.port}" in policy
