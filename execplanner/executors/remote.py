"""What executors have in common that ask a service over HTTP to run works.

The service knows a work by something of its own, which is noted in the session's folder as soon as it is known. An
executor says how the service is asked to start a work, how it is asked about one, and how to stop and to forget it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import orjson

from execplanner.executors.folders import Folder
from execplanner.executors.http import Api
from execplanner.executors.options import Endpoint
from execplanner.ports import Connector, Estimate, State, Step, Stream, Work
from penstock.dali.errors import NotFound, ServiceUnavailable, UsageError
from penstock.service import Resources

_REMOTE = "remote"
_MEANT = "meant"
Remote = Mapping[str, Any]
OptionsT = TypeVar("OptionsT", bound="RemoteOptions")


class RemoteOptions(Endpoint):
    """Options of every such executor; `start_s` is how long works take to start, in seconds."""

    start_s: float = 10.0


class RemoteExecutor(ABC, Generic[OptionsT]):
    """An `execplanner.ports.Executor`; a handle is the path of the session's folder.

    Parameters
    ----------
    options
        What the record of the facility says.
    """

    kinds: ClassVar[tuple[str, ...]]
    reads: ClassVar[type[RemoteOptions]] = RemoteOptions
    health: ClassVar[str]
    scheme: ClassVar[str] = "Bearer"
    mounts: ClassVar[bool] = False

    def __init__(self, options: OptionsT) -> None:
        self.options = options
        self.api = Api(options, scheme=self.scheme)

    @classmethod
    async def open(cls, options: Mapping[str, Any], resources: Resources) -> Self:
        """Open the executor."""
        return cls(cls.reads.read_in(resources.settings, options))  # type: ignore[arg-type]  # `reads` is what OptionsT stands for

    async def probe(self) -> str | None:
        """Return why the service does not serve us, None if it does."""
        try:
            await self.api.read("GET", self.health)
        except (ServiceUnavailable, UsageError) as error:
            return error.message
        return None

    async def estimate(self, work: Work, *, earliest: datetime) -> Estimate:
        """Return `earliest`, and how long works take to start here."""
        self.require(work)
        return Estimate(start=earliest, preparing_s=self.options.start_s)

    async def prepare(self, work: Work) -> None:
        """See that the work can run here."""
        self.require(work)

    def require(self, work: Work) -> None:
        """Raise `UsageError` where the work is nothing that we run."""
        if work.kind not in self.kinds:
            raise UsageError(f"A {work.kind} cannot run here; what can: {', '.join(self.kinds)}.")
        if work.mounts and not self.mounts:
            raise UsageError("Data cannot be mounted at this facility: works fetch it themselves.")

    def handle(self, work: Work) -> str:
        """Return the path of the session's folder."""
        return str(work.folder)

    async def start(self, work: Work) -> str:
        """Start the work unless it was started or cancelled."""
        self.require(work)
        folder = Folder(work.folder)
        async with folder.alone():
            if not folder.cancelled and _noted(folder) is None:
                meant = self.meant(work)
                if meant is not None:
                    folder.note(_MEANT, orjson.dumps(meant).decode())
                remote = await self._lost(folder)
                with self._understood():
                    remote = remote or await self.submit(work)
                    folder.note(_REMOTE, orjson.dumps(await self.begin(remote, work)).decode())
        return self.handle(work)

    async def poll(self, handle: str) -> State:
        """Return how the work is."""
        folder = Folder(Path(handle))
        remote = _noted(folder)
        if folder.cancelled:
            return State(step=Step.CANCELLED)
        if remote is None:
            return State(step=Step.WAITING)
        if (end := folder.noted_end()) is not None:
            return end
        try:
            with self._understood():
                return await self.look(remote, folder)
        except NotFound:
            return State(step=Step.FAILED, message="The facility has forgotten the work.")

    async def logs(self, handle: str, stream: Stream, *, offset: int, limit: int) -> bytes:
        """Return part of what the work has printed, as far as the service tells."""
        folder = Folder(Path(handle))
        remote = _noted(folder)
        if remote is None or (folder.path / stream).exists():
            return await folder.read(stream, offset=offset, limit=limit)
        try:
            with self._understood():
                return (await self.printed(remote, stream))[offset : offset + limit]
        except NotFound:
            return b""

    async def cancel(self, handle: str) -> None:
        """Stop the work."""
        folder = Folder(Path(handle))
        async with folder.alone():
            if (await self.poll(handle)).step.ended:
                return
            remote = _noted(folder) or await self._lost(folder)
            if remote is not None:
                with self._understood():
                    await self.stop(remote, folder)
            folder.cancel()

    async def release(self, handle: str) -> None:
        """Stop the work and let the service forget it; what it has printed and how it ended stays in the folder."""
        await self.cancel(handle)
        folder = Folder(Path(handle))
        async with folder.alone():
            ended = folder.noted_end() is not None
            remote = None if ended else _noted(folder) or await self._lost(folder)
            if remote is not None:
                state = await self.poll(handle)
                for stream in ("stdout", "stderr"):
                    text = await self.logs(handle, stream, offset=0, limit=2**30)
                    (folder.path / stream).write_bytes(text)
                with self._understood():
                    await self.forget(remote, folder)
                folder.note_end(state)
            await folder.clear()

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Take an answer that lacks what it should have for that of a service which does not serve us now."""
        try:
            yield
        except (LookupError, TypeError, AttributeError) as error:
            raise ServiceUnavailable(f"{self.options.url} answers what is not understood.") from error

    async def _lost(self, folder: Folder) -> Remote | None:
        """Return what the service knows a work by whose submission was cut off before the answer was noted."""
        meant = _noted(folder, _MEANT)
        with self._understood():
            return None if meant is None else await self.find(meant)

    def meant(self, work: Work) -> Remote | None:
        """Return what we name the work for the service, None where it takes no names.

        It is noted before the work is submitted, so that it can be found even if whoever submitted it was killed
        before the answer came.
        """
        return None

    async def find(self, meant: Remote) -> Remote | None:
        """Return what the service knows a work by that we named, None if it has none of that name."""
        return None

    @abstractmethod
    async def submit(self, work: Work) -> Remote:
        """Have the service make the work and return what it knows it by."""

    async def begin(self, remote: Remote, work: Work) -> Remote:
        """Do what is left to do for a work that the service has made, and return what is to be noted of it."""
        return remote

    @abstractmethod
    async def look(self, remote: Remote, folder: Folder) -> State:
        """Return how the work is; raises `NotFound` where the service does not know it."""

    async def printed(self, remote: Remote, stream: Stream) -> bytes:
        """Return what the work has printed."""
        return b""

    @abstractmethod
    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Stop the work; nothing happens where it does not run."""

    async def forget(self, remote: Remote, folder: Folder) -> None:
        """Remove what the service keeps of a work that has ended."""


def page(kind: str, location: str) -> Connector:
    """Return a connector for browsers."""
    return Connector(kind=kind, protocol="HTTPS" if location.startswith("https:") else "HTTP", location=location)


def name_of(work: Work) -> str:
    """Return the name by which services that take names know the work."""
    return f"penstock-{work.session_id}".lower()


def _noted(folder: Folder, note: str = _REMOTE) -> Remote | None:
    text = folder.noted(note)
    if text is None:
        return None
    remote: Remote = orjson.loads(text)
    return remote
