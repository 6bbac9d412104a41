"""What the broker asks of an executor: the port behind which every kind of facility runs works.

An executor is opened by name from the entry points ``penstock.facilities`` (see `ExecutorOpener`). It keeps nothing in
memory that it could not do without: a worker may be killed at any instant, and the next one goes on with the handle.

What is to be run is the executable of Execution Broker 1.0.7, as plain JSON values, and a few kinds of our own:

=====================  ==========================================================================================
kind                   members
=====================  ==========================================================================================
docker-container       ``image`` (``locations``, ``digest``), ``entrypoint``, ``command``, ``environment``,
                       ``network.ports`` (``access``, ``internal.port``, ``protocol``, ``path``)
jupyter-notebook       ``location``: URL of the notebook
git-repository         ``location``: URL of the repository; ``ref``, ``path`` of a notebook in it, ``provider``
                       (``gh``, ``gl``, ``git``, ``zenodo``, ``doi``: BinderHub's names)
python-program         ``location``: URL of the program; ``arguments``, ``environment``
reana-workflow         ``specification``: what reana.yaml holds; ``parameters``
dask-cluster           ``workers``
=====================  ==========================================================================================

A work finds the directory for its results in the environment variable ``PENSTOCK_RESULTS``; what it leaves there is in
``results`` of its folder when it has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from penstock.auth.principal import ANONYMOUS, Principal
from penstock.service import Resources

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or directory of this host that the work sees at an absolute path."""

    path: str
    source: Path
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be run for a session.

    Parameters
    ----------
    session_id
        The session: letters, digits and hyphens.
    kind
        Canonical short name of the executable's kind: ``docker-container``.
    executable
        The executable of the request.
    cores, memory_bytes, gpus, duration_s
        What was agreed; the work ends when `duration_s` seconds have passed, at the latest.
    mounts
        What it sees of this host.
    folder
        The session's own directory on this host, which exists: for ``stdout``, ``stderr`` and ``results``.
    owner
        Whose work it is.
    name
        What the owner calls it.
    """

    session_id: str
    kind: str
    executable: Mapping[str, Any]
    cores: int
    memory_bytes: int
    duration_s: float
    folder: Path
    gpus: int = 0
    mounts: tuple[Mount, ...] = ()
    owner: Principal = ANONYMOUS
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """When a work would start: an aware UTC instant at which it runs at the earliest, after `preparing_s` seconds."""

    start: datetime
    preparing_s: float = 0.0
    message: str | None = None


class Step(StrEnum):
    """How far a work is; AVAILABLE is interactive and can be connected to."""

    WAITING = "WAITING"
    PREPARING = "PREPARING"
    AVAILABLE = "AVAILABLE"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self in (Step.COMPLETED, Step.FAILED, Step.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Where a running work can be reached; no location holds a secret."""

    kind: str
    protocol: Literal["TCP", "HTTP", "HTTPS"]
    location: str
    status: Literal["PREPARING", "AVAILABLE", "FINISHED"] = "AVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of a work now; `message` is for its owner: the progress of a build, the reason of a failure."""

    step: Step
    message: str | None = None
    exit_code: int | None = None
    connectors: tuple[Connector, ...] = field(default=())


class Executor(Protocol):
    """Runs works at one facility.

    Every method raises `ServiceUnavailable` where the facility cannot be reached now, and `UsageError` where the work
    itself is at fault. Handles are text that is good for every worker of the deployment, also after a restart.
    """

    async def probe(self) -> str | None:
        """Return what is wrong with the facility, in words, None where all is well."""
        ...

    async def estimate(self, work: Work, *, earliest: datetime) -> Estimate:
        """Return when the work would start, not before `earliest`; nothing is started or kept."""
        ...

    async def prepare(self, work: Work) -> None:
        """Fetch what the work needs before it can start; twice is as once."""
        ...

    def handle(self, work: Work) -> str:
        """Return the handle that the work has, or will have: it is kept before `start` is called.

        So whoever starts a work may be killed at any instant, and another process can still stop what was started.
        """
        ...

    async def start(self, work: Work) -> str:
        """Start the work and return its handle; a second call finds what the first has started.

        What was lost since without having ended, with the host that ran it, may begin once more.
        """
        ...

    async def poll(self, handle: str) -> State:
        """Return how the work is."""
        ...

    async def logs(self, handle: str, stream: Stream, *, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes from `offset` of what the work has printed; empty where there is no more."""
        ...

    async def cancel(self, handle: str) -> None:
        """Stop the work and all below it, and return when it is stopped or sure to stop; twice is as once."""
        ...

    async def release(self, handle: str) -> None:
        """Remove what the facility keeps of the work, stopping it if it runs; the folder stays; twice is as once."""
        ...


ExecutorOpener = Callable[[Mapping[str, Any], Resources], Awaitable[Executor]]
"""The value of every entry point in ``penstock.facilities``.

It takes the options of the facility's record, and what the process shares; what must be closed goes on
``resources.stack``. Options that it does not take raise `penstock.settings.SettingsError`.
"""
