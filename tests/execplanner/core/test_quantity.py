from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execplanner.core.quantity import format_duration, format_size, parse_count, parse_duration, parse_size
from penstock.dali.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("8G", 8_000_000_000),
        ("8GB", 8_000_000_000),
        (" 8 GiB ", 8 * 2**30),
        ("512Mi", 512 * 2**20),
        ("1.5T", 1_500_000_000_000),
        ("100k", 100_000),
        ("100K", 100_000),
        ("1P", 10**15),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert parse_size("p", text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "8", "-8G", "0G", "8X", "G", "8 G B", "8iB", "1e9G", "8G;", "٨G", "9" * 40 + "G", "NaNG"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^/resources/minmemory: "):
        parse_size("/resources/minmemory", text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("5m", 300),
        ("5min", 300),
        ("2h", 7200),
        ("1d", 86_400),
        ("1.5h", 5400),
        ("0s", 0),
        ("PT5M", 300),
        ("P1DT2H", 93_600),
        ("P2W", 1_209_600),
        ("PT0.5S", 0.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration("p", text) == seconds


@pytest.mark.parametrize(
    "text", ["", "60", "-5m", "P", "PT", "P1H", "P1Y", "P1M", "P1DT", "5 parsecs", "1h30m", "inf", "P-1D", "R5/PT1H"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="duration"):
        parse_duration("p", text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "1e3", "true", "10_000", "٣", "9" * 30, " 1"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="whole number"):
        parse_count("p", text)


@given(st.integers(min_value=1, max_value=10**15))
def test_a_size_is_read_back(size_bytes: int) -> None:
    assert parse_size("p", format_size(size_bytes)) == size_bytes


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_is_read_back(seconds: int) -> None:
    assert parse_duration("p", format_duration(seconds)) == seconds
