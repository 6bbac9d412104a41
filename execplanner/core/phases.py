"""The phases of a session: everything that moves one from a phase to another is in this table.

What a client may do, and what befalls an offer ("=": the goal holds already)::

                ACCEPT     REJECT     CANCEL     LOSE       EXPIRE
    INITIAL     -          -          CANCELLED  REJECTED   EXPIRED
    OFFERED     ACCEPTED   REJECTED   CANCELLED  REJECTED   EXPIRED
    ACCEPTED    =          -          CANCELLED  -          -
    WAITING     =          -          CANCELLED  -          -
    PREPARING   =          -          CANCELLED  -          -
    AVAILABLE   =          -          CANCELLED  -          -
    RUNNING     =          -          CANCELLED  -          -
    RELEASING   =          -          CANCELLED  -          -
    REJECTED    -          =          -          =          -
    EXPIRED     -          -          -          -          =
    COMPLETED   -          -          -          -          -
    FAILED      -          -          -          -          -
    CANCELLED   -          -          =          -          -

What its run finds out::

                WAIT       PREPARE    OPEN       START      RELEASE    COMPLETE   FAIL
    INITIAL     -          -          -          -          -          -          FAILED
    OFFERED     -          -          -          -          -          -          FAILED
    ACCEPTED    WAITING    PREPARING  -          -          -          -          FAILED
    WAITING     =          PREPARING  -          -          -          -          FAILED
    PREPARING   -          =          AVAILABLE  RUNNING    RELEASING  -          FAILED
    AVAILABLE   -          PREPARING  =          RUNNING    RELEASING  -          FAILED
    RUNNING     -          PREPARING  AVAILABLE  =          RELEASING  -          FAILED
    RELEASING   -          PREPARING  -          -          =          COMPLETED  FAILED
    REJECTED    -          -          -          -          -          -          -
    EXPIRED     -          -          -          -          -          -          -
    COMPLETED   -          -          -          -          -          =          -
    FAILED      -          -          -          -          -          -          =
    CANCELLED   -          -          -          -          -          -          -

LOSE is what befalls an offer when a sibling is accepted. A run that begins again after a crash starts anew with
PREPARE, which therefore is allowed from every phase of a run. An offer whose time is over is EXPIRED for who looks,
whether or not that was written (`seen`); capacity is held by reservations, not by phases.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from penstock.dali.errors import UsageError


class Phase(StrEnum):
    """The phases of a session (openapi 1.0.7, SimpleExecutionSessionPhase)."""

    INITIAL = "INITIAL"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    WAITING = "WAITING"
    PREPARING = "PREPARING"
    AVAILABLE = "AVAILABLE"
    RUNNING = "RUNNING"
    RELEASING = "RELEASING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Event(StrEnum):
    """What can happen to a session."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    CANCEL = "CANCEL"
    LOSE = "LOSE"
    EXPIRE = "EXPIRE"
    WAIT = "WAIT"
    PREPARE = "PREPARE"
    OPEN = "OPEN"
    START = "START"
    RELEASE = "RELEASE"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"


class TransitionRefused(UsageError):
    """What was asked for does not fit the phase of the session."""

    status_hint = 409


class OfferExpired(UsageError):
    """The offer is not valid any more."""

    status_hint = 410


OFFERS: Final = frozenset({Phase.INITIAL, Phase.OFFERED})
RUNS: Final = frozenset({Phase.PREPARING, Phase.AVAILABLE, Phase.RUNNING, Phase.RELEASING})
LIVE: Final = RUNS | {Phase.ACCEPTED, Phase.WAITING}
ENDED: Final = frozenset(Phase) - OFFERS - LIVE
CLIENT: Final = {"ACCEPTED": Event.ACCEPT, "REJECTED": Event.REJECT, "CANCELLED": Event.CANCEL}
"""What a client may set `phase` to."""


def _table() -> dict[tuple[Phase, Event], Phase]:
    p, e = Phase, Event
    table = {(phase, e.CANCEL): p.CANCELLED for phase in OFFERS | LIVE}
    table |= {(phase, e.FAIL): p.FAILED for phase in OFFERS | LIVE}
    table |= {(phase, e.LOSE): p.REJECTED for phase in OFFERS}
    table |= {(phase, e.EXPIRE): p.EXPIRED for phase in OFFERS}
    table |= {(p.OFFERED, e.ACCEPT): p.ACCEPTED, (p.OFFERED, e.REJECT): p.REJECTED}
    table |= {(phase, e.ACCEPT): phase for phase in LIVE}
    table |= {(p.ACCEPTED, e.WAIT): p.WAITING, (p.WAITING, e.WAIT): p.WAITING}
    table |= {(phase, e.PREPARE): p.PREPARING for phase in LIVE}
    table |= {(phase, e.OPEN): p.AVAILABLE for phase in (p.PREPARING, p.AVAILABLE, p.RUNNING)}
    table |= {(phase, e.START): p.RUNNING for phase in (p.PREPARING, p.AVAILABLE, p.RUNNING)}
    table |= {(phase, e.RELEASE): p.RELEASING for phase in RUNS}
    table |= {(p.RELEASING, e.COMPLETE): p.COMPLETED}
    ends = {e.REJECT: p.REJECTED, e.LOSE: p.REJECTED, e.EXPIRE: p.EXPIRED, e.COMPLETE: p.COMPLETED}
    ends |= {e.FAIL: p.FAILED, e.CANCEL: p.CANCELLED}
    return table | {(phase, event): phase for event, phase in ends.items()}


TABLE: Final = _table()


def after(phase: Phase, event: Event) -> Phase:
    """Return the phase that follows.

    Raises
    ------
    OfferExpired
        An offer that expired can neither be accepted nor rejected.
    TransitionRefused
        The event does not fit the phase.
    """
    found = TABLE.get((phase, event))
    if found is not None:
        return found
    if phase is Phase.EXPIRED and event in (Event.ACCEPT, Event.REJECT, Event.CANCEL):
        raise OfferExpired("The offer has expired; ask for new ones.")
    raise TransitionRefused(f"{event} does not fit a session that is {phase}.")


def seen(phase: Phase, expires: datetime | None, now: datetime) -> Phase:
    """Return the phase as everybody sees it: an offer whose time is over is EXPIRED."""
    if phase in OFFERS and expires is not None and now >= expires:
        return Phase.EXPIRED
    return phase


def choices(phase: Phase) -> tuple[str, ...]:
    """Return what a client may set `phase` to now."""
    return tuple(value for value, event in CLIENT.items() if TABLE.get((phase, event), phase) is not phase)
