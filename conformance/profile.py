"""How to make jobs that succeed or fail, and which identifiers exist: what a black box cannot know by itself.

A profile is a TOML file::

    [succeed]                # a job that ends in COMPLETED within a minute
    JOBTYPE = "echo"
    [fail]                   # a job that ends in ERROR
    JOBTYPE = "fail"
    [datalink]
    id = "ivo://example.org/data?1"
    [soda]                   # data, and circles in degrees that meet them or not
    id = "ivo://example.org/data?1"
    inside = "12.0 34.0 0.1"
    outside = "12.0 -34.0 0.1"
    async = "async"          # where its job list is, as from {sync}; the capabilities say it, too
    [scs]                    # right ascension, declination and radius of a cone, in degrees
    cone = "12.0 34.0 0.1"
    [planner]                # a kind of task that may run
    tasktype = "echo"
    [broker]                 # may an offer be accepted, and cancelled at once?
    accept = true
    [broker.request]         # what offers are asked for; it should be small
    executable = {kind = "https://example.org/kinds/program", location = "https://example.org/a.py"}
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

QUERY = "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables"


TABLES = {"succeed", "fail", "datalink", "soda", "scs", "planner"}
BROKER = "broker"


class BadProfile(ValueError):
    """A profile that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """Data that can be cut, and circles that meet them or do not, each as `ra dec radius` in degrees.

    `jobs` is where the job list of cutouts is, as from {sync}.
    """

    id: str = ""
    inside: str = ""
    outside: str = ""
    jobs: str = ""

    @property
    def job(self) -> dict[str, str]:
        """The form of a job that makes a cutout; empty where no data are known."""
        return {"ID": self.id, "CIRCLE": self.inside} if self.id and self.inside else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokering:
    """What to ask an Execution Broker for, and whether an offer may be accepted."""

    request: Mapping[str, Any] = field(default_factory=dict)
    accept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Forms that make jobs. An empty `succeed` makes a job without parameters; without `fail` none is made to fail.

    `completes` says that the job of `succeed` is known to end in COMPLETED. `cone` is right ascension, declination and
    radius in degrees, `task_type` a kind of task that may run.
    """

    succeed: dict[str, str] = field(default_factory=dict)
    fail: dict[str, str] = field(default_factory=dict)
    completes: bool = False
    datalink_id: str = ""
    soda: Cutout = field(default_factory=Cutout)
    cone: tuple[float, float, float] | None = None
    task_type: str = ""
    broker: Brokering = field(default_factory=Brokering)

    @classmethod
    def of_tap(cls) -> Self:
        """Return the profile of the job list of a TAP service, where a query makes a job."""
        return cls(
            succeed={"LANG": "ADQL", "QUERY": QUERY},
            fail={"LANG": "ADQL", "QUERY": "SELECT nothing FROM nowhere_at_all"},
            completes=True,
        )

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a profile.

        Raises
        ------
        BadProfile
            If there is no such file or it is not a profile.
        """
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadProfile(f"{file}: {error}") from error
        unknown = content.keys() - TABLES - {BROKER}
        if unknown:
            raise BadProfile(f"{file}: there is no table {', '.join(sorted(unknown))}")
        forms = {name: _form(content.get(name, {}), file) for name in TABLES}
        try:
            return cls(
                succeed=forms["succeed"],
                fail=forms["fail"],
                completes=bool(forms["succeed"]),
                datalink_id=forms["datalink"].get("id", ""),
                soda=_cutout(forms["soda"]),
                cone=cone_of(forms["scs"].get("cone", "")),
                task_type=forms["planner"].get("tasktype", ""),
                broker=_brokering(content.get(BROKER, {})),
            )
        except ValueError as error:
            raise BadProfile(f"{file}: {error}") from error


def _cutout(form: dict[str, str]) -> Cutout:
    unknown = form.keys() - {"id", "inside", "outside", "async"}
    if unknown:
        raise ValueError(f"[soda] has id, inside, outside and async, not {', '.join(sorted(unknown))}")
    jobs = form.get("async", "")
    return Cutout(**{name: text for name, text in form.items() if name != "async"}, jobs=jobs)


def _brokering(table: object) -> Brokering:
    match table:
        case {**other} if other.keys() <= {"request", "accept"}:
            request, accept = other.get("request", {}), other.get("accept", False)
            if isinstance(request, dict) and isinstance(accept, bool):
                return Brokering(request=request, accept=accept)
    raise ValueError("[broker] has accept, which is true or false, and the table [broker.request]")


def cone_of(text: str) -> tuple[float, float, float] | None:
    """Read `ra dec radius`; None where there is nothing.

    Raises
    ------
    ValueError
        If these are not three numbers.
    """
    if not text.strip():
        return None
    try:
        ra, dec, radius = map(float, text.split())
    except ValueError as error:
        raise ValueError(f"a cone is right ascension, declination and radius in degrees, not {text!r}") from error
    return ra, dec, radius


def _form(table: object, file: Path) -> dict[str, str]:
    if not isinstance(table, dict):
        raise BadProfile(f"{file}: a form is a TOML table")
    return {str(name): str(value) for name, value in table.items()}
