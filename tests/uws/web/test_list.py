"""The job list and its filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.uws.builders import NOW, make_job
from tests.uws.web.client import Client, client_of, create, document, get, post
from uws.core import xml
from uws.core.job import Phase, new_job_id

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.requirement("U-001", "U-073", "U-075", "U-076", "U-079")
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


@pytest.mark.requirement("U-071", "U-080")
async def test_a_list_of_any_length_is_whole_and_in_a_fixed_order(tmp_path: Path) -> None:
    async with client_of(tmp_path) as (client, service):
        async with client.get("/uws/jobs") as response:
            assert xml.jobs_from_xml(await response.read()).jobs == ()
        same_instant = NOW
        ids = sorted(new_job_id(same_instant, number.to_bytes(10)) for number in range(1200))
        for job_id in ids[::2] + ids[1::2]:
            await service._changes.store.create(make_job(id=job_id, creation_time=same_instant))
        async with client.get("/uws/jobs") as response:
            listed = [ref.job_id for ref in xml.jobs_from_xml(await response.read()).jobs]
    assert listed == ids[::-1]


@pytest.mark.requirement("U-072", "U-074")
async def test_archived_jobs_are_listed_on_demand_only(tmp_path: Path) -> None:
    async with client_of(tmp_path) as (client, service):
        for number, phase in enumerate((Phase.ARCHIVED, Phase.ERROR)):
            job = make_job(phase, id=new_job_id(NOW, number.to_bytes(10)))
            await service._changes.store.create(job)
        for query, expected in (
            ("", ["ERROR"]),
            ("PHASE=ARCHIVED", ["ARCHIVED"]),
            ("PHASE=ARCHIVED&PHASE=ERROR", ["ERROR", "ARCHIVED"]),
        ):
            async with client.get(f"/uws/jobs?{query}") as response:
                assert [ref.phase for ref in xml.jobs_from_xml(await response.read()).jobs] == expected
