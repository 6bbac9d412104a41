"""The same queries on both databases must give the same answers."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from tap_proxy.adql import AdqlError, PostgreSQL, SQLite, Translation, analyse, parse, translate
from tap_proxy.adql.postgres_functions import STATEMENTS
from tap_proxy.adql.sqlite_functions import SQLITE_FUNCTIONS
from tests.support.postgres import fresh_database
from tests.tap_proxy.adql.catalogues import catalogue, open_sqlite, postgres_statements
from tests.tap_proxy.adql.corpus import all_judged
from tests.tap_proxy.adql.differential import QUERIES
from tests.tap_proxy.adql.edges import edges, injections
from tests.tap_proxy.adql.generator import Generator
from tests.tap_proxy.adql.pairs import meetings

CATALOGUE = catalogue()
RANDOM_QUERIES = 300
Rows = list[tuple[Any, ...]]


async def _postgres() -> asyncpg.Connection:
    connection = await asyncpg.connect(fresh_database())
    for statement in STATEMENTS:
        await connection.execute(statement)
    for statement, rows in postgres_statements():
        if statement.startswith("INSERT"):
            await connection.executemany(statement, rows)
        else:
            await connection.execute(statement)
    return connection


def _sorted(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: tuple((str(type(value)), _rounded(value)) for value in row))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") + 0.0
    return "" if value is None else value


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left == right
    if isinstance(left, str) and isinstance(right, str):
        return left == right or _close_numbers(left, right)
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9) or left == right
    return type(left) is type(right) and left == right


def _close_numbers(left: str, right: str) -> bool:
    """Tell whether two geometries are the same but for rounding."""
    try:
        ours, theirs = ([float(word) for word in text.split()] for text in (left, right))
    except ValueError:
        return False
    return len(ours) == len(theirs) > 1 and all(map(_equal, ours, theirs))


def _same(ours: Rows, theirs: Rows, *, ordered: bool) -> bool:
    if not ordered:
        ours, theirs = _sorted(ours), _sorted(theirs)
    return len(ours) == len(theirs) and all(
        len(left) == len(right) and all(map(_equal, left, right)) for left, right in zip(ours, theirs, strict=True)
    )


def _rows_of_sqlite(connection: sqlite3.Connection, query: Translation) -> Rows | None:
    """Return the answer, or None if the values do not allow one."""
    try:
        return connection.execute(query.sql, query.params).fetchall()
    except sqlite3.OperationalError as error:
        if "user-defined function raised" not in str(error) and "integer overflow" not in str(error):
            raise
        return None


async def _rows_of_postgres(connection: asyncpg.Connection, query: Translation) -> Rows | None:
    try:
        rows = await connection.fetch(query.sql, *query.params)
    except asyncpg.DataError:
        return None
    # truth values are numbers in one and booleans in the other
    return [tuple(int(value) if isinstance(value, bool) else value for value in row) for row in rows]


async def _differences(queries: Sequence[str]) -> list[str]:
    sqlite, postgres = open_sqlite(), await _postgres()
    found = []
    for query in queries:
        analysed = analyse(parse(query), CATALOGUE)
        ours, theirs = translate(analysed, SQLite()), translate(analysed, PostgreSQL())
        first = _rows_of_sqlite(sqlite, ours)
        second = await _rows_of_postgres(postgres, theirs)
        if first is None or second is None:
            if first is not second:
                found.append(f"{query}\nis refused by one only: {first}\n{second}")
        elif not _same(first, second, ordered=bool(analysed.query.order_by)):
            found.append(f"{query}\n{first[:5]}\n{second[:5]}")
    await postgres.close()
    return found


async def test_written_queries_give_the_same_answers() -> None:
    assert await _differences(QUERIES) == []


@pytest.mark.parametrize("start", [0, 1_000_000])
async def test_random_queries_give_the_same_answers(start: int) -> None:
    queries = [Generator(seed).query() for seed in range(start, start + RANDOM_QUERIES // 2)]
    assert await _differences(queries) == []


def _by_chance(query: str) -> bool:
    """Tell whether a query leaves to the database which rows it answers."""
    return ("TOP" in query or "OFFSET" in query) and "ORDER BY" not in query


async def test_edges_give_the_same_answers() -> None:
    assert await _differences(edges()) == []


async def test_nothing_can_be_injected_into_either_database() -> None:
    assert await _differences([*injections(), "SELECT COUNT(*) FROM sources"]) == []


async def test_the_corpus_gives_the_same_answers() -> None:
    queries = [case.query for case in all_judged() if case.verdict == "+" and not _by_chance(case.query)]
    assert await _differences(queries) == []


def _fits(query: str) -> bool:
    try:
        analyse(parse(query), CATALOGUE)
    except AdqlError:
        return False
    return True


async def test_values_of_any_two_kinds_meet_in_both_or_are_refused() -> None:
    queries = list(filter(_fits, meetings()))
    assert 400 < len(queries) < 600
    assert await _differences(queries) == []


REGIONS = (
    "circle 10 20 3",
    "CIRCLE ICRS 10 20 1",
    "POLYGON ICRS 8 18 12 18 12 22 8 22",
    "polygon 0 0 30 0 30 30 15 10 0 30",
    "point 10 20",
    "POSITION ICRS 0 0",
    "box 10 20 2 2",
    "UNION ICRS (CIRCLE 1 1 1 POLYGON 8 18 12 18 12 22)",
    "range 350 10 -5 5",
    "junk",
    "circle 1 2",
    "CIRCLE GALACTIC 1 2 3",
    "polygon 170 80 260 80 350 80 80 80",
    "circle 100 89 5",
    "polygon 10 20 10 20 10 20",
    "polygon 0 0 0 10 10 10 10 0",
    "circle 0 0 180",
    "circle 143 89.5 120",
    "polygon 126.45 -29.25 233.55 -29.25 229.73 -23.12 130.27 -23.12",
    "circle 10 90 20",
    "circle 190 -89.9 170",
    "polygon 350 -5 10 -5 10 5 350 5",
    "polygon 0 85 90 85 180 85 270 85",
    "polygon 0 85 270 85 180 85 90 85",
    "box 0 89 10 10",
    "box 359.99 0 60 100",
    "point 0 90",
    "point 123 90",
    "point 360 0",
    "point 0 0",
)


async def test_helper_functions_agree() -> None:
    connection = await _postgres()
    for name in ("penstock_contains", "penstock_intersects"):
        for left in REGIONS:
            theirs = await connection.fetch(
                f"SELECT {name}($1::text, b) FROM unnest($2::text[]) AS b", left, list(REGIONS)
            )
            ours = [SQLITE_FUNCTIONS[name][1](left, right) for right in REGIONS]
            assert ours == [row[0] for row in theirs], (name, left)
    for region in REGIONS:
        area = await connection.fetchval("SELECT penstock_area($1::text)", region)
        assert SQLITE_FUNCTIONS["penstock_area"][1](region) == (None if area is None else pytest.approx(area))
    for value in (1.0, 1e14, 123456789012345.0, 1e15, 1e16, 1.5e-5, 0.0001, -1e20, 0.1 + 0.2, 1e100, -0.5, 3e-310):
        written = await connection.fetchval("SELECT ($1::float8)::text", value)
        assert SQLITE_FUNCTIONS["penstock_text"][1](value) == written
    for x, y in ((5.6, 0.7), (1.0, 0.1), (-7.5, 2.0), (1e300, 3.7), (0.3, 0.1), (5.0, -3.0)):
        assert await connection.fetchval("SELECT penstock_mod($1, $2)", x, y) == math.fmod(x, y)
    await connection.close()
