"""What every `JobStore` must do about caps and about creations that must not happen twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace

import pytest

from penstock.db import Database
from penstock.migrations import upgrade
from tests.uws.builders import NOW, instant, make_job
from uws.core.job import Job, Phase, new_job_id
from uws.core.phases import Run, apply
from uws.ports import Cap, Creation, JobStore, OverCap
from uws.store import SqlStore

PENDING = frozenset({Phase.PENDING})
QUEUED = frozenset({Phase.QUEUED})


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[JobStore]:
    db = Database(database_url)
    await upgrade(db, {"uws": "uws.migrations"})
    yield SqlStore(db)
    await db.close()


def numbered(number: int, **changes: object) -> Job:
    """Return a job that was created `number` seconds after NOW."""
    return make_job(
        **{"id": new_job_id(instant(number), bytes([number] * 10)), "creation_time": instant(number)} | changes
    )  # fmt: skip


def remembered(job: Job, fingerprint: str = "f") -> Creation:
    return Creation(key="k", fingerprint=fingerprint, job_id=job.id, time=NOW)


async def kept(store: JobStore, *jobs: Job) -> list[Job]:
    return [job for job in jobs if await store.get(job.id)]


@pytest.mark.parametrize("owner", ["alice", None])
async def test_as_many_as_the_cap_are_created_however_many_come_at_once(store: JobStore, owner: str | None) -> None:
    jobs = [numbered(number, owner=owner) for number in range(20)]
    cap = Cap(most=3, phases=PENDING)
    outcomes = await asyncio.gather(*(store.create(job, caps=(cap,)) for job in jobs), return_exceptions=True)
    assert outcomes.count(True) == 3
    refused = [outcome for outcome in outcomes if isinstance(outcome, OverCap)]
    assert [refusal.cap for refusal in refused] == [cap] * 17
    assert len(await kept(store, *jobs)) == 3


async def test_as_many_as_the_cap_are_queued_however_many_come_at_once(store: JobStore) -> None:
    jobs = [numbered(number, owner="alice") for number in range(20)]
    for job in jobs:
        await store.create(job)
    caps = (Cap(most=3, phases=QUEUED),)
    runs = [apply(job, Run(), NOW) for job in jobs]
    outcomes = await asyncio.gather(
        *(store.change(job, run.job, run.effects, caps=caps) for job, run in zip(jobs, runs, strict=True)),
        return_exceptions=True,
    )
    assert outcomes.count(True) == 3
    assert len(await store.take(100, now=NOW, stale=NOW)) == 3


async def test_a_job_does_not_stand_in_its_own_way(store: JobStore) -> None:
    job = numbered(1)
    await store.create(job)
    run = apply(job, Run(), NOW)
    caps = (Cap(most=1, phases=QUEUED),)
    assert await store.change(job, run.job, run.effects, caps=caps)
    assert not await store.change(job, run.job, run.effects, caps=caps)


@pytest.mark.parametrize(
    ("cap", "fits"),
    [
        (Cap(most=4, phases=PENDING), True),
        (Cap(most=3, phases=PENDING), False),
        (Cap(most=1, phases=QUEUED), True),
        (Cap(most=1, phases=frozenset({Phase.ERROR, Phase.QUEUED})), False),
        (Cap(most=1, phases=PENDING, job_type="sleep"), False),
        (Cap(most=1, phases=PENDING, job_type="fail"), True),
        (Cap(most=3, phases=PENDING, since=instant(1)), True),
        (Cap(most=3, phases=PENDING, since=instant(0.999)), False),
    ],
)
async def test_what_counts(store: JobStore, cap: Cap, fits: bool) -> None:
    there = [numbered(1), numbered(2, type="sleep"), numbered(3), numbered(4, phase=Phase.ERROR)]
    others = [numbered(5, owner="bob"), numbered(6, owner="carol", phase=Phase.QUEUED)]
    for job in (*[replace(job, owner="alice") for job in there], *others):
        await store.create(job)
    with nullcontext() if fits else pytest.raises(OverCap):
        assert await store.create(numbered(7, owner="alice"), caps=(Cap(most=100, phases=PENDING), cap))


async def test_what_is_refused_leaves_nothing_behind(store: JobStore) -> None:
    await store.create(numbered(1))
    with pytest.raises(OverCap):
        await store.create(
            numbered(2, phase=Phase.QUEUED),
            caps=(Cap(most=1, phases=frozenset(Phase)),),
            creation=remembered(numbered(2)),
        )
    assert await store.get(numbered(2).id) is None
    assert await store.creation("k") is None
    assert await store.take(10, now=NOW, stale=NOW) == []


async def test_of_creations_with_the_same_key_one_happens(store: JobStore) -> None:
    jobs = [numbered(number) for number in range(20)]
    outcomes = await asyncio.gather(*(store.create(job, creation=remembered(job)) for job in jobs))
    assert outcomes.count(True) == 1
    [job] = await kept(store, *jobs)
    assert job == jobs[outcomes.index(True)]
    assert await store.creation("k") == remembered(job)


async def test_old_creations_are_forgotten(store: JobStore) -> None:
    job = numbered(1)
    await store.create(job, creation=remembered(job))
    await store.forget_creations(NOW)
    assert await store.creation("k") == remembered(job)
    await store.forget_creations(instant(0.001))
    assert await store.creation("k") is None
    assert await store.get(job.id)
