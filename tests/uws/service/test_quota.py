from __future__ import annotations

from pathlib import Path

import pytest

from penstock.dali.errors import TooManyRequests
from penstock.dali.params import Part
from tests.uws.builders import instant
from tests.uws.house import ADMIN, ALICE, ANYONE, BOB, House, opened
from uws.core.filters import Filters
from uws.core.job import Job, Phase
from uws.core.phases import STARTS, TABLE, Kind, Refused
from uws.service.access import Access
from uws.service.jobs import Given, NewJob
from uws.service.quota import Quotas
from uws.settings import Quota

ONE_ACTIVE = Quotas(owner=Quota(max_active=1))
HOLDING = Quotas(owner=Quota(max_active=1), holds=True)


async def created(house: House, access: Access = ALICE, *, run: bool = False, job_type: str = "echo") -> Job:
    return await house.jobs.create(NewJob(job_type=job_type, run=run), access)


async def phase_of(house: House, job: Job) -> Phase:
    return (await house.jobs.get(job.id, ADMIN)).phase


@pytest.mark.requirement("U-010")
def test_a_job_can_be_held_wherever_it_can_be_queued() -> None:
    assert {Phase.PENDING, Phase.HELD} == STARTS
    assert all(phase in TABLE[Kind.HOLD] for phase in STARTS)


async def test_without_quotas_nothing_is_counted(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        job = await created(house)
        assert house.jobs.policy.quotas.to_create(job) == house.jobs.policy.quotas.to_run(job) == ()


async def test_a_job_that_may_not_run_stays_pending_and_its_client_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=ONE_ACTIVE) as house:
        first, second = await created(house, run=True), await created(house)
        with pytest.raises(TooManyRequests, match="queued or running is 1") as refused:
            await house.jobs.run(second.id, ALICE)
        assert refused.value.retry_after_s
        assert await phase_of(house, second) is Phase.PENDING
        with pytest.raises(TooManyRequests):
            await created(house, run=True)
        assert len(await house.jobs.list_jobs(Filters(), ALICE)) == 2
        await house.jobs.run(first.id, ALICE)
        await house.jobs.abort(first.id, ALICE)
        assert (await house.jobs.run(second.id, ALICE)).phase is Phase.QUEUED


@pytest.mark.requirement("U-010")
async def test_where_policy_holds_a_client_sends_run_again(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=HOLDING) as house:
        first, second, third = await created(house, run=True), await created(house), await created(house, run=True)
        assert third.phase is Phase.HELD
        assert (await house.jobs.run(second.id, ALICE)).phase is Phase.HELD
        assert (await house.jobs.run(second.id, ALICE)).phase is Phase.HELD
        await house.jobs.abort(first.id, ALICE)
        await house.upkeep.settle()
        await house.upkeep.dispatch()
        assert await phase_of(house, second) is Phase.HELD
        assert house.executor.started == []
        queued = await house.jobs.run(second.id, ALICE)
        assert (queued.phase, queued.attempt) == (Phase.QUEUED, 1)
        assert await phase_of(house, third) is Phase.HELD
        await house.jobs.abort(third.id, ALICE)
        with pytest.raises(Refused):
            await house.jobs.run(third.id, ALICE)


async def test_a_running_job_is_not_held_by_a_repeated_run(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=HOLDING) as house:
        job, _ = await house.running()
        assert (await house.jobs.run(job.id, ANYONE)).phase is Phase.EXECUTING


async def test_jobs_that_are_over_leave_room(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=ONE_ACTIVE) as house:
        for _ in range(3):
            _, dispatch = await house.running()
            assert await house.reports.complete(dispatch, ())


async def test_a_job_whose_worker_vanished_runs_again_whatever_the_quota(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=ONE_ACTIVE) as house:
        job, _ = await house.running()
        house.now = instant(61)
        await house.upkeep.settle()
        assert (await house.jobs.get(job.id, ANYONE)).attempt == 2


async def test_quotas_are_of_each_owner_and_an_administrator_runs_on_the_owners(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=ONE_ACTIVE) as house:
        await created(house, run=True)
        await created(house, BOB, run=True)
        await created(house, ANYONE, run=True)
        second = await created(house)
        with pytest.raises(TooManyRequests):
            await house.jobs.run(second.id, ADMIN)


async def test_all_who_are_anonymous_share_a_quota_of_their_own(tmp_path: Path) -> None:
    quotas = Quotas(owner=Quota(max_kept=1), anonymous=Quota(max_kept=2))
    async with opened(tmp_path, quotas=quotas) as house:
        await created(house)
        for _ in range(2):
            await created(house, ANYONE)
        for access, most in ((ALICE, 1), (ANYONE, 2)):
            with pytest.raises(TooManyRequests, match=f"kept is {most}"):
                await created(house, access)


async def test_a_deleted_job_makes_room(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=Quotas(owner=Quota(max_kept=1))) as house:
        await house.jobs.delete((await created(house)).id, ALICE)
        await created(house)


async def test_the_quota_of_a_type_holds_besides(tmp_path: Path) -> None:
    quotas = Quotas(owner=Quota(max_active=3), by_type={"sleep": Quota(max_active=1)})
    async with opened(tmp_path, quotas=quotas) as house:
        await created(house, run=True, job_type="sleep")
        with pytest.raises(TooManyRequests, match="of the type sleep"):
            await created(house, run=True, job_type="sleep")
        for _ in range(2):
            await created(house, run=True)
        with pytest.raises(TooManyRequests, match="queued or running is 3"):
            await created(house, run=True)


async def test_a_rate_is_of_the_last_hour(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=Quotas(owner=Quota(max_created_per_hour=2))) as house:
        await created(house)
        house.now = instant(1800)
        await created(house)
        with pytest.raises(TooManyRequests, match="in an hour is 2") as refused:
            await created(house)
        assert refused.value.retry_after_s == 1800
        house.now = instant(3600)
        await created(house)


async def test_where_policy_holds_a_creation_over_another_quota_is_refused_still(tmp_path: Path) -> None:
    quotas = Quotas(owner=Quota(max_active=1, max_kept=2), holds=True)
    async with opened(tmp_path, quotas=quotas) as house:
        await created(house, run=True)
        assert (await created(house, run=True)).phase is Phase.HELD
        with pytest.raises(TooManyRequests, match="are kept is 2"):
            await created(house, run=True)


async def test_files_of_a_creation_that_is_refused_are_removed(tmp_path: Path) -> None:
    async with opened(tmp_path, quotas=Quotas(owner=Quota(max_kept=1))) as house:
        new = NewJob(job_type="copy", given=Given(parts=(Part(name="table", content=b"bytes", size_bytes=5),)))
        job = await house.jobs.create(new, ALICE)
        with pytest.raises(TooManyRequests):
            await house.jobs.create(new, ALICE)
        assert [folder.name for folder in house.folder.iterdir()] == [job.id]
