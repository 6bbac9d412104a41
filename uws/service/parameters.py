"""The parameters of a job: how new ones join old ones, and what a job type takes (UWS 1.1 s2.1.11, DALI 1.2 s4).

A type that validates at creation takes what it declares. Any other (TAP) takes everything, and looks at it when the
job runs; there UPLOAD accumulates over several requests and is kept as one parameter (TAP 1.1 s2.7.7; a validator in
use refuses repeated names).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from penstock.dali.errors import Forbidden, UsageError
from penstock.dali.shapes import parse_circle, parse_polygon
from penstock.dali.values import parse_bool, parse_float, parse_int, parse_interval, parse_timestamp
from uws.core.job import JobParameter
from uws.core.text import is_xml_text
from uws.ports import JobType, ParameterSpec, ParameterType

_LONGEST_NAME = 256
_LONGEST_RUNID = 64  # DALI 1.2 s4.3.6
_UPLOAD = "UPLOAD"


class Rejected(Forbidden):
    """The job type does not take these parameters (UWS 1.1 s2.2.3.1)."""

    label = "UsageError"


def merge(
    job_type: JobType, existing: Sequence[JobParameter], given: Sequence[JobParameter]
) -> tuple[JobParameter, ...]:
    """Return the parameters of a job after a client gave some more: a name given again replaces the old values.

    Raises
    ------
    UsageError
        A name or value cannot be kept.
    Rejected
        The job type does not take the outcome.
    """
    for parameter in given:
        _require_storable(parameter)
    fresh = _by_name(given)
    groups = _by_name(existing)
    if not job_type.validate_at_creation and _UPLOAD in fresh:
        fresh[_UPLOAD] = [_joined(groups.get(_UPLOAD, []) + fresh[_UPLOAD])]
    merged = tuple(parameter for group in (groups | fresh).values() for parameter in group)
    if job_type.validate_at_creation:
        validate(job_type, merged)
    return merged


def with_defaults(job_type: JobType, parameters: Sequence[JobParameter]) -> tuple[JobParameter, ...]:
    """Return the parameters and, for those that were not given, the defaults of the job type."""
    given = _by_name(parameters)
    defaults = [
        JobParameter(id=spec.name, value=spec.default)
        for spec in job_type.parameters
        if spec.default is not None and spec.name.upper() not in given
    ]
    return (*parameters, *defaults)


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


def validate(job_type: JobType, parameters: Sequence[JobParameter]) -> None:
    """See that a job type takes the parameters.

    Raises
    ------
    Rejected
        It does not; the message says which one and why.
    """
    groups = _by_name(parameters)
    specs = {spec.name.upper(): spec for spec in job_type.parameters}
    _require_declared(job_type, groups, specs)
    for name, spec in specs.items():
        values = groups.get(name, [])
        if spec.required and not values and spec.default is None:
            raise Rejected(f"{job_type.name} needs the parameter {spec.name}: {spec.description or spec.type}.")
        if len(values) > 1 and not spec.multiple:
            raise Rejected(f"{spec.name} was given {len(values)} times; it takes one value.")
        for parameter in values:
            if parameter.blob is None:
                _validate_value(spec, parameter.value)


def _by_name(parameters: Iterable[JobParameter]) -> dict[str, list[JobParameter]]:
    groups: dict[str, list[JobParameter]] = {}
    for parameter in parameters:
        groups.setdefault(parameter.id.upper(), []).append(parameter)
    return groups


def _joined(uploads: Sequence[JobParameter]) -> JobParameter:
    values = [upload.value.strip("; ") for upload in uploads]
    return replace(uploads[-1], value=";".join(value for value in values if value))


def _require_storable(parameter: JobParameter) -> None:
    name = parameter.id
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"{name[:60]!r} cannot be the name of a parameter.")
    if "\0" in parameter.value:
        raise UsageError(f"The parameter {name!r} contains a NUL character; send such data as a file.")


def _require_declared(
    job_type: JobType, groups: Mapping[str, Sequence[JobParameter]], specs: Mapping[str, ParameterSpec]
) -> None:
    referenced = {
        part.partition(":")[2].upper()
        for group in groups.values()
        for parameter in group
        for part in parameter.value.replace(";", ",").split(",")
        if part.startswith("param:")
    }
    for name, group in groups.items():
        is_part = name in referenced and group[0].blob is not None
        if name not in specs and not is_part:
            known = ", ".join(spec.name for spec in job_type.parameters) or "none"
            raise Rejected(f"{job_type.name} has no parameter {group[0].id!r}; it takes: {known}.")
    missing = sorted(name for name in referenced if name not in groups or groups[name][0].blob is None)
    if missing:
        raise Rejected(f"The request names param:{missing[0]} but brings no part of that name.")


def _validate_value(spec: ParameterSpec, text: str) -> None:
    if spec.options and text not in spec.options:
        raise Rejected(f"{spec.name}={text[:60]!r} is not one of {', '.join(spec.options)}.")
    try:
        value = _PARSERS[spec.type](spec.name, text)
    except UsageError as error:
        raise Rejected(error.message) from error
    if isinstance(value, (int, float)):
        low = float("-inf") if spec.minimum is None else spec.minimum
        high = float("inf") if spec.maximum is None else spec.maximum
        if not low <= value <= high:
            raise Rejected(f"{spec.name}={text[:60]} is not between {low:g} and {high:g}.")


def _parse_uri(name: str, text: str) -> str:
    try:
        scheme = urlsplit(text).scheme
    except ValueError as error:
        raise UsageError(f"{name}={text[:60]!r} is not a URI.") from error
    if not scheme:
        raise UsageError(f"{name}={text[:60]!r} is not a URI.")
    return text


def _parse_string(_name: str, text: str) -> str:
    return text


_PARSERS: Mapping[ParameterType, Callable[[str, str], object]] = {
    "boolean": parse_bool,
    "integer": parse_int,
    "real": parse_float,
    "string": _parse_string,
    "timestamp": parse_timestamp,
    "uri": _parse_uri,
    "interval": parse_interval,
    "circle": parse_circle,
    "polygon": parse_polygon,
}
