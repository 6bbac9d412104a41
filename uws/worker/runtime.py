"""Running one attempt of a job: claim it, run its type, keep its lease, publish its results, report.

This is the only run loop there is, whatever executor started the process. Whoever runs it may be stopped at any point:
what was not reported by then did not happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import TypeVar

import structlog

from penstock.dali.errors import InternalError, ServiceError, ServiceUnavailable
from uws.core.job import ErrorSummary, Job
from uws.core.text import xml_text
from uws.ports import FOREVER, Dispatch, JobReports, JobType, ResultStore
from uws.service.parameters import with_defaults
from uws.worker.context import AttemptContext, OpenResources

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_NEWS_EVERY_S = 1.0
_LONGEST_MESSAGE = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a process needs to run attempts.

    `open_resources` is called for a job that asks for them. `lease_s` is how long the worker may be silent; it gives a
    sign of life three times as often. `warmed_up` is told when all is open that may stay open after the job.
    """

    name: str
    reports: JobReports
    results: ResultStore
    job_types: Mapping[str, JobType]
    open_resources: OpenResources
    lease_s: float
    warmed_up: Callable[[], Awaitable[None]] | None = None


class _End(Enum):
    LOST = auto()
    OVERRUN = auto()


async def run_attempt(dispatch: Dispatch, worker: Worker) -> None:
    """Run an attempt to its end; return at once where it is not to be had any more."""
    job = await _insist(lambda: worker.reports.claim(dispatch, worker.name), worker)
    if job is None:
        return
    with structlog.contextvars.bound_contextvars(job_id=job.id, attempt=job.attempt, job_type=job.type):
        await _Attempt(dispatch, job, worker).run()


class _Attempt:
    """A claimed attempt."""

    def __init__(self, dispatch: Dispatch, job: Job, worker: Worker) -> None:
        self._dispatch = dispatch
        self._job = job
        self._worker = worker
        self._context: AttemptContext | None = None
        self._claimed_s = asyncio.get_running_loop().time()

    async def run(self) -> None:
        payload = asyncio.create_task(self._payload(), name="payload")
        lease = asyncio.create_task(self._keep_lease(), name="lease")
        try:
            await asyncio.wait({payload, lease}, return_when=asyncio.FIRST_COMPLETED)
            if payload.done():
                await self._report(payload.result())
                with suppress(ServiceError):  # the job is over, and was told so
                    await self._warm_up()
            else:
                await self._cut_off(payload, lease.result())
        finally:
            await _cancelled(payload)
            await _cancelled(lease)

    async def _payload(self) -> ErrorSummary | None:
        """Run the job type and return its error, if any."""
        try:
            await self._worker.results.prepare(self._job.id, self._job.attempt)
            job_type = self._job_type()
            parameters, worker = with_defaults(job_type, self._job.parameters), self._worker
            self._context = AttemptContext(
                self._job, parameters, open_resources=worker.open_resources, results=worker.results
            )
            await self._warm_up()
            await job_type.run(self._context)
        except ServiceError as error:
            return _summary(error)
        except (Exception, SystemExit):  # noqa: BLE001  # the runner: whatever a job type does is an error of its job
            _log.exception("job_type_failed")
            return _summary(InternalError("The job failed because of a fault of the service, which was logged."))
        return None

    async def _warm_up(self) -> None:
        """Have open what the next attempt can use, and say so; before the attempt, and after it again."""
        job_type, warmed_up = self._worker.job_types.get(self._job.type), self._worker.warmed_up
        if self._context is None or warmed_up is None or job_type is None or job_type.warm_up is None:
            return
        await job_type.warm_up(await self._context.resources())
        await warmed_up()

    def _job_type(self) -> JobType:
        job_type = self._worker.job_types.get(self._job.type)
        if job_type is None:
            raise InternalError(f"This worker does not know the job type {self._job.type}.")
        return job_type

    async def _report(self, error: ErrorSummary | None) -> None:
        reports, results = self._worker.reports, self._context.finished if self._context else []
        if self._context is not None and self._context.untold is not None:
            await _insist(self._beat, self._worker)
        if error is None:
            told = await _insist(lambda: reports.complete(self._dispatch, results), self._worker)
        else:
            told = await _insist(lambda: reports.fail(self._dispatch, error, results), self._worker)
        if not told:
            _log.warning("report_came_too_late")

    async def _cut_off(self, payload: asyncio.Task[ErrorSummary | None], why: _End) -> None:
        await _cancelled(payload)
        results = self._context.finished if self._context else []
        _log.info("attempt_cut_off", why=why.name)
        if why is _End.OVERRUN:
            await _insist(lambda: self._worker.reports.overrun(self._dispatch, results), self._worker)

    async def _keep_lease(self) -> _End:
        """Give signs of life until the attempt is lost or has used up its time."""
        loop = asyncio.get_running_loop()
        deadline, last = self._job.deadline or FOREVER, loop.time()
        while True:
            left_s = self._until(deadline)
            if left_s <= 0:
                return _End.OVERRUN
            await self._pause(min(left_s, self._worker.lease_s / 3))
            try:
                answer = await self._beat()
            except ServiceUnavailable:
                if loop.time() - last > self._worker.lease_s:
                    return _End.LOST
                continue
            if answer is None:
                return _End.LOST
            deadline, last = answer, loop.time()

    async def _beat(self) -> datetime | None:
        context, reports = self._context, self._worker.reports
        if context is None:
            return await reports.heartbeat(self._dispatch, self._worker.name)
        news = context.take_news()
        try:
            return await reports.heartbeat(self._dispatch, self._worker.name, news.info, results=news.results)
        except ServiceUnavailable:
            context.give_back(news)
            raise

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when there is progress to tell; not more often than once in a while, though."""
        await asyncio.sleep(min(seconds, _NEWS_EVERY_S))
        if seconds <= _NEWS_EVERY_S or self._context is None:
            return
        try:
            async with asyncio.timeout(seconds - _NEWS_EVERY_S):
                await self._context.news.wait()
        except TimeoutError:
            return

    def _until(self, deadline: datetime) -> float:
        """Return the seconds that are left; this host's clock may be wrong, so they are counted from the claim."""
        if deadline == FOREVER or self._job.start_time is None:
            return float("inf")
        elapsed_s = asyncio.get_running_loop().time() - self._claimed_s
        return (deadline - self._job.start_time).total_seconds() - elapsed_s


async def _insist(report: Callable[[], Awaitable[T]], worker: Worker) -> T:
    """Report, and again if the other side is away, for as long as the lease can last."""
    loop = asyncio.get_running_loop()
    end, pause_s = loop.time() + worker.lease_s, _FIRST_PAUSE_S
    while True:
        try:
            return await report()
        except ServiceUnavailable:
            if loop.time() + pause_s > end:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _cancelled(task: asyncio.Task[T]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _summary(error: ServiceError) -> ErrorSummary:
    message = xml_text(error.labelled())[:_LONGEST_MESSAGE].strip()
    return ErrorSummary(type="transient" if isinstance(error, ServiceUnavailable) else "fatal", message=message)
