"""What a job type opens for its next job is opened before a job, and put right after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.service import Resources
from tests.uws.house import opened
from uws.core.job import Phase
from uws.ports import JobContext
from uws.worker.jobtypes import ECHO
from uws.worker.runtime import Worker, run_attempt


@pytest.mark.parametrize(
    ("failing", "phase", "expected"),
    [
        ((), Phase.COMPLETED, ["warm up", "told", "run", "warm up", "told"]),
        (("run",), Phase.ERROR, ["warm up", "told", "run", "warm up", "told"]),
        (("first",), Phase.ERROR, ["warm up", "warm up", "told"]),
        (("second",), Phase.COMPLETED, ["warm up", "told", "run", "warm up"]),
    ],
)
async def test_a_job_is_run_between_two_warm_ups(
    tmp_path: Path, failing: tuple[str, ...], phase: Phase, expected: list[str]
) -> None:
    steps: list[str] = []

    async def warm_up(_resources: Resources) -> None:
        steps.append("warm up")
        if {1: "first", 2: "second"}[steps.count("warm up")] in failing:
            raise ServiceUnavailable("The database does not answer.")

    async def run(_context: JobContext) -> None:
        steps.append("run")
        if "run" in failing:
            raise UsageError("There is no such thing.")

    async def warmed_up() -> None:
        steps.append("told")

    async def resources() -> Resources:
        return cast("Resources", None)

    async with opened(tmp_path) as house:
        _, dispatch = await house.queued()
        worker = Worker(
            name="w",
            reports=house.reports,
            results=house.results,
            job_types={ECHO.name: replace(ECHO, run=run, warm_up=warm_up)},
            open_resources=resources,
            lease_s=60,
            warmed_up=warmed_up,
        )
        await run_attempt(dispatch, worker)
        job = await house.store.get(dispatch.job_id)
    assert job is not None
    assert job.phase is phase
    assert steps == expected
