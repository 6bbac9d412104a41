"""What a deployment allows: defaults and limits of jobs (UWS 1.1 s2.1.4, s2.1.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from penstock.dali.errors import UsageError
from uws.core.job import to_milliseconds
from uws.core.wait import WaitingLimits
from uws.service.quota import Quotas

LONGEST_S = 2**31 - 1  # executionDuration is an xs:int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Defaults and limits; a duration of 0 is unlimited, a lifetime of None has no end."""

    default_duration_s: int = 3600
    max_duration_s: int = 0
    default_lifetime: timedelta | None = timedelta(days=30)
    max_lifetime: timedelta | None = None
    archive: bool = False
    lists_anonymous: bool = False
    max_wait_s: float = 60.0
    following: WaitingLimits = field(default_factory=lambda: WaitingLimits(total=1000, per_caller=20, per_job=20))
    waiting: WaitingLimits = field(default_factory=WaitingLimits)
    quotas: Quotas = field(default_factory=Quotas)
    max_attempts: int = 3
    lease: timedelta = timedelta(seconds=60)
    redispatch: timedelta = timedelta(seconds=30)

    def duration_s(self, wish_s: int | None) -> int:
        """Return the executionDuration that a job gets whose client wishes for this one."""
        wish_s = self.default_duration_s if wish_s is None else min(wish_s, LONGEST_S)
        if self.max_duration_s and (wish_s == 0 or wish_s > self.max_duration_s):
            return self.max_duration_s
        return wish_s

    def destruction(self, wish: datetime | None, now: datetime) -> datetime | None:
        """Return the destruction time that a job gets; a wish of None is never."""
        if self.max_lifetime is None:
            return None if wish is None else to_milliseconds(wish)
        latest = now + self.max_lifetime
        return to_milliseconds(latest if wish is None else min(wish, latest))

    def first_destruction(self, now: datetime) -> datetime | None:
        """Return the destruction time of a job whose client has no wish."""
        wish = None if self.default_lifetime is None else now + self.default_lifetime
        return self.destruction(wish, now)


def parse_duration(text: str) -> int:
    """Read EXECUTIONDURATION: whole seconds, 0 for unlimited.

    Raises
    ------
    UsageError
        It is not an integer, or below zero.
    """
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit()):
        raise UsageError(f"EXECUTIONDURATION={text[:40]!r} is not a number of whole seconds (0 is unlimited).")
    return min(int(stripped[:12]), LONGEST_S)
