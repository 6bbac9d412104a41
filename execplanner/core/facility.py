"""What a facility is: a declarative record, so that adding one takes no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LINUX = "linux/amd64"
DEFAULT_BANDWIDTH = 100e6
"""Bytes a second at which data come to a facility that says nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a facility demands of the executables of a kind.

    Patterns are those of a shell, compared with whole image references or URLs; without any that allow, everything is
    allowed that none denies. `registries` are the hosts that images may come from, any if there are none.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    digest_required: bool = False
    platforms: tuple[str, ...] = (LINUX,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of task that a facility runs; `languages` are those it may be written in, `executor` who runs it."""

    title: str = ""
    languages: tuple[str, ...] = ()
    policy: Policy = Policy()
    executor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A way to hand a task over: the type of the service, and where it is (note s2.1)."""

    servicetype: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorChoice:
    """A plugin of ``penstock.facilities`` and its options.

    Without `estimates` it is not asked when it would start: a session begins when there is room.
    """

    plugin: str
    options: Mapping[str, Any] = field(default_factory=dict)
    estimates: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much there is, of the whole facility or for one task; None where there is no limit.

    `startup_s` is how long a task usually waits before it starts.
    """

    cores: int | None = None
    memory_bytes: int | None = None
    store_bytes: int | None = None
    gpus: int | None = 0
    gpu_models: tuple[str, ...] = ()
    duration_s: float | None = None
    startup_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What something costs: a fixed part, and parts by time and by bytes that are moved."""

    fixed: float = 0.0
    core_hour: float = 0.0
    gpu_hour: float = 0.0
    gib_hour: float = 0.0
    gib_moved: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """When nothing may run: for maintenance."""

    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A place where tasks run.

    Parameters
    ----------
    id
        Its IVOA identifier.
    interfaces
        How to reach it without us, the preferred way first (note s3.4).
    kinds
        By task type.
    executors
        Who runs sessions, by name; the first is for kinds that name none. Without any it is only told of.
    storage_sites
        The sites of the lake from which data need not be moved.
    capacity, most
        What there is in all, and what one session may have of it.
    groups
        Those whose members may use it; everybody may where there are none.
    costs
        By type: monetary, energy (kWh), carbon (kg).
    metrics
        What it promises, by the URI of the type: the least and the most.
    bandwidth, links
        Bytes a second at which data come from anywhere, and from a site by its name.
    """

    id: str
    title: str
    interfaces: tuple[Access, ...]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    site: str | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    storage_sites: tuple[str, ...] = ()
    executors: Mapping[str, ExecutorChoice] = field(default_factory=dict)
    capacity: Capacity = Capacity()  # immutable
    most: Capacity = Capacity(gpus=None)
    closed: tuple[Closed, ...] = ()
    groups: frozenset[str] = frozenset()
    costs: Mapping[str, Rate] = field(default_factory=dict)
    metrics: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    bandwidth: float = DEFAULT_BANDWIDTH
    links: Mapping[str, float] = field(default_factory=dict)

    def executor_for(self, kind: str) -> ExecutorChoice | None:
        """Return who runs sessions of a kind that the facility knows, None if nobody does."""
        known = self.kinds.get(kind)
        if known is None or not self.executors:
            return None
        return self.executors.get(known.executor or next(iter(self.executors)))

    @property
    def limits(self) -> Capacity:
        """The most that one session can have."""
        whole, most = self.capacity, self.most
        return Capacity(
            cores=_least(whole.cores, most.cores),
            memory_bytes=_least(whole.memory_bytes, most.memory_bytes),
            store_bytes=_least(whole.store_bytes, most.store_bytes),
            gpus=_least(whole.gpus, most.gpus),
            gpu_models=whole.gpu_models,
            duration_s=None if whole.duration_s is most.duration_s is None else _shorter(whole, most),
            startup_s=whole.startup_s,
        )


def _least(first: int | None, second: int | None) -> int | None:
    known = [value for value in (first, second) if value is not None]
    return min(known) if known else None


def _shorter(whole: Capacity, most: Capacity) -> float:
    return min(value for value in (whole.duration_s, most.duration_s) if value is not None)
