from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.auth.principal import Principal
from penstock.dali.errors import AuthenticationRequired, Forbidden, NotFound, UsageError
from penstock.dali.params import Part
from tests.uws.builders import NOW, instant
from tests.uws.house import ADMIN, ALICE, ANYONE, BOB, House, opened
from tests.uws.waiting import eventually
from uws.core.filters import Filters
from uws.core.job import ErrorSummary, Job, Phase
from uws.core.wait import Wait
from uws.ports import Dispatch, EndOfAttempt
from uws.service.access import Access
from uws.service.jobs import Given, NewJob
from uws.service.policy import Policy, parse_duration
from uws.service.validation import Rejected
from uws.worker.context import AttemptContext


async def test_an_attempt_is_claimed_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        _, dispatch = await house.queued()
        claims = await asyncio.gather(*(house.reports.claim(dispatch, f"w{n}") for n in range(10)))
        assert len([claim for claim in claims if claim]) == 1


async def test_a_late_report_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        job, dispatch = await house.running()
        await house.jobs.abort(job.id, ANYONE)
        assert not await house.reports.complete(dispatch, ())
        assert not await house.reports.fail(dispatch, ErrorSummary(type="fatal", message="x"), ())
        assert await house.reports.heartbeat(dispatch, "w") is None
        assert (await house.jobs.get(job.id, ANYONE)).phase is Phase.ABORTED


async def test_a_zombie_is_fenced_after_its_lease(tmp_path: Path) -> None:
    async with opened(tmp_path, lease=timedelta(seconds=10)) as house:
        job, dispatch = await house.running()
        house.now = instant(10)
        await house.upkeep.settle()
        assert not await house.reports.complete(dispatch, ())
        again = Dispatch(job_id=job.id, attempt=2)
        assert await house.reports.claim(again, "w2")
        assert await house.reports.heartbeat(dispatch, "w") is None
        assert await house.reports.complete(again, ())


async def test_a_sign_of_life_puts_off_the_reaper(tmp_path: Path) -> None:
    async with opened(tmp_path, lease=timedelta(seconds=10)) as house:
        job, dispatch = await house.running()
        house.now = instant(9)
        await house.reports.heartbeat(dispatch, "w")
        house.now = instant(11)
        await house.upkeep.settle()
        assert (await house.jobs.get(job.id, ANYONE)).attempt == 1


async def test_a_job_whose_workers_vanish_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path, max_attempts=2) as house:
        job, dispatch = await house.running()
        await house.reports.ended(dispatch, EndOfAttempt.VANISHED)
        second = Dispatch(job_id=job.id, attempt=2)
        assert await house.reports.claim(second, "w")
        await house.reports.ended(dispatch, EndOfAttempt.VANISHED)
        await house.reports.ended(second, EndOfAttempt.VANISHED)
        done = await house.jobs.get(job.id, ANYONE)
        assert done.phase is Phase.ERROR
        assert done.error
        assert done.error.type == "transient"


@pytest.mark.requirement("U-009", "U-016")
async def test_an_overrun_is_aborted_by_the_sweeper(tmp_path: Path) -> None:
    async with opened(tmp_path, default_duration_s=5, lease=timedelta(days=1)) as house:
        job, dispatch = await house.running()
        await house.jobs.set_duration(job.id, 7, ANYONE)
        house.now = instant(6)
        await house.upkeep.settle()
        assert (await house.jobs.get(job.id, ANYONE)).phase is Phase.EXECUTING
        house.now = instant(7)
        await house.upkeep.settle()
        assert (await house.jobs.get(job.id, ANYONE)).phase is Phase.ABORTED
        assert await house.reports.heartbeat(dispatch, "w") is None


