from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import MultiValuedParamNotSupported, UsageError
from penstock.dali.params import Parameters
from penstock.dali.values import (
    Interval,
    Upload,
    format_float,
    format_timestamp,
    maxrec,
    parse_bool,
    parse_float,
    parse_int,
    parse_interval,
    parse_timestamp,
    runid,
    uploads,
)

PARSERS = (parse_bool, parse_int, parse_float, parse_interval, parse_timestamp)


@pytest.mark.requirement("U-038", "DA-18")
@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-11-21T10:15:30.123Z", "2026-11-21T10:15:30.123Z"),
        ("2026-11-21T10:15:30Z", "2026-11-21T10:15:30.000Z"),
        ("2026-11-21T10:15:30.123456", "2026-11-21T10:15:30.123Z"),
        ("2026-11-21T10:15:30.123456789Z", "2026-11-21T10:15:30.123Z"),
        ("2026-11-21 10:15:30", "2026-11-21T10:15:30.000Z"),
        ("2026-11-21T10:15", "2026-11-21T10:15:00.000Z"),
        ("2026-11-21", "2026-11-21T00:00:00.000Z"),
        ("2026-11", "2026-11-01T00:00:00.000Z"),
        ("2026", "2026-01-01T00:00:00.000Z"),
        ("20261121", "2026-11-21T00:00:00.000Z"),
        ("20261121T101530Z", "2026-11-21T10:15:30.000Z"),
        ("2026-11-21T10:15:30+00:00", "2026-11-21T10:15:30.000Z"),
        ("2026-11-21T10:15:30 Z", "2026-11-21T10:15:30.000Z"),
        (" 2026-11-21t10:15:30z ", "2026-11-21T10:15:30.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_read_leniently_and_written_in_one_form(text, iso) -> None:
    assert format_timestamp(parse_timestamp("DESTRUCTION", text)) == iso


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21T10:15:30+01:00",
        "2026-11-21T10:15:30-0500",
        "2026-13-01",
        "2026-02-30",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:15:60Z",
        "2026T10:00:00",
        "2026-11 10:00",
        "0000-01-01",
        "202611",
        "11/21/2026",
        "2026-11-21T10",
        "٢٠٢٦-11-21",
        "2026-11-21T10:15:30Z\n2026",
        "9" * 10_000,
    ],
)
def test_what_is_no_time_in_utc_is_a_usage_error_with_an_example(text) -> None:
    with pytest.raises(UsageError, match=r"AFTER=.*it takes a time in UTC such as") as caught:
        parse_timestamp("AFTER", text)
    assert len(caught.value.message) < 300


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_reads_back_to_the_millisecond(instant) -> None:
    back = parse_timestamp("T", format_timestamp(instant))
    assert timedelta(0) <= instant - back < timedelta(milliseconds=1)


def test_a_time_in_another_zone_is_written_in_utc_and_a_naive_one_refused() -> None:
    assert format_timestamp(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == "2026-01-01T00:00:00.000Z"
    with pytest.raises(ValueError, match="naive"):
        format_timestamp(datetime(2026, 1, 1))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("FALSE", False), (" 0 ", False)])
def test_booleans(text, value) -> None:
    assert parse_bool("B", text) is value


@pytest.mark.parametrize("text", ["", "yes", "2", "truefalse"])
def test_what_is_no_boolean_is_refused(text) -> None:
    with pytest.raises(UsageError, match=r"B=.*true or false"):
        parse_bool("B", text)


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("-5", -5), ("+7", 7), (" 12 ", 12), ("9223372036854775807", 2**63 - 1)]
)
def test_integers(text, value) -> None:
    assert parse_int("N", text) == value


@pytest.mark.parametrize(
    "text", ["", "1.5", "1e3", "1_000", "٣", "0x10", "9223372036854775808", "9" * 5000, "--1", "NaN"]
)
def test_what_is_no_integer_is_refused(text) -> None:
    with pytest.raises(UsageError, match="an integer"):
        parse_int("N", text)


