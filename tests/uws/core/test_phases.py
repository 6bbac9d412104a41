from __future__ import annotations

import itertools

import pytest

from tests.uws.builders import NOW, instant, make_job
from uws.core.job import ErrorSummary, JobParameter, JobResult, Lease, Phase
from uws.core.phases import (
    CLIENT_KINDS,
    TABLE,
    Abort,
    Archive,
    Claim,
    Complete,
    Delete,
    Effect,
    Event,
    Fail,
    Hold,
    Kind,
    Overrun,
    Refused,
    Resume,
    Revive,
    Run,
    SetDestruction,
    SetDuration,
    Stale,
    Suspend,
    UpdateParameters,
    after_lost_worker,
    allowed,
    apply,
)

ERROR = ErrorSummary(type="transient", message="gone")
RESULT = JobResult(id="r", blob="b", size_bytes=1, media_type="text/plain")

# ruff: noqa: E501  (a table reads best with a row on a line)
# Rows are phases, columns what happens; "." is refused, "=" holds already, a word is the phase that follows.
MATRIX = """
           RUN    ABORT   UPDATE DUR DESTR DELETE CLAIM     COMPLETE  FAIL  OVERRUN REVIVE HOLD SUSPEND   RESUME    ARCHIVE
PENDING    QUEUED ABORTED =      =   =     gone   .         .         ERROR .       .      HELD .         .         .
QUEUED     same   ABORTED .      =   =     gone   EXECUTING .         ERROR .       QUEUED .    .         .         .
EXECUTING  same   ABORTED .      =   =     gone   .         COMPLETED ERROR ABORTED QUEUED HELD SUSPENDED .         .
COMPLETED  .      .       .      .   =     gone   .         .         .     .       .      .    .         .         ARCHIVED
ERROR      .      .       .      .   =     gone   .         .         .     .       .      .    .         .         ARCHIVED
UNKNOWN    .      ABORTED .      =   =     gone   .         .         .     .       .      .    .         .         .
HELD       QUEUED ABORTED .      =   =     gone   .         .         ERROR .       .      same .         .         .
SUSPENDED  same   ABORTED .      =   =     gone   .         .         ERROR ABORTED QUEUED .    .         EXECUTING .
ABORTED    .      same    .      .   =     gone   .         .         .     .       .      .    .         .         ARCHIVED
ARCHIVED   .      .       .      .   .     gone   .         .         .     .       .      .    .         .         .
"""


def event_of(kind: Kind, attempt: int) -> Event:
    """Return an event of each kind."""
    events: dict[Kind, Event] = {
        Kind.RUN: Run(),
        Kind.ABORT: Abort(),
        Kind.UPDATE_PARAMETERS: UpdateParameters((JobParameter(id="A", value="1"),), "run"),
        Kind.SET_DURATION: SetDuration(7),
        Kind.SET_DESTRUCTION: SetDestruction(instant(99)),
        Kind.DELETE: Delete(),
        Kind.CLAIM: Claim(attempt, Lease(worker="me", until=instant(30))),
        Kind.COMPLETE: Complete(attempt, (RESULT,)),
        Kind.FAIL: Fail(attempt, ERROR),
        Kind.OVERRUN: Overrun(attempt),
        Kind.REVIVE: Revive(attempt),
        Kind.HOLD: Hold(),
        Kind.SUSPEND: Suspend(),
        Kind.RESUME: Resume(),
        Kind.ARCHIVE: Archive(),
    }
    return events[kind]


def cells() -> list[tuple[Phase, Kind, str]]:
    """Read the matrix."""
    _, *rows = MATRIX.strip().splitlines()
    return [
        (Phase(row.split()[0]), kind, cell) for row in rows for kind, cell in zip(Kind, row.split()[1:], strict=True)
    ]


def test_the_matrix_names_every_pair() -> None:
    assert {(phase, kind) for phase, kind, _ in cells()} == set(itertools.product(Phase, Kind))


@pytest.mark.requirement("U-009", "U-010", "U-011", "U-014", "U-032")
@pytest.mark.parametrize(("phase", "kind", "cell"), cells())
def test_every_event_in_every_phase_does_what_the_matrix_says(phase: Phase, kind: Kind, cell: str) -> None:
    job = make_job(phase)
    event = event_of(kind, job.attempt)
    if cell == ".":
        with pytest.raises(Refused):
            apply(job, event, NOW)
        return
    decision = apply(job, event, NOW)
    if cell == "same":
        assert decision.job is job
        assert not decision.effects
    else:
        assert decision.job.phase == {"=": phase, "gone": phase}.get(cell, cell)
        assert Effect.NOTIFY in decision.effects
        assert (Effect.FORGET in decision.effects) == (cell == "gone")


