from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters
from tests.uws.builders import NOW
from uws.core.filters import Filters, parse_filters
from uws.core.job import Phase, first_id_after, is_job_id, new_job_id
from uws.core.wait import MAY_BLOCK, Wait, parse_wait


def params(query: str) -> Parameters:
    return Parameters([tuple(pair.split("=", 1)) for pair in query.split("&") if pair])  # type: ignore[misc]


@pytest.mark.requirement("U-072")
def test_no_filter_lists_all_but_archived_jobs() -> None:
    assert parse_filters(params("")) == Filters()
    assert Filters().phases == set(Phase) - {Phase.ARCHIVED}


@pytest.mark.requirement("U-073", "U-074")
@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_is_a_filter(phase: Phase) -> None:
    assert parse_filters(params(f"phase={phase}")).phases == {phase}


@pytest.mark.requirement("U-073")
def test_phases_are_joined() -> None:
    assert parse_filters(params("PHASE=ARCHIVED&Phase=ERROR")).phases == {Phase.ARCHIVED, Phase.ERROR}


@pytest.mark.requirement("U-075", "U-079")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-10-26T09:15:35", datetime(2015, 10, 26, 9, 15, 35, tzinfo=UTC)),
        ("2015-10-26 09:00", datetime(2015, 10, 26, 9, tzinfo=UTC)),
        ("2015-10-26", datetime(2015, 10, 26, tzinfo=UTC)),
        ("2015", datetime(2015, 1, 1, tzinfo=UTC)),
        ("20151026", datetime(2015, 10, 26, tzinfo=UTC)),
        ("2015-10-26T09:15:35.123456Z", datetime(2015, 10, 26, 9, 15, 35, 123456, tzinfo=UTC)),
    ],
)
def test_after_is_read_leniently(text: str, expected: datetime) -> None:
    assert parse_filters(params(f"AFTER={text}")).after == expected


@pytest.mark.requirement("U-079")
@pytest.mark.parametrize(
    "query",
    [
        "PHASE=SUCCESS",
        "PHASE=pendinggg",
        "PHASE=1345",
        "PHASE=",
        "LAST=-1",
        "LAST=0",
        "LAST=-254",
        "LAST=sometext",
        "LAST=1.5",
        "LAST=1&LAST=2",
        "AFTER=2015-26-10",
        "AFTER=sometext",
        "AFTER=2015-10-26T09:00+01:00",
    ],
)
def test_bad_filters_are_refused(query: str) -> None:
    with pytest.raises(UsageError):
        parse_filters(params(query))


@pytest.mark.requirement("U-051")
@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("10", 10), ("-1", None), ("999999999", 999999999)])
def test_wait_is_read(text: str, seconds: int | None) -> None:
    assert parse_wait(params(f"wait={text}")) == Wait(seconds=seconds)


@pytest.mark.requirement("U-063")
@pytest.mark.parametrize(
    "query", ["WAIT=abc", "WAIT=1.5", "WAIT=-5", "WAIT=", "WAIT=1&WAIT=2", "WAIT=1&PHASE=NO", "WAIT=٣"]
)
def test_bad_waits_are_refused(query: str) -> None:
    with pytest.raises(UsageError):
        parse_wait(params(query))


def test_without_wait_a_phase_means_nothing() -> None:
    assert parse_wait(params("PHASE=NONSENSE")) is None


@pytest.mark.requirement("U-053")
@pytest.mark.parametrize("phase", list(Phase))
def test_a_request_blocks_in_the_three_active_phases_only(phase: Phase) -> None:
    assert Wait(seconds=None).blocks(phase, phase) == (phase in MAY_BLOCK)
    assert Wait(seconds=None, phase=phase).blocks(phase, phase) == (phase in MAY_BLOCK)


@pytest.mark.requirement("U-052", "U-057", "U-058")
def test_a_request_ends_when_the_phase_is_another() -> None:
    assert not Wait(seconds=None).blocks(Phase.PENDING, Phase.QUEUED)
    assert not Wait(seconds=None, phase=Phase.QUEUED).blocks(Phase.EXECUTING, Phase.EXECUTING)
    assert Wait(seconds=None, phase=Phase.EXECUTING).blocks(Phase.QUEUED, Phase.EXECUTING)


@pytest.mark.requirement("U-055", "U-056")
def test_waiting_is_capped() -> None:
    assert Wait(seconds=None).timeout_s(60) == 60
    assert Wait(seconds=5).timeout_s(60) == 5
    assert Wait(seconds=100).timeout_s(60) == 60


def test_ids_sort_by_time_begin_with_a_digit_and_keep_their_random_bits() -> None:
    early = new_job_id(NOW, b"\xff" * 10)
    late = new_job_id(NOW + timedelta(milliseconds=1), b"\0" * 10)
    assert early < late
    assert early[0].isdigit()
    assert len(early) == 26
    assert new_job_id(NOW, b"\0" * 9 + b"\1") != new_job_id(NOW, b"\0" * 10)
    assert early < first_id_after(NOW) <= late
    assert is_job_id(early)


@pytest.mark.parametrize("text", ["", "x", "\0" * 26, "../" * 9, "I" * 26, "0" * 27])
def test_other_text_is_no_id(text: str) -> None:
    assert not is_job_id(text)