def test_a_bound_is_named_in_the_refusal() -> None:
    with pytest.raises(UsageError, match="an integer from 0 up to 9"):
        parse_int("N", "10", minimum=0, maximum=9)


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1.0), ("-.5e3", -500.0), ("+1.", 1.0), ("inf", math.inf), ("-Infinity", -math.inf)]
)
def test_numbers(text, value) -> None:
    assert parse_float("X", text) == value


@pytest.mark.parametrize("text", ["", ".", "1,5", "1_0", "0x1p3", "e5", "nanx", "٣"])
def test_what_is_no_number_is_refused(text) -> None:
    with pytest.raises(UsageError, match=r"X=.*a number"):
        parse_float("X", text)


@given(st.floats())
def test_a_written_number_reads_back(number) -> None:
    back = parse_float("X", format_float(number))
    assert back == number or (math.isnan(back) and math.isnan(number))


@pytest.mark.parametrize(
    ("text", "lower", "upper"), [("1 2", 1, 2), ("-Inf 0.5", -math.inf, 0.5), ("3 +Inf", 3, math.inf), ("1\t1", 1, 1)]
)
def test_intervals(text, lower, upper) -> None:
    assert parse_interval("BAND", text) == Interval(lower=lower, upper=upper)


@pytest.mark.parametrize("text", ["", "1", "2 1", "1 2 3", "NaN 1", "a b", "1/2", "1e999999 x"])
def test_what_is_no_interval_is_refused(text) -> None:
    with pytest.raises(UsageError, match=r"BAND=.*two numbers"):
        parse_interval("BAND", text)


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.text(max_size=40))
def test_any_text_is_a_value_or_a_usage_error(parser, text) -> None:
    with suppress(UsageError):
        parser("P", text)


@pytest.mark.requirement("DA-09")
def test_maxrec_is_a_count_or_absent() -> None:
    assert maxrec(Parameters()) is None
    assert maxrec(Parameters([("maxrec", "0")])) == 0
    assert maxrec(Parameters([("MAXREC", "")])) is None


@pytest.mark.parametrize("text", ["-1", "1.0", "all", "1e3"])
def test_a_bad_maxrec_is_refused(text) -> None:
    with pytest.raises(UsageError, match=r"MAXREC=.*integer from 0"):
        maxrec(Parameters([("MAXREC", text)]))
    with pytest.raises(MultiValuedParamNotSupported):
        maxrec(Parameters([("MAXREC", "1"), ("maxrec", "1")]))


@pytest.mark.requirement("DA-11")
def test_runid_is_at_most_64_printable_characters() -> None:
    assert runid(Parameters([("RUNID", "a" * 64)])) == "a" * 64
    assert runid(Parameters()) is None
    for text in ("a" * 65, "a\nb", "\x7f"):
        with pytest.raises(UsageError, match="RUNID"):
            runid(Parameters([("RUNID", text)]))


@pytest.mark.requirement("DA-10")
def test_uploads_come_repeated() -> None:
    assert uploads(Parameters([("UPLOAD", "t1,param:t1"), ("upload", "t2,http://example.org/t")])) == (
        Upload(name="t1", uri="param:t1"),
        Upload(name="t2", uri="http://example.org/t"),
    )


def test_uploads_joined_by_pyvo_are_taken_apart() -> None:
    assert uploads(Parameters([("UPLOAD", "t1,param:t1;t2,param:t2")])) == (
        Upload(name="t1", uri="param:t1"),
        Upload(name="t2", uri="param:t2"),
    )


def test_a_semicolon_within_a_url_does_not_end_it() -> None:
    assert uploads(Parameters([("UPLOAD", "t,http://example.org/a;v=1;t2,param:t2;")])) == (
        Upload(name="t", uri="http://example.org/a;v=1"),
        Upload(name="t2", uri="param:t2"),
    )


@pytest.mark.requirement("DA-10")
@pytest.mark.parametrize(
    "text", ["t1", "t1,", ",param:t", "1t,param:t", "a.b,param:t", "t,nouri", "t,http://a b", "t,param:é é"]
)
def test_a_bad_upload_is_refused(text) -> None:
    with pytest.raises(UsageError, match="UPLOAD"):
        uploads(Parameters([("UPLOAD", text)]))


def test_two_uploads_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        uploads(Parameters([("UPLOAD", "t,param:a"), ("UPLOAD", "T,param:b")]))
