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
from vo_models.uws.models import Jobs, JobSummary, Parameter, Parameters

from tests.uws.builders import instant, make_job
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


class EchoParameters(Parameters):
    """The parameters of an echo job; vo-models finds them by the names of its fields."""

    MESSAGE: Parameter | None = None


@pytest.mark.parametrize("phase", list(Phase))
def test_vo_models_reads_a_job_in_every_phase(phase: Phase) -> None:
    job = make_job(phase, owner="alice", run_id="r", quote=instant(60))
    read: Any = JobSummary[EchoParameters].from_xml(xml.job_to_xml(job_document(job, URL, None)))
    assert (read.job_id, read.phase, read.owner_id, read.run_id) == (job.id, phase.value, "alice", "r")
    assert (read.execution_duration, read.version) == (60, "1.1")
    times = (read.quote, read.creation_time, read.start_time, read.end_time, read.destruction)
    assert times == (job.quote, job.creation_time, job.start_time, job.end_time, job.destruction)
    assert read.parameters.MESSAGE.value == "hello"
    found = [(each.id, each.href, each.size, each.mime_type) for each in read.results.results or []]
    assert found == [(each.id, f"{URL}/results/{each.id}", each.size_bytes, each.media_type) for each in job.results]
    summary = read.error_summary
    assert (summary and (summary.type, summary.message, summary.has_detail)) == (
        job.error and (job.error.type, job.error.message, job.error.has_detail)
    )


def test_vo_models_reads_a_job_list() -> None:
    jobs = [make_job(phase, run_id="r", owner="alice") for phase in Phase]
    read: Any = Jobs.from_xml(xml.jobs_to_xml(job_list(jobs, "https://penstock.example/uws/jobs")))
    assert read.version == "1.1"
    assert [
        (each.job_id, each.phase, each.run_id, each.owner_id, each.creation_time, each.href) for each in read.jobref
    ] == [
        (job.id, job.phase.value, "r", "alice", job.creation_time, f"https://penstock.example/uws/jobs/{job.id}")
        for job in jobs
    ]


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
