"""Accepts and refuses as the corpus says, syntax and names told apart, and writes SQL for what is right."""

from __future__ import annotations

import pytest

from tap_proxy.adql import AdqlSemanticError, AdqlSyntaxError, PostgreSQL, SQLite, analyse, parse, translate
from tests.tap_proxy.adql.catalogues import catalogue
from tests.tap_proxy.adql.corpus import CHAPTERS, judged

CATALOGUE = catalogue()


def verdict_on(query: str) -> tuple[str, str]:
    """Return the mark that a query earns and what is said of it."""
    try:
        analysed = analyse(parse(query), CATALOGUE)
        for dialect in (SQLite(), PostgreSQL()):
            translate(analysed, dialect)
    except AdqlSyntaxError as error:
        return "-", error.message
    except AdqlSemanticError as error:
        return "~", error.message
    return "+", ""


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_query_is_judged_as_the_standard_has_it(chapter: str) -> None:
    wrong = []
    for case in judged(chapter):
        mark, message = verdict_on(case.query)
        if mark != case.verdict:
            wrong.append(f"{case.place}: {mark} for {case.verdict} {case.query!r} ({case.reason}) {message}")
    assert not wrong, "\n".join(wrong)
