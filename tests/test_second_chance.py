"""Which failed tests may run again, and what becomes of the build."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.second_chance import MOST, run_again

ONE = {"tests/test_it.py::test_that[b]": True, "tests/test_it.py::test_that[a]": True}


class Runs:
    """Runs tests with a given end, and notes which."""

    def __init__(self, status: int) -> None:
        self.asked: list[Sequence[str]] = []
        self._status = status

    def __call__(self, tests: Sequence[str]) -> int:
        self.asked.append(tests)
        return self._status


def test_tests_that_pass_alone_are_named_as_flaky_and_pass(capsys: pytest.CaptureFixture[str]) -> None:
    run = Runs(0)
    assert run_again(1, ONE, run) == 0
    assert run.asked == [sorted(ONE)]
    told = capsys.readouterr().out.split("FLAKY", 1)[1]
    assert all(test in told for test in ONE)


@pytest.mark.parametrize("status", [1, 2, 3, 5])
def test_tests_that_do_not_pass_alone_fail(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_again(1, ONE, Runs(status)) == 1
    assert "FLAKY" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        (1, [f"tests/test_it.py::test_{number}" for number in range(MOST + 1)]),
        (1, ["tests/test_it.py"]),
        (1, []),
        (2, list(ONE)),
        (3, list(ONE)),
        (None, list(ONE)),
    ],
    ids=["many", "a file", "nothing", "interrupted", "broken", "no end"],
)
def test_there_is_no_second_chance_for(status: int | None, failed: list[str]) -> None:
    run = Runs(0)
    assert run_again(status, failed, run) == 1
    assert not run.asked
