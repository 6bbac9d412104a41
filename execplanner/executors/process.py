"""Works as processes of this host, each in a sandbox of bubblewrap.

A work outlives the process that started it. What tells of it is one file, the one to which bubblewrap reports: the
processes around the work hold its lock as long as they live, so whoever can take the lock knows that the work is over,
and the file says with which status. No process id is trusted for that, since ids are used again.

Several processes of this host may look after the same works, one host may not look after those of another.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
_ENDS = "ends"
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
        return cls(Programs.read_in(resources.settings, options))

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

    def handle(self, work: Work) -> str:
        """Return the path of the session's folder."""
        return str(work.folder)

    async def start(self, work: Work) -> str:
        """Start the work unless it was started or cancelled; the handle is the path of its folder.

        A work that was lost, because whoever started it was killed with all below it, begins once more.
        """
        argv = command(work, self._options)
        folder = Folder(work.folder)
        program = await fetch(work, self._options)
        async with folder.alone():
            with _status(folder) as descriptor:
                if not folder.cancelled and await _free(descriptor) and _may_begin(folder, descriptor):
                    os.ftruncate(descriptor, 0)
                    await folder.anew()
                    folder.note(_ENDS, str(time.time() + work.duration_s))
                    await self._spawn(work, program, argv, descriptor)
        return self.handle(work)

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
    """Take the lock for a work that is to start; False where it runs: who only looks at it shares the lock."""
    if not lock(descriptor, shared=True):
        return False
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not lock(descriptor):  # noqa: ASYNC110  # other processes set no event
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError as error:
        raise ServiceUnavailable("Another process is busy with the same session.") from error
    return True


def _may_begin(folder: Folder, descriptor: int) -> bool:
    """Tell whether a work that does not run has never done so, or was lost before its time was up."""
    return "exit-code" not in _report(descriptor) and time.time() < float(folder.noted(_ENDS) or "inf")


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
    if not over and "exit-code" not in report:
        return State(step=Step.RUNNING if "child-pid" in report else Step.PREPARING)
    if folder.cancelled:
        return State(step=Step.CANCELLED)
    if "exit-code" in report:
        return _ended(folder, int(report["exit-code"]))
    if not report and not folder.tail("stderr"):
        return _never_started(folder)
    time_is_up = time.time() >= float(folder.noted(_ENDS) or "inf")
    why = "Its time is up." if time_is_up else f"It was killed, or could not start. {folder.tail('stderr')}"
    return State(step=Step.FAILED, message=why.strip())


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
    """Kill the sandbox's first process, and with it all in the sandbox; return when what is around it has ended.

    To kill what is around it would do, too, but not while bubblewrap is still busy with the sandbox: its child would
    wait for it for ever. So that is what is tried last.
    """
    path = folder.notes / _STATUS
    if not path.exists():
        return
    with path.open("rb") as status:
        began = time.monotonic()
        while not lock(status.fileno(), shared=True):
            waited_s = time.monotonic() - began
            if waited_s > _PATIENCE_S:
                raise ServiceUnavailable("The work does not stop.")
            _kill_first(_report(status.fileno()))
            if waited_s > _PATIENCE_S / 2:
                _kill_holders(status.fileno())
            time.sleep(_LOOK_EVERY_S)


def _kill_first(report: Mapping[str, Any]) -> None:
    """Kill the first process in a sandbox; its id is not used again while bubblewrap waits for it."""
    with suppress(KeyError, ProcessLookupError):
        os.kill(int(report["child-pid"]), signal.SIGKILL)


def _kill_holders(descriptor: int) -> None:
    for pid in _holders(descriptor):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


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
