"""The job types that are installed."""

from __future__ import annotations

import structlog

from penstock.plugins import Group, PluginError, Registry
from uws.ports import JobType

_log = structlog.get_logger(__name__)


def installed_job_types() -> dict[str, JobType]:
    """Return every job type by name; one that cannot be loaded is logged and left out, so that the others serve on."""
    registry = Registry(Group.JOB_TYPES, JobType)
    found: dict[str, JobType] = {}
    for name in registry.names():
        try:
            job_type = registry.get(name)
        except PluginError as error:
            _log.error("job_type_left_out", reason=str(error))
        else:
            found[job_type.name] = job_type
    return found
