"""Sandboxes of bubblewrap: no network, no other processes, a system that can be read only.

A command in one sees ``/usr`` and what belongs to it, what its author names, its own working directory, a small
``/tmp`` and ``/dev/shm``, and can write in the latter three; of ``/etc``, home directories, the environment and the
other processes it sees nothing. Each of its processes is limited in memory, processor time and the size of files. It
ends when the process that started it ends, whatever it has started itself.

There is no way around the sandbox: where bubblewrap is missing, or not allowed to work, nothing is run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from penstock.dali.errors import InternalError

WORK = "/work"
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
class Bind:
    """A file or directory of the host, and where the command sees it."""

    source: Path
    path: str
    writable: bool = False


def limited(sandbox: Sandbox) -> list[str]:
    """Return the words that, before a command, limit each of its processes."""
    limits = {
        "as": f"{sandbox.memory_bytes}",
        "cpu": f"{sandbox.cpu_s}:{sandbox.cpu_s + 1}",  # a signal that says why, then SIGKILL
        "fsize": f"{sandbox.file_bytes}",
        "core": "0",
    }
    return ["prlimit", *(f"--{name}={limit}" for name, limit in limits.items()), "--"]


def bubblewrap_options(sandbox: Sandbox, binds: Sequence[Bind]) -> list[str]:
    """Return the options of bubblewrap; later binds may lie in earlier ones, one of which must be at `WORK`."""
    return [
        *("--unshare-all", "--unshare-user", "--uid", _NOBODY, "--gid", _NOBODY, "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox"),
        *("--proc", "/proc", "--dev", "/dev"),
        *(word for path in _MEMORY for word in ("--size", str(sandbox.tmp_bytes), "--tmpfs", path)),
        *_visible(sandbox),
        *(word for bind in binds for word in _bound(bind)),
        *("--chdir", WORK),
        *(word for path in _MADE for word in ("--remount-ro", path)),
        "--clearenv",
        *_environment(sandbox),
    ]


def require_sandbox_programs() -> None:
    """See that this host can make sandboxes.

    Raises
    ------
    InternalError
        A program is missing.
    """
    for name in ("prlimit", "bwrap"):
        if shutil.which(name) is None:
            _log.error("sandbox_missing", program=name)
            raise InternalError(
                f"This host cannot run the command: the program {name} is not installed (packages bubblewrap and "
                "util-linux), and commands are never run without a sandbox."
            )


def _bound(bind: Bind) -> Iterator[str]:
    yield from ("--bind" if bind.writable else "--ro-bind", str(bind.source), bind.path)


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
