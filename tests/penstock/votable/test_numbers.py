"""Numbers are spelt so that they read back as they were, whether Arrow or the compiled module spells them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.text import spell_by_arrow, spell_compiled
from tests.support.systems import require_compiled

DOUBLES = st.floats() | st.sampled_from([0.1, 1e-5, 9.9e-6, 1e15, 999999999999999.9, 5e-324, -1.7976931348623157e308])


@pytest.fixture(scope="module")
def numbers_module() -> Any:
    return require_compiled("penstock.votable._numbers")


def bits(value: float, dtype: str) -> bytes:
    return np.array(math.nan if math.isnan(value) else value, dtype).tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@given(values=st.lists(st.none() | DOUBLES, min_size=1, max_size=20))
def test_real_numbers_read_back(numbers_module: Any, dtype: str, values: list[float | None]) -> None:
    with np.errstate(over="ignore"):
        given_values = [None if value is None else np.array(value, dtype)[()] for value in values]
    column = pa.array(given_values, pa.float32() if dtype == "f4" else pa.float64())
    for spell in (spell_compiled, spell_by_arrow):
        texts = spell(column).to_pylist()
        assert [text is None for text in texts] == [value is None for value in values]
        pairs = [(text, value) for text, value in zip(texts, given_values, strict=True) if text is not None]
        assert [bits(float(text), dtype) for text, _ in pairs] == [bits(value, dtype) for _, value in pairs]


@given(values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_whole_numbers_are_spelt_alike(numbers_module: Any, values: list[int | None]) -> None:
    column = pa.array(values, pa.int64())
    assert spell_compiled(column).equals(spell_by_arrow(column))


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int16(), pa.int32(), pa.int64()])
def test_whole_numbers_of_every_width(numbers_module: Any, kind: pa.DataType) -> None:
    column = pa.array([0, 127, None, 1], kind)
    assert spell_compiled(column).to_pylist() == ["0", "127", None, "1"]


def test_numbers_are_spelt_for_people(numbers_module: Any) -> None:
    values = [100000.0, 1e15, 0.00001, 1e-6, -0.0, math.nan, math.inf, -math.inf, 12.5]
    spelt = ["100000", "1e+15", "0.00001", "1e-06", "-0", "NaN", "+Inf", "-Inf", "12.5"]
    assert spell_compiled(pa.array(values)).to_pylist() == spelt


@pytest.mark.parametrize(
    ("kind", "values", "valid", "rows"),
    [("f8", bytes(15), None, 2), ("c8", bytes(16), None, 2), ("u1", bytes(9), b"\0", 9)],
)
def test_what_is_not_that_many_numbers_is_refused(
    numbers_module: Any, kind: str, values: bytes, valid: bytes | None, rows: int
) -> None:
    with pytest.raises(ValueError, match="numbers"):
        numbers_module.spell(kind, values, valid, rows)
    with pytest.raises(OverflowError):
        numbers_module.spell(kind, values, valid, 2**31)
