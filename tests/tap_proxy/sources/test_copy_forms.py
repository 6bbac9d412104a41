"""Every form of COPY gives the same columns, and bytes that are no rows are refused."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import InternalError
from penstock.votable.model import Field
from tap_proxy.sources.copy_forms import Form, csv_form, form_for
from tap_proxy.sources.postgres_copy import copied
from tests.support.systems import require_compiled
from tests.tap_proxy.sources.builders import TEXT, N

FORMS: dict[str, Callable[[list[str], tuple[Field, ...]], Form | None]] = {
    "binary": form_for,
    "csv": lambda _types, fields: csv_form(fields),
}
VALUES = """
SELECT * FROM (VALUES
  (1::int2, 2::int4, 3::int8, 0.5::float4, 0.1::float8, true, 'a'::text, 'b'::varchar, 'c'::char(2), 1::int2, 2::int8),
  (-1, -2147483648, -9223372036854775808, 'nan', '-inf', false, '', ' ', '', 255, 9007199254740993),
  (null, null, null, null, null, null, null, null, null, null, null)) AS t"""
FIELDS = tuple(
    Field(name=f"f{n}", datatype=datatype, arraysize="*" if datatype == "char" else None)
    for n, datatype in enumerate(
        ("short", "int", "long", "float", "double", "boolean", "char", "char", "char", "unsignedByte", "double")
    )
)


@pytest.fixture(scope="module")
def rows_module() -> Any:
    return require_compiled("tap_proxy.sources._copied_rows")


async def rows_in(form: str, url: str, sql: str, fields: tuple[Field, ...]) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    prepared = await connection.prepare(sql)
    chosen = FORMS[form]([attribute.type.name for attribute in prepared.get_attributes()], fields)
    assert chosen is not None
    assert chosen.name == form
    parts = [part async for part in copied(connection, sql, chosen)]
    await connection.close()
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    return [tuple(row.values()) for part in parts for row in part.rows.to_pylist()]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("rows_module")
async def test_values_of_every_type_survive(form: str, postgres_url: str) -> None:
    first, second, third = await rows_in(form, postgres_url, VALUES, FIELDS)
    assert first == (1, 2, 3, 0.5, 0.1, True, "a", "b", "c ", 1, 2.0)
    assert second[:3] == (-1, -(2**31), -(2**63))
    assert math.isnan(second[3])
    assert second[4:] == (-math.inf, False, "", " ", "", 255, 2.0**53)
    assert third == (None,) * len(FIELDS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("rows_module")
async def test_many_rows_and_none_come_whole(form: str, postgres_url: str) -> None:
    texts = "SELECT CASE WHEN n % 3 > 0 THEN repeat('ü', n % 7) END AS t, n::int4 FROM generate_series(1, {}) AS n"
    rows = await rows_in(form, postgres_url, texts.format(100_000), (TEXT, N))
    assert rows == [(None if n % 3 == 0 else "ü" * (n % 7), n) for n in range(1, 100_001)]
    assert await rows_in(form, postgres_url, texts.format(0), (TEXT, N)) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("rows_module")
async def test_a_number_that_does_not_fit_its_field_is_an_error(form: str, postgres_url: str) -> None:
    with pytest.raises(InternalError):
        await rows_in(form, postgres_url, "SELECT 40000000000", (N,))


def test_numbers_with_digits_of_their_own_come_as_csv() -> None:
    form = form_for(["numeric"], (Field(name="d", datatype="double"),))
    assert form is not None
    assert form.name == "csv"


def test_columns_are_copied_only_where_their_values_mean_the_same() -> None:
    assert form_for(["int4", "text"], (N, TEXT))
    assert not form_for(["timestamp"], (TEXT,))
    assert not form_for(["text"], (N,))
    assert not form_for(["text"], (Field(name="p", datatype="double", arraysize="2"),))
    assert not form_for(["int4"], (N, TEXT))
    assert not form_for([], ())


def row(*cells: bytes | None) -> bytes:
    packed = (struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell for cell in cells)
    return struct.pack(">h", len(cells)) + b"".join(packed)


END = b"\xff\xff"
GOOD = row(b"\0\0\0\7", b"text") + row(None, b"") + row(b"\0\0\0\1", None) + END


def test_rows_become_columns(rows_module: Any) -> None:
    count, (numbers, texts) = rows_module.split(GOOD, [4, 0])
    assert count == 3
    assert (numbers[0], numbers[1][0] & 0b111, numbers[2]) == (1, 0b101, None)
    assert struct.unpack("=3i", numbers[3]) == (7, 0, 1)
    assert (texts[0], texts[1][0] & 0b111, struct.unpack("=4i", texts[2])) == (1, 0b011, (0, 4, 4, 4))
    assert texts[3] == b"text"


def test_rows_that_are_cut_or_go_on_are_refused(rows_module: Any) -> None:
    whole = {0, *(len(part) for part in (GOOD[:-2], GOOD, row(b"\0\0\0\7", b"text")))}
    whole.add(len(row(b"\0\0\0\7", b"text") + row(None, b"")))
    for size in set(range(len(GOOD))) - whole:
        with pytest.raises(ValueError, match="not rows"):
            rows_module.split(GOOD[:size], [4, 0])
    with pytest.raises(ValueError, match="not rows"):
        rows_module.split(GOOD + b"\0", [4, 0])


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4), st.lists(st.sampled_from([0, 1, 2, 4, 8])))
def test_bytes_that_are_no_rows_are_refused_or_read_but_never_read_beyond(
    rows_module: Any, at: int, other: bytes, widths: list[int]
) -> None:
    spoilt = GOOD[:at] + other + GOOD[at + len(other) :]
    for described in ([4, 0], widths):
        try:
            count, columns = rows_module.split(spoilt, described)
        except ValueError:
            continue
        assert count * (2 + 4 * len(described)) <= len(spoilt)
        assert sum(len(data) for _, _, _, data in columns) <= len(spoilt) + 8 * count * len(described)


def test_a_strange_header_is_an_error(rows_module: Any) -> None:
    form = form_for(["int4", "text"], (N, TEXT))
    assert form is not None
    with pytest.raises(InternalError, match="not rows"):
        form.read(b"PGCOPY\n\xff\r\n\0\0\1\0\0\0\0\0\0" + GOOD)
