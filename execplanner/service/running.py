"""Runs an accepted session, from staging its data to publishing its results, inside the session's job.

Every step may be repeated: a worker may be killed at any instant, and the next one begins anew and finds, by the
executor's handle, what the last has started. The session is changed by compare-and-set only, so a cancelled one stays
cancelled, and its run ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

import structlog

from execplanner.core.kinds import read_kind, write_kind
from execplanner.core.messages import Urn, reason
from execplanner.core.phases import LIVE, Event, Phase
from execplanner.core.request import GIB
from execplanner.core.times import from_ms, to_ms
from execplanner.keeping import Change, Keeper, Session
from execplanner.ports import Connector, Executor, Mount, State, Step, Stream, Work
from execplanner.service.staging import Stager
from penstock.auth.principal import Principal
from penstock.clock import Clock
from penstock.dali.errors import ServiceError, ServiceUnavailable, UsageError
from uws.ports import JobContext

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 3.0
_GRACE_S = 30.0
_CHUNK_BYTES = 256 * 1024
_MOST_RESULTS = 1000
_AWAY_S = 600.0
IN_JOB: Final = "job:"
"""What a connector's location begins with that is a part of the session's job."""
_EVENTS = {Step.AVAILABLE: Event.OPEN, Step.RUNNING: Event.START}
_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")
log = structlog.get_logger(__name__)


class SessionFailed(ServiceError):
    """The work of a session did not end well."""


class SessionEnded(Exception):
    """The session was ended by somebody else; there is nothing more to do."""


class Runner:
    """Runs one session.

    Parameters
    ----------
    keeper
        Keeps the session.
    executor
        Runs its work.
    stager
        Brings its data.
    context
        The job.
    folder
        The session's own directory.
    """

    max_log_bytes = 10**8
    """How much of each log is kept."""

    def __init__(
        self, keeper: Keeper, executor: Executor, stager: Stager, *, context: JobContext, folder: Path, clock: Clock
    ) -> None:
        self._keeper = keeper
        self._executor = executor
        self._stager = stager
        self._context = context
        self._folder = folder
        self._clock = clock

    async def run(self, session: Session) -> None:
        """Run a session to its end.

        Raises
        ------
        ServiceError
            It failed.
        """
        try:
            await self._run(session)
        except SessionEnded:
            log.info("session_ended_elsewhere", session=session.id)
        except ServiceError as error:
            said = reason(Urn.SESSION, "${why}", "", why=error.message).item(self._clock())
            untidy = Change(event=Event.FAIL, message=said, untidy=True)
            await self._keeper.change(session.id, untidy, to_ms(self._clock()))
            raise

    async def _run(self, session: Session) -> None:
        session = await self._happen(session, Event.PREPARE)
        await self._context.progress(0.0, "preparing")
        self._folder.mkdir(parents=True, exist_ok=True)
        mounts = await self._stager.stage(session, self._folder)
        work = work_of_session(session, self._folder, mounts, self._context.owner)
        await self._executor.prepare(work)
        await self._until(session)
        handle = self._executor.handle(work)
        session = await self._happen(session, None, handle=handle, untidy=True)
        await self._executor.start(work)
        session, state = await self._follow(session, handle)
        session = await self._happen(session, Event.RELEASE)
        await self._publish(session, handle)
        await self._executor.release(handle)
        await self._finish(session, state)

    async def _until(self, session: Session) -> None:
        """Wait until the session may begin, and see from time to time that it still shall."""
        while (left_s := (from_ms(session.begins) - self._clock()).total_seconds()) > 0:
            await asyncio.sleep(min(left_s, _LONGEST_PAUSE_S))
            await self._require_live(session)

    async def _require_live(self, session: Session) -> Session:
        current = await self._keeper.session(session.id)
        if current is None or current.phase not in LIVE:
            raise SessionEnded
        return current

    async def _follow(self, session: Session, handle: str) -> tuple[Session, State]:
        """Watch the work until it ends; a facility that does not answer is asked again for a while."""
        pause_s, away_s = _FIRST_PAUSE_S, 0.0
        end = session.ends + _GRACE_S * 1000
        while True:
            try:
                state = await self._executor.poll(handle)
                away_s = 0.0
            except ServiceUnavailable:
                away_s += pause_s
                if away_s > _AWAY_S:
                    raise
                await asyncio.sleep(pause_s)
                continue
            if state.step.ended:
                return session, state
            session = await self._told(session, state, handle)
            if to_ms(self._clock()) > end:
                await self._executor.cancel(handle)
                return session, _cut_off(session)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    async def _told(self, session: Session, state: State, handle: str) -> Session:
        """Write what is new of the work."""
        connectors = tuple(_connector(one) for one in state.connectors)
        event = _EVENTS.get(state.step)
        if state.message:
            await self._context.progress(None, state.message)
        new = connectors != session.connectors
        try:
            if new or (event is not None and Phase(str(state.step)) is not session.phase):
                return await self._happen(session, event, connectors=connectors if new else None)
            return await self._require_live(session)
        except SessionEnded:
            await self._executor.cancel(handle)
            await self._executor.release(handle)
            raise

    async def _publish(self, session: Session, handle: str) -> None:
        """Make results of what the work has printed, and of the files that it left."""
        taken: set[str] = set()
        for stream in _STREAMS:
            await self._publish_log(handle, stream)
            taken.add(stream)
        files = await asyncio.to_thread(_files_in, self._folder / "results")
        for number, file in enumerate(files[:_MOST_RESULTS]):
            name = _result_id(file.name, number, taken)
            taken.add(name)
            async with self._context.result(name, "application/octet-stream") as sink:
                with file.open("rb") as source:
                    while chunk := await asyncio.to_thread(source.read, _CHUNK_BYTES):
                        await sink.write(chunk)

    async def _publish_log(self, handle: str, stream: Stream) -> None:
        async with self._context.result(stream, "text/plain") as sink:
            offset = 0
            while offset < self.max_log_bytes:
                chunk = await self._executor.logs(handle, stream, offset=offset, limit=_CHUNK_BYTES)
                if not chunk:
                    return
                await sink.write(chunk)
                offset += len(chunk)

    async def _finish(self, session: Session, state: State) -> None:
        connectors = tuple({**one, "status": "FINISHED"} for one in session.connectors)
        if state.step is not Step.COMPLETED:
            told = f"exit code {state.exit_code}" if state.exit_code is not None else "no reason is known"
            raise SessionFailed(f"The work ended as {state.step}: {state.message or told}.")
        await self._happen(session, Event.COMPLETE, connectors=(*connectors, *published()), untidy=False)
        await self._context.progress(1.0, "completed")

    async def _happen(self, session: Session, event: Event | None, **values: Any) -> Session:
        changed = await self._keeper.change(session.id, Change(event=event, **values), to_ms(self._clock()))
        if changed.session is None or changed.refused or changed.session.phase not in LIVE | {Phase.COMPLETED}:
            raise SessionEnded
        return await self._happen(session, event, **values) if changed.stale else changed.session


def _cut_off(session: Session) -> State:
    """Return the end of a work whose time is used up: what is interactive has then served its purpose."""
    if session.phase is Phase.AVAILABLE:
        return State(step=Step.COMPLETED, message="the time of the session is over")
    return State(step=Step.FAILED, message="the time of the session is used up")


def published() -> tuple[Mapping[str, Any], ...]:
    """Return the connectors of a session that has ended: what it printed, and its results."""
    places = (("stdout", "/results/stdout"), ("stderr", "/results/stderr"), ("results", "/results"))
    return tuple(
        {"kind": write_kind("connector", name), "status": "AVAILABLE", "location": IN_JOB + place}
        for name, place in places
    )


def _connector(one: Connector) -> dict[str, Any]:
    return {"kind": one.kind, "status": one.status, "protocol": one.protocol, "location": one.location}


def work_of_session(session: Session, folder: Path, mounts: Sequence[Mount], owner: Principal) -> Work:
    """Return the work of a session that was accepted."""
    compute = session.document["compute"]
    return Work(
        session_id=session.id,
        kind=read_kind(session.document["executable"]["kind"], "executable"),
        executable=session.document["executable"],
        cores=compute["cores"]["min"],
        memory_bytes=compute["memory"]["min"] * GIB,
        gpus=compute.get("gpus", {}).get("min", 0),
        duration_s=(session.ends - session.begins) / 1000,
        mounts=tuple(mounts),
        folder=folder,
        owner=owner,
        name=session.name,
    )


def _files_in(folder: Path) -> list[Path]:
    """Return the regular files of a work's results, in order of name; links may lead anywhere and are left out."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    return sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink())


def _result_id(name: str, number: int, taken: set[str]) -> str:
    """Return an id of a result that no other has: the file's name where it can be one."""
    plain = name.isascii() and all(one.isalnum() or one in "._-" for one in name) and name[:1].isalnum()
    names = chain([name] if plain and len(name) <= 64 else [], (f"result-{each}" for each in count(number + 1)))
    return next(one for one in names if one not in taken)


def require_own_job(session: Session | None, job: str, expected: str) -> Session:
    """See that a job is that of its session: anybody may make a job of the type.

    Raises
    ------
    UsageError
        It is not.
    """
    if session is None or job != expected:
        raise UsageError("Jobs of this type are made by accepting an offer of the Execution Broker.")
    return session
