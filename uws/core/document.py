"""What the documents of UWS say, whatever their form (UWS 1.1 s2.2.2).

These records hold what XML and JSON can both say, and keep apart what the schema keeps apart: an element that is absent
and one that is nil. Times are strings: a document of another service is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from uws.core.job import ErrorSummary, Phase

VERSION = "1.1"  # on the roots of jobs and job lists (UWS 1.1 s2.2.1.1)


class Absent(Enum):
    """The type of `ABSENT`: a nillable element that is not there at all."""

    ABSENT = "ABSENT"


ABSENT = Absent.ABSENT
Nillable = str | None | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterItem:
    """A parameter; None where the attribute is absent."""

    id: str
    value: str = ""
    by_reference: bool | None = None
    is_post: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultItem:
    """A result; `custom` holds the attributes of the namespace urn:uwscustom by local name."""

    id: str
    href: str | None = None
    size: int | None = None
    media_type: str | None = None
    custom: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDocument:
    """A job document; None means nil for `owner_id`, `start_time`, `end_time` and `destruction`, absent elsewhere."""

    job_id: str
    phase: Phase
    owner_id: str | None = None
    run_id: str | None = None
    quote: Nillable = None
    creation_time: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    execution_duration: int = 0
    destruction: str | None = None
    parameters: tuple[ParameterItem, ...] | None = None
    results: tuple[ResultItem, ...] = ()
    error: ErrorSummary | None = None
    info: Mapping[str, Any] | None = None
    version: str | None = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """An entry of a job list."""

    job_id: str
    phase: Phase
    run_id: str | None = None
    owner_id: Nillable = ABSENT
    creation_time: str | None = None
    href: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """A job list."""

    jobs: tuple[JobRef, ...] = ()
    version: str | None = VERSION
