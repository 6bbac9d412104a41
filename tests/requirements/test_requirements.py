"""The page of requirements tells the truth and leaves nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.registry import all_checks
from tests.requirements.evidence import clauses_in, marked_tests
from tests.requirements.page import PAGE, render
from tests.requirements.table import FOLDER, Requirement, read_tables
from tests.support.systems import ROOT

REQUIREMENTS = [requirement for table in read_tables() for requirement in table.requirements]
TESTED = marked_tests(ROOT / "tests")


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run `make requirements` and commit docs/requirements.md"


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.number)
def test_every_requirement_has_a_test_or_says_why_not(requirement: Requirement) -> None:
    assert bool(TESTED.get(requirement.number)) != bool(requirement.untested)


def test_tests_name_requirements_that_exist() -> None:
    known = {requirement.number for requirement in REQUIREMENTS}
    assert {number: tests for number, tests in TESTED.items() if number not in known} == {}


def test_the_checks_that_are_named_exist() -> None:
    named = {check for requirement in REQUIREMENTS for check in requirement.checks}
    assert named - {check.id for check in all_checks()} == set()


def test_every_check_of_uws_is_named() -> None:
    named = {check for requirement in REQUIREMENTS for check in requirement.checks}
    assert {check.id for check in all_checks() if check.id.startswith("uws.")} - named == set()


def test_citations_are_found_however_they_stand() -> None:
    text = "(UWS 1.1 s2.1.4, s2.1.5) (DALI 1.2\n    s4.2; TAP 1.1 s3) of SSO 3, bootstrapping. Version 1.1 s here"
    assert clauses_in(text) == {
        "UWS 1.1 s2.1.4",
        "UWS 1.1 s2.1.5",
        "DALI 1.2 s4.2",
        "TAP 1.1 s3",
        "SSO 3, bootstrapping",
    }


@pytest.mark.parametrize(
    "members",
    ['level = "must"', 'level = "x", clause = "a", text = "b"', 'level = "must", clause = "a", text = "b", more = 1'],
)
def test_a_requirement_that_is_not_whole_is_refused(tmp_path: Path, members: str) -> None:
    (tmp_path / "x.toml").write_text(f'title = "X"\n[requirements]\nX-1 = {{ {members} }}\n')
    with pytest.raises(ValueError, match="X-1"):
        read_tables(tmp_path)


def test_a_number_belongs_to_one_requirement(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text((FOLDER / "sso.toml").read_text())
    with pytest.raises(ValueError, match="SS-01"):
        read_tables(tmp_path)
