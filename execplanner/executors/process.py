"""Works as processes of this host, each in a sandbox of bubblewrap.

A work outlives the process that started it. What tells of it is one file, the one to which bubblewrap reports: the
processes around the work hold its lock as long as they live, so whoever can take the lock knows that the work is over,
and the file says with which status. No process id is trusted for that, since ids are used again.

Several processes of this host may look after the same works, one host may not look after those of another.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from execplanner.executors.commands import run
from execplanner.executors.folders import Folder, lock
from execplanner.executors.programs import Programs, binds, command, fetch, require_program, sandbox
from execplanner.ports import Estimate, State, Step, Stream, Work
from penstock.dali.errors import InternalError, ServiceUnavailable
from penstock.sandbox import bubblewrap_options, limited, require_sandbox_programs
from penstock.service import Resources

_STATUS = "status"
_ARGUMENTS = "arguments"
_PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.02


class ProcessExecutor:
    """An `execplanner.ports.Executor` for programs and notebooks on this host.

    Parameters
    ----------
    options
        See `execplanner.executors.programs.Programs`.
    """

    def __init__(self, options: Programs) -> None:
        self._options = options

    @classmethod
    async def open(cls, options: Mapping[str, Any], resources: Resources) -> ProcessExecutor:
        """Open the executor."""
        return cls(Programs.read(options))

    async def probe(self) -> str | None:
        """Return why there are no sandboxes here, None if there are."""
        try:
            require_sandbox_programs()
        except InternalError as error:
            return error.message
        said = await run(["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"])
        return f"bubblewrap may not make sandboxes here: {said.last_line}" if said.status else None

    async def estimate(self, work: Work, *, earliest: datetime) -> Estimate:
        """Return `earliest`: a process starts at once."""
        require_program(work, self._options)
        return Estimate(start=earliest)

    async def prepare(self, work: Work) -> None:
        """Fetch the program or notebook."""
        require_program(work, self._options)
        await fetch(work, self._options)

    async def start(self, work: Work) -> str:
        """Start the work unless it was started or cancelled; the handle is the path of its folder."""
        argv = command(work, self._options)
        folder = Folder(work.folder)
        program = await fetch(work, self._options)
        async with folder.alone():
            with _status(folder) as descriptor:
                untouched = os.fstat(descriptor).st_size == 0 and not folder.cancelled
                if untouched and await _free(descriptor):
                    await self._spawn(work, program, argv, descriptor)
        return str(folder.path)

    async def _spawn(self, work: Work, program: Path, argv: list[str], descriptor: int) -> None:
        """Start the processes around the work: a clock, limits, bubblewrap; none of them is a child of ours."""
        folder, own = Folder(work.folder), sandbox(work, self._options)
        arguments = folder.note(
            _ARGUMENTS, "".join(f"{each}\0" for each in bubblewrap_options(own, binds(work, program)))
        )
        with arguments.open("rb") as given, _output(folder, "stdout") as out, _output(folder, "stderr") as err:
            clock = ["timeout", "--signal=KILL", f"{work.duration_s:.3f}"]
            told = ["bwrap", "--json-status-fd", str(descriptor), "--args", str(given.fileno()), "--", *argv]
            process = await asyncio.create_subprocess_exec(
                *("setsid", "--fork", *clock, *limited(own), *told),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(descriptor, given.fileno()),
            )
            if await process.wait():
                raise ServiceUnavailable("This host starts no more processes.")

    async def poll(self, handle: str) -> State:
        """Return how the work is."""
        return await asyncio.to_thread(_state, Folder(Path(handle)))

    async def logs(self, handle: str, stream: Stream, *, offset: int, limit: int) -> bytes:
        """Return part of what the work has printed."""
        return await Folder(Path(handle)).read(stream, offset=offset, limit=limit)

    async def cancel(self, handle: str) -> None:
        """Kill the work and all that it has started."""
        folder = Folder(Path(handle))
        async with folder.alone():
            if not (await asyncio.to_thread(_state, folder)).step.ended:
                folder.cancel()
                await asyncio.to_thread(_kill, folder)

    async def release(self, handle: str) -> None:
        """Kill the work and remove its working directory; what it has left as results stays."""
        await self.cancel(handle)
        folder = Folder(Path(handle))
        (folder.notes / _ARGUMENTS).unlink(missing_ok=True)  # the environment is in it
        await folder.clear()


@contextmanager
def _status(folder: Folder) -> Iterator[int]:
    """Open the file to which bubblewrap reports, while the block lasts here, and longer in those who inherit it."""
    descriptor = os.open(folder.notes / _STATUS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _output(folder: Folder, stream: Stream) -> Iterator[int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder.path / stream, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _free(descriptor: int) -> bool:
    """Take the lock for a work that is to start; False where it has started before.

    Somebody may hold the lock only to look, or because bubblewrap is about to report.
    """
    async with asyncio.timeout(_PATIENCE_S):
        while not lock(descriptor):
            if os.fstat(descriptor).st_size:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
    return os.fstat(descriptor).st_size == 0


def _state(folder: Folder) -> State:
    try:
        descriptor = os.open(folder.notes / _STATUS, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return _never_started(folder)
    try:
        over = lock(descriptor, shared=True)
        report = _report(descriptor)
    finally:
        os.close(descriptor)
    if "exit-code" in report:
        return _ended(folder, int(report["exit-code"]))
    if not over:
        return State(step=Step.RUNNING if "child-pid" in report else Step.PREPARING)
    if folder.cancelled:
        return State(step=Step.CANCELLED)
    if not report and not folder.tail("stderr"):
        return _never_started(folder)
    told = folder.tail("stderr")
    return State(step=Step.FAILED, message=f"It was stopped: its time is up, or it was killed. {told}".strip())


def _never_started(folder: Folder) -> State:
    return State(step=Step.CANCELLED if folder.cancelled else Step.WAITING)


def _ended(folder: Folder, status: int) -> State:
    if status == 0:
        return State(step=Step.COMPLETED, exit_code=0)
    told = folder.tail("stderr")
    return State(step=Step.FAILED, exit_code=status, message=f"Its exit status is {status}. {told}".strip())


def _report(descriptor: int) -> dict[str, Any]:
    """Return all that bubblewrap has reported; what it is just writing does not count yet."""
    text = os.pread(descriptor, 65536, 0)
    found: dict[str, Any] = {}
    for line in text[: text.rfind(b"\n") + 1].splitlines():
        found |= orjson.loads(line)
    return found


def _kill(folder: Folder) -> None:
    """Kill what is around a work, upon which the system kills the work, and return when all is gone."""
    path = folder.notes / _STATUS
    if not path.exists():
        return
    with path.open("rb") as status:
        first = _first_process(_report(status.fileno()))
        end = time.monotonic() + _PATIENCE_S
        while not lock(status.fileno(), shared=True):
            for pid in _holders(status.fileno()):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > end:
                raise ServiceUnavailable("The work does not stop.")
            time.sleep(_LOOK_EVERY_S)
    if first is not None:
        with closing(os.fdopen(first, "rb", buffering=0)):
            if not select.select([first], [], [], _PATIENCE_S)[0]:
                raise ServiceUnavailable("The work does not stop.")


def _first_process(report: Mapping[str, Any]) -> int | None:
    """Return a descriptor of the sandbox's first process, whose end is the end of all in it; None if it is gone."""
    try:
        return os.pidfd_open(int(report["child-pid"]))
    except (KeyError, OSError):
        return None


def _holders(descriptor: int) -> Iterator[int]:
    """Yield the processes that have a file open for writing; who only looks at a work has it open for reading."""
    wanted = os.fstat(descriptor)
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, wanted):
            yield int(process.name)


def _holds(process: Path, wanted: os.stat_result) -> bool:
    with suppress(OSError):
        for each in (process / "fd").iterdir():
            with suppress(OSError):
                if os.path.samestat(each.stat(), wanted) and each.lstat().st_mode & stat.S_IWUSR:
                    return True
    return False
