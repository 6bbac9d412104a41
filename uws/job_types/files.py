"""The files of a job: parts of the request, named by the parameter itself or as ``param:name``, or text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from penstock.dali.params import Parameters, Part, upper_name
from uws.service.validation import REFERENCE


def files_of(parameters: Parameters, name: str) -> Iterator[Part]:
    """Yield the files that were given for a parameter of type ``file``."""
    yield from (part for part in parameters.parts if upper_name(part.name) == upper_name(name))
    for value in parameters.all(name):
        named = parameters.part(value.removeprefix(REFERENCE)) if value.startswith(REFERENCE) else None
        yield named or Part(name=name, content=value.encode(), size_bytes=len(value.encode()))


def path_of(part: Part, directory: Path) -> Path:
    """Return where the content of a file is; it is written into the directory, where it came as text."""
    if isinstance(part.content, Path):
        return part.content
    number = sum(1 for _ in directory.iterdir())
    path = directory / f"{number}"
    path.write_bytes(part.content)
    return path
