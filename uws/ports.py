"""The ports of UWS: what job types, stores, executors and the other services agree on.

Other packages may import this module and `uws.app`, nothing else of UWS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from penstock.dali.params import Parameters

from penstock.auth.principal import Principal
from penstock.service import Resources

ParameterType = Literal["boolean", "integer", "real", "string", "timestamp", "uri", "interval", "circle", "polygon"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """What a job type says of one parameter."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSpec:
    """What a job type says of one result."""

    id: str
    media_type: str | None = None
    description: str = ""


class ResultSink(Protocol):
    """An open result file of the current attempt; nobody sees it before the job completes."""

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        ...


class JobContext(Protocol):
    """What a running job can see and do."""

    job_id: str
    attempt: int
    owner: Principal
    parameters: Parameters
    resources: Resources

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
    """

    name: str
    version: str
    title: str
    description: str
    run: Callable[[JobContext], Awaitable[None]]
    parameters: tuple[ParameterSpec, ...] = ()
    results: tuple[ResultSpec, ...] = ()
    validate_at_creation: bool = True
