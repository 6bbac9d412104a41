"""Changing a job: read it, decide, write it if nobody else did meanwhile, tell the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from penstock.clock import Clock
from penstock.dali.errors import NotFound, ServiceUnavailable
from uws.core.job import Job, is_job_id, to_milliseconds
from uws.core.phases import Effect, Event, apply
from uws.ports import Announcer, Change, JobStore

_TRIES = 20
Decide = Callable[[Job], Event]


class Changes:
    """The only way in which a job changes.

    Parameters
    ----------
    store
        Where jobs are kept.
    announcer
        Who tells of changes.
    clock
        What time it is.
    """

    def __init__(self, store: JobStore, announcer: Announcer, clock: Clock) -> None:
        self.store = store
        self._announcer = announcer
        self._clock = clock

    def now(self) -> datetime:
        """Return the present, in whole milliseconds."""
        return to_milliseconds(self._clock())

    async def load(self, job_id: str) -> Job:
        """Return the job.

        Raises
        ------
        NotFound
            There is none of that id.
        """
        job = await self.store.get(job_id) if is_job_id(job_id) else None
        if job is None:
            raise NotFound(f"There is no job {job_id[:60]!r}.")
        return job

    async def change(self, job_id: str, decide: Decide) -> Job:
        """Let happen to a job what `decide` returns, seen from its newest state.

        Raises
        ------
        NotFound
            There is no such job.
        Refused
            Its phase does not allow it.
        """
        for _ in range(_TRIES):
            before = await self.load(job_id)
            decision = apply(before, decide(before), self.now())
            if not decision.effects:
                return before
            if await self.store.change(before, decision.job, decision.effects):
                gone = Effect.FORGET in decision.effects
                await self.announce(Change(job_id=job_id, phase=None if gone else decision.job.phase))
                return decision.job
        raise ServiceUnavailable("The job is being changed by too many at once.", retry_after_s=1)

    async def announce(self, change: Change) -> None:
        """Tell everybody of a change that is committed."""
        await self._announcer.announce(change)
