from __future__ import annotations

import sqlite3
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_proxy.adql import AdqlError, PostgreSQL, SQLite, compile_query
from tests.tap_proxy.adql.catalogues import catalogue, open_sqlite

CATALOGUE = catalogue()


def rows(query: str, row_limit: int | None = None) -> list[tuple[object, ...]]:
    translation = compile_query(query, CATALOGUE, SQLite(), row_limit=row_limit)
    connection = open_sqlite()
    try:
        return connection.execute(translation.sql, translation.params).fetchall()
    finally:
        connection.close()


ANSWERS = (
    ("SELECT TOP 2 id FROM sources ORDER BY id OFFSET 1", [(1,), (2,)]),
    ("SELECT id FROM centres ORDER BY id OFFSET 5", [(5,), (6,)]),
    ("SELECT 7/2, 7/2., -7/2, 1/0 FROM centres WHERE id = 0", [(3, 3.5, -3, None)]),
    (
        "SELECT ROUND(2.5), ROUND(-2.5), ROUND(12.345, 1), ROUND(155, -1) FROM centres WHERE id = 0",
        [(3.0, -3.0, 12.3, 160.0)],
    ),
    (
        "SELECT TRUNCATE(-1.29, 1), MOD(-7, 3), LOG(EXP(1)), LOG10(100) FROM centres WHERE id = 0",
        [(-1.2, -1.0, 1.0, 2.0)],
    ),
    ("SELECT LOG(-1), SQRT(-1), ACOS(2) FROM centres WHERE id = 0", [(None, None, None)]),
    ("SELECT DISTINCT name FROM sources WHERE name LIKE 'a%'", [("alpha",)]),
    ("SELECT DISTINCT name FROM sources WHERE name LIKE '[gamma]*'", [("[gamma]*",)]),
    ("SELECT DISTINCT name FROM sources WHERE name ILIKE 'ALPHA' ORDER BY name", [("Alpha",), ("alpha",)]),
    ("SELECT label FROM centres ORDER BY label DESC OFFSET 5", [("a",), ("A",)]),
    ("SELECT label FROM centres ORDER BY label OFFSET 6", [(None,)]),
    (
        "SELECT CAST(1.9 AS INTEGER), CAST('12' AS BIGINT), CAST(12 AS VARCHAR(1)) FROM centres WHERE id = 0",
        [(1, 12, "1")],
    ),
    ("SELECT 'a' || 1 || 1.5 || 2. FROM centres WHERE id = 0", [("a11.52",)]),
    ("SELECT POINT(ra, dec), CIRCLE(1, 2, 3.5) FROM centres WHERE id = 0", [("37.25 -66.5", "1.0 2.0 3.5")]),
    ("SELECT id FROM centres WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(180, 88, 5)) ORDER BY id", [(1,)]),
    ("SELECT id FROM centres WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(0.5, 0, 1.1)) ORDER BY id", [(2,)]),
    ("SELECT id FROM centres WHERE DISTANCE(ra, dec, 37.25, -66.5) < 1e-9", [(0,)]),
    ("SELECT id FROM centres WHERE 1 = CONTAINS(POINT(ra, dec), POLYGON(355, -5, 5, -5, 5, 5, 355, 5))", [(2,)]),
    ("SELECT id FROM centres WHERE 1 = INTERSECTS(CIRCLE(ra, dec, 1), CIRCLE(12, 10, 1))", [(4,)]),
    ("SELECT IN_UNIT(ra, 'arcmin') FROM centres WHERE id = 4", [(600.0,)]),
)


@pytest.mark.parametrize(("query", "answer"), ANSWERS, ids=[query for query, _ in ANSWERS])
def test_a_query_gives_its_answer(query: str, answer: list[tuple[object, ...]]) -> None:
    found = rows(query)
    assert len(found) == len(answer)
    for ours, theirs in zip(found, answer, strict=True):
        assert (
            ours == pytest.approx(theirs) if all(isinstance(each, int | float) for each in theirs) else ours == theirs
        )


