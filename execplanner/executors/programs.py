"""What a program or a notebook amounts to on a machine: a file, a command, and what the command sees."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from execplanner.executors.folders import Folder
from execplanner.executors.options import Fetching
from execplanner.ports import Work
from penstock.dali.errors import UsageError
from penstock.outbound import FetchError, Outbound
from penstock.sandbox import WORK, Bind, Sandbox

RESULTS = "PENSTOCK_RESULTS"
_INSIDE_RESULTS = f"{WORK}/results"
_FETCHED = "program"
_NAMES = {"python-program": "program.py", "jupyter-notebook": "notebook.ipynb"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr"}
)


class Programs(Fetching):
    """Options of executors that run programs and notebooks in a sandbox.

    `read_only` are directories that works see, such as the one where Jupyter is installed.
    """

    python: str = "/usr/bin/python3"
    jupyter_execute: str | None = None
    read_only: tuple[Path, ...] = ()
    file_bytes: int = 2 * 2**30


async def fetch(work: Work, options: Fetching) -> Path:
    """Return the file of a program or notebook on this host, fetching it if it was not yet.

    Raises
    ------
    UsageError
        It cannot be had.
    """
    location = text_of(work.executable, "location")
    if location is None:
        raise UsageError(f"The {work.kind} has no location.")
    if location.startswith("/"):
        return _mounted(work, location)
    folder = Folder(work.folder)
    folder.make()
    target = folder.notes / _FETCHED
    if not target.exists():
        fresh = folder.notes / f"{_FETCHED}.{os.getpid()}"  # another process may fetch it, too
        try:
            with fresh.open("wb") as file:
                outbound = Outbound(allow_private=options.allow_private_addresses)
                await outbound.save(location, file, max_bytes=options.max_program_bytes)
        except FetchError as error:
            raise UsageError(f"The {work.kind} cannot be fetched: {error}.") from error
        await asyncio.to_thread(fresh.replace, target)
    return target


def _mounted(work: Work, location: str) -> Path:
    """Return the file of this host that the work would see at a path."""
    for mount in work.mounts:
        if PurePosixPath(location).is_relative_to(mount.path):
            root = mount.source.resolve()
            found = (root / PurePosixPath(location).relative_to(mount.path)).resolve()
            if found.is_relative_to(root) and found.is_file():
                return found
    raise UsageError(f"There is no file {location} in what the work sees.")


def require_program(work: Work, options: Programs) -> None:
    """Raise `UsageError` where the work is nothing that we run, or asks for what a sandbox does not have."""
    if work.kind not in _NAMES:
        raise UsageError(f"A {work.kind} cannot run here; what can: {', '.join(_NAMES)}.")
    if work.kind == "jupyter-notebook" and options.jupyter_execute is None:
        raise UsageError("Notebooks cannot run here: no command for them is configured.")


def command(work: Work, options: Programs) -> list[str]:
    """Return the command that runs the program or notebook in its sandbox."""
    require_program(work, options)
    name = _NAMES[work.kind]
    if work.kind == "jupyter-notebook":
        return [str(options.jupyter_execute), name, "--output=results/notebook"]
    return [options.python, name, *texts_of(work.executable, "arguments")]


def sandbox(work: Work, options: Programs) -> Sandbox:
    """Return the limits of the command."""
    environment = {"OMP_NUM_THREADS": str(work.cores), **variables(work.executable), RESULTS: _INSIDE_RESULTS}
    return Sandbox(
        memory_bytes=work.memory_bytes,
        cpu_s=max(1, round(work.duration_s * work.cores)),
        file_bytes=options.file_bytes,
        read_only=options.read_only,
        environment=environment,
    )


def binds(work: Work, program: Path) -> list[Bind]:
    """Return what the command sees."""
    folder = Folder(work.folder)
    return [
        Bind(source=folder.work, path=WORK, writable=True),
        *(Bind(source=mount.source, path=mount_path(mount.path), writable=mount.writable) for mount in work.mounts),
        Bind(source=folder.results, path=_INSIDE_RESULTS, writable=True),
        Bind(source=program, path=f"{WORK}/{_NAMES[work.kind]}"),
    ]


def mount_path(path: str) -> str:
    """Return the path of a mount; raises `UsageError` if it is relative or would hide a part of the system."""
    parts = PurePosixPath(path).parts
    plain = str(PurePosixPath(*parts))
    absolute = len(parts) > 1 and parts[0] == "/" and ".." not in parts
    if not absolute or parts[1] in _SYSTEM or plain in (WORK, _INSIDE_RESULTS) or not path.isprintable():
        raise UsageError(f"{path[:200]!r} is no path for a mount.")
    return plain


def variables(executable: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that an executable asks for.

    Raises
    ------
    UsageError
        A name or a value cannot be had.
    """
    given = executable.get("environment") or {}
    if not isinstance(given, Mapping):
        raise UsageError("environment is not an object of names and values.")
    for name, value in given.items():
        if not _VARIABLE.fullmatch(str(name)) or any(character in str(value) for character in "\0\n\r"):
            raise UsageError(f"{str(name)[:80]!r} cannot be a variable of the environment with that value.")
    return {str(name): str(value) for name, value in given.items()}


def text_of(executable: Mapping[str, Any], name: str) -> str | None:
    """Return a text member of an executable; raises `UsageError` where it is something else."""
    value = executable.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise UsageError(f"{name} is not a text.")
    return value


def texts_of(executable: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of texts; numbers in it are texts, too."""
    value = executable.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str | int | float) for one in value):
        raise UsageError(f"{name} is not a list of texts.")
    if any("\0" in str(one) for one in value):
        raise UsageError(f"{name} holds what no argument can be.")
    return [str(one) for one in value]
