"""The parameters of a job: how new ones join old ones (UWS 1.1 s2.1.11, DALI 1.2 s4).

A type that validates at creation takes what it declares. Any other (TAP) takes everything, and looks at it when the
job runs; there UPLOAD accumulates over several requests and is kept as one parameter (TAP 1.1 s2.7.7; a validator in
use refuses repeated names).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from penstock.dali.errors import UsageError
from penstock.dali.params import Part, upper_name
from uws.core.job import JobParameter
from uws.core.text import is_xml_text
from uws.ports import JobType
from uws.service.validation import by_name, takes_empty_text, validate

_LONGEST_NAME = 256
_LONGEST_RUNID = 64  # DALI 1.2 s4.3.6
_UPLOAD = "UPLOAD"


def merge(
    job_type: JobType, existing: Sequence[JobParameter], given: Sequence[JobParameter]
) -> tuple[JobParameter, ...]:
    """Return the parameters of a job after a client gave some more: a name given again replaces the old values.

    RUNID is such a name too (TAP 1.1 s2.7.5).

    Raises
    ------
    UsageError
        A name or value cannot be kept.
    Rejected
        The job type does not take the outcome.
    """
    for parameter in given:
        _require_storable(parameter)
    fresh = by_name(given)
    groups = by_name(existing)
    if not job_type.validate_at_creation and _UPLOAD in fresh:
        fresh[_UPLOAD] = [_joined(groups.get(_UPLOAD, []) + fresh[_UPLOAD])]
    merged = tuple(parameter for group in (groups | fresh).values() for parameter in group)
    if not job_type.validate_at_creation:
        return merged
    said = _without_empty(job_type, merged)
    validate(job_type, said)
    return said


def with_defaults(job_type: JobType, parameters: Sequence[JobParameter]) -> tuple[JobParameter, ...]:
    """Return the parameters and, for those that were not given, the defaults of the job type."""
    given = by_name(parameters)
    defaults = [
        JobParameter(id=spec.name, value=spec.default)
        for spec in job_type.parameters
        if spec.default is not None and upper_name(spec.name) not in given
    ]
    return (*parameters, *defaults)


def chosen_files(job_type: JobType, parts: Iterable[Part]) -> list[Part]:
    """Return the files but for those that a browser sends for a field where none was chosen."""
    if not job_type.validate_at_creation:
        return list(parts)
    return [part for part in parts if part.size_bytes or part.filename]


def require_run_id(run_id: str | None) -> str | None:
    """Return the run id as it is (UWS 1.1 s2.1.9).

    Raises
    ------
    UsageError
        It is too long or has characters that no document can carry.
    """
    if run_id is not None and (len(run_id) > _LONGEST_RUNID or not is_xml_text(run_id)):
        raise UsageError(f"RUNID takes up to {_LONGEST_RUNID} characters, without control characters.")
    return run_id


def _joined(uploads: Sequence[JobParameter]) -> JobParameter:
    values = [upload.value.strip("; ") for upload in uploads]
    return replace(uploads[-1], value=";".join(value for value in values if value))


def _without_empty(job_type: JobType, parameters: Iterable[JobParameter]) -> tuple[JobParameter, ...]:
    """Leave out the fields of a form that were left empty."""
    numb = {upper_name(spec.name) for spec in job_type.parameters if not takes_empty_text(spec)}
    return tuple(
        parameter
        for parameter in parameters
        if parameter.value or parameter.blob is not None or upper_name(parameter.id) not in numb
    )


def _require_storable(parameter: JobParameter) -> None:
    name = parameter.id
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"{name[:60]!r} cannot be the name of a parameter.")
    if "\0" in parameter.value:
        raise UsageError(f"The parameter {name!r} contains a NUL character; send such data as a file.")
