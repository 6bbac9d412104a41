"""The jobs of sessions, in the UWS of this deployment: same 128 bits of identifier, same owner."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from execplanner.core.offers import RELEASING_S
from execplanner.core.times import from_ms
from execplanner.keeping import Session
from penstock.auth.principal import Principal
from penstock.dali.errors import NotFound, UsageError
from penstock.service import Resources
from uws.app import JOBS, Access, Given, NewJob
from uws.ports import job_id_of

JOB_TYPE = "execution.session"
_MARGIN_S = 900
_KEPT = timedelta(days=30)


def job_id(session_id: str) -> str:
    """Return the id of a session's job."""
    return job_id_of(UUID(session_id))


class UwsJobs:
    """Makes, starts and stops jobs.

    Parameters
    ----------
    resources
        What the process shares; its jobs are opened when they are first needed.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def submit(self, session: Session) -> None:
        """Make the job of a session, once: HELD until the preparation of the session begins.

        Raises
        ------
        TooManyRequests
            The owner has too many jobs.
        """
        jobs = await self._resources.shared(JOBS)
        length_s = (session.ends - session.prepares) / 1000 + RELEASING_S + _MARGIN_S
        later = from_ms(session.prepares) > self._resources.clock()
        new = NewJob(
            job_type=JOB_TYPE,
            given=Given(parameters=(("SESSION", session.id),), run_id=_run_id(session.name)),
            run=not later,
            duration_s=round(length_s),
            destruction=(from_ms(session.ends) + _KEPT,),
            id=job_id(session.id),
            held=later,
        )
        await jobs.create_once(new, _access(session), f"execution.session {session.id}")

    async def run(self, session: Session) -> None:
        """Let a job that is held run now."""
        jobs = await self._resources.shared(JOBS)
        await jobs.run(job_id(session.id), _access(session))

    async def abort(self, session: Session) -> None:
        """Stop the job, if there is one that runs."""
        jobs = await self._resources.shared(JOBS)
        try:
            await jobs.abort(job_id(session.id), _access(session))
        except UsageError:  # it has ended, or was never made
            return

    async def phase(self, session: Session) -> str | None:
        """Return the phase of the job, None if there is none."""
        jobs = await self._resources.shared(JOBS)
        try:
            return str((await jobs.get(job_id(session.id), _access(session))).phase)
        except NotFound:
            return None


def _access(session: Session) -> Access:
    return Access(caller=Principal(subject=session.owner))


def _run_id(name: str | None) -> str | None:
    """Return the session's name as a runId, which is short and printable."""
    shown = "".join(one for one in name or "" if one.isprintable())[:64]
    return shown or None
