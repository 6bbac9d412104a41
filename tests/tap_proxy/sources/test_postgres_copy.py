"""COPY gives the very values that the driver's own cursor gives."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import InternalError, UsageError
from penstock.votable.model import Field
from tap_proxy.ports import QueryTimeout
from tap_proxy.sources.copy_forms import csv_form
from tap_proxy.sources.postgres_copy import MOST_BYTES, copied, with_literals
from tests.tap_proxy.sources.builders import TEXT, N, postgres_source, rows_of, select

DOUBLE = Field(name="d", datatype="double")
ODD_TEXTS = ["", " ", "a,b", 'say "x"', "line\nbreak", "\r\n", "\\N", "\\.", "NULL", "naïve ☃ 𝒳", "\t", "'", "NaN"]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_parameter_becomes_one_quoted_string(text: str) -> None:
    sql = with_literals("SELECT $1::text", [text])
    assert sql is not None
    found = re.fullmatch(r"SELECT '((?:[^']|'')*)'::text", sql)
    assert found
    assert found[1].replace("''", "'") == text


def test_what_looks_like_a_parameter_within_a_name_or_string_is_none() -> None:
    sql = """SELECT $2::text AS "x$1""$1", 'it''s $1' FROM t WHERE a = $1::text"""
    assert with_literals(sql, ['"; DROP TABLE t; --', "'"]) == (
        """SELECT ''''::text AS "x$1""$1", 'it''s $1' FROM t WHERE a = '"; DROP TABLE t; --'::text"""
    )


@pytest.mark.parametrize("param", [1, None, ["a"], "with \0 in it"])
def test_other_parameters_stay_parameters(param: object) -> None:
    assert with_literals("SELECT $1", [param]) is None


async def test_texts_and_nulls_survive(postgres_url: str) -> None:
    values = ", ".join(f"(${n}::text)" for n in range(1, len(ODD_TEXTS) + 1))
    async with postgres_source(postgres_url) as source:
        statement = select(f"VALUES {values}, (NULL)", *ODD_TEXTS, fields=(TEXT,))
        assert await rows_of(source, statement) == [*((text,) for text in ODD_TEXTS), (None,)]


async def test_numbers_survive(postgres_url: str) -> None:
    numbers = [0.1, 1e300, 5e-324, -0.0, math.inf, -math.inf, 12.0, None, math.nan]
    async with postgres_source(postgres_url) as source:
        sql = "SELECT d FROM unnest('{0.1,1e300,5e-324,-0,inf,-inf,12,NULL,nan}'::float8[]) AS t(d)"
        rows = [row[0] for row in await rows_of(source, select(sql, fields=(DOUBLE,)))]
    assert rows[:-1] == numbers[:-1]
    assert math.copysign(1, rows[3]) == -1
    assert math.isnan(rows[-1])


async def test_booleans_and_narrow_numbers_survive(postgres_url: str) -> None:
    fields = tuple(Field(name=name, datatype=name) for name in ("boolean", "short", "float", "long"))
    async with postgres_source(postgres_url) as source:
        sql = "VALUES (true, 1::int2, 0.1::float4, 9223372036854775807), (false, -1, 'nan', NULL), (NULL, 0, 1, 0)"
        rows = await rows_of(source, select(sql, fields=fields))
    assert [row[0] for row in rows] == [True, False, None]
    assert rows[0][2] == pytest.approx(0.1)
    assert [row[3] for row in rows] == [2**63 - 1, None, 0]


async def test_a_number_too_large_for_its_field_is_an_error(postgres_url: str) -> None:
    async with postgres_source(postgres_url) as source:
        with pytest.raises(InternalError, match="not int"):
            await rows_of(source, select("SELECT 40000000000"))


async def test_a_failure_half_way_is_told_and_gives_the_connection_back(postgres_url: str) -> None:
    async with postgres_source(postgres_url, connections=1) as source:
        for _ in range(3):
            with pytest.raises(UsageError, match="database refuses"):
                await rows_of(source, select("SELECT 1 / (n - 19999) FROM numbers"))
        assert await rows_of(source, select("SELECT 7")) == [(7,)]


async def test_who_takes_rows_too_slowly_stops_the_query(postgres_url: str) -> None:
    async with postgres_source(postgres_url, connections=1) as source:
        sql = "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"
        with pytest.raises(QueryTimeout):
            await rows_of(source, select(sql, fields=(TEXT,)), maxrows=10**6, time_limit_s=0.05)
        assert await rows_of(source, select("SELECT 7")) == [(7,)]


async def test_few_rows_come_by_one_statement_in_a_transaction_that_ends(postgres_url: str) -> None:
    watcher = await asyncpg.connect(postgres_url)
    async with postgres_source(postgres_url) as source:
        assert await rows_of(source, select("SELECT n FROM numbers ORDER BY n LIMIT 3"), maxrows=3) == [
            (0,),
            (1,),
            (2,),
        ]
        sql = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert await watcher.fetchval(sql) == 0
    await watcher.close()


class Copying:
    """A connection whose server always has more rows, as fast as they are taken."""

    chunk = b"12345\n" * 10_000

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks
        self.given = 0

    async def copy_from_query(self, _sql: str, *, output: Callable[[bytes], Awaitable[None]], format: str) -> None:  # noqa: A002  # asyncpg's word
        assert format == "csv"
        for _ in range(self.chunks):
            self.given += len(self.chunk)
            await output(self.chunk)


async def test_the_server_goes_on_while_rows_are_read_but_not_without_end() -> None:
    server, rows = Copying(100), 0
    async with aclosing(copied(server, "", csv_form((N,)))) as parts:
        rows += (await anext(parts)).rows.num_rows
        taken = 6 * rows
        for _ in range(1000):  # turns of the loop, more than the server could use
            await asyncio.sleep(0)
        assert MOST_BYTES <= server.given - taken < MOST_BYTES + 2 * len(server.chunk)
        async for part in parts:
            rows += part.rows.num_rows
            assert part.rows.nbytes < 2 * MOST_BYTES
    assert rows == 100 * 10_000


async def test_rows_that_nobody_takes_any_more_are_not_fetched() -> None:
    server = Copying(1_000_000)
    async with aclosing(copied(server, "", csv_form((N,)))) as parts:
        await anext(parts)
    assert server.given < 3 * MOST_BYTES
