"""Commands of jobs in a sandbox (see `penstock.sandbox`), from their beginning to their end."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from penstock.dali.errors import InternalError, UsageError
from penstock.sandbox import WORK, Bind, Sandbox, bubblewrap_options, limited, require_sandbox_programs

_OUTSIDE = ("stdout", "stderr")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: its exit status, 128 and the number of the signal that killed it, and what it printed."""

    status: int
    stdout: Path
    stderr: Path


async def run_sandboxed(argv: Sequence[str], sandbox: Sandbox, place: Path, inputs: Mapping[str, Path]) -> Ended:
    """Run a command to its end.

    Parameters
    ----------
    argv
        The command and its arguments; no shell looks at them.
    sandbox
        What it may use.
    place
        A directory of ours; the ``work`` in it becomes the working directory of the command.
    inputs
        Files that it can read, by their paths in the working directory.

    Raises
    ------
    InternalError
        There is no sandbox to be had, or no such program.
    UsageError
        The arguments are longer than the system allows.
    """
    (place / "work").mkdir()
    stdout, stderr = (place / name for name in _OUTSIDE)
    told, telling = os.pipe()
    with os.fdopen(told, "rb") as told_file, stdout.open("wb") as out, stderr.open("wb") as err:
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(argv, sandbox, place / "work", inputs, telling),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(telling,),
            )
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            raise UsageError("The values are longer than the arguments of a command can be.") from error
        finally:
            os.close(telling)
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()  # with it die all in the sandbox
                await process.wait()
        status = _exit_status(await asyncio.to_thread(told_file.read))
    if status is None:
        if _tail(stderr).startswith("bwrap: execvp"):
            raise InternalError(f"The program {argv[0]} cannot be started on this host.")
        _log.error("sandbox_failed", exit_status=process.returncode, reason=_tail(stderr))
        raise InternalError("The sandbox for the command could not be set up on this host; the reason was logged.")
    return Ended(status=status, stdout=stdout, stderr=stderr)


def _command(argv: Sequence[str], sandbox: Sandbox, work: Path, inputs: Mapping[str, Path], telling: int) -> list[str]:
    require_sandbox_programs()
    binds = [
        Bind(source=work, path=WORK, writable=True),
        *(Bind(source=path, path=f"{WORK}/{name}") for name, path in inputs.items()),
    ]
    options = bubblewrap_options(sandbox, binds)
    return [*limited(sandbox), "bwrap", "--json-status-fd", str(telling), *options, "--", *argv]


def _exit_status(told: bytes) -> int | None:
    """Return the status of the command; None where it never ran."""
    for line in told.splitlines():
        status = orjson.loads(line).get("exit-code")
        if status is not None:
            return int(status)
    return None


def _tail(path: Path, most_bytes: int = 2000) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most_bytes))
        return file.read().decode(errors="replace").strip()


def printed(ended: Ended) -> str:
    """Return the end of what a command printed."""
    tails = [(name, _tail(path)) for name, path in (("stderr", ended.stderr), ("stdout", ended.stdout))]
    return "\n".join(f"{name}: {tail}" for name, tail in tails if tail)
