"""Following a job: its state at once, then every new one until it is over.

What is told is always the newest state: somebody who takes long to listen hears less often, and nothing piles up.
A change of phase is heard of (see `uws.events`); the progress of a running job is not announced, because every sign of
life would then wake all processes, so a running job is looked at from time to time: every second at first, less often
the longer it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager

from penstock.dali.errors import ServiceUnavailable, TooManyRequests
from uws.core.job import FINAL, Job, Phase
from uws.ports import Events

KEEP_ALIVE_S = 15.0
_LOOK_S = (1.0, 10.0)
_LOOKS_PER_SPAN = 30  # a job that has run for a minute is looked at every two seconds
_RETRY_AFTER_S = 10

Read = Callable[[], Awaitable[Job]]


async def follow(
    read: Read, events: Events, job_id: str, place: AbstractContextManager[bool]
) -> AsyncGenerator[Job | None]:
    """Give the job now and whenever something is new, None where nothing was for `KEEP_ALIVE_S` seconds.

    Ends after a final phase, and when the process is about to end. The watch begins before the job is read, so that no
    change is missed.

    Parameters
    ----------
    read
        Reads the job for whoever follows it.
    events
        Where news come from.
    job_id
        Of which job.
    place
        Is taken while the generator is open; False where there is none.

    Raises
    ------
    NotFound
        There is no such job, or none any more.
    AuthenticationRequired, Forbidden
        It is not for the caller.
    TooManyRequests
        There is no place.
    ServiceUnavailable
        The job cannot be read at first; later it is tried again.
    """
    loop = asyncio.get_running_loop()
    with place as admitted, events.watch(job_id) as watch:
        if not admitted:
            raise TooManyRequests("Too many follow this job, or jobs at all.", retry_after_s=_RETRY_AFTER_S)
        job = await read()
        yield job
        told = entered = loop.time()
        while job.phase not in FINAL and not events.closing:
            await watch.wait(_pause_s(job.phase, loop.time() - entered))
            before, job = job, await _read_again(read, job, events)
            if job.phase is not before.phase:
                entered = loop.time()
            if (news := is_news(before, job)) or loop.time() - told >= KEEP_ALIVE_S:
                yield job if news else None
                told = loop.time()


def is_news(before: Job, now: Job) -> bool:
    """Tell whether the owner of a job would see a difference; signs of life alone are none."""
    return (before.version, before.info, before.results) != (now.version, now.info, now.results)


def _pause_s(phase: Phase, running_s: float) -> float:
    """Return for how long to wait for news before the job is looked at, or a sign of life is given."""
    if phase is not Phase.EXECUTING:
        return KEEP_ALIVE_S
    shortest, longest = _LOOK_S
    return min(longest, max(shortest, running_s / _LOOKS_PER_SPAN))


async def _read_again(read: Read, known: Job, events: Events) -> Job:
    """Return the job; where the store is away, wait until it is back, or the process is about to end."""
    while not events.closing:
        try:
            return await read()
        except ServiceUnavailable:
            await asyncio.sleep(_LOOK_S[0])
    return known
