"""What a client asks of a job list: PHASE, AFTER, LAST (UWS 1.1 s2.2.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters
from penstock.dali.values import parse_timestamp
from uws.core.job import Phase

_LISTED = frozenset(Phase) - {Phase.ARCHIVED}
_MAX_LAST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which jobs to list: all conditions hold, and of those the `last` newest; archived jobs only on demand."""

    phases: frozenset[Phase] = _LISTED
    after: datetime | None = None
    last: int | None = None


def parse_filters(params: Parameters) -> Filters:
    """Read the filters of a job list.

    Raises
    ------
    UsageError
        A phase that does not exist, an instant that is none, or a LAST that is not a positive integer.
    """
    phases = frozenset(parse_phase(value) for value in params.all("PHASE"))
    after = params.single("AFTER")
    last = params.single("LAST")
    return Filters(
        phases=phases or _LISTED,
        after=None if after is None else parse_timestamp("AFTER", after),
        last=None if last is None else _parse_last(last),
    )


def parse_phase(text: str) -> Phase:
    """Read one of the ten phases.

    Raises
    ------
    UsageError
        There is no such phase.
    """
    try:
        return Phase(text.strip().upper())
    except ValueError as error:
        raise UsageError(f"PHASE={text[:40]!r} is not one of {', '.join(Phase)}.") from error


def _parse_last(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:12]) > 0):
        raise UsageError(f"LAST={text[:40]!r} is not an integer above zero.")
    return min(int(text[:12]), _MAX_LAST)
