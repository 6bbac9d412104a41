"""What clients do with jobs (UWS 1.1 s2.2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from penstock.dali.errors import TooManyRequests, UsageError
from penstock.dali.params import Part
from uws.core.filters import Filters
from uws.core.job import ID_RANDOM_BYTES, Job, JobParameter, JobSummary, Phase, new_job_id
from uws.core.phases import (
    STARTS,
    Abort,
    Delete,
    Event,
    Hold,
    Run,
    SetDestruction,
    SetDuration,
    UpdateParameters,
    apply,
    quote,
)
from uws.core.wait import REFUSED_S, Wait, WaitingRoom
from uws.ports import Creation, Events, JobQuery, JobType, OverCap, ResultStore
from uws.service.access import Access
from uws.service.changes import CapsOf, Changes, to_the_end, uncapped
from uws.service.following import follow
from uws.service.idempotency import UnderWay, fingerprint, require_same, scoped
from uws.service.limits import limited, require_role, require_small
from uws.service.parameters import chosen_files, merge, require_run_id
from uws.service.policy import Policy
from uws.service.quota import ACTIVE, over_quota
from uws.service.reports import Reports
from uws.service.validation import Rejected

RUNID = "RUNID"
PAGE = 1000
"""How many jobs of a list are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a client says of a job's parameters; `run_id` None says nothing of it."""

    parameters: Sequence[tuple[str, str]] = ()
    parts: Sequence[Part] = ()
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a client wants created; None leaves a value to the service.

    `destruction` is a pair so that "never" can be told from no wish: (None,) is never. Services that made something
    of which a job is the other side give the `id` of it, and may have the job HELD until its time has come.
    """

    job_type: str
    given: Given = Given()
    run: bool = False
    duration_s: int | None = None
    destruction: tuple[datetime | None] | None = None
    id: str | None = field(default=None, repr=False)  # fingerprints of requests are made of the rest
    held: bool = field(default=False, repr=False)

    @property
    def event(self) -> Run | Hold | None:
        """What happens to the job at its creation."""
        if self.held:
            return Hold()
        return Run() if self.run else None


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
        self.reports = Reports(changes, policy)
        self.job_types = job_types
        self.policy = policy
        self.waiting = WaitingRoom(policy.waiting)
        self._random = random
        self.following = WaitingRoom(policy.following)

    async def create(self, new: NewJob, access: Access) -> Job:
        """Create a job, PENDING or, on demand, QUEUED at once (UWS 1.1 s2.2.3.1).

        Raises
        ------
        UsageError
            The request cannot be understood.
        Rejected
            The type does not exist or does not take the parameters.
        AuthenticationRequired, Forbidden
            The type is for others.
        TooManyRequests
            The caller has as many jobs as policy allows.
        """
        job = await self._make(new, access)
        return await self._keep_new(job, new.event)

    async def create_once(self, new: NewJob, access: Access, key: str) -> str:
        """Create a job unless the same request came before with the same key, and return the id of the job.

        Raises as `create` does, and besides:

        Raises
        ------
        KeyReused
            Another request came with the key.
        """
        asked = Creation(
            key=scoped(key, access.caller),
            fingerprint=await fingerprint(replace(new, given=replace(new.given, parts=())), new.given.parts),
            job_id="",
            time=self._changes.now(),
        )
        known = await self._changes.store.creation(asked.key)
        if known is None:
            job = await self._make(new, access)
            try:
                return (await self._keep_new(job, new.event, replace(asked, job_id=job.id))).id
            except (UnderWay, TooManyRequests):
                known = await self._changes.store.creation(asked.key)
                if known is None:
                    raise
        require_same(known, asked)
        return known.job_id

    async def _make(self, new: NewJob, access: Access) -> Job:
        job_type, now = self._type(new.job_type), self._changes.now()
        require_role(job_type, access.caller)
        policy = limited(self.policy, job_type)
        duration_s = policy.duration_s(new.duration_s)
        wish = new.destruction
        job = Job(
            id=new.id or new_job_id(now, self._random(ID_RANDOM_BYTES)),
            type=job_type.name,
            owner=access.caller.subject,
            owner_groups=tuple(sorted(access.caller.groups)),
            run_id=require_run_id(new.given.run_id),
            creation_time=now,
            quote=quote(now, duration_s),
            execution_duration_s=duration_s,
            destruction=policy.first_destruction(now) if wish is None else policy.destruction(wish[0], now),
        )
        return replace(job, parameters=merge(job_type, (), await self._kept(job, job_type, new.given)))

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

        The watch begins before the job is read, so that no change is missed. Where too many wait already, it is for
        `REFUSED_S` only. Raises as `get` does, also when the job is deleted meanwhile.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + wish.timeout_s(self.policy.max_wait_s)
        with self._events.watch(job_id) as watch:
            job = await self.get(job_id, access)
            found = job.phase
            if end <= loop.time() or not wish.blocks(found, job.phase):
                return job
            with self.waiting.place(job_id, access.caller.subject) as admitted:
                if not admitted:
                    await asyncio.sleep(min(REFUSED_S, end - loop.time()))
                    return await self.get(job_id, access)
                while wish.blocks(found, job.phase) and not self._events.closing:
                    if not await watch.wait(end - loop.time()):
                        break
                    job = await self.get(job_id, access)
        return job

    def follow(self, job_id: str, access: Access) -> AsyncGenerator[Job | None]:
        """Give a job now and whenever something of it is new; see `uws.service.following.follow`."""
        place = self.following.place(job_id, access.caller.subject)
        return follow(lambda: self.get(job_id, access), self._events, job_id, place)

    async def list_jobs(self, filters: Filters, access: Access) -> Sequence[JobSummary]:
        """Return the jobs that the caller may see in this list, newest first (UWS 1.1 s2.2.2.1)."""
        return [job async for jobs, _ in self.pages(filters, access) for job in jobs]

    async def pages(self, filters: Filters, access: Access) -> AsyncGenerator[tuple[Sequence[JobSummary], bool], None]:
        """Yield the same jobs, some at a time, each time with whether they are the last."""
        owners, left, before, more = self._listed(access), filters.last, None, True
        while more:
            size = PAGE if left is None else min(PAGE, left)
            query = JobQuery(
                filters=replace(filters, last=size), job_type=access.job_type, owners=owners, before=before
            )
            jobs = await self._changes.store.list_jobs(query) if owners != () else ()
            left = None if left is None else left - len(jobs)
            more = len(jobs) == PAGE and left != 0
            yield jobs, not more
            before = jobs[-1].id if jobs else None

    def _listed(self, access: Access) -> tuple[str | None, ...] | None:
        """Return whose jobs the caller sees in lists; None is everybody's."""
        caller = access.caller
        if caller.admin:
            return None
        if caller.anonymous:
            return (None,) if self.policy.lists_anonymous else ()
        return (caller.subject,)

    async def run(self, job_id: str, access: Access) -> Job:
        """Queue a job (UWS 1.1 s2.2.3.5), or hold it where policy does that at the quota.

        Raises
        ------
        TooManyRequests
            The owner has as many jobs that run as policy allows; the job is as before.
        """
        quotas = self.policy.quotas

        def hold(job: Job) -> Event:
            access.check(job)
            return Hold() if job.phase in STARTS else Run()

        try:
            return await self._change(job_id, Run(), access, caps_of=quotas.to_run)
        except OverCap as over:
            if not quotas.holds:
                raise over_quota(over.cap) from over
        return await self._changes.change(job_id, hold)

    async def abort(self, job_id: str, access: Access) -> Job:
        """Stop a job (UWS 1.1 s2.2.3.6)."""
        return await self._change(job_id, Abort(), access)

    async def set_duration(self, job_id: str, seconds: int, access: Access) -> Job:
        """Set executionDuration, as far as policy allows (UWS 1.1 s2.2.3.4)."""

        def decide(job: Job) -> Event:
            access.check(job)
            return SetDuration(self._policy_for(job).duration_s(seconds))

        return await self._changes.change(job_id, decide)

    async def set_destruction(self, job_id: str, time: datetime | None, access: Access) -> Job:
        """Set the destruction time, as far as policy allows (UWS 1.1 s2.2.3.3)."""

        def decide(job: Job) -> Event:
            access.check(job)
            return SetDestruction(self._policy_for(job).destruction(time, self._changes.now()))

        return await self._changes.change(job_id, decide)

    async def delete(self, job_id: str, access: Access) -> None:
        """Forget a job, whatever it is doing (UWS 1.1 s2.2.3.2)."""
        await self._change(job_id, Delete(), access)

    async def update_parameters(self, job_id: str, given: Given, access: Access) -> Job:
        """Change or add parameters while the job is PENDING (UWS 1.1 s2.1.11, DALI 1.2 s2.1)."""
        job = await self.get(job_id, access)
        require_run_id(given.run_id)
        apply(job, UpdateParameters(job.parameters, job.run_id), self._changes.now())  # refuses before files are kept
        job_type = self._type(job.type)
        fresh = await self._kept(job, job_type, given)

        def decide(job: Job) -> Event:
            access.check(job)
            run_id = job.run_id if given.run_id is None else given.run_id
            return UpdateParameters(merge(job_type, job.parameters, fresh), run_id)

        return await self._changes.change(job_id, decide)

    def stop_waiting(self) -> None:
        """Answer all who wait, now and from now on, because the process is about to end."""
        self._events.close()

    async def _change(self, job_id: str, event: Event, access: Access, *, caps_of: CapsOf = uncapped) -> Job:
        def decide(job: Job) -> Event:
            access.check(job)
            return event

        return await self._changes.change(job_id, decide, caps_of=caps_of)

    async def _kept(self, job: Job, job_type: JobType, given: Given) -> list[JobParameter]:
        """Return what is given as parameters that can join those of the job, whose files are kept."""
        plain, files = _plain(given, job_type), chosen_files(job_type, given.parts)
        require_small(job_type, files)
        placeholders = [JobParameter(id=part.name, blob="") for part in files]
        merge(job_type, job.parameters, (*plain, *placeholders))  # refuses before files are kept
        kept = [
            JobParameter(id=part.name, blob=await self.results.keep(job.id, part), media_type=part.media_type)
            for part in files
        ]
        return [*plain, *kept]

    def _policy_for(self, job: Job) -> Policy:
        known = self.job_types.get(job.type)
        return self.policy if known is None else limited(self.policy, known)

    async def _keep_new(self, job: Job, event: Run | Hold | None, creation: Creation | None = None) -> Job:
        """Keep a job whose files are kept already, and return it as it is now."""
        try:
            return await to_the_end(self._keep_or_discard(job, event, creation))
        except OverCap as over:
            raise over_quota(over.cap) from over

    async def _keep_or_discard(self, job: Job, event: Run | Hold | None, creation: Creation | None) -> Job:
        try:
            return await self._keep_or_hold(job, event, creation)
        except (OverCap, UnderWay):  # after any other failure nobody knows whether the job is kept: see `Upkeep.sweep`
            await self.results.discard(job.id)
            raise

    async def _keep_or_hold(self, job: Job, event: Run | Hold | None, creation: Creation | None) -> Job:
        try:
            return await self._keep(job, event, creation)
        except OverCap as over:
            if over.cap.phases != ACTIVE or not self.policy.quotas.holds:
                raise
        return await self._keep(job, Hold(), creation)

    async def _keep(self, job: Job, event: Run | Hold | None, creation: Creation | None) -> Job:
        job = job if event is None else apply(job, event, job.creation_time).job
        caps = self.policy.quotas.to_create(job)
        if not await self._changes.create(job, caps=caps, creation=creation):
            raise UnderWay("The same request is under way.", retry_after_s=1)
        return job

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