@pytest.mark.requirement("U-019")
async def test_destruction_while_executing_forgets_the_job_and_its_files(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        job, dispatch = await house.running()
        await house.results.prepare(job.id, 1)
        await house.jobs.set_destruction(job.id, instant(2), ANYONE)
        house.now = instant(2)
        await house.upkeep.settle()
        await house.upkeep.discard()
        with pytest.raises(NotFound):
            await house.jobs.get(job.id, ANYONE)
        assert house.executor.stopped == [job.id]
        assert not (house.folder / job.id).exists()
        assert not await house.reports.complete(dispatch, ())


@pytest.mark.requirement("U-013")
async def test_an_archived_job_keeps_its_metadata_and_loses_its_results(tmp_path: Path) -> None:
    async with opened(tmp_path, archive=True) as house:
        job, _ = await house.running()
        await house.results.prepare(job.id, 1)
        await house.jobs.set_destruction(job.id, instant(1), ANYONE)
        house.now = instant(1)
        await house.upkeep.settle()
        await house.upkeep.discard()
        assert (await house.jobs.get(job.id, ANYONE)).phase is Phase.ARCHIVED
        assert not (house.folder / job.id / "1").exists()
        await house.upkeep.settle()


@pytest.mark.requirement("U-015", "U-017", "U-018", "U-137")
@pytest.mark.parametrize(("wish", "expected"), [(None, 10), (5, 5), (0, 100), (101, 100), (2**40, 100)])
def test_durations_are_clamped(wish: int | None, expected: int) -> None:
    assert Policy(default_duration_s=10, max_duration_s=100).duration_s(wish) == expected


@pytest.mark.requirement("U-015", "U-092")
def test_without_a_limit_a_duration_fits_the_schema() -> None:
    assert Policy(max_duration_s=0).duration_s(2**40) == 2**31 - 1
    assert Policy(max_duration_s=0).duration_s(0) == 0


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1e3", "٣"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.requirement("U-020", "U-136")
def test_destruction_is_clamped() -> None:
    limited = Policy(default_lifetime=timedelta(days=1), max_lifetime=timedelta(days=2))
    assert limited.first_destruction(NOW) == NOW + timedelta(days=1)
    assert limited.destruction(NOW + timedelta(days=9), NOW) == NOW + timedelta(days=2)
    assert limited.destruction(None, NOW) == NOW + timedelta(days=2)
    assert limited.destruction(instant(-5), NOW) == instant(-5)
    assert Policy(max_lifetime=None).destruction(None, NOW) is None


@pytest.mark.parametrize(
    ("pairs", "what"),
    [
        ((("NONSENSE", "1"),), "no parameter"),
        ((("DURATION", "x"),), "DURATION"),
        ((("DURATION", "-1"),), "between"),
        ((("DURATION", "1"), ("duration", "2")), "2 times"),
        ((("DURATION", "param:x"),), "param:"),
    ],
)
async def test_a_type_that_validates_rejects_what_it_does_not_take(
    tmp_path: Path, pairs: tuple[tuple[str, str], ...], what: str
) -> None:
    async with opened(tmp_path) as house:
        with pytest.raises(Rejected, match=what):
            await house.jobs.create(NewJob(job_type="sleep", given=Given(parameters=pairs)), ANYONE)
        with pytest.raises(Rejected, match="no job type"):
            await house.jobs.create(NewJob(job_type="nonsense"), ANYONE)


@pytest.mark.parametrize(
    "given",
    [
        Given(parameters=(("A", "\0"),)),
        Given(parameters=(("", "x"),)),
        Given(parameters=(("a\nb", "x"),)),
        Given(parameters=(("n" * 300, "x"),)),
        Given(run_id="x" * 65),
        Given(run_id="\x01"),
    ],
)
async def test_what_cannot_be_kept_is_refused(tmp_path: Path, given: Given) -> None:
    async with opened(tmp_path) as house:
        with pytest.raises(UsageError):
            await house.jobs.create(NewJob(job_type="copy", given=given), ANYONE)


@pytest.mark.requirement("TA-05")
async def test_a_dali_type_takes_everything_and_accumulates_uploads(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        given = Given(parameters=(("UPLOAD", "a,param:a"), ("X", "1"), ("Upload", "b,param:b")), run_id="r 1")
        job = await house.jobs.create(NewJob(job_type="copy", given=given), ANYONE)
        more = Given(parameters=(("UPLOAD", "c,http://example.org/c"), ("x", "2")), run_id="r 2")
        job = await house.jobs.update_parameters(job.id, more, ANYONE)
        assert [(p.id, p.value) for p in job.parameters] == [
            ("UPLOAD", "a,param:a;b,param:b;c,http://example.org/c"),
            ("x", "2"),
            ("RUNID", "r 2"),
        ]
        assert job.run_id == "r 2"


async def test_uploads_are_kept_with_the_job_and_refused_ones_are_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        part = Part(name="table", content=b"bytes", size_bytes=5)
        job = await house.jobs.create(NewJob(job_type="copy", given=Given(parts=(part,))), ANYONE)
        [kept] = job.parameters
        assert kept.blob
        assert house.results.path(kept.blob).read_bytes() == b"bytes"
        with pytest.raises(Rejected):
            await house.jobs.create(NewJob(job_type="echo", given=Given(parts=(part,))), ANYONE)
        assert [folder.name for folder in house.folder.iterdir()] == [job.id]
        other = await house.jobs.create(NewJob(job_type="echo"), ANYONE)
        with pytest.raises(Rejected):
            await house.jobs.update_parameters(other.id, Given(parts=(part,)), ANYONE)
        assert [folder.name for folder in house.folder.iterdir()] == [job.id]


async def test_a_job_acts_with_the_groups_of_its_owner(tmp_path: Path) -> None:
    member = Access(caller=Principal(subject="alice", groups=frozenset({"staff", "embargoed data"})))
    async with opened(tmp_path) as house:
        created = await house.jobs.create(NewJob(job_type="echo"), member)
        job = await house.jobs.get(created.id, member)

    async def nothing() -> Any:
        raise AssertionError

    context = AttemptContext(job, (), open_resources=nothing, results=house.results)
    assert context.owner == member.caller


@pytest.mark.requirement("U-152")
async def test_owners_alone_see_their_jobs(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        job = await house.jobs.create(NewJob(job_type="echo"), ALICE)
        await house.jobs.get(job.id, ALICE)
        await house.jobs.get(job.id, ADMIN)
        with pytest.raises(Forbidden):
            await house.jobs.get(job.id, BOB)
        with pytest.raises(AuthenticationRequired):
            await house.jobs.delete(job.id, ANYONE)
        with pytest.raises(NotFound):
            await house.jobs.get(job.id, Access(caller=ALICE.caller, job_type="sleep"))


@pytest.mark.requirement("U-151")
@pytest.mark.parametrize("lists_anonymous", [True, False])
async def test_lists_show_what_the_caller_may_see(tmp_path: Path, lists_anonymous: bool) -> None:
    async with opened(tmp_path, lists_anonymous=lists_anonymous) as house:
        for access in (ALICE, BOB, ANYONE):
            await house.jobs.create(NewJob(job_type="echo"), access)

        async def owners(access: Access) -> set[str | None]:
            return {job.owner for job in await house.jobs.list_jobs(Filters(), access)}

        assert await owners(ALICE) == {"alice"}
        assert await owners(ADMIN) == {"alice", "bob", None}
        assert await owners(ANYONE) == ({None} if lists_anonymous else set())


class TestWaiting:
    async def waiter(self, house: House, job: Job, wish: Wait) -> asyncio.Task[Job]:
        """Start to wait and return when the request blocks."""
        task = asyncio.create_task(house.jobs.wait(job.id, wish, ANYONE))
        await eventually(lambda: house.hub.waiting == 1)
        await asyncio.sleep(0.05)
        assert not task.done()
        return task

    @pytest.mark.requirement("U-052", "U-055", "U-060")
    async def test_a_change_of_phase_ends_it(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as house:
            job = await house.jobs.create(NewJob(job_type="echo"), ANYONE)
            task = await self.waiter(house, job, Wait(seconds=None))
            await house.jobs.set_duration(job.id, 9, ANYONE)
            await asyncio.sleep(0.05)
            assert not task.done()
            await house.jobs.run(job.id, ANYONE)
            assert (await task).phase is Phase.QUEUED

    @pytest.mark.requirement("U-061")
    async def test_deletion_ends_it(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as house:
            job = await house.jobs.create(NewJob(job_type="echo"), ANYONE)
            task = await self.waiter(house, job, Wait(seconds=None))
            await house.jobs.delete(job.id, ANYONE)
            with pytest.raises(NotFound):
                await task

    @pytest.mark.requirement("U-061")
    async def test_shutting_down_ends_it(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as house:
            job = await house.jobs.create(NewJob(job_type="echo"), ANYONE)
            task = await self.waiter(house, job, Wait(seconds=None))
            house.jobs.stop_waiting()
            assert (await task).phase is Phase.PENDING

    @pytest.mark.requirement("U-054", "U-056")
    async def test_the_time_ends_it(self, tmp_path: Path) -> None:
        async with opened(tmp_path, max_wait_s=0.05) as house:
            job = await house.jobs.create(NewJob(job_type="echo"), ANYONE)
            assert (await house.jobs.wait(job.id, Wait(seconds=None), ANYONE)).phase is Phase.PENDING

    @pytest.mark.requirement("U-053", "U-057", "U-059")
    async def test_another_phase_or_no_time_does_not_wait(self, tmp_path: Path) -> None:
        async with opened(tmp_path, max_wait_s=600) as house:
            job = await house.jobs.create(NewJob(job_type="echo"), ANYONE)
            await house.jobs.wait(job.id, Wait(seconds=None, phase=Phase.QUEUED), ANYONE)
            await house.jobs.wait(job.id, Wait(seconds=0), ANYONE)
            await house.jobs.abort(job.id, ANYONE)
            await house.jobs.wait(job.id, Wait(seconds=None), ANYONE)

    @pytest.mark.requirement("U-058", "U-061")
    async def test_a_change_between_the_watch_and_the_reading_is_not_lost(self, tmp_path: Path) -> None:
        async with opened(tmp_path, max_wait_s=600) as house:
            for _ in range(20):
                job = await house.jobs.create(NewJob(job_type="echo"), ANYONE)
                wish = Wait(seconds=None, phase=Phase.PENDING)
                waited, _ = await asyncio.gather(house.jobs.wait(job.id, wish, ANYONE), house.jobs.run(job.id, ANYONE))
                assert waited.phase is Phase.QUEUED
