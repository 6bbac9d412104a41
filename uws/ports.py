"""The ports of UWS: what job types, stores, executors and the other services agree on.

Other packages may import this module and `uws.app`, nothing else of UWS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from penstock.auth.principal import Principal
from penstock.dali.params import Parameters, Part
from penstock.service import Resources
from uws.core.filters import Filters
from uws.core.job import ErrorSummary, Job, JobResult, JobSummary, Lease, Phase
from uws.core.job import job_id_of as job_id_of  # for services whose things are jobs
from uws.core.phases import Effect

FOREVER = datetime.max.replace(tzinfo=UTC)
"""The deadline of a job without one."""

ParameterType = Literal[
    "boolean", "integer", "real", "string", "timestamp", "uri", "interval", "circle", "polygon", "file"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """What a job type says of one parameter.

    `minimum` and `maximum` bound numbers, both included. A parameter of type ``file`` takes an uploaded file, or its
    content as text; `media_types` say which kinds of file make sense, and are not enforced. Without `hyphen_first` a
    text that begins with a hyphen is refused: a command would take it for an option.
    """

    name: str
    type: ParameterType = "string"
    description: str = ""
    required: bool = False
    multiple: bool = False
    default: str | None = None
    options: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    media_types: tuple[str, ...] = ()
    hyphen_first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSpec:
    """What a job type says of one result, or, where it is `multiple`, of all whose ids are `id`-1, `id`-2 and so on."""

    id: str
    media_types: tuple[str, ...] = ()
    description: str = ""
    required: bool = True
    multiple: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Defaults and limits of the jobs of one type; None leaves it to what the deployment allows, which holds anyway.

    A duration of 0 is unlimited. `max_upload_bytes` bounds the files of one request together.
    """

    default_duration_s: int | None = None
    max_duration_s: int | None = None
    default_lifetime: timedelta | None = None
    max_lifetime: timedelta | None = None
    max_upload_bytes: int | None = None


class ResultSink(Protocol):
    """An open result file of the current attempt; nobody sees it before the job completes."""

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        ...


