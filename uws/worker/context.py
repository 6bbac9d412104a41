"""What a running job sees: its parameters, a place for results, and a way to tell how far it is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from penstock.auth.principal import Principal
from penstock.dali.errors import ServiceError, ServiceUnavailable
from penstock.dali.params import Parameters, Part
from penstock.service import Resources
from uws.core.job import Job, JobParameter, JobResult
from uws.core.results import MOST_RESULTS, is_result_id, is_result_type
from uws.core.text import xml_text
from uws.ports import ResultStore

_LONGEST_MESSAGE = 1000
OpenResources = Callable[[], Awaitable[Resources]]


class TooManyResults(ServiceError):
    """The job has as many results as one may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a job has to tell since it was last asked: all of its progress and results, None where nothing is new."""

    info: dict[str, Any] | None = None
    results: tuple[JobResult, ...] | None = None


class AttemptContext:
    """The `JobContext` of one attempt.

    Parameters
    ----------
    job
        As it was claimed.
    parameters
        Those of the job and the defaults of its type.
    open_resources
        Gives what services share, opened by the first call.
    results
        Where to write.
    """

    def __init__(
        self, job: Job, parameters: tuple[JobParameter, ...], *, open_resources: OpenResources, results: ResultStore
    ) -> None:
        self.job_id = job.id
        self.attempt = job.attempt
        self.owner = Principal(subject=job.owner, groups=frozenset(job.owner_groups))
        self.parameters = Parameters(
            [(parameter.id, parameter.value) for parameter in parameters if parameter.blob is None],
            [_part(parameter, results) for parameter in parameters if parameter.blob is not None],
        )
        self.finished: list[JobResult] = []
        self.news = asyncio.Event()
        self._info: dict[str, Any] = {}
        self.untold: dict[str, Any] | None = None
        self._told = 0
        self._taken: set[str] = set()
        self._results = results
        self._open_resources = open_resources
        self._opened = 0

    async def resources(self) -> Resources:
        """Return what services share; opened by the first call, closed after the job."""
        return await self._open_resources()

    async def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """Report how far the job is: `fraction` from 0 to 1; None leaves what was reported before."""
        if fraction is not None:
            self._info["progress"] = min(1.0, max(0.0, round(float(fraction), 6)))
        if message is not None:
            self._info["message"] = xml_text(message)[:_LONGEST_MESSAGE]
        self.untold = dict(self._info)
        self.news.set()

    def take_news(self) -> News:
        """Return what is new and forget that it is."""
        info, results = self.untold, tuple(self.finished)
        news = News(info=info, results=results if len(results) > self._told else None)
        self.untold, self._told = None, len(results)
        self.news.clear()
        return news

    def give_back(self, news: News) -> None:
        """Take back news that could not be told."""
        if news.info is not None:
            self.untold = dict(self._info)
        if news.results is not None:
            self._told = 0
        if news != News():
            self.news.set()

    @asynccontextmanager
    async def result(self, result_id: str, media_type: str) -> AsyncIterator[ResultFile]:
        """Open a result for writing; leaving the block without an error makes it part of the job's results.

        Raises
        ------
        ValueError
            The job has a result of that id (UWS 1.1 s2.2.2.3), or the id or the media type cannot be served.
        TooManyResults
            The job has `MOST_RESULTS` already.
        ServiceUnavailable
            It cannot be written.
        """
        if result_id in self._taken:
            raise ValueError(f"the job has a result {result_id!r} already")
        if not is_result_id(result_id):
            raise ValueError(f"{result_id!r} cannot be the id of a result")
        if not is_result_type(media_type):
            raise ValueError(f"{media_type!r} is no media type")
        if len(self._taken) >= MOST_RESULTS:
            raise TooManyResults(f"The job has more than {MOST_RESULTS} results, the most that a job may have.")
        self._opened += 1
        with _disk_trouble_told():
            blob, file = self._results.create(self.job_id, self.attempt, self._opened)
        sink = ResultFile(file)
        self._taken.add(result_id)
        try:
            yield sink
            sink.close()
        except BaseException:
            self._taken.discard(result_id)
            sink.give_up()
            self._results.path(blob).unlink(missing_ok=True)  # nothing half written stays
            raise
        done = JobResult(id=result_id, blob=blob, size_bytes=sink.size_bytes, media_type=media_type, sha256=sink.sha256)
        self.finished.append(done)
        self.news.set()


class ResultFile:
    """A result that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The digest of what was written, in hexadecimal."""
        return self._digest.hexdigest()

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        with _disk_trouble_told():
            self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    def close(self) -> None:
        """Give what was written to the system."""
        with _disk_trouble_told():
            self._file.close()

    def give_up(self) -> None:
        """Close the file, whatever becomes of what was written."""
        with suppress(OSError):
            self._file.close()


@contextmanager
def _disk_trouble_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServiceUnavailable("The results of the job cannot be stored: the disk may be full.") from error


def _part(parameter: JobParameter, results: ResultStore) -> Part:
    path: Path = results.path(parameter.blob or "")
    size = path.stat().st_size
    return Part(name=parameter.id, content=path, size_bytes=size, media_type=parameter.media_type)
