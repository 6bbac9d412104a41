"""The page of the suite tells how many checks there are."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from conformance.registry import all_checks
from tests.requirements.table import read_tables
from tests.support.systems import ROOT

PAGE = (ROOT / "docs" / "conformance.md").read_text()
ROWS = re.findall(r"^\| [^|]+ \| ((?:`\w+\.\*`(?:, )?)+) \| (\d+) \|", PAGE, re.MULTILINE)


def test_the_table_counts_the_checks_of_each_standard() -> None:
    patterns = {patterns: re.findall(r"`([^`]+)`", patterns) for patterns, _ in ROWS}
    counted = {
        name: sum(any(fnmatch(check.id, one) for one in several) for check in all_checks())
        for name, several in patterns.items()
    }
    assert {name: int(number) for name, number in ROWS} == counted
    assert sum(counted.values()) == len(all_checks())


def test_the_page_counts_all_checks_and_the_requirements_that_have_one() -> None:
    requirements = [one for table in read_tables() for one in table.requirements]
    (checks,) = re.findall(r"These are (\d+) checks\.", PAGE)
    (numbers, checked) = re.search(r"Of the (\d+) numbers .*, (\d+) have a check\.", PAGE).groups()  # type: ignore[union-attr]
    assert int(checks) == len(all_checks())
    assert (int(numbers), int(checked)) == (len(requirements), sum(bool(one.checks) for one in requirements))
