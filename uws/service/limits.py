"""What the type of a job adds to what the deployment allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from penstock.auth.principal import Principal, refusal
from penstock.dali.errors import TooLarge
from penstock.dali.params import Part
from uws.ports import JobType
from uws.service.policy import Policy


def limited(policy: Policy, job_type: JobType) -> Policy:
    """Return the policy for jobs of a type: its defaults, and the narrower of the limits."""
    own = job_type.limits
    lifetimes = [lifetime for lifetime in (policy.max_lifetime, own.max_lifetime) if lifetime is not None]
    return replace(
        policy,
        default_duration_s=policy.default_duration_s if own.default_duration_s is None else own.default_duration_s,
        max_duration_s=_narrower((policy.max_duration_s, own.max_duration_s)),
        default_lifetime=own.default_lifetime or policy.default_lifetime,
        max_lifetime=min(lifetimes, default=None),
    )


def _narrower(durations_s: Iterable[int | None]) -> int:
    """Return the shortest of some durations, of which 0 is unlimited."""
    return min((duration for duration in durations_s if duration), default=0)


def may_create(job_type: JobType, caller: Principal) -> bool:
    """Tell whether somebody may create jobs of a type."""
    return not job_type.roles or caller.admin or not job_type.roles.isdisjoint(caller.groups)


def require_role(job_type: JobType, caller: Principal) -> None:
    """See that somebody may create jobs of a type.

    Raises
    ------
    AuthenticationRequired, Forbidden
        They are in none of the groups for which the type is.
    """
    if not may_create(job_type, caller):
        groups = ", ".join(sorted(job_type.roles))
        raise refusal(caller, f"Jobs of the type {job_type.name} can be created by members of: {groups}.")


def require_small(job_type: JobType, parts: Sequence[Part]) -> None:
    """See that the files of a request are not too large for a type.

    Raises
    ------
    TooLarge
        They are.
    """
    most = job_type.limits.max_upload_bytes
    if most is not None and sum(part.size_bytes for part in parts) > most:
        raise TooLarge(f"{job_type.name} takes files of up to {most} bytes in all.")
