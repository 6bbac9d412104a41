"""Jobs for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from uws.core.job import ErrorSummary, Job, JobParameter, JobResult, Lease, Phase, new_job_id

NOW = datetime(2026, 11, 20, 21, 14, 3, 512000, tzinfo=UTC)


def instant(seconds: float) -> datetime:
    """Return an instant so many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def make_job(phase: Phase = Phase.PENDING, **changes: Any) -> Job:
    """Return a job as it might be in a phase."""
    job = Job(
        id=new_job_id(NOW, bytes(range(10))),
        type="echo",
        phase=phase,
        attempt=0 if phase in (Phase.PENDING, Phase.HELD) else 1,
        creation_time=NOW,
        execution_duration_s=60,
        destruction=NOW + timedelta(days=1),
        parameters=(JobParameter(id="MESSAGE", value="hello"),),
    )
    if phase in (Phase.EXECUTING, Phase.SUSPENDED):
        job = replace(job, start_time=instant(1), lease=Lease(worker="w", until=instant(30)))
    if phase in (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED):
        job = replace(job, start_time=instant(1), end_time=instant(2))
    if phase is Phase.COMPLETED:
        result = JobResult(id="echo", blob=f"{job.id}/1/1", size_bytes=5, media_type="text/plain")
        job = replace(job, results=(result,))
    if phase is Phase.ERROR:
        job = replace(job, error=ErrorSummary(type="fatal", message="UsageError: no"))
    return replace(job, **changes)
