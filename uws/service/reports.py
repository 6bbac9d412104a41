"""What workers and executors tell of attempts; a report that comes too late changes nothing.

A worker that did not hear our answer repeats its report and is answered as it was the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from penstock.dali.errors import NotFound
from uws.core.job import RUNNING, ErrorSummary, Job, JobResult, Lease, Phase
from uws.core.phases import Claim, Complete, Event, Fail, Overrun, Refused, Revive, after_lost_worker
from uws.ports import Dispatch, EndOfAttempt
from uws.service.changes import Changes
from uws.service.policy import Policy

_log = structlog.get_logger(__name__)


class Reports:
    """The `JobReports` of workers beside the store.

    Parameters
    ----------
    changes
        How jobs change.
    policy
        The length of leases and the number of attempts.
    """

    def __init__(self, changes: Changes, policy: Policy) -> None:
        self._changes = changes
        self._policy = policy

    async def claim(self, dispatch: Dispatch, worker: str) -> Job | None:
        """Take the attempt, unless another worker has or the job is no longer QUEUED.

        The name of a worker is its own: who claims twice did not hear the first answer.
        """
        lease = self._lease(worker)
        job = await self._report(dispatch, lambda _: Claim(dispatch.attempt, lease))
        if job is not None:
            return job
        job = await self.running(dispatch)
        return job if job is not None and job.lease is not None and job.lease.worker == worker else None

    async def heartbeat(
        self,
        dispatch: Dispatch,
        worker: str,
        info: Mapping[str, Any] | None = None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        """Extend the lease; return when the attempt must end at the latest, `FOREVER` or None when it is lost."""
        return await self._changes.store.heartbeat(dispatch, self._lease(worker), info, results=results)

    async def complete(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Report success and publish the results."""
        event = Complete(dispatch.attempt, tuple(results))
        return await self._end(dispatch, event, lambda job: job.phase is Phase.COMPLETED)

    async def fail(self, dispatch: Dispatch, error: ErrorSummary, results: Sequence[JobResult]) -> bool:
        """Report failure and publish what was finished."""
        event = Fail(dispatch.attempt, error, tuple(results))
        return await self._end(dispatch, event, lambda job: job.phase is Phase.ERROR and job.error == error)

    async def overrun(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Report that executionDuration is used up."""
        event = Overrun(dispatch.attempt, tuple(results))
        return await self._end(dispatch, event, lambda job: job.phase is Phase.ABORTED and job.error is not None)

    async def running(self, dispatch: Dispatch) -> Job | None:
        """Return the job if the attempt is the present one and runs."""
        job = await self._changes.store.get(dispatch.job_id)
        current = job is not None and job.attempt == dispatch.attempt and job.phase in RUNNING
        return job if current else None

    async def ended(self, dispatch: Dispatch, why: EndOfAttempt) -> None:
        """Hear from the executor that it no longer runs an attempt; one that has reported is not touched."""
        if why is EndOfAttempt.REPORTED:
            return

        def decide(job: Job) -> Event:
            if why is EndOfAttempt.RELEASED:
                return Revive(dispatch.attempt)
            return _lost(dispatch, job, self._policy.max_attempts)

        job = await self._report(dispatch, decide)
        if job is not None:
            _log.warning("attempt_ended_unreported", job_id=job.id, attempt=dispatch.attempt, why=why, phase=job.phase)

    async def _end(self, dispatch: Dispatch, event: Event, heard: Callable[[Job], bool]) -> bool:
        """Report an end; `heard` tells from the job whether that very report came before."""
        if await self._report(dispatch, lambda _: event) is not None:
            return True
        job = await self._changes.store.get(dispatch.job_id)
        return job is not None and job.attempt == dispatch.attempt and heard(job)

    def _lease(self, worker: str) -> Lease:
        return Lease(worker=worker, until=self._changes.now() + self._policy.lease)

    async def _report(self, dispatch: Dispatch, decide: Callable[[Job], Event]) -> Job | None:
        try:
            return await self._changes.change(dispatch.job_id, decide)
        except (Refused, NotFound):
            return None


def _lost(dispatch: Dispatch, job: Job, max_attempts: int) -> Event:
    # An attempt that is not the present one is over already: the event is built to be found stale.
    return after_lost_worker(job, max_attempts) if job.attempt == dispatch.attempt else Revive(dispatch.attempt)
