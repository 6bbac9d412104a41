"""The data of a session are brought to its facility first, by a lake that can do that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from execplanner.core.phases import Phase
from execplanner.jobs import run_with
from execplanner.ports import Executor, Step
from penstock.auth.principal import Principal
from penstock.dali.errors import ServiceError, ServiceUnavailable, UsageError
from penstock.lake.port import DataLake, Did, Quota, Rule, Staging, StagingLake, StagingState
from tests.datalink.builders import MemoryLake, a_file
from tests.execplanner.hosting import K, MemoryExecutor, Site, compute, record, serving
from tests.execplanner.service.test_running import Context, accepted, opener, phase_of
from tests.penstock.lake.test_copies import opened
from tests.uws.waiting import eventually

ALMOST = Staging(state=StagingState.REPLICATING, done=1, total=2)
ARRIVED = Staging(state=StagingState.OK, done=2, total=2)
STUCK = Staging(state=StagingState.STUCK, done=1, total=2, stuck=1, reason="the tape is torn")


@dataclass
class StubStagingLake(MemoryLake):
    """A stub of a lake that stages: each look sees the next of its `states`, the last one again and again."""

    states: tuple[Staging, ...] = (ARRIVED,)
    refusal: ServiceError | None = None
    looks: int = 0
    asked: list[tuple[list[str], str, timedelta | None]] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    async def stage(self, dids: Sequence[Did], *, site: str, lifetime: timedelta | None, caller: Principal) -> Rule:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append((list(map(str, dids)), site, lifetime))
        return Rule(id="rule", created=len(self.asked) == 1)

    async def staging(self, rule: str, *, caller: Principal) -> Staging:
        self.looks += 1
        return self.states[min(self.looks, len(self.states)) - 1]

    async def unstage(self, rule: str, *, caller: Principal) -> None:
        self.given_up.append(rule)

    async def quotas(self, caller: Principal) -> Sequence[Quota]:
        return ()


def data(scope: str, name: str) -> dict[str, Any]:
    volume = {"kind": f"{K}/volume/simple-volume-mount.yaml", "path": "/data/it", "resource": "it"}
    resource = {"kind": f"{K}/data/rucio-data-resource.yaml", "meta": {"name": "it"}}
    rucio = {"scope": scope, "object": name}
    return {"data": [{**resource, "rucio": rucio}], "compute": compute(volumes=[volume])}


@asynccontextmanager
async def session_at(
    folder: Path, lake: DataLake, site: str, scope: str = "demo", name: str = "a.fits"
) -> AsyncIterator[tuple[Site, Context]]:
    """Run a planner whose facility is at a storage site, and give the context of a session that waits to be run."""
    records = [record(storage_sites=[site], bandwidth="1T")]
    async with serving(folder, lake=lake, records=records, tend_every_s=3600) as running:
        yield running, await accepted(running, **data(scope, name))


async def run(context: Context, executor: MemoryExecutor) -> None:
    await run_with(context, opener(executor))  # type: ignore[arg-type]  # a stand-in


async def test_a_real_lake_copies_the_data_to_the_site_of_the_facility_before_the_work_begins(tmp_path: Path) -> None:
    lake_folder = tmp_path / "lake"
    async with opened(f"sqlite:///{tmp_path / 'lake.db'}", lake_folder) as (lake, _):
        assert isinstance(lake, StagingLake)
        async with session_at(tmp_path, lake, "there", "col", "a.fits") as (site, context):
            executor = MemoryExecutor()
            await run(context, executor)
            assert await phase_of(site, context) is Phase.COMPLETED
            [work] = executor.works.values()
            [mount] = work.mounts
            assert mount.source.is_relative_to(lake_folder / "staged" / "there")
            assert mount.source.read_bytes() == (lake_folder / "tree" / "a.fits").read_bytes()


async def test_data_that_this_host_can_read_serve_a_facility_to_which_the_lake_cannot_bring_them(
    tmp_path: Path,
) -> None:
    lake_folder = tmp_path / "lake"
    async with (
        opened(f"sqlite:///{tmp_path / 'lake.db'}", lake_folder) as (lake, _),
        session_at(tmp_path, lake, "nowhere", "col", "a.fits") as (site, context),
    ):
        executor = MemoryExecutor()
        await run(context, executor)
        assert await phase_of(site, context) is Phase.COMPLETED
        [work] = executor.works.values()
        assert [mount.source for mount in work.mounts] == [lake_folder / "tree" / "a.fits"]


async def test_the_work_begins_when_all_has_arrived_and_the_progress_is_told_meanwhile(tmp_path: Path) -> None:
    lake = StubStagingLake(states=(ALMOST, ALMOST, ARRIVED))
    lake.add(a_file("a.fits", "paris"))
    async with session_at(tmp_path, lake, "perth") as (site, context):
        await run(context, MemoryExecutor())
        assert await phase_of(site, context) is Phase.COMPLETED
        assert context.said.count("staging data: 1 of 2 files") == 2
        [(dids, where, lifetime)] = lake.asked
        assert (dids, where, lake.looks) == (["demo:a.fits"], "perth", 3)
        assert lifetime is not None
        assert lifetime > timedelta(hours=1)
        assert lake.given_up == []


async def test_what_is_at_the_facility_is_not_staged(tmp_path: Path) -> None:
    lake = StubStagingLake()
    lake.add(a_file("a.fits", "perth"))
    async with session_at(tmp_path, lake, "perth") as (_, context):
        await run(context, MemoryExecutor())
        assert lake.asked == []


@pytest.mark.parametrize(
    ("lake", "given_up"),
    [
        (StubStagingLake(states=(ALMOST, STUCK)), ["rule"]),
        (StubStagingLake(refusal=UsageError("the tape is torn: the quota is used up.")), []),
        (StubStagingLake(refusal=ServiceUnavailable("the tape is torn: the lake is away.")), []),
    ],
    ids=["stuck", "refused", "away"],
)
async def test_a_staging_that_fails_ends_the_session_with_the_reason_and_starts_nothing(
    tmp_path: Path, lake: StubStagingLake, given_up: list[str]
) -> None:
    lake.add(a_file("a.fits", "paris"))
    executor = MemoryExecutor()
    async with session_at(tmp_path, lake, "perth") as (site, context):
        with pytest.raises(ServiceError, match="the tape is torn"):
            await run(context, executor)
        document = (await site.json("GET", f"/sessions/{context.parameters.single('SESSION')}"))[1]
        assert document["phase"] == "FAILED"
        assert "the tape is torn" in document["meta"]["messages"][-1]["message"]
        assert executor.works == {}
        assert lake.given_up == given_up


async def test_a_session_that_is_cancelled_while_data_come_gives_the_staging_up(tmp_path: Path) -> None:
    lake, executor = StubStagingLake(states=(ALMOST,)), MemoryExecutor()
    lake.add(a_file("a.fits", "paris"))
    async with session_at(tmp_path, lake, "perth") as (_, context):
        task = asyncio.create_task(run(context, executor))
        await eventually(lambda: lake.looks > 0)
        task.cancel()
        await asyncio.wait({task})
        assert lake.given_up == ["rule"]
        assert executor.works == {}


async def test_the_next_run_attaches_to_the_staging_of_one_that_was_killed(tmp_path: Path) -> None:
    lake, executor = StubStagingLake(states=(ALMOST,)), MemoryExecutor(steps=(Step.COMPLETED,))
    lake.add(a_file("a.fits", "paris"))
    lake.asked.append(([], "", None))  # the rule is there already, since a run made it that was killed
    async with session_at(tmp_path, lake, "perth") as (site, context):
        lake.states = (ARRIVED,)
        await run(context, executor)
        assert await phase_of(site, context) is Phase.COMPLETED
        assert len(executor.works) == 1


def test_the_stub_follows_the_port() -> None:
    lake: StagingLake = StubStagingLake()
    executor: Executor = MemoryExecutor()
    assert isinstance(lake, StagingLake)
    assert isinstance(lake, DataLake)
    assert executor is not None
