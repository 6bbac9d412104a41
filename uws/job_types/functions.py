"""Job types from Python functions: the signature says which parameters there are.

::

    @job_type("stack", version="1.0")
    def stack(images: list[Path], sigma: Annotated[float, About("Clipping", minimum=0)] = 3.0) -> bytes:
        "Stack images."

The type of each parameter is read off its annotation: bool, int, float, str, datetime, `Interval`, `Circle`, `Polygon`,
`pathlib.Path` for a file, ``Literal`` for options, ``list`` for several values, ``| None`` where it may be missing.
One that is annotated as `JobContext`, or in a plain function as `BlockingContext`, is given the context of the job.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Union, Unpack, get_args, get_origin, get_type_hints

import orjson

from penstock.dali.shapes import Circle, Polygon
from penstock.dali.values import Interval, format_timestamp
from penstock.scratch import scratch
from uws.job_types.blocking import BlockingContext, in_thread
from uws.job_types.files import files_of, path_of
from uws.ports import JobContext, JobType, Limits, ParameterSpec, ParameterType, ResultSpec
from uws.service.validation import parse_value

_CHUNK_BYTES = 2**20
_TYPES: Mapping[Any, ParameterType] = {
    bool: "boolean",
    int: "integer",
    float: "real",
    str: "string",
    datetime: "timestamp",
    Interval: "interval",
    Circle: "circle",
    Polygon: "polygon",
    Path: "file",
}
_MEDIA_TYPES: Mapping[Any, str] = {
    str: "text/plain; charset=UTF-8",
    bytes: "application/octet-stream",
    Path: "application/octet-stream",
}
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class About:
    """What is to be said of a parameter beyond its Python type, as metadata of ``Annotated``."""

    description: str = ""
    type: ParameterType | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    media_types: tuple[str, ...] = ()


class Particulars(TypedDict, total=False):
    """What else can be said of a job type; see `uws.ports.JobType`."""

    title: str
    description: str
    results: tuple[ResultSpec, ...]
    limits: Limits
    roles: frozenset[str]
    docs: str


def job_type(name: str, *, version: str, **particulars: Unpack[Particulars]) -> Callable[[Callable[..., Any]], JobType]:
    """Make a job type of a function, whose docstring gives title and description if nothing else does.

    What it returns becomes the first of the `results`, or one called ``result``: text, bytes, the content of a `Path`,
    anything else as JSON. A plain function runs in a thread.

    Raises
    ------
    TypeError
        The annotation of a parameter says nothing that a job type could say.
    """

    def decorate(function: Callable[..., Any]) -> JobType:
        call = _Call(function, particulars.get("results"))
        first, _, rest = (inspect.getdoc(function) or name).partition("\n")
        own: Particulars = {"title": first.strip().rstrip("."), "description": rest.strip() or first.strip()}
        given: Particulars = {**own, **particulars, "results": call.results}
        return JobType(name=name, version=version, run=call.run, parameters=tuple(call.specs.values()), **given)

    return decorate


class _Call:
    """A function, and how to call it with what a job was given."""

    def __init__(self, function: Callable[..., Any], results: tuple[ResultSpec, ...] | None) -> None:
        hints = get_type_hints(function, include_extras=True)
        self._function = function
        returned = hints.pop("return", types.NoneType)
        self._returns = returned is not types.NoneType
        self._contexts = [name for name, hint in hints.items() if hint in (JobContext, BlockingContext)]
        parameters = inspect.signature(function).parameters
        self.specs = {
            name: _spec(parameter, hints.get(name, str))
            for name, parameter in parameters.items()
            if name not in self._contexts
        }
        if results is None:
            media_type = _MEDIA_TYPES.get(returned, _JSON)
            results = (ResultSpec(id="result", media_types=(media_type,)),) if self._returns else ()
        self.results = results

    async def run(self, context: JobContext) -> None:
        """Run the function as a job."""
        with scratch() as directory:
            arguments = self._arguments(context, directory)
            if inspect.iscoroutinefunction(self._function):
                value = await self._function(**arguments, **dict.fromkeys(self._contexts, context))
            else:
                blocking = BlockingContext(context, asyncio.get_running_loop())
                arguments |= dict.fromkeys(self._contexts, blocking)
                value = await in_thread(lambda: self._function(**arguments))
            if self._returns and value is not None:
                await _write(context, self.results[0], value)

    def _arguments(self, context: JobContext, directory: Path) -> dict[str, Any]:
        """Return the arguments for what was given; Python's own defaults stand for the rest."""
        arguments: dict[str, Any] = {}
        for name, spec in self.specs.items():
            if spec.type == "file":
                values: list[Any] = [path_of(part, directory) for part in files_of(context.parameters, spec.name)]
            else:
                values = [parse_value(spec, text) for text in context.parameters.all(spec.name)]
            if spec.multiple:
                arguments[name] = values
            elif values:
                arguments[name] = values[0]
        return arguments


def _spec(parameter: inspect.Parameter, hint: Any) -> ParameterSpec:
    about = About()
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        about = next((note for note in notes if isinstance(note, About)), about)
    hint, multiple = _unwrapped(hint)
    options: tuple[Any, ...] = get_args(hint) if get_origin(hint) is Literal else ()
    kind = about.type or _TYPES.get(type(options[0]) if options else hint)
    if kind is None or parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"{parameter}: a job type has no parameter of this kind")
    default = None if parameter.default is parameter.empty or multiple else parameter.default
    return ParameterSpec(
        name=parameter.name,
        type=kind,
        description=about.description,
        required=parameter.default is parameter.empty,
        multiple=multiple,
        default=None if default is None else _text(default),
        options=tuple(_text(option) for option in options),
        minimum=about.minimum,
        maximum=about.maximum,
        unit=about.unit,
        ucd=about.ucd,
        utype=about.utype,
        media_types=about.media_types,
    )


def _unwrapped(hint: Any) -> tuple[Any, bool]:
    """Take the type out of ``| None`` and ``list[]``; tell whether it was a list."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [each for each in get_args(hint) if each is not type(None)]
        hint = inner[0] if len(inner) == 1 else hint
    return (get_args(hint)[0], True) if get_origin(hint) is list else (hint, False)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return format_timestamp(value)
        case str() | int() | float():
            return str(value)
        case _:
            raise TypeError(f"{value!r} cannot be the default of a parameter; take None and put it in the function")


async def _write(context: JobContext, spec: ResultSpec, value: object) -> None:
    async with context.result(spec.id, spec.media_types[0] if spec.media_types else _JSON) as result:
        match value:
            case bytes():
                await result.write(value)
            case str():
                await result.write(value.encode())
            case Path():
                with value.open("rb") as file:
                    while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                        await result.write(chunk)
            case _:
                await result.write(orjson.dumps(value))
