"""The job types that are installed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import structlog

from penstock.dali.errors import UsageError
from penstock.dali.params import upper_name
from penstock.plugins import Group, Registry
from uws.ports import JobType, ParameterSpec
from uws.service.validation import parse_value

RESERVED = frozenset({"PHASE", "ACTION", "DESTRUCTION", "EXECUTIONDURATION", "RUNID", "JOBTYPE"})
"""What a request to create a job says of the job itself (UWS 1.1 s2.1.11): no parameter can have these names."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_log = structlog.get_logger(__name__)


def installed_job_types() -> dict[str, JobType]:
    """Return every job type by name; one that cannot be used is logged and left out, so that the others serve on."""
    registry = Registry(Group.JOB_TYPES, JobType)
    found: dict[str, JobType] = {}
    for plugin in registry.names():
        try:
            job_type = registry.get(plugin)
        except Exception as error:  # noqa: BLE001  # the edge of other people's code: importing it may raise anything
            _log.error("job_type_left_out", plugin=plugin, reason=str(error))
            continue
        flaws = [*flaws_of(job_type)]
        if job_type.name in found:
            flaws.append(f"there is another job type {job_type.name!r}")
        if flaws:
            _log.error("job_type_left_out", plugin=plugin, reason="; ".join(flaws))
        else:
            found[job_type.name] = job_type
    return found


def flaws_of(job_type: JobType) -> Iterator[str]:
    """Yield what would keep a job type from working as it describes itself."""
    if not _NAME.fullmatch(job_type.name):
        yield f"{job_type.name!r} is no name that a URL can carry"
    names = [upper_name(spec.name) for spec in job_type.parameters]
    results = [result.id for result in job_type.results]
    yield from (f"there are several of the name {name!r}" for name in _repeated(names) + _repeated(results))
    for spec in job_type.parameters:
        yield from _flaws_of_parameter(job_type, spec)


def _flaws_of_parameter(job_type: JobType, spec: ParameterSpec) -> Iterator[str]:
    if not _NAME.fullmatch(spec.name):
        yield f"{spec.name!r} is no name of a parameter"
    if job_type.validate_at_creation and upper_name(spec.name) in RESERVED:
        yield f"the name {spec.name!r} belongs to the job, not to its parameters"
    for text in (*spec.options, *(() if spec.default is None else (spec.default,))):
        try:
            parse_value(spec, text)
        except UsageError as error:
            yield error.message


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
