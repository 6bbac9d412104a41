"""What a job type takes, value by value; everything that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from penstock.dali.errors import Forbidden, Problem, UsageError
from penstock.dali.params import upper_name
from penstock.dali.shapes import parse_circle, parse_polygon
from penstock.dali.values import parse_bool, parse_float, parse_int, parse_interval, parse_timestamp
from uws.core.job import JobParameter
from uws.ports import JobType, ParameterSpec, ParameterType

REFERENCE = "param:"
_UPLOAD = "UPLOAD"
_SHOWN = 60
Groups = Mapping[str, Sequence[JobParameter]]


class Rejected(Forbidden):
    """The job type does not take these parameters (UWS 1.1 s2.2.3.1)."""

    label = "UsageError"


def by_name(parameters: Iterable[JobParameter]) -> dict[str, list[JobParameter]]:
    """Return the parameters by name in upper case: names are case-insensitive (DALI 1.2 s4.1)."""
    groups: dict[str, list[JobParameter]] = {}
    for parameter in parameters:
        groups.setdefault(upper_name(parameter.id), []).append(parameter)
    return groups


def validate(job_type: JobType, parameters: Sequence[JobParameter]) -> None:
    """See that a job type takes the parameters.

    Raises
    ------
    Rejected
        It does not; the message says everything that is wrong.
    """
    groups = by_name(parameters)
    specs = {upper_name(spec.name): spec for spec in job_type.parameters}
    problems = [*_undeclared(job_type, groups, specs)]
    for name, spec in specs.items():
        problems += _wrong_with(job_type, spec, groups.get(name, ()))
    if problems:
        raise Rejected(" ".join(problem.description for problem in problems), problems=problems)


def parse_value(spec: ParameterSpec, text: str) -> object:
    """Read a value of a parameter as what its type says.

    Raises
    ------
    UsageError
        It cannot be read, is not among the options or within the bounds, or could be taken for an option of a command.
    """
    if not spec.hyphen_first and text.startswith("-"):
        raise UsageError(f"{spec.name} may not begin with a hyphen.")
    if spec.options and text not in spec.options:
        raise UsageError(f"{spec.name}={text[:_SHOWN]!r} is not one of {', '.join(spec.options)}.")
    value = _PARSERS[spec.type](spec.name, text)
    if isinstance(value, (int, float)):
        low = float("-inf") if spec.minimum is None else spec.minimum
        high = float("inf") if spec.maximum is None else spec.maximum
        if not low <= value <= high:
            raise UsageError(f"{spec.name}={text[:_SHOWN]} is not between {low:g} and {high:g}.")
    return value


def takes_empty_text(spec: ParameterSpec) -> bool:
    """Tell whether an empty value is a value: elsewhere it is a field of a form that was left empty."""
    return spec.type in ("string", "file") and not spec.multiple and (not spec.options or "" in spec.options)


def _wrong_with(job_type: JobType, spec: ParameterSpec, values: Sequence[JobParameter]) -> Iterator[Problem]:
    if spec.required and not values and spec.default is None:
        what = (spec.description or spec.type).rstrip(".")
        yield Problem(field=spec.name, description=f"{job_type.name} needs the parameter {spec.name}: {what}.")
    if len(values) > 1 and not spec.multiple:
        yield Problem(field=spec.name, description=f"{spec.name} was given {len(values)} times; it takes one value.")
    for parameter in values:
        if parameter.blob is not None:
            if spec.type != "file":
                yield Problem(field=spec.name, description=f"{spec.name} takes a value, not a file.")
            continue
        try:
            parse_value(spec, parameter.value)
        except UsageError as error:
            yield Problem(field=spec.name, value=parameter.value[:_SHOWN], description=error.message)


def _undeclared(job_type: JobType, groups: Groups, specs: Mapping[str, ParameterSpec]) -> Iterator[Problem]:
    referenced = set(_referenced(groups, specs))
    for name, group in groups.items():
        is_part = name in referenced and group[0].blob is not None
        if name not in specs and not is_part:
            known = ", ".join(spec.name for spec in job_type.parameters) or "none"
            yield Problem(
                field=group[0].id,
                description=f"{job_type.name} has no parameter {group[0].id[:_SHOWN]!r}; it takes: {known}.",
            )
    for name in sorted(referenced):
        if name not in groups or groups[name][0].blob is None:
            yield Problem(field=name, description=f"The request names param:{name} but brings no part of that name.")


def _referenced(groups: Groups, specs: Mapping[str, ParameterSpec]) -> Iterator[str]:
    """Yield the names of parts that values of files, or of UPLOAD, refer to (DALI 1.2 s4.3.5)."""
    for name, spec in specs.items():
        if spec.type == "file" or name == _UPLOAD:
            for parameter in groups.get(name, ()):
                words = parameter.value.replace(";", ",").split(",") if name == _UPLOAD else [parameter.value]
                yield from (upper_name(word.removeprefix(REFERENCE)) for word in words if word.startswith(REFERENCE))


def _parse_uri(name: str, text: str) -> str:
    try:
        scheme = urlsplit(text).scheme
    except ValueError as error:
        raise UsageError(f"{name}={text[:_SHOWN]!r} is not a URI.") from error
    if not scheme:
        raise UsageError(f"{name}={text[:_SHOWN]!r} is not a URI.")
    return text


def _parse_text(_name: str, text: str) -> str:
    return text


_PARSERS: Mapping[ParameterType, Callable[[str, str], object]] = {
    "boolean": parse_bool,
    "integer": parse_int,
    "real": parse_float,
    "string": _parse_text,
    "timestamp": parse_timestamp,
    "uri": _parse_uri,
    "interval": parse_interval,
    "circle": parse_circle,
    "polygon": parse_polygon,
    "file": _parse_text,
}
