"""What a facility is: a declarative record, so that adding one takes no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of task that a facility runs; `languages` are those it may be written in."""

    title: str = ""
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A way to hand a task over: the type of the service, and where it is (note s2.1)."""

    servicetype: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The most that one task can have; None where there is no limit.

    `startup_s` is how long a task usually waits before it starts.
    """

    cores: int | None = None
    memory_bytes: int | None = None
    store_bytes: int | None = None
    duration_s: float | None = None
    startup_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A place where tasks run; `kinds` are by task type, `interfaces` have the preferred one first."""

    id: str
    title: str
    interfaces: tuple[Access, ...]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    site: str | None = None
    capacity: Capacity = Capacity()  # immutable
