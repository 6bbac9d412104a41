"""Reports of a worker that reaches the service over HTTP only (see `uws.worker_api`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel

from penstock.dali.errors import ServiceError, ServiceUnavailable
from penstock.dali.params import Part
from uws.core import wire
from uws.core.job import ErrorSummary, Job, JobParameter, JobResult, is_job_id
from uws.ports import FOREVER, Dispatch, EndOfAttempt, ResultStore
from uws.worker.http_calls import Calls, Lost

M = TypeVar("M", bound=BaseModel)
_log = structlog.get_logger(__name__)
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


@dataclass(slots=True)
class _Attempt:
    """What is known of an attempt: its token, what the job has finished, and what of it was sent, by digest."""

    token: str
    finished: tuple[JobResult, ...] = ()
    sent: dict[int, str] = field(default_factory=dict)
    reported: int = 0
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    background: asyncio.Task[None] | None = None


class HttpReports:
    """The `JobReports` of a worker without a store.

    It also carries the files: `claim` fetches uploads into the spool, and results that the job wrote into the spool
    are sent as they are finished, at the latest before they are reported. So the process of a job needs the spool and
    a way to these reports, but no token.

    Parameters
    ----------
    calls
        How requests are sent.
    spool
        Where uploads and results are while the attempt runs; the job's process must see the same directory.
    lease_s
        How long a worker may be silent.
    """

    def __init__(self, calls: Calls, spool: ResultStore, *, lease_s: float) -> None:
        self._calls = calls
        self._spool = spool
        self._lease_s = lease_s
        self._attempts: dict[Dispatch, _Attempt] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, api: str, spool: ResultStore, *, lease_s: float) -> AsyncIterator[HttpReports]:
        """Give reports to the UWS service at the URL `api` (``https://penstock.example/uws``) while the block lasts."""
        async with Calls.open(api) as calls:
            reports = cls(calls, spool, lease_s=lease_s)
            try:
                yield reports
            finally:
                await asyncio.gather(*map(_stop_sending, reports._attempts.values()))

    def admit(self, dispatch: Dispatch, token: str) -> None:
        """Take note of the token of an attempt; to be called before anything is reported of it.

        Raises
        ------
        ValueError
            There can be no such job.
        """
        if not is_job_id(dispatch.job_id):
            raise ValueError(f"{dispatch.job_id[:60]!r} cannot be the id of a job")
        self._attempts.setdefault(dispatch, _Attempt(token))

    @property
    def admitted(self) -> Collection[Dispatch]:
        """The attempts whose token is known: those that have not ended."""
        return self._attempts.keys()

    async def claim(self, dispatch: Dispatch, worker: str) -> Job | None:
        """Take the attempt and fetch its uploads, giving signs of life the while."""
        try:
            claimed = await self._ask(dispatch, "claim", wire.Claiming(worker=worker), wire.Claimed)
        except Lost:
            return None
        fetching = asyncio.create_task(self._fetch_uploads(dispatch, claimed.job))
        try:
            while not (await asyncio.wait({fetching}, timeout=self._lease_s / 3))[0]:
                with suppress(ServiceUnavailable):
                    await self.heartbeat(dispatch, worker)
            parameters = fetching.result()
        except Lost:
            return None
        finally:
            fetching.cancel()
        return replace(claimed.job, parameters=parameters)

    async def heartbeat(
        self,
        dispatch: Dispatch,
        worker: str,
        info: Mapping[str, Any] | None = None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        """Extend the lease; return when the attempt must end at the latest, `FOREVER` or None when it is lost.

        Results are published once they are sent, with one of the next signs of life.
        """
        attempt = self._attempts[dispatch]
        if results is not None:
            attempt.finished = tuple(results)
        ready = _sent(attempt, attempt.finished)
        progress = None if info is None else wire.Progress.model_validate(info)
        beat = wire.Beat(worker=worker, info=progress, results=ready if len(ready) > attempt.reported else None)
        try:
            beaten = await self._ask(dispatch, "heartbeat", beat, wire.Beaten)
        except Lost:
            return None
        attempt.reported = len(ready)
        self._send_in_background(dispatch, attempt)
        return FOREVER if beaten.until is None else beaten.until

    async def complete(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Send what was not sent yet and report success; or failure, if it cannot be sent."""
        attempt = self._attempts[dispatch]
        try:
            await self._send_all(dispatch, attempt, results)
            return await self._tell(dispatch, "complete", wire.Completed(results=_sent(attempt, results)))
        except Lost:
            return False
        except ServiceError as error:
            why = f"The results of the job cannot be stored: {error.message}"
            transient = isinstance(error, ServiceUnavailable)
            return await self._fail(dispatch, wire.Failure(type="transient" if transient else "fatal", message=why))

    async def fail(self, dispatch: Dispatch, error: ErrorSummary, results: Sequence[JobResult]) -> bool:
        """Send what was not sent yet, as far as possible, and report failure."""
        with suppress(ServiceError, Lost):
            await self._send_all(dispatch, self._attempts[dispatch], results)
        return await self._fail(dispatch, wire.Failure(type=error.type, message=error.message))

    async def overrun(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Send what was not sent yet, as far as possible, and report that executionDuration is used up."""
        attempt = self._attempts[dispatch]
        with suppress(ServiceError, Lost):
            await self._send_all(dispatch, attempt, results)
        return await self._tell(dispatch, "overrun", wire.Completed(results=_sent(attempt, results)))

    async def ended(self, dispatch: Dispatch, why: EndOfAttempt) -> None:
        """Hear from the executor that it no longer runs the attempt (an `AttemptEnded`); its files and token go."""
        attempt = self._attempts.get(dispatch)
        if attempt is None:
            return
        await _stop_sending(attempt)
        try:
            if why is not EndOfAttempt.REPORTED:
                released = why is EndOfAttempt.RELEASED
                await self._tell(dispatch, "ended", wire.Ended(why="RELEASED" if released else "VANISHED"))
        finally:
            del self._attempts[dispatch]
            await self._spool.discard(dispatch.job_id)

    async def _fail(self, dispatch: Dispatch, error: wire.Failure) -> bool:
        attempt = self._attempts[dispatch]
        return await self._tell(dispatch, "fail", wire.Failed(error=error, results=_sent(attempt, attempt.finished)))

    async def _tell(self, dispatch: Dispatch, what: str, report: BaseModel) -> bool:
        """Report, and tell whether it came in time."""
        try:
            await self._calls.post(dispatch, self._attempts[dispatch].token, what, report)
        except Lost:
            return False
        return True

    async def _ask(self, dispatch: Dispatch, what: str, report: BaseModel, answer: type[M]) -> M:
        body = await self._calls.post(dispatch, self._attempts[dispatch].token, what, report)
        return answer.model_validate_json(body)

    async def _fetch_uploads(self, dispatch: Dispatch, job: Job) -> tuple[JobParameter, ...]:
        """Return the parameters with their files in the spool."""
        await self._spool.discard(job.id)
        here = []
        for number, parameter in enumerate(job.parameters, start=1):
            if parameter.blob is None:
                here.append(parameter)
                continue
            path = self._spool.spool() / f"{job.id}-{number}"
            try:
                size = await self._calls.fetch(dispatch, self._attempts[dispatch].token, number, path)
                part = Part(name=parameter.id, content=path, size_bytes=size)
                here.append(replace(parameter, blob=await self._spool.keep(job.id, part)))
            finally:
                path.unlink(missing_ok=True)
        return tuple(here)

    def _send_in_background(self, dispatch: Dispatch, attempt: _Attempt) -> None:
        if len(attempt.sent) < len(attempt.finished) and (attempt.background is None or attempt.background.done()):
            attempt.background = asyncio.create_task(self._send_quietly(dispatch, attempt))

    async def _send_quietly(self, dispatch: Dispatch, attempt: _Attempt) -> None:
        try:
            await self._send_all(dispatch, attempt, attempt.finished)
        except (ServiceError, Lost) as error:
            _log.warning("result_not_sent_yet", job_id=dispatch.job_id, attempt=dispatch.attempt, why=str(error))

    async def _send_all(self, dispatch: Dispatch, attempt: _Attempt, results: Sequence[JobResult]) -> None:
        """Send every result that was not sent yet; raises `Lost` or what the service says against it."""
        attempt.finished = tuple(results)
        async with attempt.sending:
            for number, result in enumerate(results, start=1):
                if number not in attempt.sent and result.sha256 is not None:
                    await self._send_with_patience(dispatch, attempt, number, result)
                    attempt.sent[number] = result.sha256

    async def _send_with_patience(self, dispatch: Dispatch, attempt: _Attempt, number: int, result: JobResult) -> None:
        """Send a result, and again where that fails, for as long as the lease can last after the first failure."""
        loop, pause_s = asyncio.get_running_loop(), _FIRST_PAUSE_S
        end: float | None = None
        while True:
            try:
                return await self._calls.send(dispatch, attempt.token, number, result, self._spool.path(result.blob))
            except ServiceUnavailable:
                end = loop.time() + self._lease_s if end is None else end
                if loop.time() + pause_s > end:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _sent(attempt: _Attempt, results: Sequence[JobResult]) -> tuple[wire.SentResult, ...]:
    """Return those of the results that the service has."""
    return tuple(
        wire.SentResult(id=result.id, number=number, media_type=result.media_type, sha256=attempt.sent[number])
        for number, result in enumerate(results, start=1)
        if number in attempt.sent
    )


async def _stop_sending(attempt: _Attempt) -> None:
    if attempt.background is not None:
        attempt.background.cancel()
        await asyncio.wait({attempt.background})
