"""What a running job sees: its parameters, a place for results, and a way to tell how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from penstock.auth.principal import Principal
from penstock.dali.errors import ServiceUnavailable
from penstock.dali.params import Parameters, Part
from penstock.service import Resources
from uws.core.job import Job, JobParameter, JobResult
from uws.core.text import xml_text
from uws.ports import ResultStore

_LONGEST_MESSAGE = 1000
OpenResources = Callable[[], Awaitable[Resources]]


class AttemptContext:
    """The `JobContext` of one attempt.

    Parameters
    ----------
    job
        As it was claimed.
    parameters
        Those of the job and the defaults of its type.
    open_resources
        Opens what services share, should the job ask for it.
    results
        Where to write.
    """

    def __init__(
        self, job: Job, parameters: tuple[JobParameter, ...], *, open_resources: OpenResources, results: ResultStore
    ) -> None:
        self.job_id = job.id
        self.attempt = job.attempt
        self.owner = Principal(subject=job.owner)
        self.parameters = Parameters(
            [(parameter.id, parameter.value) for parameter in parameters if parameter.blob is None],
            [_part(parameter, results) for parameter in parameters if parameter.blob is not None],
        )
        self.finished: list[JobResult] = []
        self.news = asyncio.Event()
        self.info: dict[str, Any] = {}
        self._results = results
        self._open_resources = open_resources
        self._resources: Resources | None = None
        self._opening = asyncio.Lock()
        self._opened = 0

    async def resources(self) -> Resources:
        """Return what services share; opened by the first call, closed after the job."""
        async with self._opening:
            if self._resources is None:
                self._resources = await self._open_resources()
        return self._resources

    async def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """Report how far the job is: `fraction` from 0 to 1; None leaves what was reported before."""
        if fraction is not None:
            self.info["progress"] = min(1.0, max(0.0, round(float(fraction), 6)))
        if message is not None:
            self.info["message"] = xml_text(message)[:_LONGEST_MESSAGE]
        self.news.set()

    @asynccontextmanager
    async def result(self, result_id: str, media_type: str) -> AsyncIterator[ResultFile]:
        """Open a result for writing; leaving the block without an error makes it part of the job's results.

        Raises
        ------
        ValueError
            The job has a result of that id (UWS 1.1 s2.2.2.3), or the id cannot be part of a URL.
        ServiceUnavailable
            It cannot be written.
        """
        if any(done.id == result_id for done in self.finished):
            raise ValueError(f"the job has a result {result_id!r} already")
        if not result_id or not result_id.isprintable() or "/" in result_id or result_id in {".", ".."}:
            raise ValueError(f"{result_id!r} cannot be the id of a result")
        self._opened += 1
        try:
            blob, file = self._results.create(self.job_id, self.attempt, self._opened)
        except OSError as error:
            raise ServiceUnavailable("The results of the job cannot be stored.") from error
        with file:
            sink = ResultFile(file)
            yield sink
            sink.flush()
        done = JobResult(id=result_id, blob=blob, size_bytes=sink.size_bytes, media_type=media_type)
        self.finished.append(done)


class ResultFile:
    """A result that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = 0

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        try:
            self._file.write(data)
        except OSError as error:
            raise ServiceUnavailable("The results of the job cannot be stored: the disk may be full.") from error
        self.size_bytes += len(data)

    def flush(self) -> None:
        """Give what was written to the system."""
        try:
            self._file.flush()
        except OSError as error:
            raise ServiceUnavailable("The results of the job cannot be stored: the disk may be full.") from error


def _part(parameter: JobParameter, results: ResultStore) -> Part:
    path: Path = results.path(parameter.blob or "")
    size = path.stat().st_size
    return Part(name=parameter.id, content=path, size_bytes=size, media_type=parameter.media_type)
