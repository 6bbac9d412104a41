"""How jobs are created: by forms, JSON and uploads, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import aiohttp
import pytest

from tests.uws.web.client import Client, client_of, document, finished, get
from uws.core.job import Phase

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.requirement("U-004", "U-030", "U-102", "U-132", "DA-12", "DA-19")
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


@pytest.mark.requirement("U-131")
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


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/json", b'{"jobType": "echo"}'), ("application/x-www-form-urlencoded", b"JOBTYPE=echo")],
)
async def test_an_encoding_that_is_not_known_is_415(client: Client, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": "rot13"}
    async with client.post("/uws/jobs", data=body, headers=headers, allow_redirects=False) as response:
        assert (response.status, "rot13" in await response.text()) == (415, True)


async def test_type_is_another_name_of_jobtype(client: Client) -> None:
    async with client.post("/uws/jobs", data={"TYPE": "echo"}, allow_redirects=False) as response:
        assert response.status == 303


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


@pytest.mark.requirement("U-028", "U-112", "U-140", "DA-01", "DA-10")
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


@pytest.mark.requirement("U-033")
@pytest.mark.parametrize("order", [{"JOBTYPE": "echo", "PHASE": "RUN"}, {"JOBTYPE": "echo"}])
async def test_a_job_cannot_be_created_while_the_database_is_away(tmp_path: Path, order: dict[str, str]) -> None:
    async with client_of(tmp_path) as (client, _):
        shutil.rmtree(tmp_path)
        async with client.post("/uws/jobs", data=order, allow_redirects=False) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0


@pytest.mark.requirement("U-030", "U-132")
@pytest.mark.parametrize("in_url", [True, False])
async def test_control_parameters_are_understood_at_creation_and_are_none_of_the_job(
    client: Client, in_url: bool
) -> None:
    control = {"executionDuration": "77", "Destruction": "2027-01-01T00:00:00Z", "RunId": "mine"}
    query, data = (control, {}) if in_url else ({}, control)
    async with client.post("/uws/jobs", params=query, data={"JOBTYPE": "sleep", **data}, allow_redirects=False) as made:
        path = made.headers["Location"].removeprefix(f"http://127.0.0.1:{client.port}")
    job = await document(client, path)
    assert (job.execution_duration, job.destruction, job.run_id) == (77, "2027-01-01T00:00:00.000Z", "mine")
    assert job.parameters == ()


@pytest.mark.requirement("U-110")
async def test_a_parameter_that_comes_twice_is_kept_twice_in_order(client: Client) -> None:
    data = [("CIRCLE", "12.5 -30 0.2"), ("POS", "x"), ("CIRCLE", "13.5 -30 0.2")]
    async with client.post("/async", data=data, allow_redirects=False) as response:
        path = response.headers["Location"].removeprefix(f"http://127.0.0.1:{client.port}")
    circles = [p.value for p in (await document(client, path)).parameters if p.id == "CIRCLE"]
    assert circles == ["12.5 -30 0.2", "13.5 -30 0.2"]
