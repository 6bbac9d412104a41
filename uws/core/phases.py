"""The phase machine of UWS 1.1: everything that moves a job from one phase to another is in this file.

A job is in one of ten phases (UWS 1.1 s2.1.3). Something happens to it: a client asks for something, or the service
finds something out. `TABLE` says for each pair what follows; a pair that is not in it is refused: for a client that is
403 (UWS 1.1 s2.2), for a worker it means that its report comes too late and is dropped.

What a client may do (columns), by phase; "=" means that the goal holds already, so a repeated request is harmless::

                RUN       ABORT     parameters  duration  destruction  DELETE
    PENDING     QUEUED    ABORTED   ok          ok        ok           forget
    HELD        QUEUED    ABORTED   -           ok        ok           forget
    QUEUED      =         ABORTED   -           ok        ok           forget
    EXECUTING   =         ABORTED   -           ok        ok           forget
    SUSPENDED   =         ABORTED   -           ok        ok           forget
    UNKNOWN     -         ABORTED   -           ok        ok           forget
    COMPLETED   -         -         -           -         ok           forget
    ERROR       -         -         -           -         ok           forget
    ABORTED     -         =         -           -         ok           forget
    ARCHIVED    -         -         -           -         -            forget

What the service finds out::

    CLAIM       a worker takes the attempt             QUEUED -> EXECUTING
    COMPLETE    the attempt ended well                 EXECUTING -> COMPLETED
    FAIL        it failed, or cannot run               PENDING, QUEUED, HELD, EXECUTING, SUSPENDED -> ERROR
    OVERRUN     executionDuration is used up           EXECUTING, SUSPENDED -> ABORTED (UWS 1.1 s2.1.4)
    REVIVE      its worker vanished, another may try   QUEUED, EXECUTING, SUSPENDED -> QUEUED
    HOLD        it cannot be queued now                PENDING, HELD, EXECUTING -> HELD
    SUSPEND     the system pauses it                   EXECUTING -> SUSPENDED
    RESUME      and goes on                            SUSPENDED -> EXECUTING
    ARCHIVE     destruction time, metadata is kept     COMPLETED, ERROR, ABORTED -> ARCHIVED

The figure of the standard has no arrow back to QUEUED and none from PENDING to HELD; the first is needed to survive the
loss of a worker, the second is in the text ("on receipt of a PHASE=RUN", UWS 1.1 s2.1.3).

Every entry into QUEUED raises `attempt`. A worker's event carries the attempt it speaks of; one that speaks of another
than the present is stale, whatever the phase. So one attempt runs at most once and a job completes at most once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, assert_never

from penstock.dali.errors import Forbidden
from uws.core.job import ErrorSummary, Job, JobParameter, JobResult, Lease, Phase


class Kind(StrEnum):
    """What can happen to a job."""

    RUN = "RUN"
    ABORT = "ABORT"
    UPDATE_PARAMETERS = "UPDATE_PARAMETERS"
    SET_DURATION = "SET_DURATION"
    SET_DESTRUCTION = "SET_DESTRUCTION"
    DELETE = "DELETE"
    CLAIM = "CLAIM"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    OVERRUN = "OVERRUN"
    REVIVE = "REVIVE"
    HOLD = "HOLD"
    SUSPEND = "SUSPEND"
    RESUME = "RESUME"
    ARCHIVE = "ARCHIVE"


CLIENT_KINDS = (Kind.RUN, Kind.ABORT, Kind.UPDATE_PARAMETERS, Kind.SET_DURATION, Kind.SET_DESTRUCTION, Kind.DELETE)


class Effect(StrEnum):
    """What must be done besides writing the job.

    To stop what runs is not among them: executors hear of every change, and stop what is no longer to run.
    """

    DISPATCH = "DISPATCH"  # tell the executor of the new attempt
    DISCARD = "DISCARD"  # remove its results
    FORGET = "FORGET"  # remove the job and all its files
    NOTIFY = "NOTIFY"  # tell who waits for the job, or for the time at which something is due


@dataclass(frozen=True, slots=True)
class Run:
    """The client wants the job to run."""

    kind: ClassVar = Kind.RUN


@dataclass(frozen=True, slots=True)
class Abort:
    """The client wants the job to stop."""

    kind: ClassVar = Kind.ABORT


@dataclass(frozen=True, slots=True)
class UpdateParameters:
    """The client changes the job; these are all parameters from now on."""

    parameters: tuple[JobParameter, ...]
    run_id: str | None
    kind: ClassVar = Kind.UPDATE_PARAMETERS


@dataclass(frozen=True, slots=True)
class SetDuration:
    """The client sets executionDuration, already clamped by policy."""

    seconds: int
    kind: ClassVar = Kind.SET_DURATION


@dataclass(frozen=True, slots=True)
class SetDestruction:
    """The client sets the destruction time, already clamped by policy; None means never."""

    time: datetime | None
    kind: ClassVar = Kind.SET_DESTRUCTION


@dataclass(frozen=True, slots=True)
class Delete:
    """The job goes: the client deletes it, or its destruction time has come."""

    kind: ClassVar = Kind.DELETE


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker takes the attempt."""

    attempt: int
    lease: Lease
    kind: ClassVar = Kind.CLAIM


