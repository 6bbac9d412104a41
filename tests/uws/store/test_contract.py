"""What every `JobStore` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.migrations import upgrade
from tests.uws.builders import NOW, instant, make_job
from uws.core.filters import Filters
from uws.core.job import Job, JobParameter, JobResult, Lease, Phase, new_job_id
from uws.core.phases import Abort, Claim, Complete, Delete, Event, Revive, Run, SetDestruction, apply
from uws.ports import FOREVER, Dispatch, JobQuery, JobStore
from uws.store import SqlStore


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[JobStore]:
    db = Database(database_url)
    await upgrade(db, {"uws": "uws.migrations"})
    yield SqlStore(db)
    await db.close()


async def happen(store: JobStore, job: Job, event: Event, seconds: float = 0) -> Job:
    """Let an event happen to a stored job and return it as stored."""
    decision = apply(job, event, instant(seconds))
    assert await store.change(job, decision.job, decision.effects)
    return await reread(store, job)


async def reread(store: JobStore, job: Job) -> Job:
    found = await store.get(job.id)
    assert found
    return found


def numbered(number: int, **changes: object) -> Job:
    """Return a job that was created `number` milliseconds after NOW."""
    created = instant(number / 1000)
    return make_job(id=new_job_id(created, bytes([number] * 10)), creation_time=created, **changes)


class TestJobStore:
    @pytest.mark.parametrize("phase", list(Phase))
    async def test_a_job_comes_back_as_it_was_kept(self, store: JobStore, phase: Phase) -> None:
        parameters = (
            JobParameter(id="A", value="x\r\n\u20ac \x01"),
            JobParameter(id="a", value=""),
            JobParameter(id="F", blob="some/blob", media_type="image/fits"),
        )
        owner = {"owner": "alice", "owner_groups": ("a b", "staff")}
        job = make_job(phase, parameters=parameters, results=(), run_id="  run ", info={"progress": 0.5}, **owner)
        await store.create(job)
        assert await store.get(job.id) == job

    async def test_there_is_nothing_under_another_id(self, store: JobStore) -> None:
        assert await store.get(make_job().id) is None

    async def test_only_the_first_of_two_changes_of_the_same_state_is_written(self, store: JobStore) -> None:
        job = make_job()
        await store.create(job)
        run, abort = apply(job, Run(), NOW), apply(job, Abort(), NOW)
        assert await store.change(job, run.job, run.effects)
        assert not await store.change(job, abort.job, abort.effects)
        assert not await store.change(job, run.job, run.effects)
        assert (await reread(store, job)).phase is Phase.QUEUED

    async def test_of_many_changes_at_once_one_is_written(self, store: JobStore) -> None:
        job = make_job()
        await store.create(job)
        run = apply(job, Run(), NOW)
        done = await asyncio.gather(*(store.change(job, run.job, run.effects) for _ in range(20)))
        assert done.count(True) == 1
        assert await store.take(10, now=NOW, stale=NOW) == [Dispatch(job_id=job.id, attempt=1)]

    async def test_a_dispatch_is_taken_once_and_again_when_it_is_stale(self, store: JobStore) -> None:
        job = make_job()
        await store.create(job)
        await happen(store, job, Run())
        assert len(await store.take(5, now=instant(0), stale=instant(-9))) == 1
        assert await store.take(5, now=instant(1), stale=instant(-8)) == []
        assert len(await store.take(5, now=instant(10), stale=instant(1))) == 1

    async def test_dispatches_come_in_the_order_of_running(self, store: JobStore) -> None:
        jobs = [numbered(number) for number in (3, 1, 2)]
        for job in jobs:
            await store.create(job)
            await happen(store, job, Run())
        taken = [*await store.take(2, now=NOW, stale=NOW), *await store.take(2, now=NOW, stale=NOW)]
        assert [dispatch.job_id for dispatch in taken] == [job.id for job in jobs]

    @pytest.mark.parametrize("event", [Claim(1, Lease(worker="w", until=instant(9))), Abort(), Delete()])
    async def test_a_job_that_is_no_longer_queued_is_not_dispatched(self, store: JobStore, event: Event) -> None:
        job = apply(make_job(), Run(), NOW).job
        await store.create(job)
        decision = apply(job, event, NOW)
        assert await store.change(job, decision.job, decision.effects)
        assert await store.take(5, now=NOW, stale=NOW) == []

    async def test_results_and_completion_come_together(self, store: JobStore) -> None:
        job = make_job(Phase.EXECUTING)
        await store.create(job)
        results = tuple(JobResult(id=name, blob=name, size_bytes=2**40, media_type="a/b") for name in ("z", "a"))
        done = await happen(store, job, Complete(1, results))
        assert (done.phase, done.results, done.lease) == (Phase.COMPLETED, results, None)

    async def test_results_of_a_running_attempt_are_kept_with_a_sign_of_life(self, store: JobStore) -> None:
        """UWS 1.1 s2.1.3."""
        job = make_job(Phase.EXECUTING)
        await store.create(job)
        first = JobResult(id="a", blob="x/1", size_bytes=2**40, media_type="a/b", sha256="0" * 64)
        second = JobResult(id="b", blob="x/2", size_bytes=0, media_type="a/b")
        dispatch, lease = Dispatch(job_id=job.id, attempt=1), Lease(worker="w", until=instant(50))
        for results in ((first,), (first, second)):
            assert await store.heartbeat(dispatch, lease, None, results=results)
            assert (await reread(store, job)).results == results
        assert await store.heartbeat(dispatch, lease, {"progress": 1})
        assert (await reread(store, job)).results == (first, second)
        for stranger in (replace(lease, worker="other"), lease):
            late = replace(dispatch, attempt=2) if stranger is lease else dispatch
            assert await store.heartbeat(late, stranger, None, results=()) is None
        assert (await reread(store, job)).results == (first, second)

    async def test_a_change_that_does_not_know_of_new_results_is_not_written(self, store: JobStore) -> None:
        job = make_job(Phase.EXECUTING)
        await store.create(job)
        result = JobResult(id="a", blob="x/1", size_bytes=1, media_type="a/b")
        lease = Lease(worker="w", until=instant(50))
        assert await store.heartbeat(Dispatch(job_id=job.id, attempt=1), lease, None, results=(result,))
        revived = apply(job, Revive(1), NOW)
        assert not await store.change(job, revived.job, revived.effects)
        assert (await happen(store, await reread(store, job), Revive(1))).results == ()

    async def test_the_present_attempts_of_jobs_are_told(self, store: JobStore) -> None:
        jobs = [numbered(number, attempt=number) for number in (1, 2)]
        for job in jobs:
            await store.create(job)
        asked = [job.id for job in (*jobs, numbered(3))]
        assert await store.attempts(asked) == {jobs[0].id: 1, jobs[1].id: 2}
        assert await store.attempts([]) == {}

    async def test_a_forgotten_job_leaves_only_the_duty_to_remove_its_files(self, store: JobStore) -> None:
        job = make_job(Phase.COMPLETED)
        await store.create(job)
        decision = apply(job, Delete(), NOW)
        assert await store.change(job, decision.job, decision.effects)
        assert await store.get(job.id) is None
        assert not await store.change(job, decision.job, decision.effects)
        assert await store.to_discard() == [job.id]
        await store.discarded(job.id)
        assert await store.to_discard() == []

    async def test_a_heartbeat_extends_the_lease_and_tells_the_deadline(self, store: JobStore) -> None:
        job = make_job(Phase.EXECUTING)
        await store.create(job)
        beat = Dispatch(job_id=job.id, attempt=1)
        assert await store.heartbeat(beat, Lease(worker="w", until=instant(99)), {"progress": 0.1}) == instant(61)
        found = await reread(store, job)
        assert found.lease == Lease(worker="w", until=instant(99))
        assert found.info == {"progress": 0.1}
        assert found.version == job.version

    async def test_a_heartbeat_without_a_limit_has_no_deadline(self, store: JobStore) -> None:
        job = make_job(Phase.EXECUTING, execution_duration_s=0)
        await store.create(job)
        beat = Dispatch(job_id=job.id, attempt=1)
        assert await store.heartbeat(beat, Lease(worker="w", until=instant(99)), None) == FOREVER

    @pytest.mark.parametrize(
        ("phase", "attempt", "worker"),
        [(Phase.EXECUTING, 2, "w"), (Phase.EXECUTING, 1, "other"), (Phase.ABORTED, 1, "w"), (Phase.QUEUED, 1, "w")],
    )
    async def test_a_heartbeat_of_a_lost_attempt_is_told_so(
        self, store: JobStore, phase: Phase, attempt: int, worker: str
    ) -> None:
        job = make_job(phase)
        await store.create(job)
        dispatch = Dispatch(job_id=job.id, attempt=attempt)
        assert await store.heartbeat(dispatch, Lease(worker=worker, until=instant(99)), {"progress": 1}) is None
        assert await store.get(job.id) == job

    async def test_what_is_due_is_found_and_nothing_else(self, store: JobStore) -> None:
        running = numbered(1, phase=Phase.EXECUTING, attempt=1, start_time=NOW)
        lost = replace(running, id=numbered(2).id, lease=Lease(worker="w", until=instant(10)))
        overrun = replace(running, id=numbered(3).id, execution_duration_s=5)
        old = numbered(4, destruction=instant(10))
        archived = numbered(5, destruction=instant(10), phase=Phase.ARCHIVED)
        for job in (lost, overrun, old, archived, numbered(6, phase=Phase.ERROR, destruction=None)):
            await store.create(job)
        assert await store.next_due() == instant(5)
        before, after = await store.due(instant(4.999)), await store.due(instant(10))
        assert (before.lost, before.overrun, before.destruction) == ([], [], [])
        assert (after.lost, after.overrun, after.destruction) == ([lost.id], [overrun.id], [old.id])

    async def test_nothing_is_due_in_an_empty_store(self, store: JobStore) -> None:
        assert await store.next_due() is None

    async def test_a_destruction_is_kept_to_the_millisecond(self, store: JobStore) -> None:
        job = make_job()
        await store.create(job)
        assert (await happen(store, job, SetDestruction(instant(0.123)))).destruction == instant(0.123)


class TestLists:
    async def listed(self, store: JobStore, query: JobQuery) -> list[int]:
        """Return the milliseconds after NOW at which the listed jobs were created."""
        found = await store.list_jobs(query)
        return [round((job.creation_time - NOW).total_seconds() * 1000) for job in found]

    @pytest.fixture
    async def filled(self, store: JobStore) -> JobStore:
        kinds = [
            (Phase.PENDING, "alice", "echo"),
            (Phase.ERROR, "alice", "sleep"),
            (Phase.ARCHIVED, "alice", "echo"),
            (Phase.ERROR, "bob", "echo"),
            (Phase.COMPLETED, None, "echo"),
        ]
        for number, (phase, owner, name) in enumerate(kinds, 1):
            await store.create(numbered(number, phase=phase, owner=owner, type=name))
        return store

    @pytest.mark.requirement("U-072", "U-074", "U-075", "U-076", "U-077")
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (JobQuery(filters=Filters()), [5, 4, 2, 1]),
            (JobQuery(filters=Filters(), owners=("alice",)), [2, 1]),
            (JobQuery(filters=Filters(), owners=(None,)), [5]),
            (JobQuery(filters=Filters(), job_type="echo"), [5, 4, 1]),
            (JobQuery(filters=Filters(phases=frozenset({Phase.ARCHIVED}))), [3]),
            (JobQuery(filters=Filters(phases=frozenset({Phase.ARCHIVED, Phase.ERROR}))), [4, 3, 2]),
            (JobQuery(filters=Filters(after=instant(0.002))), [5, 4]),
            (JobQuery(filters=Filters(after=instant(0.0019))), [5, 4, 2]),
            (JobQuery(filters=Filters(last=2)), [5, 4]),
            (JobQuery(filters=Filters(last=99)), [5, 4, 2, 1]),
            (JobQuery(filters=Filters(last=1, after=instant(0), phases=frozenset({Phase.ERROR}))), [4]),
        ],
    )
    async def test_filters(self, filled: JobStore, query: JobQuery, expected: list[int]) -> None:
        assert await self.listed(filled, query) == expected

    @pytest.mark.parametrize("owners", [None, ("alice", "bob", None)])
    @pytest.mark.parametrize("size", [1, 2, 3])
    async def test_pages_follow_one_another(
        self, filled: JobStore, owners: tuple[str | None, ...] | None, size: int
    ) -> None:
        found: list[str] = []
        while page := await filled.list_jobs(
            JobQuery(filters=Filters(last=size), owners=owners, before=found[-1] if found else None)
        ):
            found += [job.id for job in page]
        assert found == [job.id for job in await filled.list_jobs(JobQuery(filters=Filters()))]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (JobQuery(filters=Filters(), owners=("alice", None)), [5, 2, 1]),
            (JobQuery(filters=Filters(), owners=("alice",), job_type="sleep"), [2]),
            (JobQuery(filters=Filters(phases=frozenset({Phase.ERROR})), job_type="echo"), [4]),
            (JobQuery(filters=Filters(), owners=("nobody",)), []),
        ],
    )
    async def test_owner_type_and_phase_hold_together(
        self, filled: JobStore, query: JobQuery, expected: list[int]
    ) -> None:
        assert await self.listed(filled, query) == expected


async def test_a_store_that_is_away_says_come_back_later(tmp_path: object) -> None:
    db = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(ServiceUnavailable) as told:
        await SqlStore(db).get("x")
    assert told.value.retry_after_s
    await db.close()
