"""Our documents and resources as other people's programs see them."""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pyvo.dal.tap import AsyncTAPJob
from pyvo.io.uws import parse_job, parse_job_list
from vo_models.uws.models import JobSummary, Parameters

from tests.uws.builders import make_job
from tests.uws.hosting import serving
from uws.core import xml
from uws.core.job import Phase
from uws.representations.describe import job_document, job_list

URL = "https://penstock.example/uws/jobs/x"


@pytest.mark.parametrize("phase", list(Phase))
def test_pyvo_reads_a_job_in_every_phase(phase: Phase) -> None:
    job = make_job(phase, run_id="r", info={"progress": 0.42, "message": "half"})
    read = parse_job(BytesIO(xml.job_to_xml(job_document(job, URL, None))))
    assert (read.jobid, read.phase, read.runid) == (job.id, phase.value, "r")
    assert read.jobinfo["progress"].value == 0.42
    assert len(read.results) == len(job.results)
    assert (read.errorsummary is not None) == (job.error is not None)


def test_pyvo_reads_a_job_list() -> None:
    jobs = [make_job(phase) for phase in Phase]
    read = parse_job_list(BytesIO(xml.jobs_to_xml(job_list(jobs, "https://penstock.example/uws/jobs"))))
    assert [job.phase for job in read] == [phase.value for phase in Phase]


@pytest.mark.parametrize("phase", list(Phase))
def test_vo_models_reads_a_job_in_every_phase(phase: Phase) -> None:
    job = make_job(phase, owner="alice")
    read: Any = JobSummary[Parameters].from_xml(xml.job_to_xml(job_document(job, URL, None)))
    assert (read.job_id, read.phase, read.owner_id) == (job.id, phase.value, "alice")
    assert read.execution_duration == 60
    assert [result.id for result in read.results.results or []] == [result.id for result in job.results]


async def test_pyvo_runs_a_job_and_deletes_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, _), TestClient(TestServer(app, handler_cancellation=True)) as client:
        created = await client.post("/async", data={"UPLOAD": "t,param:p", "p": "bytes"}, allow_redirects=False)
        await asyncio.to_thread(_drive, created.headers["Location"])
        assert (await client.get(created.headers["Location"].partition(str(client.port))[2])).status == 404


def _drive(url: str) -> None:
    job = AsyncTAPJob(url)
    assert job.phase == "PENDING"
    job.execution_duration = 50
    assert job.execution_duration.sec == 50
    job.destruction = "2027-01-01T00:00:00.000000Z"
    assert str(job.destruction).startswith("2027-01-01")
    job.run().wait(timeout=60)
    assert job.phase == "COMPLETED"
    assert job.result_uri.endswith("/results/result")
    job.raise_if_error()
    job.delete()
