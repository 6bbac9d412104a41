"""Every phase, every event: a legal phase, or the protocol's error."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from execplanner.core import phases
from execplanner.core.phases import (
    CLIENT,
    ENDED,
    LIVE,
    OFFERS,
    TABLE,
    Event,
    OfferExpired,
    Phase,
    TransitionRefused,
    after,
    choices,
    seen,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def drawn() -> dict[tuple[Phase, Event], Phase | None]:
    """Read the tables that the module's documentation draws."""
    found: dict[tuple[Phase, Event], Phase | None] = {}
    columns: list[Event] = []
    for line in (phases.__doc__ or "").splitlines():
        words = line.split()
        if words and all(word in Event.__members__ for word in words):
            columns = [Event(word) for word in words]
        elif line.startswith("    ") and words and words[0] in Phase.__members__:
            phase = Phase(words[0])
            for event, word in zip(columns, words[1:], strict=True):
                found[phase, event] = None if word == "-" else phase if word == "=" else Phase(word)
    return found


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)), ids=lambda one: str(one))
def test_every_pair_is_as_it_is_drawn(phase: Phase, event: Event) -> None:
    expected = drawn()[phase, event]
    if expected is not None:
        assert after(phase, event) is expected
        return
    with pytest.raises((TransitionRefused, OfferExpired)) as caught:
        after(phase, event)
    assert caught.value.status_hint in (409, 410)


def test_the_drawing_is_whole() -> None:
    assert drawn().keys() == set(product(Phase, Event))
    assert re.search("COMPLETED", phases.__doc__ or "")


def test_what_has_ended_stays_ended() -> None:
    assert {target for (phase, _), target in TABLE.items() if phase in ENDED} <= ENDED
    assert all(TABLE.get((phase, event), phase) is phase for phase in ENDED for event in Event)


def test_phases_are_parted_into_offers_live_and_ended() -> None:
    assert set(Phase) == OFFERS | LIVE | ENDED
    assert len(OFFERS) + len(LIVE) + len(ENDED) == len(Phase)


def test_an_accepted_session_can_no_longer_expire_or_lose() -> None:
    for phase, event in product(LIVE, (Event.EXPIRE, Event.LOSE, Event.REJECT)):
        assert (phase, event) not in TABLE


@pytest.mark.parametrize("phase", list(Phase))
def test_only_offers_expire_and_do_so_at_their_very_instant(phase: Phase) -> None:
    assert seen(phase, NOW, NOW - timedelta(milliseconds=1)) is phase
    assert seen(phase, NOW, NOW) is (Phase.EXPIRED if phase in OFFERS else phase)
    assert seen(phase, None, NOW) is phase


@pytest.mark.parametrize("phase", list(Phase))
def test_what_a_client_may_choose_is_what_would_change_something(phase: Phase) -> None:
    for value in choices(phase):
        assert after(phase, CLIENT[value]) == value
    assert choices(Phase.OFFERED) == ("ACCEPTED", "REJECTED", "CANCELLED")
    assert choices(Phase.RUNNING) == ("CANCELLED",)
    assert choices(Phase.COMPLETED) == ()
