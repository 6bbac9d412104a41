"""docs/requirements.md, written from the tables and the tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tests.requirements.evidence import citations, marked_tests
from tests.requirements.table import Requirement, Table, read_tables
from tests.support.systems import ROOT

PAGE = ROOT / "docs" / "requirements.md"
PACKAGES = ("uws", "penstock", "tap_proxy", "datalink", "registry", "execplanner")
_HEAD = """# Requirements

What the standards demand of this software, in our own words: where the clause is cited in the code, which tests prove
it, and which checks of `penstock-conformance` look at it in any service. Levels are those of the standard; *own* is a
rule of ours where it is silent.

This page is generated: `make requirements` writes it, and a test compares. The words are in `tests/requirements/`, a
test names the numbers that it proves with `@pytest.mark.requirement("U-053")`, and code cites clauses as
`(UWS 1.1 s2.1.3)`.
"""


def render() -> str:
    """Return the page."""
    cited, tested = citations(ROOT, PACKAGES), marked_tests(ROOT / "tests")
    return "".join([_HEAD, *(_section(table, cited, tested) for table in read_tables())])


def _section(table: Table, cited: Mapping[str, list[str]], tested: Mapping[str, list[str]]) -> str:
    lines = [
        f"\n## {table.title}\n",
        "| number | says | cited in | tested by | checked by |",
        "|---|---|---|---|---|",
        *(
            _row(requirement, cited.get(requirement.clause, ()), tested.get(requirement.number, ()))
            for requirement in table.requirements
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(requirement: Requirement, files: Iterable[str], tests: Iterable[str]) -> str:
    cells = (
        f'<a id="{requirement.number}"></a>{requirement.number}',
        f"{requirement.text}<br>*{requirement.level}, {requirement.clause}*",
        "<br>".join(f"[{file}](../{file})" for file in files),
        requirement.untested or "<br>".join(_test_links(tests)),
        "<br>".join(f"`{check}`" for check in requirement.checks),
    )
    return f"| {' | '.join(cells)} |"


def _test_links(tests: Iterable[str]) -> Iterator[str]:
    for test in tests:
        path, _, name = test.partition("::")
        yield f"[{name.removeprefix('test_').replace('_', ' ')}](../tests/{path})"
