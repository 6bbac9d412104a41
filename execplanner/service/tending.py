"""Looks after sessions, whatever happened to the process that began something with them.

A session that was accepted gets its job, and the job runs when the session's time has come. A job that was stopped, or
failed, or that somebody removed, ends its session; what an ended session left at a facility is removed; offers that
nobody wanted are forgotten. Every step may be done twice, and by several processes at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

import structlog

from execplanner.core.kinds import read_kind
from execplanner.core.messages import Urn, reason
from execplanner.core.phases import Event, Phase
from execplanner.core.times import from_ms, to_ms
from execplanner.keeping import Change, Session
from execplanner.service.broker import Broker
from execplanner.service.outside import Jobs
from execplanner.service.workshop import Workshop
from penstock.dali.errors import ServiceError, TooManyRequests

_PAGE = 200
_PURGE_EVERY_S = 600.0
log = structlog.get_logger(__name__)


class TendedJobs(Jobs, Protocol):
    """The jobs of sessions, for who looks after them."""

    async def run(self, session: Session) -> None:
        """Let a job that is held run now."""
        ...

    async def phase(self, session: Session) -> str | None:
        """Return the phase of the job, None if there is none."""
        ...


class Tending:
    """Looks after the sessions of a deployment.

    Parameters
    ----------
    every_s
        Seconds between two looks.
    keep
        How long offers are kept that nobody accepted.
    """

    def __init__(
        self, broker: Broker, jobs: TendedJobs, workshop: Workshop, *, every_s: float, keep: timedelta
    ) -> None:
        self._broker = broker
        self._keeper = broker.keeper
        self._jobs = jobs
        self._workshop = workshop
        self._every_s = every_s
        self._keep = keep

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after everything while the block lasts."""
        task = asyncio.create_task(self._keep_looking(), name="execplanner-tending")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _keep_looking(self) -> None:
        loop = asyncio.get_running_loop()
        purged = loop.time() - _PURGE_EVERY_S
        while True:
            try:
                await self.look()
                if loop.time() - purged >= _PURGE_EVERY_S:
                    await self._keeper.purge(to_ms(self._broker.clock() - self._keep))
                    purged = loop.time()
            except ServiceError as error:
                log.warning("tending_interrupted", reason=error.message)
            except Exception:  # whatever it is, the next look may go better
                log.exception("tending_failed")
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Do what is to be done now."""
        after = ""
        while True:
            page = await self._keeper.live(after, _PAGE)
            for session in page:
                if session.peer is None:
                    await self._tend(session)
            if len(page) < _PAGE:
                break
            after = page[-1].id
        for session in await self._keeper.untidy(_PAGE):
            await self._tidy(session)

    async def _tend(self, session: Session) -> None:
        phase = await self._jobs.phase(session)
        if phase is None:
            await self._submit(session)
        elif phase in ("HELD", "PENDING"):
            await self._start(session)
        elif phase in ("ERROR", "ABORTED", "COMPLETED", "ARCHIVED"):
            await self._end(session, phase)

    async def _submit(self, session: Session) -> None:
        """Make the job that is missing; if it is missing then, its owner has removed it."""
        if session.phase in (Phase.ACCEPTED, Phase.WAITING):
            try:
                await self._jobs.submit(session)
            except TooManyRequests:
                return
        if await self._jobs.phase(session) is None:
            await self._change(session, Event.CANCEL, "The job of the session was removed.")

    async def _start(self, session: Session) -> None:
        if from_ms(session.prepares) > self._broker.clock():
            await self._change(session, Event.WAIT)
            return
        try:
            await self._jobs.run(session)
        except TooManyRequests as error:
            log.info("session_waits_for_quota", session=session.id, reason=error.message)

    async def _end(self, session: Session, phase: str) -> None:
        """End a session whose job has ended: one that ended well has told so itself, or was lost on the way."""
        current = await self._keeper.session(session.id)
        if current is None or current.version != session.version:
            return
        if phase in ("ABORTED", "ARCHIVED"):
            await self._change(current, Event.CANCEL, "The job of the session was stopped.")
        else:
            await self._change(current, Event.FAIL, "The job of the session has failed.")

    async def _change(self, session: Session, event: Event, text: str | None = None) -> None:
        message = None if text is None else reason(Urn.SESSION, text).item(self._broker.clock())
        untidy = True if session.handle is not None and event in (Event.CANCEL, Event.FAIL) else None
        change = Change(event=event, version=session.version, message=message, untidy=untidy)
        await self._keeper.change(session.id, change, self._broker.now())

    async def _tidy(self, session: Session) -> None:
        facility = self._broker.facility_of(session)
        kind = read_kind(session.document["executable"]["kind"], "executable")
        choice = None if facility is None else facility.executor_for(kind)
        if choice is not None and session.handle is not None:
            try:
                await self._workshop.tidy(choice, session.handle)
            except ServiceError as error:
                log.warning("session_not_tidied", session=session.id, reason=error.message)
                return
        await self._keeper.change(session.id, Change(untidy=False), self._broker.now())
