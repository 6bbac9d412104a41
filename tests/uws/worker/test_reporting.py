"""The desk that takes the reports of processes, besides what every way of reporting must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.dali.errors import ServiceUnavailable
from tests.uws.builders import make_job
from tests.uws.waiting import eventually
from uws.core.job import ErrorSummary, Job, JobResult
from uws.ports import Dispatch
from uws.worker.reporting import RemoteReports, ReportDesk

DISPATCH = Dispatch(job_id=make_job().id, attempt=1)
OTHER = Dispatch(job_id=make_job().id, attempt=2)


class Slow:
    """Reports that are answered when somebody lets them."""

    def __init__(self) -> None:
        self.heard: list[Dispatch] = []
        self.answer = asyncio.Event()
        self.fault: Exception | None = None

    async def claim(self, dispatch: Dispatch, worker: str) -> Job | None:
        raise AssertionError

    async def heartbeat(
        self,
        dispatch: Dispatch,
        worker: str,
        info: Mapping[str, Any] | None = None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        raise AssertionError

    async def complete(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        self.heard.append(dispatch)
        if self.fault is not None:
            raise self.fault
        await self.answer.wait()
        return True

    async def fail(self, dispatch: Dispatch, error: ErrorSummary, results: Sequence[JobResult]) -> bool:
        raise AssertionError

    async def overrun(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        raise AssertionError


@asynccontextmanager
async def opened(slow: Slow) -> AsyncIterator[tuple[ReportDesk, Path]]:
    """Open a desk that takes reports of `DISPATCH` only."""
    desk = ReportDesk(slow, lambda dispatch: dispatch == DISPATCH)
    async with desk.open() as path:
        yield desk, path


async def test_only_attempts_that_run_are_heard() -> None:
    slow = Slow()
    slow.answer.set()
    async with opened(slow) as (_, path):
        with pytest.raises(ServiceUnavailable, match="could not take"):
            await RemoteReports(path).complete(OTHER, [])
        assert await RemoteReports(path).complete(DISPATCH, [])
    assert slow.heard == [DISPATCH]


async def test_an_outage_is_passed_on_and_a_fault_is_told_as_one() -> None:
    slow = Slow()
    async with opened(slow) as (_, path):
        for fault, told in ((ServiceUnavailable("The store is away."), "store is away"), (KeyError("secret"), "take")):
            slow.fault = fault
            with pytest.raises(ServiceUnavailable, match=told) as caught:
                await RemoteReports(path).complete(DISPATCH, [])
            assert "secret" not in caught.value.message


async def test_what_is_no_report_is_not_answered_and_harms_nobody() -> None:
    slow = Slow()
    slow.answer.set()
    async with opened(slow) as (_, path):
        for garbage in (b"", b"\xff", b"{}", b'{"method": "close", "dispatch": {"job_id": "x", "attempt": 1}}'):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(garbage)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert await RemoteReports(path).complete(DISPATCH, [])


async def test_an_end_is_settled_when_nothing_more_of_it_is_being_written() -> None:
    slow = Slow()
    async with opened(slow) as (desk, path):
        report = asyncio.create_task(RemoteReports(path).complete(DISPATCH, []))
        await eventually(lambda: bool(slow.heard))
        settled = asyncio.create_task(desk.settled(DISPATCH))
        await desk.settled(OTHER)
        assert not settled.done()
        slow.answer.set()
        await settled
        assert await report


async def test_a_process_that_died_while_it_reported_is_heard() -> None:
    slow = Slow()
    async with opened(slow) as (desk, path):
        report = asyncio.create_task(RemoteReports(path).complete(DISPATCH, []))
        await eventually(lambda: bool(slow.heard))
        report.cancel()
        slow.answer.set()
        await desk.settled(DISPATCH)
    assert slow.heard == [DISPATCH]


async def test_nobody_else_can_reach_the_desk_and_it_leaves_nothing(tmp_path: Path) -> None:
    async with opened(Slow()) as (_, path):
        assert path.parent.stat().st_mode & 0o077 == 0
    assert not path.parent.exists()
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        await RemoteReports(path).complete(DISPATCH, [])
