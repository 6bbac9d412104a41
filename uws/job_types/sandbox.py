"""Commands in a sandbox of bubblewrap: no network, no other processes, a system that can be read only.

The command sees ``/usr`` and what belongs to it, what its author names, its own working directory, a small ``/tmp`` and
``/dev/shm``, and can write in the latter three; of ``/etc``, home directories, the environment and the other processes
it sees nothing. Each of its processes is limited in memory, processor time and the size of files. It ends when the
process of its attempt ends, whatever it has started.

There is no way to run a command without the sandbox: where bubblewrap is missing, or not allowed to work, jobs fail and
say so.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import structlog

from penstock.dali.errors import InternalError, UsageError

WORK = "/work"
_OUTSIDE = ("stdout", "stderr")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
_MEMORY = ("/tmp", "/dev/shm")  # noqa: S108  # inside; these have a size
_MADE = ("/proc", "/dev", "/")  # read-only: nothing limits them, and a host's root could write what is in /proc/sys
_NOBODY = "65534"
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": WORK, "TMPDIR": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108  # inside
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What a command may use; the limits hold for each of its processes.

    `read_only` are files and directories that it can read at the same path, beside the system's.
    """

    memory_bytes: int = 2 * 2**30
    cpu_s: int = 3600
    file_bytes: int = 2 * 2**30
    tmp_bytes: int = 64 * 2**20
    read_only: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


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
    limits = {
        "as": f"{sandbox.memory_bytes}",
        "cpu": f"{sandbox.cpu_s}:{sandbox.cpu_s + 1}",  # a signal that says why, then SIGKILL
        "fsize": f"{sandbox.file_bytes}",
        "core": "0",
    }
    return [
        _program("prlimit"),
        *(f"--{name}={limit}" for name, limit in limits.items()),
        "--",
        _program("bwrap"),
        *("--unshare-all", "--unshare-user", "--uid", _NOBODY, "--gid", _NOBODY, "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--json-status-fd", str(telling)),
        *("--proc", "/proc", "--dev", "/dev"),
        *(word for path in _MEMORY for word in ("--size", str(sandbox.tmp_bytes), "--tmpfs", path)),
        *_visible(sandbox),
        *("--bind", str(work), WORK, "--chdir", WORK),
        *(word for name, path in inputs.items() for word in ("--ro-bind", str(path), f"{WORK}/{name}")),
        *(word for path in _MADE for word in ("--remount-ro", path)),
        "--clearenv",
        *_environment(sandbox),
        "--",
        *argv,
    ]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        _log.error("sandbox_missing", program=name)
        raise InternalError(
            f"This host cannot run the command: the program {name} is not installed (packages bubblewrap and "
            "util-linux), and commands are never run without a sandbox."
        )
    return found


def _visible(sandbox: Sandbox) -> Iterator[str]:
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.exists():
            yield from ("--ro-bind", name, name)
    for name in _SETTINGS:
        yield from ("--ro-bind-try", name, name)
    for path in sandbox.read_only:
        yield from ("--ro-bind", str(path), str(path))


def _environment(sandbox: Sandbox) -> Iterator[str]:
    for name, value in {**_ENVIRONMENT, **sandbox.environment}.items():
        yield from ("--setenv", name, value)


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
