from __future__ import annotations

import sqlite3

import pytest

from penstock.db import Dialect
from penstock.lake.catalogue import SCHEMAS
from penstock.tables import Column, Schema, Table
from tap_proxy.ports import BASE_MARK
from tap_proxy.translation import compiler, table_names
from tests.penstock.lake.builders import open_store

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
def test_paths_are_read_with_the_base_url_before_them(engine: Dialect) -> None:
    statement = compiler([SCHEMA], engine)("SELECT url FROM demo.linked WHERE url LIKE 'x%'", 5)
    assert statement.sql.count(BASE_MARK) == 2, "in the result and in the condition"
    placed = statement.at("https://penstock.example/it's")
    assert BASE_MARK not in placed.sql
    assert "'https://penstock.example/it''s' || " in placed.sql


def test_only_what_begins_with_a_slash_is_a_path() -> None:
    statement = compiler([SCHEMA], "sqlite")("SELECT url FROM demo.linked", 5).at("https://penstock.example")
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE demo__linked (n INTEGER, url TEXT)")
    urls = ["/tap", "https://other.example/tap", "", None]
    connection.executemany("INSERT INTO demo__linked (url) VALUES (?)", [(url,) for url in urls])
    found = [url for (url,) in connection.execute(statement.sql, statement.params)]
    connection.close()
    assert found == ["https://penstock.example/tap", "https://other.example/tap", "", None]


def test_a_derived_table_puts_the_base_url_there_once() -> None:
    query = "SELECT url FROM (SELECT url FROM demo.linked) AS q GROUP BY url ORDER BY url"
    assert compiler([SCHEMA], "postgresql")(query, 5).sql.count(BASE_MARK) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_other_tables_are_read_as_they_are(engine: Dialect) -> None:
    statement = compiler([SCHEMA], engine)("SELECT n FROM demo.plain", 5)
    assert statement.at("https://penstock.example") is statement


def test_a_mark_in_a_query_stays_a_value() -> None:
    statement = compiler([SCHEMA], "sqlite")(f"SELECT n FROM demo.linked WHERE url = '{BASE_MARK}'", 5)
    assert statement.at("https://penstock.example").params == (BASE_MARK,)


def test_table_names_are_those_of_sqlite() -> None:
    assert table_names([SCHEMA]) == {"demo__plain", "demo__linked"}


def test_indexes_of_words_may_be_read_with_their_tables() -> None:
    text = Column(name="text", datatype="char", arraysize="*", word_index="demo.texts")
    names = table_names([Schema(name="demo", tables=(Table(name="texts", columns=(text,)),))])
    assert {"demo__texts", "demo__texts_words", "demo__texts_words_idx", "demo__texts_words_data"} <= names


async def test_cones_and_polygons_use_the_index_on_zones(database_url: str) -> None:
    async with open_store(database_url) as store, store.db.write() as connection:
        if store.db.dialect == "postgresql":  # which would read the few rows of a test without an index
            await connection.exec_driver_sql("DROP INDEX ivoa.ivoa_obscore_position, ivoa.ivoa_obscore_ra")
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan_of = "EXPLAIN QUERY PLAN " if store.db.dialect == "sqlite" else "EXPLAIN "
        for where in (
            "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(100, 20, 1))",
            "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(0, 20, 0.1))",
            "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(100, 89.95, 0.01))",
            "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(0, -90, 1))",
            "DISTANCE(POINT(s_ra, s_dec), POINT(200, 20)) < 0.1",
            "1 = CONTAINS(POINT(s_ra, s_dec), POLYGON(10, 20, 11, 20, 11, 21))",
        ):
            sql = compiler(SCHEMAS, store.db.dialect)(f"SELECT obs_id FROM ivoa.obscore WHERE {where}", 10, ()).sql
            plan = (await connection.exec_driver_sql(plan_of + sql)).all()
            assert "ivoa_obscore_zone" in str(plan), where