class JobContext(Protocol):
    """What a running job can see and do.

    `parameters` hold what the client gave, files as `Part`, and the defaults of the job type. A job must not block the
    event loop for longer than some seconds: its signs of life come from there.
    """

    job_id: str
    attempt: int
    owner: Principal
    parameters: Parameters

    async def resources(self) -> Resources:
        """Return what services share; opened by the first call, closed after the job (see `JobType`)."""
        ...

    async def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """Report how far the job is: `fraction` from 0 to 1."""
        ...

    def result(self, result_id: str, media_type: str) -> AbstractAsyncContextManager[ResultSink]:
        """Open a result for writing; leaving the block without an error makes it part of the job's results."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """A kind of job: the value of every entry point in ``penstock.job_types``.

    `run` raises a `ServiceError` to fail with a message for the owner: `ServiceUnavailable` makes the error transient.
    With `validate_at_creation` False parameters are checked when the job runs, as TAP demands (TAP 1.1 s2.7).
    `prepare` does once in a process what every job of the type would have to do; it opens nothing.
    `warm_up`, called before and after a job, opens what such jobs use again and again and closes what else is open;
    where there is no more after than before, that stays open for the next job of the process, for a while.
    A `light` job only waits for something that is done elsewhere: many run in one process, as tasks of its event loop,
    and there is a limit of their own. It is stopped by cancelling its task, and may begin anew when another one takes
    the process along.
    A caller needs one of the groups `roles`, if there are any, to create a job. `docs` is the URL of a page for people.
    """

    name: str
    version: str
    title: str
    description: str
    run: Callable[[JobContext], Awaitable[None]]
    parameters: tuple[ParameterSpec, ...] = ()
    results: tuple[ResultSpec, ...] = ()
    validate_at_creation: bool = True
    prepare: Callable[[], object] | None = None
    warm_up: Callable[[Resources], Awaitable[object]] | None = None
    light: bool = False
    limits: Limits = Limits()
    roles: frozenset[str] = frozenset()
    docs: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs to list; None in `job_type` is any, `owners` None is everybody and (None,) the anonymous.

    `before` is the id after which a list goes on: only jobs that come later in it are wanted.
    """

    filters: Filters
    job_type: str | None = None
    owners: tuple[str | None, ...] | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """An attempt that waits for an executor; `light` tells that its job type is."""

    job_id: str
    attempt: int
    light: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Ids of jobs about which something must be done now."""

    lost: Sequence[str]
    overrun: Sequence[str]
    destruction: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """How many jobs one owner may have, those without an owner counting as one's; the one that joins them counts, too.

    Counted are jobs in one of `phases`, of one type unless `job_type` is None, created after `since` unless that is
    None.
    """

    most: int
    phases: frozenset[Phase]
    job_type: str | None = None
    since: datetime | None = None


class OverCap(Exception):
    """A job was not kept, or not changed, because of a cap.

    Parameters
    ----------
    cap
        The first that does not hold.
    """

    def __init__(self, cap: Cap) -> None:
        super().__init__(cap)
        self.cap = cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """What is remembered of a creation that must not happen twice.

    `key` tells which, `fingerprint` what was asked for; neither can be turned back into what a client sent.
    """

    key: str
    fingerprint: str
    job_id: str
    time: datetime


class JobStore(Protocol):
    """Where jobs are kept: the truth about every one of them.

    Every method may raise `ServiceUnavailable` when the store cannot be reached.
    """

    async def create(self, job: Job, *, caps: Sequence[Cap] = (), creation: Creation | None = None) -> bool:
        """Keep a new job; one that is QUEUED waits for an executor from now on.

        Returns False, and does nothing, where a creation of the same key is remembered already. However many jobs come
        at once, caps hold.

        Raises
        ------
        OverCap
            The owner has as many jobs as a cap allows.
        """
        ...

    async def creation(self, key: str) -> Creation | None:
        """Return what is remembered under a key."""
        ...

    async def forget_creations(self, before: datetime) -> None:
        """Forget the creations that are older."""
        ...

    async def get(self, job_id: str) -> Job | None:
        """Return the job with parameters and results, None if there is none."""
        ...

    async def list_jobs(self, query: JobQuery) -> Sequence[JobSummary]:
        """Return the jobs, newest first: in the descending order of ids."""
        ...

    async def change(self, before: Job, after: Job, effects: frozenset[Effect], *, caps: Sequence[Cap] = ()) -> bool:
        """Write `after` if the job still is as `before` says, and with it the effects that must not be lost.

        Returns False, and does nothing, where somebody else changed the job in between. However many jobs change at
        once, caps hold.

        Raises
        ------
        OverCap
            The owner would have more jobs than a cap allows.
        """
        ...

    async def heartbeat(
        self,
        dispatch: Dispatch,
        lease: Lease,
        info: Mapping[str, Any] | None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        """Extend the lease of a running attempt and keep what it says of its progress and results, if it does.

        Returns the instant at which it must end, `FOREVER` if nothing limits it, None where the attempt is lost.
        """
        ...

    async def take(self, limit: int, *, light: int = 0, now: datetime, stale: datetime) -> Sequence[Dispatch]:
        """Take attempts that nobody has taken since `stale`, oldest first: `limit` and `light` light ones at most."""
        ...

    async def offered(self) -> int:
        """Return how many attempts were taken by executors and wait to be claimed."""
        ...

    async def to_discard(self) -> Sequence[str]:
        """Return ids of jobs whose files must go."""
        ...

    async def discarded(self, job_id: str) -> None:
        """Note that the files are gone."""
        ...

    async def due(self, now: datetime) -> Due:
        """Return what has come due; at most some hundreds of each kind at a time."""
        ...

    async def next_due(self) -> datetime | None:
        """Return when something comes due next; None if nothing will."""
        ...

    async def attempts(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the present attempt of each of the jobs that exist."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How much is kept of an attempt."""

    files: int = 0
    size_bytes: int = 0


