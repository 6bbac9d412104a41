"""Job types from command lines, which run in a sandbox (see `penstock.sandbox`).

::

    command_line(
        "head", version="1.0",
        argv=("head", ("-n", "{LINES}"), "{FILE}"),
        outputs=(Output("-", ResultSpec(id="head", media_types=("text/plain",))),),
        parameters=(ParameterSpec(name="FILE", type="file"), ParameterSpec(name="LINES", type="integer")),
    )

Each word of `argv` is one argument of the command, whatever the values that replace ``{NAME}`` contain: there is no
shell. A word, or a group of words, whose parameter was not given is left out; for one with several values it is
repeated. A file is replaced by its path in the sandbox.

No value is taken for an option: a text that stands at the beginning of a word may not begin with a hyphen, and
intervals, shapes and the infinite that do so have a blank in front. Negative numbers, and the options that the author
of the type lists, stay as they are.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
import signal
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, Unpack

from penstock.dali.errors import ServiceError, UsageError
from penstock.dali.params import Parameters
from penstock.sandbox import Sandbox
from penstock.scratch import scratch
from uws.job_types.files import files_of, path_of
from uws.job_types.functions import Particulars
from uws.job_types.sandbox import Ended, printed, run_sandboxed
from uws.ports import JobContext, JobType, ParameterSpec, ResultSpec
from uws.service.validation import parse_value

STDOUT = "-"
_INPUT = "input"
_CHUNK_BYTES = 2**20
_PLACE = re.compile(r"{([A-Za-z0-9][A-Za-z0-9_.-]*)}", re.ASCII)
_REASONS = {
    128 + signal.SIGXCPU: "it used up its processor time",
    128 + signal.SIGXFSZ: "it wrote a file that is too large",
    128 + signal.SIGKILL: "it was killed, perhaps for want of memory",
}
Word = str | tuple[str, ...]


class CommandFailed(ServiceError):
    """The command of a job failed."""


class CommandParticulars(Particulars, total=False):
    """What else can be said of a job type; see `uws.ports.JobType`."""

    parameters: tuple[ParameterSpec, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """A file that the command leaves in its working directory, and the result that it becomes.

    `name` may be a pattern such as ``*.png`` where the result is `multiple`; ``-`` is what the command prints.
    """

    name: str
    result: ResultSpec


def command_line(
    name: str,
    *,
    version: str,
    argv: Sequence[Word],
    outputs: Sequence[Output],
    sandbox: Sandbox | None = None,
    **particulars: Unpack[CommandParticulars],
) -> JobType:
    """Make a job type of a command line.

    Raises
    ------
    ValueError
        `argv` names a parameter that there is not, or `outputs` a path.
    """
    results = tuple(output.result for output in outputs)
    given: CommandParticulars = {"title": name, "description": "", **particulars, "results": results}
    groups = tuple((word,) if isinstance(word, str) else word for word in argv)
    given["parameters"] = tuple(_guarded(spec, groups) for spec in given.get("parameters", ()))
    command = _Command(
        groups=groups,
        outputs=tuple(outputs),
        specs={spec.name: spec for spec in given["parameters"]},
        sandbox=sandbox or Sandbox(),
    )
    command.check()
    return JobType(name=name, version=version, run=command.run, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    groups: tuple[tuple[str, ...], ...]
    outputs: tuple[Output, ...]
    specs: Mapping[str, ParameterSpec]
    sandbox: Sandbox

    def check(self) -> None:
        for name in (name for group in self.groups for name in _names_in(group)):
            if name not in self.specs:
                raise ValueError(f"argv names {{{name}}}, and there is no parameter of that name")
        for output in self.outputs:
            if "/" in output.name or output.name in ("", ".", ".."):
                raise ValueError(f"{output.name!r} is no file in the working directory")

    async def run(self, context: JobContext) -> None:
        with scratch() as place:
            texts = place / "texts"
            texts.mkdir()
            inputs = dict(self._inputs(context.parameters, texts))
            argv = [*self._argv(context.parameters, inputs)]
            ended = await run_sandboxed(argv, self.sandbox, place, inputs)
            if ended.status:
                why = _REASONS.get(ended.status, f"its exit status is {ended.status}")
                raise CommandFailed(f"The command failed: {why}.\n{printed(ended)}".strip())
            for output in self.outputs:
                await self._publish(context, output, place / "work", ended)

    def _inputs(self, parameters: Parameters, texts: Path) -> Iterator[tuple[str, Path]]:
        """Yield the files by their paths in the sandbox."""
        for spec in self.specs.values():
            if spec.type == "file":
                for number, part in enumerate(files_of(parameters, spec.name), 1):
                    yield f"{_INPUT}/{spec.name}{f'.{number}' if spec.multiple else ''}", path_of(part, texts)

    def _argv(self, parameters: Parameters, inputs: Mapping[str, Path]) -> Iterator[str]:
        for group in self.groups:
            names = _names_in(group)
            values = {name: self._values(self.specs[name], parameters, inputs) for name in names}
            times = min((len(found) for found in values.values()), default=1)
            for number in range(times):
                for word in group:
                    yield _filled(word, {name: found[number] for name, found in values.items()}, self.specs)

    def _values(self, spec: ParameterSpec, parameters: Parameters, inputs: Mapping[str, Path]) -> list[str]:
        if spec.type == "file":
            prefix = f"{_INPUT}/{spec.name}"
            return [name for name in inputs if name == prefix or name.startswith(f"{prefix}.")]
        return [_canonical(spec, text) for text in parameters.all(spec.name)]

    async def _publish(self, context: JobContext, output: Output, work: Path, ended: Ended) -> None:
        found = [ended.stdout] if output.name == STDOUT else await asyncio.to_thread(_left_in, work, output.name)
        if not found and output.result.required:
            raise CommandFailed(f"The command wrote no {output.name}.\n{printed(ended)}".strip())
        for number, path in enumerate(found, 1):
            result_id = f"{output.result.id}-{number}" if output.result.multiple else output.result.id
            await _copy(context, path, result_id, output.result)


def _names_in(group: Sequence[str]) -> set[str]:
    return {name for word in group for name in _PLACE.findall(word)}


def _guarded(spec: ParameterSpec, groups: Sequence[tuple[str, ...]]) -> ParameterSpec:
    """Return what a parameter takes if it stands at the beginning of a word."""
    first = {match[1] for group in groups for word in group if (match := _PLACE.match(word))}
    free = spec.type == "string" and not spec.options
    return replace(spec, hyphen_first=False) if free and spec.name in first else spec


def _left_in(work: Path, pattern: str) -> list[Path]:
    """Return what a command left in its working directory, apart from the directory of its inputs.

    Raises
    ------
    CommandFailed
        The command made the directory unreadable.
    """
    try:
        paths = sorted(work.iterdir())
    except OSError as error:
        raise CommandFailed("The working directory cannot be read any more after the command.") from error
    found = [path for path in paths if fnmatchcase(path.name, pattern)]
    return [path for path in found if path.name != _INPUT or not path.is_dir()]


def _canonical(spec: ParameterSpec, text: str) -> str:
    """Return a value as the command gets it: numbers and truth values in one form."""
    match parse_value(spec, text):
        case bool(value):
            return "true" if value else "false"
        case int() | float() as value:
            return str(value)
        case _:
            return text


def _filled(word: str, values: Mapping[str, str], specs: Mapping[str, ParameterSpec]) -> str:
    """Put values into a word, so that none can be an option.

    Raises
    ------
    UsageError
        The command would take a text for an option.
    """
    filled = _PLACE.sub(lambda place: values[place[1]], word)
    first = _PLACE.match(word)
    if first is None or not filled.startswith("-"):
        return filled
    spec, value = specs[first[1]], values[first[1]]
    if value and (spec.options or (spec.type in ("integer", "real") and not value.endswith("inf"))):
        return filled
    if value and spec.type != "string":
        return f" {filled}"  # numbers all the same to whoever reads numbers
    raise UsageError(f"{first[1]} may not begin with a hyphen.")


async def _copy(context: JobContext, path: Path, result_id: str, spec: ResultSpec) -> None:
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    with _opened(path) as file:
        async with context.result(result_id, spec.media_types[0] if spec.media_types else guessed) as result:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                await result.write(chunk)


def _opened(path: Path) -> BinaryIO:
    """Open what a command left behind: a link could lead out of the sandbox, a pipe would be read for ever.

    Raises
    ------
    CommandFailed
        It is no plain file.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise CommandFailed(f"{path.name} is no file that can be read.") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise CommandFailed(f"{path.name} is no file that can be read.")
    return file
