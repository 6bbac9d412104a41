from __future__ import annotations

import pytest

from penstock.tables import Column, Schema, Table
from penstock.words import MAX_WORD
from tap_proxy.adql import Catalogue, PostgreSQL, SQLite, compile_query

TEXTS = Table(
    name="texts",
    columns=(
        Column(name="n", datatype="int"),
        Column(name="title", datatype="unicodeChar", arraysize="*", word_index="demo.texts"),
        Column(name="other", datatype="unicodeChar", arraysize="*"),
    ),
)
CATALOGUE = Catalogue([Schema(name="demo", tables=(TEXTS,))])
DIALECTS = {"sqlite": (SQLite(), " MATCH "), "postgresql": (PostgreSQL(), " @> ")}


def sql(condition: str, engine: str) -> tuple[str, tuple[str, ...]]:
    translation = compile_query(f"SELECT n FROM demo.texts WHERE {condition}", CATALOGUE, DIALECTS[engine][0])
    return translation.sql, translation.params


@pytest.mark.parametrize("engine", DIALECTS)
@pytest.mark.parametrize("condition", ["1 = ivo_hasword(title, 'Ab c')", "ivo_hasword(title, 'c ab, AB') = 1"])
def test_an_index_serves_words_of_its_column(condition: str, engine: str) -> None:
    text, params = sql(condition, engine)
    assert DIALECTS[engine][1] in text
    assert params == {"sqlite": ('"title" : ("ab" AND "c")',), "postgresql": ("ab c",)}[engine]


@pytest.mark.parametrize("engine", DIALECTS)
@pytest.mark.parametrize(
    "condition",
    [
        "0 = ivo_hasword(title, 'a')",
        "1 <> ivo_hasword(title, 'a')",
        "NOT 1 = ivo_hasword(title, 'a')",
        "1 = ivo_hasword(other, 'a')",
        "1 = ivo_hasword(title || 'x', 'a')",
        "1 = ivo_hasword(title, other)",
        "n = ivo_hasword(title, 'a')",
        f"1 = ivo_hasword(title, '{'a' * (MAX_WORD + 1)}')",
    ],
)
def test_where_it_cannot_the_function_is_called(condition: str, engine: str) -> None:
    text, _ = sql(condition, engine)
    assert DIALECTS[engine][1] not in text
    assert "penstock_hasword(" in text


@pytest.mark.parametrize("engine", DIALECTS)
@pytest.mark.parametrize("needle", ["", " ", "--", "%_*"])
def test_without_words_nothing_is_found(needle: str, engine: str) -> None:
    assert sql(f"1 = ivo_hasword(title, '{needle}')", engine)[0].endswith("WHERE 1 = 0")


@pytest.mark.parametrize("engine", DIALECTS)
def test_a_column_of_a_derived_table_has_no_index(engine: str) -> None:
    query = "SELECT n FROM (SELECT n, title FROM demo.texts) AS q WHERE 1 = ivo_hasword(title, 'a')"
    assert "penstock_hasword(" in compile_query(query, CATALOGUE, DIALECTS[engine][0]).sql