@dataclass(frozen=True, slots=True)
class Complete:
    """The attempt ended well."""

    attempt: int
    results: tuple[JobResult, ...]
    kind: ClassVar = Kind.COMPLETE


@dataclass(frozen=True, slots=True)
class Fail:
    """The attempt failed; results are what it had finished by then, None where nobody can tell more than is known."""

    attempt: int
    error: ErrorSummary
    results: tuple[JobResult, ...] | None = None
    kind: ClassVar = Kind.FAIL


@dataclass(frozen=True, slots=True)
class Overrun:
    """The attempt has used up executionDuration; what it had finished stays (UWS 1.1 s2.1.4)."""

    attempt: int
    results: tuple[JobResult, ...] | None = None
    kind: ClassVar = Kind.OVERRUN


@dataclass(frozen=True, slots=True)
class Revive:
    """The worker of the attempt vanished."""

    attempt: int
    kind: ClassVar = Kind.REVIVE


@dataclass(frozen=True, slots=True)
class Hold:
    """The job cannot be queued now."""

    kind: ClassVar = Kind.HOLD


@dataclass(frozen=True, slots=True)
class Suspend:
    """The system pauses the job."""

    kind: ClassVar = Kind.SUSPEND


@dataclass(frozen=True, slots=True)
class Resume:
    """The system lets the job go on."""

    kind: ClassVar = Kind.RESUME


@dataclass(frozen=True, slots=True)
class Archive:
    """Destruction time has come and the metadata is kept."""

    kind: ClassVar = Kind.ARCHIVE


