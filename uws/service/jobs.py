"""What clients do with jobs (UWS 1.1 s2.2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from penstock.dali.errors import UsageError
from penstock.dali.params import Part
from uws.core.filters import Filters
from uws.core.job import ID_RANDOM_BYTES, Job, JobParameter, JobSummary, Phase, new_job_id
from uws.core.phases import Abort, Delete, Event, Run, SetDestruction, SetDuration, UpdateParameters, apply, quote
from uws.core.wait import Wait
from uws.ports import Change, Events, JobQuery, JobType, ResultStore
from uws.service.access import Access
from uws.service.changes import Changes
from uws.service.parameters import Rejected, merge, require_run_id
from uws.service.policy import Policy

RUNID = "RUNID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a client says of a job's parameters; `run_id` None says nothing of it."""

    parameters: Sequence[tuple[str, str]] = ()
    parts: Sequence[Part] = ()
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a client wants created; None leaves a value to the service.

    `destruction` is a pair so that "never" can be told from no wish: (None,) is never.
    """

    job_type: str
    given: Given = Given()
    run: bool = False
    duration_s: int | None = None
    destruction: tuple[datetime | None] | None = None


class JobService:
    """The jobs of a deployment, whatever their type and whichever list shows them.

    Parameters
    ----------
    changes
        How jobs are read and changed.
    events
        How to wait for news.
    results
        Where uploads are kept.
    job_types
        The types of job that can be created, by name.
    policy
        What the deployment allows.
    random
        Gives as many random bytes as asked for.
    """

    def __init__(
        self,
        changes: Changes,
        events: Events,
        results: ResultStore,
        *,
        job_types: Mapping[str, JobType],
        policy: Policy,
        random: Callable[[int], bytes],
    ) -> None:
        self._changes = changes
        self._events = events
        self.results = results
        self.job_types = job_types
        self.policy = policy
        self._random = random

    async def create(self, new: NewJob, access: Access) -> Job:
        """Create a job, PENDING or, on demand, QUEUED at once (UWS 1.1 s2.2.3.1).

        Raises
        ------
        UsageError
            The request cannot be understood.
        Rejected
            The type does not exist or does not take the parameters.
        """
        job_type, now = self._type(new.job_type), self._changes.now()
        duration_s = self.policy.duration_s(new.duration_s)
        wish = new.destruction
        job = Job(
            id=new_job_id(now, self._random(ID_RANDOM_BYTES)),
            type=job_type.name,
            owner=access.caller.subject,
            run_id=require_run_id(new.given.run_id),
            creation_time=now,
            quote=quote(now, duration_s),
            execution_duration_s=duration_s,
            destruction=self.policy.first_destruction(now) if wish is None else self.policy.destruction(wish[0], now),
        )
        parameters = await self._take(job.id, job_type, (), new.given)
        job = replace(job, parameters=parameters)
        if new.run:
            job = apply(job, Run(), now).job
        await self._store_new(job)
        return job

    async def get(self, job_id: str, access: Access) -> Job:
        """Return a job.

        Raises
        ------
        NotFound, AuthenticationRequired, Forbidden
            There is none, or the caller may not see it.
        """
        job = await self._changes.load(job_id)
        access.check(job)
        return job

    async def wait(self, job_id: str, wish: Wait, access: Access) -> Job:
        """Return a job when its phase has changed, or when the time is over (UWS 1.1 s2.2.1.2).

        The watch begins before the job is read, so that no change is missed. Raises as `get` does, also when the job
        is deleted meanwhile.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + wish.timeout_s(self.policy.max_wait_s)
        with self._events.watch(job_id) as watch:
            job = await self.get(job_id, access)
            found = job.phase
            while wish.blocks(found, job.phase) and not self._events.closing:
                if not await watch.wait(end - loop.time()):
                    break
                job = await self.get(job_id, access)
        return job

    async def list_jobs(self, filters: Filters, access: Access) -> Sequence[JobSummary]:
        """Return the jobs that the caller may see in this list, newest first (UWS 1.1 s2.2.2.1)."""
        caller = access.caller
        if caller.admin:
            owners: tuple[str | None, ...] | None = None
        elif caller.anonymous:
            owners = (None,) if self.policy.lists_anonymous else ()
        else:
            owners = (caller.subject,)
        if owners == ():
            return ()
        return await self._changes.store.list_jobs(JobQuery(filters=filters, job_type=access.job_type, owners=owners))

    async def run(self, job_id: str, access: Access) -> Job:
        """Queue a job (UWS 1.1 s2.2.3.5)."""
        return await self._change(job_id, Run(), access)

    async def abort(self, job_id: str, access: Access) -> Job:
        """Stop a job (UWS 1.1 s2.2.3.6)."""
        return await self._change(job_id, Abort(), access)

    async def set_duration(self, job_id: str, seconds: int, access: Access) -> Job:
        """Set executionDuration, as far as policy allows (UWS 1.1 s2.2.3.4)."""
        return await self._change(job_id, SetDuration(self.policy.duration_s(seconds)), access)

    async def set_destruction(self, job_id: str, time: datetime | None, access: Access) -> Job:
        """Set the destruction time, as far as policy allows (UWS 1.1 s2.2.3.3)."""
        clamped = self.policy.destruction(time, self._changes.now())
        return await self._change(job_id, SetDestruction(clamped), access)

    async def delete(self, job_id: str, access: Access) -> None:
        """Forget a job, whatever it is doing (UWS 1.1 s2.2.3.2)."""
        await self._change(job_id, Delete(), access)

    async def update_parameters(self, job_id: str, given: Given, access: Access) -> Job:
        """Change or add parameters while the job is PENDING (UWS 1.1 s2.1.11, DALI 1.2 s2.1)."""
        job = await self.get(job_id, access)
        require_run_id(given.run_id)
        apply(job, UpdateParameters(job.parameters, job.run_id), self._changes.now())  # refuses before files are kept
        kept = await self._keep_parts(job_id, given.parts)

        def decide(job: Job) -> Event:
            access.check(job)
            job_type = self._type(job.type)
            fresh = (*_plain(given, job_type), *kept)
            run_id = job.run_id if given.run_id is None else given.run_id
            return UpdateParameters(merge(job_type, job.parameters, fresh), run_id)

        return await self._changes.change(job_id, decide)

    def stop_waiting(self) -> None:
        """Answer all who wait, now and from now on, because the process is about to end."""
        self._events.close()

    async def _change(self, job_id: str, event: Event, access: Access) -> Job:
        def decide(job: Job) -> Event:
            access.check(job)
            return event

        return await self._changes.change(job_id, decide)

    async def _take(
        self, job_id: str, job_type: JobType, existing: Sequence[JobParameter], given: Given
    ) -> tuple[JobParameter, ...]:
        plain = _plain(given, job_type)
        placeholders = [JobParameter(id=part.name, blob="") for part in given.parts]
        merge(job_type, existing, (*plain, *placeholders))  # refuses before files are kept
        kept = await self._keep_parts(job_id, given.parts)
        return merge(job_type, existing, (*plain, *kept))

    async def _keep_parts(self, job_id: str, parts: Sequence[Part]) -> list[JobParameter]:
        return [
            JobParameter(id=part.name, blob=await self.results.keep(job_id, part), media_type=part.media_type)
            for part in parts
        ]

    async def _store_new(self, job: Job) -> None:
        try:
            await self._changes.store.create(job)
        except BaseException:
            await self.results.discard(job.id)
            raise
        await self._changes.announce(Change(job_id=job.id, phase=job.phase))

    def _type(self, name: str) -> JobType:
        try:
            return self.job_types[name]
        except KeyError:
            known = ", ".join(sorted(self.job_types))
            raise Rejected(f"There is no job type {name[:60]!r}; there are: {known}.") from None


def _plain(given: Given, job_type: JobType) -> list[JobParameter]:
    plain = [JobParameter(id=name, value=value) for name, value in given.parameters]
    if given.run_id is not None and not job_type.validate_at_creation:
        plain.append(JobParameter(id=RUNID, value=given.run_id))  # DALI services show it as a parameter too
    return plain


def parse_action(text: str) -> Phase:
    """Read what a client posts as PHASE: RUN becomes QUEUED, ABORT becomes ABORTED, the goals of the two.

    Raises
    ------
    UsageError
        It is neither.
    """
    match text.strip().upper():
        case "RUN":
            return Phase.QUEUED
        case "ABORT":
            return Phase.ABORTED
        case _:
            raise UsageError(f"PHASE={text[:40]!r} is not possible: a client may ask for RUN or ABORT.")
