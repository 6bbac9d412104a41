"""Jobs on this host, in processes that a zygote forks (see `uws.worker.zygote`): one for each attempt that runs.

Light attempts share processes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog

from penstock.service import Resources
from penstock.settings import FOR_JOBS, Settings
from uws.ports import AttemptEnded, Dispatch, EndOfAttempt, JobReports
from uws.settings import UwsSettings
from uws.worker.reporting import ReportDesk

PRELOAD = "uws.worker_app:preload"
_RESPAWN_PAUSE_S = 1.0
_CLOSING_GRACE_S = 0.5
_CLOSING_PATIENCE_S = 2.0
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a process with threads cannot be forked safely
_log = structlog.get_logger(__name__)


class LocalExecutor:
    """An `Executor` of processes on this host.

    Parameters
    ----------
    reports
        Where reports of attempts go.
    ended
        Called when an attempt no longer runs.
    max_running
        How many attempts run at once that are not light.
    max_light
        How many light ones.
    greeting
        The zygote's first command, but for the desk that takes the reports.
    """

    def __init__(
        self, reports: JobReports, ended: AttemptEnded, *, max_running: int, max_light: int, greeting: dict[str, Any]
    ) -> None:
        self._ended = ended
        self._desk = ReportDesk(reports, lambda dispatch: dispatch in self._running, self._claimed)
        self._stack = AsyncExitStack()
        self._most = {False: max_running, True: max_light}
        self._greeting = greeting
        self._running: dict[Dispatch, asyncio.Event] = {}
        self._ready = asyncio.Event()
        self._zygote: asyncio.subprocess.Process | None = None
        self._closing = False
        self._supervisor: asyncio.Task[None] | None = None
        self._ends: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(
        cls, resources: Resources, reports: JobReports, ended: AttemptEnded, *, preload: str = PRELOAD
    ) -> LocalExecutor:
        """Open the executor; the zygote gets ready while the server already serves."""
        return await cls.open_with(resources.settings, reports, ended, preload=preload)

    @classmethod
    async def open_with(
        cls, settings: Settings, reports: JobReports, ended: AttemptEnded, *, preload: str = PRELOAD
    ) -> LocalExecutor:
        """Open the executor in a process that has no resources."""
        own = settings.section(UwsSettings)
        greeting = {
            "preload": preload,
            "payload": settings.model_dump_json(context=FOR_JOBS),
            "kill_after_s": own.kill_after_s,
            "attempts": own.jobs_per_process,
        }
        max_running = own.max_running or os.cpu_count() or 1
        executor = cls(reports, ended, max_running=max_running, max_light=own.max_light, greeting=greeting)
        greeting["desk"] = str(await executor._stack.enter_async_context(executor._desk.open()))
        executor._supervisor = asyncio.create_task(executor._supervise(), name="uws-zygote")
        return executor

    def capacity(self, *, light: bool = False) -> int:
        """Return how many more attempts it takes now, light ones or others."""
        running = sum(dispatch.light == light for dispatch in self._running)
        return 0 if self._closing else max(0, self._most[light] - running)

    async def waiting(self) -> int:
        """Return 0: what it is given begins at once."""
        return 0

    async def start(self, dispatch: Dispatch) -> None:
        """Start an attempt, as soon as the zygote is ready."""
        if dispatch in self._running:
            return
        await self._ready.wait()
        self._running[dispatch] = asyncio.Event()
        await self._tell({"start": [dispatch.job_id, dispatch.attempt], "light": dispatch.light})

    async def stop(self, job_id: str) -> None:
        """Stop whatever runs for the job, its descendants too, and return when they are gone."""
        ends = [end for dispatch, end in self._running.items() if dispatch.job_id == job_id]
        if ends:
            await self._tell({"stop": job_id})
            await asyncio.gather(*(end.wait() for end in ends))

    async def close(self) -> None:
        """Stop everything and release the attempts."""
        self._closing = True
        await self._tell({"close": _CLOSING_GRACE_S})
        if self._zygote is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_PATIENCE_S):
                    await self._zygote.wait()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        await asyncio.gather(*self._ends, return_exceptions=True)
        await self._stack.aclose()

    async def _claimed(self, dispatch: Dispatch) -> None:
        """Stop older attempts of the job that do not know that they are over; a mere message proves nothing."""
        if any(other.job_id == dispatch.job_id and other != dispatch for other in self._running):
            await self._tell({"claimed": [dispatch.job_id, dispatch.attempt]})

    async def _tell(self, command: dict[str, Any]) -> None:
        zygote = self._zygote
        if zygote is None or zygote.stdin is None:
            return
        with suppress(ConnectionError):
            zygote.stdin.write(json.dumps(command).encode() + b"\n")
            await zygote.stdin.drain()

    async def _supervise(self) -> None:
        """Keep a zygote alive."""
        while not self._closing:
            try:
                await self._live_with_zygote()
            finally:
                self._ready.clear()
                self._bury_all()
            if not self._closing:
                _log.error("zygote_died")
                await asyncio.sleep(_RESPAWN_PAUSE_S)

    async def _live_with_zygote(self) -> None:
        self._zygote = zygote = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "uws.worker.zygote",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_ONE_THREAD | os.environ,
            start_new_session=True,  # Ctrl-C is for the server, which then tells the zygote
        )
        try:
            await self._tell(self._greeting)
            if zygote.stdout is not None:
                async for line in zygote.stdout:
                    self._hear(json.loads(line))
            await zygote.wait()
        finally:
            if zygote.returncode is None:
                zygote.kill()
                await zygote.wait()

    def _hear(self, answer: dict[str, Any]) -> None:
        match answer:
            case {"ready": True}:
                self._ready.set()
            case {"ended": [str(job_id), int(attempt), int(status)]}:
                self._bury(Dispatch(job_id=job_id, attempt=attempt), status)

    def _bury(self, dispatch: Dispatch, status: int) -> None:
        end = self._running.pop(dispatch, None)
        if end is None:
            return
        end.set()
        why = EndOfAttempt.VANISHED
        if status == 0:
            why = EndOfAttempt.REPORTED
        elif self._closing:
            why = EndOfAttempt.RELEASED
        task = asyncio.create_task(self._report(dispatch, why))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    def _bury_all(self) -> None:
        for dispatch in list(self._running):
            self._bury(dispatch, -1)

    async def _report(self, dispatch: Dispatch, why: EndOfAttempt) -> None:
        try:
            await self._desk.settled(dispatch)
            await self._ended(dispatch, why)
        except Exception:  # noqa: BLE001  # the reaper: the lease will tell, if we cannot
            _log.exception("end_of_attempt_not_reported", job_id=dispatch.job_id, attempt=dispatch.attempt)
