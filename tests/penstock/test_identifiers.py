from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vo_models.adql.misc import ADQL_SQL_KEYWORDS

from penstock.identifiers import RESERVED_WORDS, qualified_name, query_ready


def test_the_reserved_words_are_those_of_the_standard() -> None:
    assert set(ADQL_SQL_KEYWORDS) == RESERVED_WORDS


@pytest.mark.parametrize("name", ["ra", "RA_deg", "obs_id", "a1"])
def test_a_regular_identifier_is_ready_as_it_is(name) -> None:
    assert query_ready(name) == name


@pytest.mark.parametrize("name", ["size", "Timestamp", "POINT", "top", "1a", "_a", "a-b", "a b", "é", "", "a\n"])
def test_any_other_name_is_quoted(name) -> None:
    assert query_ready(name) == f'"{name}"'


@given(st.text())
def test_a_quoted_name_can_be_unquoted(name) -> None:
    ready = query_ready(name)
    assert ready == name or ready[1:-1].replace('""', '"') == name


def test_schema_and_table_are_quoted_apart() -> None:
    assert qualified_name("ivoa", "table") == 'ivoa."table"'