class ResultStore(Protocol):
    """Where the bytes of results and uploads are kept; `blob` names them."""

    async def keep(self, job_id: str, part: Part) -> str:
        """Keep an uploaded file with the job and return its blob."""
        ...

    def spool(self) -> Path:
        """Return a directory for files on their way here, on the same disk; it need not exist."""
        ...

    async def prepare(self, job_id: str, attempt: int) -> None:
        """Make room for the results of an attempt and remove those of earlier ones; twice is as once."""
        ...

    def create(self, job_id: str, attempt: int, number: int) -> tuple[str, BinaryIO]:
        """Open the `number`-th result of an attempt for writing; return its blob and the file."""
        ...

    async def receive(self, dispatch: Dispatch, number: int, chunks: AsyncIterator[bytes], *, sha256: str) -> None:
        """Keep the `number`-th result of an attempt as a worker sends it; raises `UsageError` if its digest is wrong.

        Raises `NotFound` where `prepare` was not called, `ServiceUnavailable` where it cannot be stored.
        """
        ...

    def received(self, dispatch: Dispatch, number: int, *, sha256: str) -> tuple[str, int]:
        """Return the blob and the size in bytes of a result that was received; raises `NotFound` if it was not."""
        ...

    async def held(self, dispatch: Dispatch, number: int, *, sha256: str) -> Held:
        """Return what was received of an attempt, and what is arriving, apart from that very result."""
        ...

    def path(self, blob: str) -> Path:
        """Return where the bytes are."""
        ...

    async def discard_results(self, job_id: str, attempts: frozenset[int] | None = None) -> None:
        """Remove all results of the job, or those of some attempts, and keep its uploads."""
        ...

    async def discard(self, job_id: str) -> None:
        """Remove everything of the job."""
        ...

    def at_rest(self, before: datetime) -> AsyncIterator[Mapping[str, frozenset[int]]]:
        """Yield jobs that have had files since `before`, some at a time, with the attempts that have results.

        Uploads that were given up by then are removed on the way.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """News of a job: its phase now, None if it is forgotten."""

    job_id: str
    phase: Phase | None


CHANNEL = "penstock_uws"
"""The PostgreSQL channel on which stores tell of changes."""


def change_to_text(change: Change) -> str:
    """Write a change as it goes from process to process: the id, a space, the phase or nothing."""
    return f"{change.job_id} {change.phase or ''}"


def change_from_text(text: str) -> Change | None:
    """Read a change; None if the text is none."""
    job_id, space, phase = text.partition(" ")
    if not space or (phase and phase not in Phase.__members__):
        return None
    return Change(job_id=job_id, phase=Phase(phase) if phase else None)


class Watch(Protocol):
    """Somebody who waits for news of one job."""

    async def wait(self, timeout_s: float) -> bool:
        """Return True at the next news since the watch began or since the last call, False after the timeout."""
        ...


class Announcer(Protocol):
    """Carries news of jobs to all who wait for them, in this process and in others."""

    async def announce(self, change: Change) -> None:
        """Tell everybody; called when the change is committed."""
        ...


class Events(Announcer, Protocol):
    """Lets wait for news of jobs."""

    def watch(self, job_id: str) -> AbstractContextManager[Watch]:
        """Watch a job while the block lasts."""
        ...

    def close(self) -> None:
        """End all waiting, for good, because the process is about to end."""
        ...

    @property
    def closing(self) -> bool:
        """Whether the process is about to end, so that nobody should wait any more."""
        ...


class JobReports(Protocol):
    """What a worker tells of the attempt that it runs; a report that comes too late is answered with None or False."""

    async def claim(self, dispatch: Dispatch, worker: str) -> Job | None:
        """Take the attempt: from now on it is ours until the lease ends."""
        ...

    async def heartbeat(
        self,
        dispatch: Dispatch,
        worker: str,
        info: Mapping[str, Any] | None = None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        """Extend the lease; return when the attempt must end at the latest, `FOREVER` or None when it is lost.

        `info` and `results` are all that there is by now, None where nothing is new; results that are finished are
        published while the job runs (UWS 1.1 s2.1.3).
        """
        ...

    async def complete(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Report success and publish the results."""
        ...

    async def fail(self, dispatch: Dispatch, error: ErrorSummary, results: Sequence[JobResult]) -> bool:
        """Report failure and publish what was finished."""
        ...

    async def overrun(self, dispatch: Dispatch, results: Sequence[JobResult]) -> bool:
        """Report that executionDuration is used up."""
        ...


class EndOfAttempt(StrEnum):
    """Why an executor no longer runs an attempt."""

    REPORTED = "REPORTED"  # its process ended as it should, all is told
    VANISHED = "VANISHED"  # its process ended otherwise
    RELEASED = "RELEASED"  # we shut down: somebody else may run it


AttemptEnded = Callable[[Dispatch, EndOfAttempt], Awaitable[None]]


class Executor(Protocol):
    """Runs attempts somewhere."""

    def capacity(self, *, light: bool = False) -> int:
        """Return how many more attempts it takes now, light ones or others."""
        ...

    async def waiting(self) -> int:
        """Return how many of the attempts that it was given still wait to begin, wherever they do."""
        ...

    async def start(self, dispatch: Dispatch) -> None:
        """Start an attempt; starting it twice is harmless, since only one can claim it."""
        ...

    async def stop(self, job_id: str) -> None:
        """Stop whatever runs here for the job, its descendants too, and return when they are gone."""
        ...

    async def close(self) -> None:
        """Stop everything and release the attempts."""
        ...


ExecutorOpener = Callable[[Resources, JobReports, AttemptEnded], Awaitable[Executor]]
"""The value of every entry point in ``penstock.executors``; the reports are for workers that cannot reach the store."""
