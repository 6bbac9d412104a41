"""What the service does of itself: start what waits, revive what is lost, end what overruns, destroy what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from penstock.dali.errors import NotFound
from uws.core.job import FINAL, Job
from uws.core.phases import Abort, Archive, Delete, Event, Overrun, Refused, after_lost_worker
from uws.ports import Dispatch, Executor, ResultStore
from uws.service.changes import Changes, Decide
from uws.service.idempotency import REMEMBERED_FOR
from uws.service.policy import Policy

_log = structlog.get_logger(__name__)
_NEVER = datetime.min.replace(tzinfo=UTC)
AT_REST = timedelta(hours=1)
"""How old files must be that no job has, before they are removed: a job is kept soon after its files."""


class Upkeep:
    """The chores of a deployment; several processes may do them at once, since every change is compare-and-set.

    Parameters
    ----------
    changes
        How jobs change.
    results
        Where files are kept.
    executor
        Who runs attempts here.
    policy
        What the deployment allows.

    Attributes
    ----------
    some_may_wait
        Whether `dispatch` has left attempts that nobody has taken, as far as it knows.
    """

    def __init__(self, changes: Changes, results: ResultStore, executor: Executor, policy: Policy) -> None:
        self._changes = changes
        self._results = results
        self._executor = executor
        self._policy = policy
        self._handing_over = asyncio.Lock()
        self.some_may_wait = True

    async def dispatch(self) -> None:
        """Hand attempts that nobody has taken to the executor, as many as it takes, light ones and others."""
        capacity, found_all, found_all_light = self._executor.capacity, False, False
        self.some_may_wait = True  # what is freed while we look is not to be missed
        async with self._handing_over:
            most, most_light = capacity(), capacity(light=True)
            while most or most_light:
                taken = await self._start(most, _NEVER, light=most_light)
                light = sum(dispatch.light for dispatch in taken)
                found_all |= len(taken) - light < most
                found_all_light |= light < most_light
                most = capacity() if 0 < most == len(taken) - light else 0
                most_light = capacity(light=True) if 0 < most_light == light else 0
        self.some_may_wait = not (found_all and found_all_light)

    async def redispatch(self) -> None:
        """Hand attempts to the executor again that were taken long ago and that no worker has claimed.

        Their messages may be lost, or wait still. Those that are missing where they wait were lost or will be claimed
        in a moment, light ones, which seldom wait, and the oldest first: so never more messages wait than attempts,
        however long there is no worker. Nothing is handed over meanwhile, since an attempt that was taken and whose
        message is on its way looks lost.
        """
        async with self._handing_over:
            missing = await self._changes.store.offered() - await self._executor.waiting()
            for light in (True, False):
                while (some := min(missing, self._executor.capacity(light=light))) > 0:
                    most, most_light = (0, some) if light else (some, 0)
                    stale = self._changes.now() - self._policy.redispatch
                    started = len(await self._start(most, stale, light=most_light))
                    missing -= started
                    if started < some:
                        break

    async def settle(self) -> None:
        """Do what has come due, as far as one reading of the store tells."""
        now = self._changes.now()
        due = await self._changes.store.due(now)
        for job_id in due.lost:
            await self._try(job_id, lambda job: self._revived(job, now))
        for job_id in due.overrun:
            await self._try(job_id, _overrun(now))
        for job_id in due.destruction:
            await self._destroy(job_id, now)

    async def discard(self) -> None:
        """Remove the files of jobs that are forgotten or archived, once nothing writes them any more."""
        for job_id in await self._changes.store.to_discard():
            await self._executor.stop(job_id)
            if await self._changes.store.get(job_id) is None:
                await self._results.discard(job_id)
            else:
                await self._results.discard_results(job_id)
            await self._changes.store.discarded(job_id)

    async def sweep(self) -> None:
        """Remove files that no job has, of jobs that were never kept and of attempts that are over, and old keys.

        Where the store knows none of the jobs that have files, it is not theirs, and nothing is removed.
        """
        store, unknown, known = self._changes.store, set[str](), False
        await store.forget_creations(self.now() - REMEMBERED_FOR)
        async for found in self._results.at_rest(self.now() - AT_REST):
            attempts = await store.attempts(tuple(found))
            known = known or bool(attempts)
            unknown |= found.keys() - attempts.keys()
            for job_id, attempt in attempts.items():
                await self._results.discard_results(job_id, found[job_id] - {attempt})
        if unknown and not known:
            _log.warning("files_of_unknown_jobs_left", jobs=len(unknown))
            return
        for job_id in unknown:
            await self._results.discard(job_id)

    @property
    def redispatch_every(self) -> timedelta:
        """How long to wait between two calls of `redispatch`."""
        return self._policy.redispatch

    async def next_due(self) -> datetime | None:
        """Return when something comes due next."""
        return await self._changes.store.next_due()

    def now(self) -> datetime:
        """Return the present."""
        return self._changes.now()

    async def _start(self, most: int, stale: datetime, *, light: int) -> Sequence[Dispatch]:
        """Hand attempts that were not taken since `stale` to the executor; return them."""
        taken = await self._changes.store.take(most, light=light, now=self._changes.now(), stale=stale)
        for dispatch in taken:
            await self._executor.start(dispatch)
        return taken

    def _revived(self, job: Job, now: datetime) -> Event:
        if job.lease is None or job.lease.until > now:
            raise Refused(f"The worker of job {job.id} has given a sign of life.")
        return after_lost_worker(job, self._policy.max_attempts)

    async def _destroy(self, job_id: str, now: datetime) -> None:
        """Abort what runs, then forget or archive the job (UWS 1.1 s2.1.5)."""

        def decide(job: Job) -> Event:
            if job.destruction is None or job.destruction > now:
                raise Refused(f"The destruction of job {job.id} was put off.")
            if not self._policy.archive:
                return Delete()
            return Archive() if job.phase in FINAL else Abort()

        if self._policy.archive:
            await self._try(job_id, decide)
        await self._try(job_id, decide)

    async def _try(self, job_id: str, decide: Decide) -> None:
        try:
            await self._changes.change(job_id, decide)
        except (Refused, NotFound):
            return  # somebody else was faster


def _overrun(now: datetime) -> Decide:
    def decide(job: Job) -> Event:
        if job.deadline is None or job.deadline > now:
            raise Refused(f"Job {job.id} was given more time.")
        return Overrun(job.attempt)

    return decide
