"""What clients do with a job that exists: run, abort, change, delete."""

from __future__ import annotations

import pytest

from tests.uws.web.client import Client, create, document, finished, get, post
from uws.core.job import Phase

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.requirement("U-024", "U-034", "U-120", "U-121", "U-122", "DA-15", "DA-16")
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


@pytest.mark.requirement(
    "U-009", "U-018", "U-020", "U-029", "U-032", "U-046", "U-136", "U-137", "U-138", "U-139", "DA-03"
)
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


@pytest.mark.requirement("U-001", "U-133", "U-134")
@pytest.mark.parametrize("how", ["DELETE", "POST"])
async def test_a_deleted_job_is_gone_and_the_client_is_sent_to_the_list(client: Client, how: str) -> None:
    path = await create(client)
    data = {"ACTION": "DELETE"} if how == "POST" else None
    async with client.request(how, path, data=data, allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == f"http://127.0.0.1:{client.port}/uws/jobs"
    assert (await get(client, path))[0] == 404
    assert path.rpartition("/")[2] not in (await get(client, "/uws/jobs"))[2]


@pytest.mark.requirement("U-029")
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


@pytest.mark.requirement("DA-02", "TA-11")
async def test_a_dali_list_takes_parameters_at_creation_and_at_parameters_only(client: Client) -> None:
    path = await create(client, "/async", RUNID="one", X="")
    assert await post(client, path, X="1") == 403
    assert await post(client, f"{path}/parameters", RUNID="two") == 303
    job = await document(client, path)
    assert [(p.id, p.value) for p in job.parameters] == [("X", ""), ("RUNID", "two")]
    assert job.run_id == "two"
    assert await post(client, path, PHASE="ABORT") == 303