WorkerEvent = Claim | Complete | Fail | Overrun | Revive
Event = (
    Run
    | Abort
    | UpdateParameters
    | SetDuration
    | SetDestruction
    | Delete
    | WorkerEvent
    | Hold
    | Suspend
    | Resume
    | Archive
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows: a new phase, or None where the phase stays, and effects.

    `holds` marks a request whose goal is reached already: nothing is written.
    """

    to: Phase | None
    effects: frozenset[Effect] = frozenset()
    holds: bool = False


def _to(phase: Phase, *effects: Effect) -> Rule:
    return Rule(phase, frozenset(effects))


_KEEP = Rule(None)
_HOLDS = Rule(None, holds=True)
_FORGET = Rule(None, frozenset({Effect.FORGET}))
_START = _to(Phase.QUEUED, Effect.DISPATCH)
_STOP = _to(Phase.ABORTED)
_P = Phase

TABLE: Mapping[Kind, Mapping[Phase, Rule]] = {
    Kind.RUN: {
        _P.PENDING: _START,
        _P.HELD: _START,
        _P.QUEUED: _HOLDS,
        _P.EXECUTING: _HOLDS,
        _P.SUSPENDED: _HOLDS,
    },
    Kind.ABORT: {
        _P.PENDING: _STOP,
        _P.HELD: _STOP,
        _P.QUEUED: _STOP,
        _P.EXECUTING: _STOP,
        _P.SUSPENDED: _STOP,
        _P.UNKNOWN: _STOP,
        _P.ABORTED: _HOLDS,
    },
    Kind.UPDATE_PARAMETERS: {_P.PENDING: _KEEP},
    Kind.SET_DURATION: dict.fromkeys((_P.PENDING, _P.HELD, _P.QUEUED, _P.EXECUTING, _P.SUSPENDED, _P.UNKNOWN), _KEEP),
    Kind.SET_DESTRUCTION: dict.fromkeys(set(Phase) - {_P.ARCHIVED}, _KEEP),
    Kind.DELETE: dict.fromkeys(Phase, _FORGET),
    Kind.CLAIM: {_P.QUEUED: _to(_P.EXECUTING)},
    Kind.COMPLETE: {_P.EXECUTING: _to(_P.COMPLETED)},
    Kind.FAIL: dict.fromkeys((_P.PENDING, _P.QUEUED, _P.HELD, _P.EXECUTING, _P.SUSPENDED), _to(_P.ERROR)),
    Kind.OVERRUN: dict.fromkeys((_P.EXECUTING, _P.SUSPENDED), _STOP),
    Kind.REVIVE: dict.fromkeys((_P.QUEUED, _P.EXECUTING, _P.SUSPENDED), _START),
    Kind.HOLD: {
        _P.PENDING: _to(_P.HELD),
        _P.HELD: _HOLDS,
        _P.EXECUTING: _to(_P.HELD),
    },
    Kind.SUSPEND: {_P.EXECUTING: _to(_P.SUSPENDED)},
    Kind.RESUME: {_P.SUSPENDED: _to(_P.EXECUTING)},
    Kind.ARCHIVE: dict.fromkeys((_P.COMPLETED, _P.ERROR, _P.ABORTED), _to(_P.ARCHIVED, Effect.DISCARD)),
}


STARTS = frozenset(phase for phase, rule in TABLE[Kind.RUN].items() if rule is _START)
"""Phases in which PHASE=RUN queues the job, or holds it where it cannot be queued (UWS 1.1 s2.1.3)."""


class Refused(Forbidden):
    """The phase of the job does not allow what was asked for (UWS 1.1 s2.2)."""


class Stale(Refused):
    """A worker speaks of an attempt that is not the present one."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The job as it shall be, and what must be done besides."""

    job: Job
    effects: frozenset[Effect]


def allowed(phase: Phase) -> frozenset[Kind]:
    """Return what a client may ask for in this phase that changes anything."""
    rules = {kind: TABLE[kind].get(phase) for kind in CLIENT_KINDS}
    return frozenset(kind for kind, rule in rules.items() if rule is not None and not rule.holds)


def apply(job: Job, event: Event, now: datetime) -> Decision:
    """Decide what `event` does to `job`.

    Raises
    ------
    Stale
        The event speaks of another attempt.
    Refused
        The phase does not allow it.
    """
    if isinstance(event, WorkerEvent) and event.attempt != job.attempt:
        raise Stale(f"Attempt {event.attempt} of job {job.id} is over; the present one is {job.attempt}.")
    rule = TABLE[event.kind].get(job.phase)
    if rule is None:
        raise Refused(_refusal(job.phase, event.kind))
    if rule.holds:
        return Decision(job, frozenset())
    changed = replace(job, phase=rule.to or job.phase, **_changes(job, event, now))
    return Decision(changed, rule.effects | {Effect.NOTIFY})


def after_lost_worker(job: Job, max_attempts: int) -> Revive | Fail:
    """Return what to do with a job whose worker vanished: try again, but not for ever."""
    if job.attempt < max_attempts:
        return Revive(job.attempt)
    message = f"The job was started {job.attempt} times and its worker vanished each time."
    return Fail(job.attempt, ErrorSummary(type="transient", message=message))


def quote(start: datetime, duration_s: int) -> datetime | None:
    """Return when a job that starts then has ended at the latest; None where nothing limits it (UWS 1.1 s2.1.6)."""
    return start + timedelta(seconds=duration_s) if duration_s else None


def _changes(job: Job, event: Event, now: datetime) -> dict[str, Any]:
    if isinstance(event, WorkerEvent):
        return _reported(job, event, now)
    match event:
        case Run():
            return _queued(job, now)
        case Abort():
            return _ended(now)
        case UpdateParameters(parameters=parameters, run_id=run_id):
            return {"parameters": parameters, "run_id": run_id}
        case SetDuration(seconds=seconds):
            return {"execution_duration_s": seconds, "quote": quote(job.start_time or now, seconds)}
        case SetDestruction(time=time):
            return {"destruction": time}
        case Hold():
            return {"lease": None}
        case Archive():
            return {"results": ()}
        case Delete() | Suspend() | Resume():
            return {}
        case _:
            assert_never(event)


def _reported(job: Job, event: WorkerEvent, now: datetime) -> dict[str, Any]:
    match event:
        case Claim(lease=lease):
            return {"start_time": now, "lease": lease, "quote": quote(now, job.execution_duration_s)}
        case Complete(results=results):
            return _ended(now) | {"results": results}
        case Fail(error=error, results=results):
            return _ended(now) | {"error": error, "results": job.results if results is None else results}
        case Overrun(results=results):
            return _ended(now) | {"error": _overrun(job), "results": job.results if results is None else results}
        case Revive():
            return _queued(job, now)
        case _:
            assert_never(event)


def _queued(job: Job, now: datetime) -> dict[str, Any]:
    attempt, latest = job.attempt + 1, quote(now, job.execution_duration_s)
    return {"attempt": attempt, "start_time": None, "lease": None, "info": {}, "quote": latest, "results": ()}


def _ended(now: datetime) -> dict[str, Any]:
    return {"end_time": now, "lease": None}


def _overrun(job: Job) -> ErrorSummary:
    message = f"ExecutionDuration exceeded: the job may run for {job.execution_duration_s} s and was stopped."
    return ErrorSummary(type="fatal", message=message)


_REASONS = {
    Kind.RUN: "a job runs once, from PENDING or HELD; create a new one to run it again",
    Kind.ABORT: "it is over",
    Kind.UPDATE_PARAMETERS: "parameters can only be changed while it is PENDING",
    Kind.SET_DURATION: "it is over",
    Kind.SET_DESTRUCTION: "its results are gone",
}


def _refusal(phase: Phase, kind: Kind) -> str:
    reason = _REASONS.get(kind, "that event has no place there")
    return f"The job is {phase}: {kind} is not possible, {reason}."
