"""Who may do what with a job (UWS 1.1 s3).

A job belongs to the identity that created it; only it, and administrators, can see it. A job that was created without
an identity is a capability: whoever knows its id may do everything with it, and its id cannot be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.auth.principal import ANONYMOUS, Principal, refusal
from penstock.dali.errors import NotFound
from uws.core.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who asks, and through which job list: one of a single type, or of all where `job_type` is None."""

    caller: Principal = ANONYMOUS
    job_type: str | None = None

    def check(self, job: Job) -> None:
        """See that the caller may use the job.

        Raises
        ------
        NotFound
            The job is not of this list.
        AuthenticationRequired, Forbidden
            It belongs to somebody else.
        """
        if self.job_type not in (None, job.type):
            raise NotFound(f"There is no job {job.id!r} in this list.")
        if job.owner is None or self.caller.admin or job.owner == self.caller.subject:
            return
        raise refusal(self.caller, "This job belongs to somebody else.")
