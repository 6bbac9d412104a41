"""When a request for a job blocks, and until when (UWS 1.1 s2.2.1.2).

It may block only while the job is PENDING, QUEUED or EXECUTING, for WAIT seconds at most (-1: as long as the service
allows), and ends when the phase changes. With PHASE it blocks only while the job is in that phase.

A service may answer before the time is over, but a client in use then asks again at once, hundreds of times a second.
So a request for which there is no place waits, too: for `REFUSED_S`, whatever happens meanwhile.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters
from uws.core.filters import parse_phase
from uws.core.job import Phase

MAY_BLOCK = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
REFUSED_S = 1.0
_SECONDS = re.compile(r"-1|\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A wish to wait: `seconds` None is for ever; `phase` None is the phase that the job is found in."""

    seconds: int | None
    phase: Phase | None = None

    def timeout_s(self, cap_s: float) -> float:
        """Return for how long to block, given what the service allows."""
        return cap_s if self.seconds is None else min(self.seconds, cap_s)

    def blocks(self, found: Phase, now: Phase) -> bool:
        """Tell whether to go on waiting for a job that was in `found` at first and is in `now`."""
        return now in MAY_BLOCK and now is (self.phase or found)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLimits:
    """How many requests may block at once: in a process, of one caller that is known, for one job."""

    total: int = 10_000
    per_caller: int = 1000
    per_job: int = 5000


class WaitingRoom:
    """Counts the requests that block.

    Parameters
    ----------
    limits
        How many there may be.
    """

    def __init__(self, limits: WaitingLimits) -> None:
        self._limits = limits
        self._jobs: Counter[str] = Counter()
        self._callers: Counter[str] = Counter()
        self.taken = 0

    @contextmanager
    def place(self, job_id: str, caller: str | None) -> Iterator[bool]:
        """Take a place while the block lasts and give True; give False where there is none."""
        if self._is_full(job_id, caller):
            yield False
            return
        self._count(job_id, caller, 1)
        try:
            yield True
        finally:
            self._count(job_id, caller, -1)

    def _is_full(self, job_id: str, caller: str | None) -> bool:
        limits = self._limits
        return (
            self.taken >= limits.total
            or self._jobs[job_id] >= limits.per_job
            or (caller is not None and self._callers[caller] >= limits.per_caller)
        )

    def _count(self, job_id: str, caller: str | None, step: int) -> None:
        self.taken += step
        for counter, name in ((self._jobs, job_id), (self._callers, caller)):
            if name is not None:
                counter[name] += step
                if not counter[name]:
                    del counter[name]


def parse_wait(params: Parameters) -> Wait | None:
    """Read WAIT and PHASE of a request for a job; None where it does not ask to wait.

    Raises
    ------
    UsageError
        WAIT is not an integer of at least -1, or PHASE is not a phase.
    """
    text = params.single("WAIT")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text.strip()):
        raise UsageError(
            f"WAIT={text[:40]!r} is not a number of seconds: an integer, or -1 to wait for the next change."
        )
    phase = params.single("PHASE")
    seconds = int(text)
    return Wait(seconds=None if seconds < 0 else seconds, phase=None if phase is None else parse_phase(phase))
