"""Changing a job: read it, decide, write it if nobody else did meanwhile, tell the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, TypeVar

from penstock.clock import Clock
from penstock.dali.errors import NotFound, ServiceUnavailable
from uws.core.job import Job, is_job_id, to_milliseconds
from uws.core.phases import Effect, Event, apply
from uws.ports import Announcer, Cap, Change, Creation, JobStore

_TRIES = 20
T = TypeVar("T")
Decide = Callable[[Job], Event]
CapsOf = Callable[[Job], Sequence[Cap]]


def uncapped(_job: Job) -> Sequence[Cap]:
    """Return no caps."""
    return ()


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

    async def change(self, job_id: str, decide: Decide, *, caps_of: CapsOf = uncapped) -> Job:
        """Let happen to a job what `decide` returns, seen from its newest state, under the caps of `caps_of`.

        What is begun is done and told, even if nobody waits for the outcome any more.

        Raises
        ------
        NotFound
            There is no such job.
        Refused
            Its phase does not allow it.
        OverCap
            There is no room for one more job in the phase that it would enter.
        """
        return await to_the_end(self._change(job_id, decide, caps_of))

    async def create(self, job: Job, *, caps: Sequence[Cap] = (), creation: Creation | None = None) -> bool:
        """Keep a new job and tell of it; see `JobStore.create`."""
        created = await self.store.create(job, caps=caps, creation=creation)
        if created:
            await self.announce(Change(job_id=job.id, phase=job.phase))
        return created

    async def _change(self, job_id: str, decide: Decide, caps_of: CapsOf) -> Job:
        for _ in range(_TRIES):
            before = await self.load(job_id)
            decision = apply(before, decide(before), self.now())
            if not decision.effects:
                return before
            caps = caps_of(decision.job)
            if await self.store.change(before, decision.job, decision.effects, caps=caps):
                gone = Effect.FORGET in decision.effects
                await self.announce(Change(job_id=job_id, phase=None if gone else decision.job.phase))
                return decision.job
        raise ServiceUnavailable("The job is being changed by too many at once.", retry_after_s=1)

    async def announce(self, change: Change) -> None:
        """Tell everybody of a change that is committed."""
        await self._announcer.announce(change)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do work that must not stop half-way because its client left."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_look)
        raise


def _look(task: asyncio.Task[Any]) -> None:
    """Take notice of an error that nobody is there to be told of."""
    if not task.cancelled():
        task.exception()