@pytest.mark.parametrize("kind", [Kind.CLAIM, Kind.COMPLETE, Kind.FAIL, Kind.OVERRUN, Kind.REVIVE])
@pytest.mark.parametrize("phase", list(Phase))
def test_a_report_of_another_attempt_is_stale_in_every_phase(phase: Phase, kind: Kind) -> None:
    job = make_job(phase, attempt=3)
    for attempt in (2, 4):
        with pytest.raises(Stale):
            apply(job, event_of(kind, attempt), NOW)


@pytest.mark.requirement("U-138", "TA-07")
def test_running_raises_the_attempt_and_dispatches() -> None:
    decision = apply(make_job(), Run(), NOW)
    assert decision.job.attempt == 1
    assert Effect.DISPATCH in decision.effects
    assert decision.job.quote == instant(60)


def test_reviving_forgets_what_the_lost_attempt_said() -> None:
    job = make_job(Phase.EXECUTING, info={"progress": 0.5})
    revived = apply(job, Revive(1), NOW)
    assert (revived.job.attempt, revived.job.start_time, revived.job.lease, revived.job.info) == (2, None, None, {})
    assert Effect.DISPATCH in revived.effects


@pytest.mark.requirement("U-139")
def test_abort_keeps_the_start_and_the_parameters_and_sets_the_end() -> None:
    job = make_job(Phase.EXECUTING)
    aborted = apply(job, Abort(), instant(9)).job
    assert (aborted.start_time, aborted.end_time) == (job.start_time, instant(9))
    assert aborted.parameters == job.parameters
    assert aborted.error is None


@pytest.mark.requirement("U-016")
def test_overrun_says_what_happened() -> None:
    job = make_job(Phase.EXECUTING, execution_duration_s=5)
    aborted = apply(job, Overrun(1, (RESULT,)), instant(9)).job
    assert aborted.error
    assert "ExecutionDuration exceeded" in aborted.error.message
    assert aborted.results == (RESULT,)


@pytest.mark.requirement("U-013")
@pytest.mark.parametrize("event", [Abort(), Overrun(1), Fail(1, ERROR), Suspend(), SetDuration(5)])
def test_results_that_were_published_stay_unless_somebody_knows_better(event: Event) -> None:
    """UWS 1.1 s2.1.4, s2.2.3.6."""
    assert apply(make_job(Phase.EXECUTING, results=(RESULT,)), event, NOW).job.results == (RESULT,)


@pytest.mark.parametrize("event", [Overrun(1, ()), Fail(1, ERROR, ()), Complete(1, ()), Revive(1)])
def test_results_are_what_the_worker_says_at_last_and_go_with_its_attempt(event: Event) -> None:
    assert apply(make_job(Phase.EXECUTING, results=(RESULT,)), event, NOW).job.results == ()


def test_archiving_keeps_the_metadata_and_drops_the_results() -> None:
    decision = apply(make_job(Phase.COMPLETED), Archive(), NOW)
    assert decision.job.results == ()
    assert decision.job.parameters
    assert Effect.DISCARD in decision.effects


def test_a_lost_worker_means_another_try_until_there_were_enough() -> None:
    assert after_lost_worker(make_job(Phase.EXECUTING, attempt=2), 3) == Revive(2)
    given_up = after_lost_worker(make_job(Phase.EXECUTING, attempt=3), 3)
    assert isinstance(given_up, Fail)
    assert given_up.error.type == "transient"


def test_what_is_allowed_leaves_out_what_holds_already() -> None:
    assert Kind.RUN not in allowed(Phase.EXECUTING)
    assert Kind.ABORT not in allowed(Phase.ABORTED)
    assert allowed(Phase.ARCHIVED) == {Kind.DELETE}
    assert set(CLIENT_KINDS) >= allowed(Phase.PENDING)


@pytest.mark.requirement("U-015")
def test_a_deadline_is_there_only_while_the_job_runs_and_is_limited() -> None:
    assert make_job(Phase.EXECUTING).deadline == instant(61)
    assert make_job(Phase.EXECUTING, execution_duration_s=0).deadline is None
    assert make_job(Phase.COMPLETED).deadline is None
    assert make_job().deadline is None


@pytest.mark.requirement("U-012")
def test_nothing_that_happens_leads_to_unknown() -> None:
    """The database always tells: only the document of another service says UNKNOWN."""
    assert Phase.UNKNOWN not in {rule.to for rules in TABLE.values() for rule in rules.values()}
