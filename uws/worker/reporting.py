"""Reports of the processes of this host: they tell the server that started them, which has the store open.

A connection to a unix socket carries one report: the call as JSON up to the end of what the worker writes, then the
answer as JSON. No answer means that nobody could take the report; the worker tries again as for any other outage.
Reports are taken only from attempts that run: once an attempt is known to have ended, nothing can be told of it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, assert_never

import structlog
from pydantic import TypeAdapter, ValidationError

from penstock.dali.errors import ServiceUnavailable
from uws.core.job import ErrorSummary, Job, JobResult
from uws.ports import Dispatch, JobReports

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    method: Literal["claim", "heartbeat", "complete", "fail", "overrun"]
    dispatch: Dispatch
    worker: str = ""
    info: Mapping[str, Any] | None = None
    results: tuple[JobResult, ...] | None = None
    error: ErrorSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """`job` answers a claim, `until` a heartbeat, `told` the others; `unavailable` says why there is no answer."""

    job: Job | None = None
    until: datetime | None = None
    told: bool = False
    unavailable: str | None = None


_CALL = TypeAdapter(_Call)
_ANSWER = TypeAdapter(_Answer)


class ReportDesk:
    """Takes the reports of processes.

    Parameters
    ----------
    reports
        Where they go.
    running
        Tells whether an attempt still runs.
    claimed
        Called when an attempt was claimed: it is the present one of its job.
    """

    def __init__(
        self,
        reports: JobReports,
        running: Callable[[Dispatch], bool],
        claimed: Callable[[Dispatch], Awaitable[None]] | None = None,
    ) -> None:
        self._reports = reports
        self._running = running
        self._claimed = claimed
        self._taken: dict[asyncio.Task[None], Dispatch | None] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Path]:
        """Give the path of the socket while the block lasts; nobody but this user can reach it."""
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            path = Path(folder) / "reports"
            server = await asyncio.start_unix_server(self._accept, path)
            try:
                yield path
            finally:
                server.close()
                await asyncio.gather(*self._taken, return_exceptions=True)

    async def settled(self, dispatch: Dispatch) -> None:
        """Return when no report of an attempt that has ended is being written."""
        tasks = [task for task, of in self._taken.items() if of == dispatch]
        if tasks:
            await asyncio.wait(tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._taken[task] = None
        task.add_done_callback(lambda done: self._taken.pop(done))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            call = _CALL.validate_json(await reader.read())
            if self._running(call.dispatch):
                self._taken[_this_task()] = call.dispatch
                writer.write(_ANSWER.dump_json(await self._answer(call)))
                await writer.drain()
        except (ConnectionError, ValidationError):  # the process died while it spoke or listened
            return
        except Exception:  # noqa: BLE001  # the edge: the worker gets no answer and tries again
            _log.exception("report_not_taken")
        finally:
            writer.close()

    async def _answer(self, call: _Call) -> _Answer:
        try:
            return await self._taken_answer(call)
        except ServiceUnavailable as error:
            return _Answer(unavailable=error.message)

    async def _taken_answer(self, call: _Call) -> _Answer:
        reports, dispatch = self._reports, call.dispatch
        match call.method:
            case "claim":
                job = await reports.claim(dispatch, call.worker)
                if job is not None and self._claimed is not None:
                    await self._claimed(dispatch)
                return _Answer(job=job)
            case "heartbeat":
                return _Answer(until=await reports.heartbeat(dispatch, call.worker, call.info, results=call.results))
            case "complete":
                return _Answer(told=await reports.complete(dispatch, call.results or ()))
            case "fail" if call.error is not None:
                return _Answer(told=await reports.fail(dispatch, call.error, call.results or ()))
            case "fail":
                return _Answer()
            case "overrun":
                return _Answer(told=await reports.overrun(dispatch, call.results or ()))
            case _:
                assert_never(call.method)


class RemoteReports:
    """The `JobReports` of a worker that reports to a `ReportDesk`.

    Parameters
    ----------
    desk
        The path of its socket.
    """

    def __init__(self, desk: Path) -> None:
        self._desk = desk

    async def claim(self, dispatch: Dispatch, worker: str) -> Job | None:
        """Take the attempt: from now on it is ours until the lease ends."""
        return (await self._ask(_Call(method="claim", dispatch=dispatch, worker=worker))).job

    async def heartbeat(
        self,
        dispatch: Dispatch,
        worker: str,
        info: Mapping[str, Any] | None = None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        """Extend the lease; return when the attempt must end at the latest, `FOREVER` or None when it is lost."""
        finished = None if results is None else tuple(results)
        call = _Call(method="heartbeat", dispatch=dispatch, worker=worker, info=info, results=finished)
        return (await self._ask(call)).until

    async def complete(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Report success and publish the results."""
        return (await self._ask(_Call(method="complete", dispatch=dispatch, results=tuple(results)))).told

    async def fail(self, dispatch: Dispatch, error: ErrorSummary, results: Sequence[JobResult]) -> bool:
        """Report failure and publish what was finished."""
        return (await self._ask(_Call(method="fail", dispatch=dispatch, error=error, results=tuple(results)))).told

    async def overrun(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Report that executionDuration is used up."""
        return (await self._ask(_Call(method="overrun", dispatch=dispatch, results=tuple(results)))).told

    async def _ask(self, call: _Call) -> _Answer:
        try:
            data = await self._exchange(_CALL.dump_json(call))
        except OSError as error:
            raise ServiceUnavailable("The server cannot be reached.") from error
        if not data:
            raise ServiceUnavailable("The server could not take the report.")
        answer = _ANSWER.validate_json(data)
        if answer.unavailable is not None:
            raise ServiceUnavailable(answer.unavailable)
        return answer

    async def _exchange(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._desk)
        try:
            writer.write(data)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # coroutines run in tasks
    return task
