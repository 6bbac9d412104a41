"""The type of job that runs a session; its jobs are made when an offer is accepted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from execplanner.compose import facility_book, installed_executors, rules_of
from execplanner.core.facility import Facility
from execplanner.core.ids import is_id
from execplanner.core.kinds import read_kind
from execplanner.core.phases import LIVE
from execplanner.facilities import FacilityBook
from execplanner.joblist import JOB_TYPE, job_id
from execplanner.keeping import Keeper, Session
from execplanner.service.running import Runner, require_own_job
from execplanner.service.staging import Stager
from execplanner.service.workshop import FindOpener, Workshop, installed_opener
from execplanner.settings import ExecPlannerSettings
from execplanner.store import SqlKeeper
from penstock.dali.errors import ServiceUnavailable
from penstock.outbound import Outbound
from penstock.service import Resources, Shared
from penstock.settings import Settings, SettingsError
from uws.ports import JobContext, JobType, ParameterSpec, ResultSpec

_DAY_S = 86_400.0


async def run(context: JobContext) -> None:
    """Run the session that the job was made for."""
    await run_with(context, installed_opener)


async def run_with(context: JobContext, find: FindOpener) -> None:
    """Run the session that the job was made for, with executors that `find` gives."""
    resources = await context.resources()
    keeper = SqlKeeper(resources.db)
    session = await _session(context, keeper)
    if session.phase not in LIVE:
        return
    facility = await _facility(resources, session)
    choice = facility.executor_for(read_kind(session.document["executable"]["kind"], "executable"))
    if choice is None:
        raise ServiceUnavailable(f"{facility.title} does not run such sessions any more.")
    executor = await Workshop(resources, find).executor(choice)
    settings, section = resources.settings, resources.settings.section(ExecPlannerSettings)
    outbound = Outbound(allow_private=settings.allow_private_addresses, timeout_s=_DAY_S)
    stager = Stager(
        resources.lake, outbound, facility, context, rules=rules_of(settings), max_bytes=section.max_data_bytes
    )
    folder = session_folder(settings, session.id)
    runner = Runner(keeper, executor, stager, context=context, folder=folder, clock=resources.clock)
    runner.max_log_bytes = section.max_log_bytes
    await runner.run(session)


async def _session(context: JobContext, keeper: Keeper) -> Session:
    session_id = context.parameters.single("SESSION") or ""
    known = is_id(session_id)
    found = await keeper.session(session_id) if known else None
    return require_own_job(found, context.job_id, job_id(session_id) if known else "")


async def _open_book(resources: Resources) -> tuple[FacilityBook, asyncio.Lock]:
    return facility_book(resources, SqlKeeper(resources.db), {}, installed_executors()), asyncio.Lock()


_BOOK = Shared("execplanner.facilities_of_sessions", _open_book)
"""The facilities of the sessions of a process, with a lock, so that they are read once for all who begin together."""


async def _facility(resources: Resources, session: Session) -> Facility:
    book, reading = await resources.shared(_BOOK)
    try:
        async with reading:
            await book.read()
    except SettingsError as error:
        raise ServiceUnavailable("The records of the facilities cannot be read.") from error
    table = book.table()
    number = table.index.get(session.facility)
    if number is None:
        raise ServiceUnavailable("The facility of the session is not known any more.")
    return table.facilities[number]


def session_folder(settings: Settings, session_id: str) -> Path:
    """Return the directory of a session."""
    return settings.data_dir.absolute() / "sessions" / session_id


EXECUTION_SESSION = JobType(
    name=JOB_TYPE,
    version="1",
    title="Session",
    description="Runs a session that was offered and accepted; such jobs are made by the Execution Broker.",
    run=run,
    light=True,
    parameters=(ParameterSpec(name="SESSION", description="The identifier of the session", required=True),),
    results=(
        ResultSpec(id="stdout", media_types=("text/plain",), description="What the work printed"),
        ResultSpec(id="stderr", media_types=("text/plain",), description="What the work complained of"),
    ),
)
