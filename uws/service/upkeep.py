"""What the service does of itself: start what waits, revive what is lost, end what overruns, destroy what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from penstock.dali.errors import NotFound
from uws.core.job import FINAL, Job
from uws.core.phases import Abort, Archive, Delete, Event, Overrun, Refused, after_lost_worker
from uws.ports import Dispatch, Executor, ResultStore
from uws.service.changes import Changes, Decide
from uws.service.policy import Policy

TAKEN_FOR = timedelta(seconds=30)
"""How long an executor may hold an attempt unclaimed before it is offered again."""


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
    """

    def __init__(self, changes: Changes, results: ResultStore, executor: Executor, policy: Policy) -> None:
        self._changes = changes
        self._results = results
        self._executor = executor
        self._policy = policy

    async def dispatch(self) -> None:
        """Hand waiting attempts to the executor, as many as it takes."""
        while (free := self._executor.capacity()) > 0:
            now = self._changes.now()
            taken: Sequence[Dispatch] = await self._changes.store.take(free, now=now, stale=now - TAKEN_FOR)
            for dispatch in taken:
                await self._executor.start(dispatch)
            if len(taken) < free:
                return

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

    async def stop(self, job_id: str) -> None:
        """Stop what runs for a job here."""
        await self._executor.stop(job_id)

    async def next_due(self) -> datetime | None:
        """Return when something comes due next."""
        return await self._changes.store.next_due()

    def now(self) -> datetime:
        """Return the present."""
        return self._changes.now()

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
