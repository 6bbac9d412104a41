"""What every `JobReports` must do, whichever way a worker's reports take."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.dali.errors import ServiceUnavailable
from penstock.dali.params import Part
from penstock.db import Database
from penstock.migrations import upgrade
from tests.uws.builders import instant, make_job
from tests.uws.waiting import eventually
from uws.core.job import ErrorSummary, Job, JobParameter, JobResult, Lease, Phase
from uws.core.phases import Abort, Effect, Event, Revive, SetDuration
from uws.ports import FOREVER, Cap, Change, Dispatch, JobReports
from uws.results import FileResults
from uws.service.changes import Changes
from uws.service.policy import Policy
from uws.service.reports import Reports
from uws.store import SqlStore

LATE = instant(10)
LEASE = timedelta(seconds=60)
ERROR = ErrorSummary(type="fatal", message="UsageError: no")
UPLOAD = bytes(range(256)) * 1000


class Silent:
    """Tells nobody."""

    async def announce(self, change: Change) -> None:
        """Do nothing."""


class MayBeAway(SqlStore):
    """A store that can be away."""

    away = False

    async def get(self, job_id: str) -> Job | None:
        self._require_presence()
        return await super().get(job_id)

    async def change(self, before: Job, after: Job, effects: frozenset[Effect], *, caps: Sequence[Cap] = ()) -> bool:
        self._require_presence()
        return await super().change(before, after, effects, caps=caps)

    async def heartbeat(
        self,
        dispatch: Dispatch,
        lease: Lease,
        info: Mapping[str, Any] | None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        self._require_presence()
        return await super().heartbeat(dispatch, lease, info, results=results)

    def _require_presence(self) -> None:
        if self.away:
            raise ServiceUnavailable("The store is away.")


@dataclass
class World:
    """A service: its store, its files, and reports that go straight to them; the time is always `LATE`."""

    store: MayBeAway
    results: FileResults
    changes: Changes = field(init=False)
    reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        self.changes = Changes(self.store, Silent(), lambda: LATE)
        self.reports = Reports(self.changes, Policy(lease=LEASE))

    async def queued(self, **changes: Any) -> Dispatch:
        """Keep a job with an upload that waits to be started."""
        job = make_job(Phase.QUEUED, **changes)
        blob = await self.results.keep(job.id, Part(name="F", content=UPLOAD, size_bytes=len(UPLOAD)))
        upload = JobParameter(id="F", blob=blob, media_type="image/fits")
        await self.store.create(replace(job, parameters=(*job.parameters, upload)))
        return Dispatch(job_id=job.id, attempt=job.attempt)

    async def happen(self, dispatch: Dispatch, event: Event) -> None:
        await self.changes.change(dispatch.job_id, lambda _: event)

    async def job(self, dispatch: Dispatch) -> Job:
        job = await self.store.get(dispatch.job_id)
        assert job
        return job

    async def published(self, dispatch: Dispatch) -> dict[str, bytes]:
        """Return the content of every result that the job shows, which must be what the job says of it."""
        found = {}
        for result in (await self.job(dispatch)).results:
            content = found[result.id] = self.results.path(result.blob).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (result.size_bytes, result.sha256)
        return found


def write(files: FileResults, dispatch: Dispatch, *names: str) -> list[JobResult]:
    """Write results as a job does: the content is the name."""
    found = []
    for number, name in enumerate(names, start=1):
        blob = f"{dispatch.job_id}/{dispatch.attempt}/{number}"
        if not files.path(blob).exists():
            blob, file = files.create(dispatch.job_id, dispatch.attempt, number)
            with file:
                file.write(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        found.append(
            JobResult(id=name, blob=blob, size_bytes=len(name.encode()), media_type="text/plain", sha256=digest)
        )
    return found


class JobReportsContract:
    """Subclasses give `reports`, and `files`: where the worker that uses them has its files."""

    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        db = Database(f"sqlite:///{tmp_path}/jobs.db")
        await upgrade(db, {"uws": "uws.migrations"})
        yield World(MayBeAway(db), FileResults(tmp_path / "results"))
        await db.close()

    async def claimed(self, world: World, reports: JobReports, files: FileResults, **changes: Any) -> Dispatch:
        """Return an attempt that the worker w has begun."""
        dispatch = await world.queued(**changes)
        assert await reports.claim(dispatch, "w")
        await files.prepare(dispatch.job_id, dispatch.attempt)
        return dispatch

    async def test_a_claim_gives_the_job_and_its_files(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await world.queued(owner="alice", owner_groups=("staff",), run_id="run")
        job = await reports.claim(dispatch, "w")
        assert job
        assert (job.id, job.type, job.attempt, job.owner) == (dispatch.job_id, "echo", 1, "alice")
        assert job.owner_groups == ("staff",)
        assert (job.phase, job.start_time, job.deadline) == (Phase.EXECUTING, LATE, instant(70))
        message, upload = job.parameters
        assert (message.id, message.value, message.blob) == ("MESSAGE", "hello", None)
        assert (upload.id, upload.media_type) == ("F", "image/fits")
        assert files.path(upload.blob or "").read_bytes() == UPLOAD
        assert (await world.job(dispatch)).lease == Lease(worker="w", until=LATE + LEASE)

    async def test_only_one_worker_has_an_attempt(self, world: World, reports: JobReports) -> None:
        dispatch = await world.queued()
        assert await reports.claim(dispatch, "w")
        assert await reports.claim(dispatch, "other") is None

    async def test_who_did_not_hear_the_answer_may_claim_again(self, world: World, reports: JobReports) -> None:
        dispatch = await world.queued()
        first = await reports.claim(dispatch, "w")
        again = await reports.claim(dispatch, "w")
        assert first
        assert again
        assert (again.id, again.attempt, again.start_time) == (first.id, first.attempt, first.start_time)

    @pytest.mark.parametrize("attempt", [1, 3])
    async def test_another_attempt_than_the_present_cannot_be_claimed(
        self, world: World, reports: JobReports, attempt: int
    ) -> None:
        dispatch = await world.queued(attempt=2)
        assert await reports.claim(replace(dispatch, attempt=attempt), "w") is None

    async def test_what_is_aborted_or_gone_cannot_be_claimed(self, world: World, reports: JobReports) -> None:
        dispatch = await world.queued()
        await world.happen(dispatch, Abort())
        assert await reports.claim(dispatch, "w") is None
        assert await reports.claim(replace(dispatch, job_id=dispatch.job_id[::-1]), "w") is None

    async def test_a_sign_of_life_says_until_when_the_attempt_may_run(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        assert await reports.heartbeat(dispatch, "w") == instant(70)
        await world.happen(dispatch, SetDuration(0))
        assert await reports.heartbeat(dispatch, "w") == FOREVER

    async def test_progress_is_shown_until_there_is_news(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        assert await reports.heartbeat(dispatch, "w", {"progress": 0.5, "message": "half"})
        assert await reports.heartbeat(dispatch, "w")
        assert (await world.job(dispatch)).info == {"progress": 0.5, "message": "half"}

    async def test_a_lost_attempt_is_told_so(self, world: World, reports: JobReports, files: FileResults) -> None:
        dispatch = await self.claimed(world, reports, files)
        assert await reports.heartbeat(dispatch, "other") is None
        await world.happen(dispatch, Abort())
        assert await reports.heartbeat(dispatch, "w") is None

    @pytest.mark.requirement("U-007", "U-139")
    async def test_finished_results_are_published_while_the_job_runs_and_stay_after_an_abort(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        """UWS 1.1 s2.1.3, s2.2.3.6."""
        dispatch = await self.claimed(world, reports, files)
        await self.published_by_heartbeat(world, reports, dispatch, write(files, dispatch, "a"))
        await self.published_by_heartbeat(world, reports, dispatch, write(files, dispatch, "a", "b"))
        assert (await world.job(dispatch)).phase is Phase.EXECUTING
        await world.happen(dispatch, Abort())
        assert not await reports.complete(dispatch, write(files, dispatch, "a", "b", "c"))
        job = await world.job(dispatch)
        assert (job.phase, await world.published(dispatch)) == (Phase.ABORTED, {"a": b"a", "b": b"b"})

    async def published_by_heartbeat(
        self, world: World, reports: JobReports, dispatch: Dispatch, results: list[JobResult]
    ) -> None:
        assert await reports.heartbeat(dispatch, "w", results=results)

        async def shown() -> bool:
            assert await reports.heartbeat(dispatch, "w")
            return set(await world.published(dispatch)) == {result.id for result in results}

        await eventually(shown)

    @pytest.mark.requirement("U-006")
    async def test_a_new_attempt_has_none_of_the_results_of_the_old_which_can_add_none(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        results = write(files, dispatch, "a")
        await self.published_by_heartbeat(world, reports, dispatch, results)
        await world.happen(dispatch, Revive(1))
        assert (await world.job(dispatch)).results == ()
        assert await reports.heartbeat(dispatch, "w", results=results) is None
        assert not await reports.complete(dispatch, results)
        job = await world.job(dispatch)
        assert (job.phase, job.attempt, job.results) == (Phase.QUEUED, 2, ())

    async def test_completion_publishes_all_results_in_order(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        results = write(files, dispatch, "z", "a", "é b")
        assert await reports.heartbeat(dispatch, "w", results=results[:1])
        assert await reports.complete(dispatch, results)
        job = await world.job(dispatch)
        assert (job.phase, job.end_time) == (Phase.COMPLETED, LATE)
        assert [result.id for result in job.results] == ["z", "a", "é b"]
        assert await world.published(dispatch) == {"z": b"z", "a": b"a", "é b": "é b".encode()}

    @pytest.mark.requirement("U-008")
    async def test_failure_publishes_what_was_finished(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        assert await reports.fail(dispatch, ERROR, write(files, dispatch, "part"))
        job = await world.job(dispatch)
        assert (job.phase, job.error) == (Phase.ERROR, ERROR)
        assert await world.published(dispatch) == {"part": b"part"}

    @pytest.mark.requirement("U-016")
    async def test_an_overrun_aborts_and_keeps_what_was_finished(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        """UWS 1.1 s2.1.4."""
        dispatch = await self.claimed(world, reports, files)
        assert await reports.overrun(dispatch, write(files, dispatch, "part"))
        job = await world.job(dispatch)
        assert job.phase is Phase.ABORTED
        assert job.error
        assert await world.published(dispatch) == {"part": b"part"}

    async def test_a_repeated_report_is_answered_as_the_first(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        results = write(files, dispatch, "a")
        assert await reports.complete(dispatch, results)
        before = await world.job(dispatch)
        assert await reports.complete(dispatch, results)
        assert await world.job(dispatch) == before
        assert not await reports.fail(dispatch, ERROR, results)
        assert not await reports.overrun(dispatch, results)
        assert await world.job(dispatch) == before

    async def test_a_late_end_is_told_to_be_late_and_publishes_nothing(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        await world.happen(dispatch, Abort())
        results = write(files, dispatch, "a")
        assert not await reports.complete(dispatch, results)
        assert not await reports.fail(dispatch, ERROR, results)
        assert not await reports.overrun(dispatch, results)
        assert await world.published(dispatch) == {}

    async def test_a_repeated_failure_is_answered_as_the_first(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        assert await reports.fail(dispatch, ERROR, [])
        assert await reports.fail(dispatch, ERROR, [])
        assert not await reports.fail(dispatch, replace(ERROR, message="another"), [])

    async def test_an_outage_is_told_and_the_report_can_be_repeated(
        self, world: World, reports: JobReports, files: FileResults
    ) -> None:
        dispatch = await self.claimed(world, reports, files)
        results = write(files, dispatch, "a")
        world.store.away = True
        with pytest.raises(ServiceUnavailable):
            await reports.heartbeat(dispatch, "w")
        with pytest.raises(ServiceUnavailable):
            await reports.complete(dispatch, results)
        world.store.away = False
        assert await reports.complete(dispatch, results)
        assert await world.published(dispatch) == {"a": b"a"}
