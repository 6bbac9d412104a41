"""How many jobs an owner may have, and of one type.

The quotas of a deployment become caps on the number of jobs, which the store holds however many requests come at once.
Jobs that nobody owns are counted together, as one owner's: nothing is kept of who created them.

A job that may not run now is HELD where the deployment says so, and waits for its client to send PHASE=RUN again: the
standard lets nothing else take it from there (UWS 1.1 s2.1.3). Otherwise the request is refused and the job stays as
it was, because clients in use take HELD for a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from penstock.dali.errors import TooManyRequests
from uws.core.job import Job, Phase
from uws.ports import Cap
from uws.settings import Quota

ACTIVE = frozenset({Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED, Phase.UNKNOWN})
KEPT = frozenset(Phase) - {Phase.ARCHIVED}
_EVERY = frozenset(Phase)
_HOUR = timedelta(hours=1)
_COME_BACK_S = {ACTIVE: 10, KEPT: 300}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What each owner may have: of all types, those without an owner together (None: as any owner), and by type.

    `holds` tells that a job which may not run becomes HELD.
    """

    owner: Quota = field(default_factory=Quota)
    anonymous: Quota | None = None
    by_type: Mapping[str, Quota] = field(default_factory=dict)
    holds: bool = False

    def to_create(self, job: Job) -> tuple[Cap, ...]:
        """Return the caps under which a job may be created; PHASE=RUN at creation is an order to run, too."""
        caps = [cap for quota, job_type in self._of(job) for cap in _to_keep(quota, job_type, job.creation_time)]
        return (*caps, *(self.to_run(job) if job.phase is Phase.QUEUED else ()))

    def to_run(self, job: Job) -> tuple[Cap, ...]:
        """Return the caps under which a job may be queued."""
        return tuple(
            Cap(most=quota.max_active, phases=ACTIVE, job_type=job_type)
            for quota, job_type in self._of(job)
            if quota.max_active is not None
        )

    def _of(self, job: Job) -> Iterator[tuple[Quota, str | None]]:
        yield (self.owner if job.owner is not None or self.anonymous is None else self.anonymous), None
        if job.type in self.by_type:
            yield self.by_type[job.type], job.type


def _to_keep(quota: Quota, job_type: str | None, now: datetime) -> Iterator[Cap]:
    if quota.max_kept is not None:
        yield Cap(most=quota.max_kept, phases=KEPT, job_type=job_type)
    if quota.max_created_per_hour is not None:
        yield Cap(most=quota.max_created_per_hour, phases=_EVERY, job_type=job_type, since=now - _HOUR)


def over_quota(cap: Cap) -> TooManyRequests:
    """Return the error for a job that has no room; it says when to come back and what helps."""
    jobs = "jobs" if cap.job_type is None else f"jobs of the type {cap.job_type}"
    if cap.since is not None:
        fair_s = max(1, int(_HOUR.total_seconds()) // cap.most)
        return TooManyRequests(f"The quota of {jobs} created in an hour is {cap.most}.", retry_after_s=fair_s)
    if cap.phases == ACTIVE:
        message = f"The quota of {jobs} queued or running is {cap.most}: wait until one ends, or abort one."
    else:
        message = f"The quota of {jobs} that are kept is {cap.most}: delete some."
    return TooManyRequests(message, retry_after_s=_COME_BACK_S[cap.phases])
