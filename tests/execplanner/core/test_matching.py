from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execplanner.core.facility import Access, Capacity, Facility, Kind
from execplanner.core.matching import Stage, judge
from execplanner.core.question import Question, Tree, Wish

FACILITY = Facility(
    id="here",
    title="Here",
    interfaces=(Access(servicetype="uws", endpoint="https://penstock.example/uws/jobs"),),
    kinds={"notebook": Kind(languages=("md", "Python")), "sleep": Kind()},
    capacity=Capacity(cores=8, memory_bytes=16 * 10**9, duration_s=3600, startup_s=5),
)


def stages(tasktype: str = "notebook", taskinfo: dict[str, Tree] | None = None, **resources: Wish) -> list[Stage]:
    question = Question(tasktype=tasktype, taskinfo=taskinfo or {}, resources=resources)
    return [reason.stage for reason in judge(question, FACILITY).reasons]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"taskinfo": {"languages": ["md", "python"]}}, []),
        ({"taskinfo": {"languages": "MD"}}, []),
        ({"cores": Wish(minimum=8, maximum=100)}, []),
        ({"memory": Wish(minimum=16e9)}, []),
        ({"store": Wish(minimum=1e18)}, []),
        ({"startup": Wish(maximum=5)}, []),
        ({"startup": Wish(minimum=100)}, []),
        ({"tasktype": "zeppelin"}, [Stage.KIND]),
        ({"tasktype": "zeppelin", "cores": Wish(minimum=9)}, [Stage.KIND]),
        ({"tasktype": "Notebook"}, [Stage.KIND]),
        ({"taskinfo": {"languages": ["md", "cobol", {"a": "b"}]}}, [Stage.TASKINFO, Stage.TASKINFO]),
        ({"tasktype": "sleep", "taskinfo": {"languages": "md"}}, [Stage.TASKINFO]),
        ({"cores": Wish(minimum=9)}, [Stage.SIZE]),
        ({"cores": Wish(minimum=3, maximum=2)}, [Stage.SIZE]),
        ({"memory": Wish(minimum=16e9 + 1), "duration": Wish(minimum=3601)}, [Stage.SIZE, Stage.TIME]),
        ({"startup": Wish(maximum=4)}, [Stage.TIME]),
    ],
)
def test_a_task_is_taken_or_turned_away_at_its_stage(given: dict[str, object], expected: list[Stage]) -> None:
    assert stages(**given) == expected  # type: ignore[arg-type]


def test_what_is_not_known_is_refused_as_a_resource_and_passed_over_elsewhere() -> None:
    question = Question(tasktype="sleep", taskinfo={"colour": "red"}, unknown=("/when", "/resources/mingpus"))
    verdict = judge(question, FACILITY)
    assert [reason.pointer for reason in verdict.reasons] == ["/resources/mingpus"]
    assert verdict.ignored == ("/when", "/taskinfo/colour")


@given(st.integers(1, 100), st.integers(1, 100))
def test_what_is_offered_lies_within_the_facility(low: int, high: int) -> None:
    verdict = judge(Question(tasktype="sleep", resources={"cores": Wish(minimum=low, maximum=high)}), FACILITY)
    assert verdict.offered is not None
    assert verdict.offered["cores"].maximum == min(high, 8)
    assert verdict.accepts == (low <= high and low <= 8)


def test_every_reason_is_a_sentence() -> None:
    question = Question(tasktype="x\x00" * 200)
    (reason,) = judge(question, FACILITY).reasons
    assert reason.text.isprintable()
    assert len(reason.text) < 500
