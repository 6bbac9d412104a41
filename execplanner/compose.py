"""What the composition roots put together, the service's and that of a session's job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from execplanner.core.checks import Rules
from execplanner.core.request import Defaults
from execplanner.facilities import FacilityBook, this_host
from execplanner.joblist import JOB_TYPE
from execplanner.keeping import Keeper
from execplanner.service.broker import Limits
from execplanner.settings import ExecPlannerSettings
from penstock.plugins import Group, Registry
from penstock.service import Resources
from penstock.settings import Settings
from uws.app import longest_duration_s
from uws.plugin import service as uws
from uws.ports import JobType

JOBS_PATH = f"{uws.path}/jobs"


def installed_executors() -> tuple[str, ...]:
    """Return the names of the executors that are installed."""
    return Registry(Group.FACILITIES, object).names()


def facility_book(
    resources: Resources, keeper: Keeper, job_types: Mapping[str, JobType], plugins: Sequence[str]
) -> FacilityBook:
    """Return the facilities of a deployment: without any record it is this host."""
    settings, section = resources.settings, resources.settings.section(ExecPlannerSettings)
    jobs = {name: one for name, one in job_types.items() if name != JOB_TYPE}  # which only offers make
    host = this_host(settings.authority, JOBS_PATH, jobs, max_duration_s=longest_duration_s(settings), plugins=plugins)
    return FacilityBook(section.facility_file, section.facility_dir, keeper, [host])


def rules_of(settings: Settings) -> Rules:
    """Return what may be read and fetched for sessions."""
    roots = settings.section(ExecPlannerSettings).file_roots
    return Rules(file_roots=tuple(str(root) for root in roots), allow_private=settings.allow_private_addresses)


def limits_of(settings: Settings) -> Limits:
    """Return what callers may have."""
    section = settings.section(ExecPlannerSettings)
    defaults = Defaults(
        duration_s=section.default_duration_s, horizon=timedelta(days=section.horizon_d), rules=rules_of(settings)
    )
    return Limits(
        defaults=defaults,
        keep_s=section.keep_offers_d * 86_400,
        most_open=section.max_open_offers or None,
        most_open_anonymous=section.max_open_offers_anonymous or None,
        retry_after_s=round(section.offer_valid_s),
    )