HOSTILE = (
    "'; DROP TABLE x; --",
    '"; DROP TABLE x; --',
    "\\'; --",
    "$1",
    "?",
    "{0}",
    "%s",
    "\x01",
    "é\u2028",
    "' OR '1'='1",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_stays_a_string(text: str) -> None:
    quoted = text.replace("'", "''")
    name = text.replace('"', '""')
    condition = f"'{quoted}' LIKE '{quoted}' AND label <> '{quoted}'"
    query = f"SELECT '{quoted}' AS \"{name}\" FROM centres WHERE id = 0 AND {condition}"
    for dialect in (SQLite(), PostgreSQL()):
        translation = compile_query(query, CATALOGUE, dialect)
        assert translation.fields[0].name == text
        assert text in translation.params
    assert rows(query) == [(text,)]


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_any_string_and_any_alias_come_back(text: str) -> None:
    quoted, name = text.replace("'", "''"), text.replace('"', '""')
    query = f"SELECT '{quoted}' AS \"{name}\" FROM centres WHERE id = 0"
    try:
        translation = compile_query(query, CATALOGUE, SQLite())
    except AdqlError:
        assert "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
        return
    cursor = open_sqlite().execute(translation.sql, translation.params)
    assert cursor.description[0][0] == translation.fields[0].name == text
    assert cursor.fetchall() == [(text,)]


def test_strings_are_parameters_and_numbers_are_not() -> None:
    query = "SELECT 'a', 5 FROM centres WHERE label = 'b' OR label = 'a'"
    assert compile_query(query, CATALOGUE, SQLite()).params == ("a", "b", "a")
    postgresql = compile_query(query, CATALOGUE, PostgreSQL())
    assert postgresql.params == ("a", "b")
    assert "$2::text" in postgresql.sql
    assert "$3" not in postgresql.sql


def test_thousands_of_strings_are_written_out() -> None:
    values = ", ".join(f"'it''s {i}'" for i in range(3000))
    translation = compile_query(f"SELECT id FROM centres WHERE label IN ({values}, 'a')", CATALOGUE, SQLite())
    assert translation.params == ()
    assert open_sqlite().execute(translation.sql).fetchall() == [(0,)]


def test_the_lesser_limit_holds() -> None:
    assert len(rows("SELECT TOP 5 id FROM sources", row_limit=3)) == 3
    assert len(rows("SELECT TOP 2 id FROM sources", row_limit=3)) == 2
    assert len(rows("SELECT id FROM sources UNION SELECT id FROM centres", row_limit=3)) == 3
    assert compile_query("SELECT TOP 5 id FROM sources", CATALOGUE, SQLite()).limit == 5


def test_a_cone_on_columns_is_served_by_an_index_on_the_latitude() -> None:
    connection = open_sqlite()
    connection.execute('CREATE INDEX by_dec ON "sky__sources" ("dec")')
    for condition in (
        "1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 0.1))",
        "CONTAINS(POINT(ra, dec), CIRCLE(POINT(10, 20), 1/60.)) = 1",
        "DISTANCE(ra, dec, 10, 20) < 0.1",
        "0.1 >= DISTANCE(POINT(10, 20), POINT(ra, dec))",
        "1 = CONTAINS(POINT(ra, dec), POLYGON(0, 0, 1, 0, 1, 1))",
    ):
        translation = compile_query(f"SELECT id FROM sources WHERE {condition}", CATALOGUE, SQLite())
        plan = connection.execute(f"EXPLAIN QUERY PLAN {translation.sql}", translation.params).fetchall()
        assert "by_dec" in str(plan), condition
        assert not translation.functions


def test_helper_functions_are_named() -> None:
    query = "SELECT obs_id FROM obscore WHERE 1 = INTERSECTS(s_region, CIRCLE(1, 2, 3))"
    assert compile_query(query, CATALOGUE, SQLite()).functions == {"penstock_intersects"}


def test_nesting_that_the_database_cannot_read_is_refused() -> None:
    connection = open_sqlite()
    for opening, closing in (
        ("(SELECT * FROM ", ") AS q"),
        ("ABS(", ")"),
        ("COALESCE(1, ", ")"),
        ("-(", ")"),
        ("(1 + 2 * ", ")"),
    ):
        for depth in (5, 10, 20, 39):
            inner = "centres" if "SELECT" in opening else "id"
            nested = opening * depth + inner + closing * depth
            query = f"SELECT * FROM {nested}" if inner == "centres" else f"SELECT {nested} FROM centres"
            try:
                translation = compile_query(query, CATALOGUE, SQLite())
            except AdqlError:
                assert depth > 5
                continue
            connection.execute(translation.sql, translation.params)


def test_long_chains_are_read_or_refused() -> None:
    connection = open_sqlite()
    for chain in (
        " AND ".join(["id <> 7"] * 3000),
        " OR ".join(["name = 'x'"] * 900),
        " + ".join(["1"] * 400) + " > id",
    ):
        translation = compile_query(f"SELECT id FROM sources WHERE {chain}", CATALOGUE, SQLite())
        connection.execute(translation.sql, translation.params).fetchall()
    with pytest.raises(AdqlError, match="joined"):
        compile_query(f"SELECT {' + '.join(['1'] * 600)} FROM sources", CATALOGUE, SQLite())


def test_functions_within_functions_do_not_multiply_the_sql() -> None:
    query = "mag"
    for _ in range(30):
        query = f"DISTANCE({query}, {query[:3]}, ra, dec)"
    with pytest.raises(AdqlError, match="nest"):
        compile_query(f"SELECT {query} FROM sources", CATALOGUE, PostgreSQL())


def test_what_cannot_be_cast_is_an_error() -> None:
    with pytest.raises(sqlite3.OperationalError):
        rows("SELECT CAST(name AS INTEGER) FROM sources")


PYVO = (
    "SELECT ivoid, res_type, short_name, ivo_string_agg(COALESCE(access_url,''), ':::py VO sep:::') AS access_urls,"
    " ivo_string_agg(COALESCE(standard_id,''), ':::py VO sep:::') AS standard_ids FROM rr.resource"
    " NATURAL LEFT OUTER JOIN rr.capability NATURAL LEFT OUTER JOIN rr.interface WHERE ({})"
    " GROUP BY ivoid, res_type, short_name"
)
CONSTRAINTS = (
    "ivoid IN (SELECT DISTINCT ivoid FROM rr.resource WHERE 1=ivo_hasword(res_description, 'survey') UNION ALL"
    " SELECT ivoid FROM rr.resource WHERE 1=ivo_hasword(res_title, 'quasars') UNION ALL"
    " SELECT ivoid FROM rr.res_subject WHERE res_subject ILIKE '%quasar%')",
    "standard_id IN ('ivo://ivoa.net/std/tap', 'ivo://ivoa.net/std/tap#aux')",
    "standard_id like 'ivo://ivoa.net/std/sia#query-2.%'",
    "1 = ivo_hashlist_has('optical', waveband) OR 1=ivo_hashlist_has(waveband, 'radio')",
    "ivoid IN (SELECT ivoid FROM rr.res_role WHERE role_name LIKE '%Smith%' AND base_role='creator')",
    "ivoid IN (SELECT ivoid FROM rr.res_detail WHERE detail_xpath = '/capability/dataModel/@ivo-id'"
    " AND 1 = ivo_nocasematch(detail_value, 'ivo://ivoa.net/std/obscore%'))",
    "ivoid IN (SELECT ivoid FROM rr.res_table NATURAL JOIN rr.table_column WHERE ucd LIKE 'pos.%')",
    "ivoid IN (SELECT ivoid FROM rr.stc_temporal WHERE 1 = ivo_interval_overlaps(time_start, time_end, 55100, 55000))",
    "res_type='vs:catalogresource'",
    "ivoid = 'ivo://x/1'",
)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_a_registry_search_of_pyvo_runs(constraint: str) -> None:
    rows(PYVO.format(constraint))


_numbers = st.one_of(
    st.sampled_from(
        ["0", "90", "-90", "180", "360", "1e308*10", "1e-300", "0.1", "ra", "dec", "1/0", "-(1/0.)", "'5'"]
    ),
    st.floats(-1000, 1000).map(repr),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_numbers, min_size=6, max_size=8), st.sampled_from(["POLYGON", "CIRCLE", "BOX", "DISTANCE", "POINT"]))
def test_any_geometry_is_written_or_refused(numbers: list[str], name: str) -> None:
    size = {"POLYGON": len(numbers) // 2 * 2, "CIRCLE": 3, "BOX": 4, "DISTANCE": 4, "POINT": 2}[name]
    shape = f"{name}({', '.join(numbers[:size])})"
    uses = [shape]
    if name != "DISTANCE":
        uses += [f"CONTAINS(POINT(ra, dec), {shape})", f"AREA({shape})", f"INTERSECTS({shape}, CIRCLE(1, 2, 3))"]
    connection = open_sqlite()
    for use in uses:
        for query in (f"SELECT {use} FROM sources", f"SELECT id FROM sources WHERE 1 = {use}"):
            try:
                translation = compile_query(query, CATALOGUE, SQLite())
            except AdqlError:
                continue
            connection.execute(translation.sql, translation.params).fetchall()


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="degmsk/.*()-12 0%^", max_size=12))
def test_any_unit_is_converted_or_refused(unit: str) -> None:
    with suppress(AdqlError):
        compile_query(f"SELECT IN_UNIT(ra, '{unit}') FROM sources", CATALOGUE, SQLite())
