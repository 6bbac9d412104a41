"""What executors keep in the folder of a session: what it prints, its results, and their own notes.

Notes are in a directory that works do not see. They are all that an executor remembers of a work beside its handle.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson

from execplanner.ports import State, Step, Stream
from penstock.dali.errors import ServiceUnavailable

_LOOK_EVERY_S = 0.02
_PATIENCE_S = 60.0


class Folder:
    """The folder of one session.

    Parameters
    ----------
    path
        Where it is; it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "results"
        self.work = path / "work"
        self.notes = path / ".executor"

    def make(self) -> None:
        """Make what belongs in it; twice is as once."""
        self.notes.mkdir(mode=0o700, exist_ok=True)
        self.results.mkdir(exist_ok=True)
        self.work.mkdir(exist_ok=True)

    def note(self, name: str, text: str) -> Path:
        """Keep a note, whole or not at all, and return its file, which nobody else can read."""
        target = self.notes / name
        fresh = target.with_name(f"{name}.{os.getpid()}")
        fresh.write_text(text)
        fresh.replace(target)
        return target

    def noted(self, name: str) -> str | None:
        """Return a note, None if there is none."""
        try:
            return (self.notes / name).read_text()
        except FileNotFoundError:
            return None

    def note_end(self, state: State) -> None:
        """Note how the work has ended, for when the facility has forgotten it."""
        self.note("ended", orjson.dumps([state.step, state.message, state.exit_code]).decode())

    def noted_end(self) -> State | None:
        """Return how the work has ended if that was noted."""
        text = self.noted("ended")
        if text is None:
            return None
        step, message, exit_code = orjson.loads(text)
        return State(step=Step(step), message=message, exit_code=exit_code)

    @property
    def cancelled(self) -> bool:
        """Whether the work was cancelled."""
        return (self.notes / "cancelled").exists()

    def cancel(self) -> None:
        """Note that the work is cancelled: it must not start any more."""
        self.notes.mkdir(mode=0o700, exist_ok=True)
        self.note("cancelled", "")

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[int]:
        """Keep out other processes that start, cancel or release the same work, as long as the file is open."""
        self.make()
        descriptor = os.open(self.notes / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await _locked(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    async def read(self, stream: Stream, *, offset: int, limit: int) -> bytes:
        """Return part of what the work has printed into the file `stream`."""
        return await asyncio.to_thread(_read, self.path / stream, offset, limit)

    def tail(self, stream: Stream, most_bytes: int = 500) -> str:
        """Return the end of what the work has printed."""
        path = self.path / stream
        size = path.stat().st_size if path.is_file() else 0
        return _read(path, max(0, size - most_bytes), most_bytes).decode(errors="replace").strip()

    async def anew(self) -> None:
        """Remove all that a work has left which begins once more."""
        for path in (self.work, self.results):
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        for stream in ("stdout", "stderr"):
            (self.path / stream).unlink(missing_ok=True)
        self.make()

    async def clear(self) -> None:
        """Remove what nobody needs when the work has ended."""
        await asyncio.to_thread(shutil.rmtree, self.work, ignore_errors=True)


def _read(path: Path, offset: int, limit: int) -> bytes:
    """Return part of a file, nothing where there is none; a work may have put something else in its place."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.pread(descriptor, limit, offset)
        finally:
            os.close(descriptor)
    return b""


async def _locked(descriptor: int) -> None:
    """Take the lock of a file as soon as it is free; the system frees it when its holder dies."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not lock(descriptor):  # noqa: ASYNC110  # other processes set no event
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError as error:
        raise ServiceUnavailable("Another process is busy with the same session.") from error


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock of a file if it is free, and tell whether it was; those that are `shared` exclude others only."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
