"""A job and its parts, as the service knows them (UWS 1.1 s2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = frozenset(_CROCKFORD)
_ID_LENGTH = 26
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ID_RANDOM_BYTES = 10


class Phase(StrEnum):
    """Where a job stands (UWS 1.1 s2.1.3)."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    UNKNOWN = "UNKNOWN"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"
    ABORTED = "ABORTED"
    ARCHIVED = "ARCHIVED"


FINAL = frozenset({Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED})
"""Phases in which nothing runs and nothing will."""

RUNNING = frozenset({Phase.EXECUTING, Phase.SUSPENDED})
"""Phases in which a worker has the job."""

ErrorType = Literal["transient", "fatal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobParameter:
    """A parameter as the client gave it.

    `blob` names stored bytes when the parameter came as a file: `value` is then empty and the bytes are the value.
    """

    id: str
    value: str = ""
    blob: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """A published result; `blob` names its stored bytes, `sha256` is their digest in hexadecimal, where it is known."""

    id: str
    blob: str
    size_bytes: int
    media_type: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """Why a job failed: `message` for its owner, `has_detail` where /error says more (UWS 1.1 s2.1.7, s2.2.2.5)."""

    type: ErrorType
    message: str
    has_detail: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who runs an attempt, and until when we believe so without a sign of life."""

    worker: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that is known of one job (UWS 1.1 s2.1.2); it has an owner only if its caller was known (s2.1.8).

    `owner_groups` are those of which the owner was when creating it: what the job may see.
    `attempt` counts how often the job was queued to run; whatever a worker reports is fenced by it.
    `version` counts changes; the store compares it before it writes. Times are UTC, cut to milliseconds.
    `execution_duration_s` 0 means unlimited (UWS 1.1 s2.1.4).
    """

    id: str
    type: str
    phase: Phase = Phase.PENDING
    attempt: int = 0
    version: int = 0
    owner: str | None = None
    owner_groups: tuple[str, ...] = ()
    run_id: str | None = None
    creation_time: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    quote: datetime | None = None
    destruction: datetime | None = None
    execution_duration_s: int = 0
    parameters: tuple[JobParameter, ...] = ()
    results: tuple[JobResult, ...] = ()
    error: ErrorSummary | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    lease: Lease | None = None

    @property
    def deadline(self) -> datetime | None:
        """When a running job has used up its executionDuration."""
        if self.start_time is None or self.execution_duration_s == 0 or self.end_time is not None:
            return None
        return self.start_time + timedelta(seconds=self.execution_duration_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """What a job list says of a job (UWS 1.1 s2.2.2.1)."""

    id: str
    type: str
    phase: Phase
    owner: str | None
    run_id: str | None
    creation_time: datetime


def to_milliseconds(time: datetime) -> datetime:
    """Cut an instant to whole milliseconds, which is what documents show."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def new_job_id(now: datetime, random: bytes) -> str:
    """Return an id: 26 lower-case letters and digits that sort by time and cannot be guessed.

    The first character is a digit, because a client in use strips leading letters of "https" from ids.

    Parameters
    ----------
    now
        When the job is created.
    random
        `ID_RANDOM_BYTES` random bytes.
    """
    milliseconds = max(0, (now - _EPOCH) // timedelta(milliseconds=1))
    return _spelt(milliseconds << (8 * ID_RANDOM_BYTES) | int.from_bytes(random[:ID_RANDOM_BYTES]))


def job_id_of(identifier: UUID) -> str:
    """Return the id of a job with the same 128 bits; those of version 7 sort by time like the others."""
    return _spelt(identifier.int)


def _spelt(number: int) -> str:
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def is_job_id(text: str) -> bool:
    """Tell whether `text` can be the id of a job."""
    return len(text) == _ID_LENGTH and set(text) <= _DIGITS


def first_id_after(time: datetime) -> str:
    """Return the smallest id of any job that was created later than `time`, in milliseconds."""
    return new_job_id(to_milliseconds(time) + timedelta(milliseconds=1), bytes(ID_RANDOM_BYTES))
