from __future__ import annotations

import pytest

from penstock.db import Dialect
from penstock.tables import Column, Schema, Table
from tap_proxy.ports import BASE_MARK
from tap_proxy.translation import compiler, table_names

SCHEMA = Schema(
    name="demo",
    tables=(
        Table(name="plain", columns=(Column(name="n", datatype="int"),)),
        Table(
            name="linked",
            columns=(
                Column(name="n", datatype="int"),
                Column(name="url", datatype="char", arraysize="*", url_path=True),
            ),
        ),
    ),
)
ENGINES: tuple[Dialect, ...] = ("sqlite", "postgresql")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_table_of_paths_is_read_with_the_base_url_before_them(engine: Dialect) -> None:
    statement = compiler([SCHEMA], engine)("SELECT url FROM demo.linked WHERE url LIKE 'x%'", 5)
    assert statement.sql.count(BASE_MARK) == 1
    placed = statement.at("https://penstock.example/it's")
    assert BASE_MARK not in placed.sql
    assert "'https://penstock.example/it''s' || " in placed.sql


@pytest.mark.parametrize("engine", ENGINES)
def test_other_tables_are_read_as_they_are(engine: Dialect) -> None:
    statement = compiler([SCHEMA], engine)("SELECT n FROM demo.plain", 5)
    assert statement.at("https://penstock.example") is statement


def test_a_mark_in_a_query_stays_a_value() -> None:
    statement = compiler([SCHEMA], "sqlite")(f"SELECT n FROM demo.linked WHERE url = '{BASE_MARK}'", 5)
    assert statement.at("https://penstock.example").params == (BASE_MARK,)


def test_table_names_are_those_of_sqlite() -> None:
    assert table_names([SCHEMA]) == {"demo__plain", "demo__linked"}
