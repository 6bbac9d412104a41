from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import MultiValuedParamNotSupported, UsageError
from penstock.dali.formats import (
    CSV,
    DATALINK,
    DATALINK_TYPE,
    FITS,
    HTML,
    JSON,
    PARQUET,
    TEXT,
    TSV,
    FormatTable,
    votable_rows,
)
from penstock.dali.params import Parameters

TABLE = FormatTable(
    [*votable_rows("TABLEDATA", "BINARY2", "BINARY"), CSV, TSV, FITS, PARQUET, TEXT, HTML, JSON],
)


def chosen(**params: str):
    return TABLE.choose(Parameters(params.items()))


@pytest.mark.requirement("DA-08")
@pytest.mark.parametrize(
    ("asked", "key", "media_type", "serialization"),
    [
        ("votable", "votable", "application/x-votable+xml", "TABLEDATA"),
        ("VOTable/td", "votable", "application/x-votable+xml", "TABLEDATA"),
        ("votable/b2", "votable", "application/x-votable+xml;serialization=BINARY2", "BINARY2"),
        ("votable/b", "votable", "application/x-votable+xml;serialization=BINARY", "BINARY"),
        ("text/xml", "votable", "text/xml", "TABLEDATA"),
        ("application/xml", "votable", "application/xml", "TABLEDATA"),
        ("application/x-votable+xml", "votable", "application/x-votable+xml", "TABLEDATA"),
        ("application/x-votable xml", "votable", "application/x-votable+xml", "TABLEDATA"),
        (
            "application/x-votable+xml; serialization=binary2",
            "votable",
            "application/x-votable+xml; serialization=binary2",
            "BINARY2",
        ),
        ("text/xml;serialization=BINARY", "votable", "text/xml;serialization=BINARY", "BINARY"),
        ("csv", "csv", "text/csv;header=present;charset=utf-8", None),
        ("text/csv", "csv", "text/csv", None),
        ("text/csv; charset=UTF-8", "csv", "text/csv; charset=UTF-8", None),
        ("TSV", "tsv", "text/tab-separated-values;charset=utf-8", None),
        ("fits", "fits", "application/fits", None),
        ("application/vnd.apache.parquet", "parquet", "application/vnd.apache.parquet", None),
        ("text", "text", "text/plain;charset=utf-8", None),
        ("text/plain", "text", "text/plain", None),
        ("html", "html", "text/html;charset=utf-8", None),
        ("json", "json", "application/json", None),
    ],
)
def test_each_name_of_a_format_is_understood_and_media_types_come_back(asked, key, media_type, serialization) -> None:
    found = chosen(RESPONSEFORMAT=asked)
    assert (found.key, found.media_type, found.serialization) == (key, media_type, serialization)


def test_without_a_wish_the_first_row_is_taken() -> None:
    assert TABLE.choose(Parameters()) == TABLE.default
    assert chosen(RESPONSEFORMAT=" ").key == "votable"


@pytest.mark.requirement("TA-06")
def test_format_is_another_name_of_responseformat() -> None:
    assert chosen(FORMAT="csv").key == "csv"
    assert chosen(FORMAT="csv", responseformat="csv").key == "csv"
    with pytest.raises(UsageError, match="different"):
        chosen(FORMAT="csv", RESPONSEFORMAT="tsv")


def test_outside_tap_format_is_no_name_of_responseformat() -> None:
    table = FormatTable([CSV, TSV], parameters=("RESPONSEFORMAT",))
    assert table.choose(Parameters([("FORMAT", "image/fits"), ("RESPONSEFORMAT", "tsv")])).key == "tsv"


@pytest.mark.requirement("DA-08")
@pytest.mark.parametrize(
    "asked",
    [
        "xls",
        "text/csv;header=absent",
        "text/csv;charset=latin-1",
        "application/x-votable+xml;serialization=FITS",
        "text/xml\r\nSet-Cookie: a=b",
        "\0",
        "a" * 10_000,
    ],
)
def test_what_is_not_offered_is_a_usage_error_that_lists_the_offers(asked) -> None:
    with pytest.raises(UsageError, match="use one of votable") as caught:
        chosen(RESPONSEFORMAT=asked)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("version", ["1.3", "1.4", "1.5"])
def test_a_version_of_votable_can_be_chosen(version: str) -> None:
    asked = f"application/x-votable+xml;version={version};serialization=BINARY2"
    found = TABLE.resolve(asked)
    assert (found.version, found.serialization, found.media_type) == (version, "BINARY2", asked)
    assert TABLE.resolve(f"text/xml;version={version}").version == version


@pytest.mark.parametrize("asked", ["text/xml;version=1.2", "text/xml;version=2.0", "text/csv;version=1.4"])
def test_other_versions_are_not_offered(asked: str) -> None:
    with pytest.raises(UsageError, match="not offered"):
        TABLE.resolve(asked)


def test_links_have_one_version() -> None:
    with pytest.raises(UsageError, match="not offered"):
        FormatTable([DATALINK]).resolve("text/xml;version=1.5")


def test_responseformat_twice_is_refused() -> None:
    with pytest.raises(MultiValuedParamNotSupported):
        TABLE.choose(Parameters([("RESPONSEFORMAT", "csv"), ("responseformat", "csv")]))


@pytest.mark.parametrize(
    "asked", ["votable", "application/x-votable+xml;content=datalink", 'application/x-votable+xml; content="datalink"']
)
def test_datalink_is_a_votable_with_its_own_media_type(asked) -> None:
    found = FormatTable([DATALINK]).resolve(asked)
    assert found.key == "votable"
    assert found.media_type == (DATALINK_TYPE if asked == "votable" else asked)


def test_two_formats_of_one_name_are_a_mistake_of_the_service() -> None:
    with pytest.raises(ValueError, match="two formats"):
        FormatTable([*votable_rows("TABLEDATA"), DATALINK])
    with pytest.raises(ValueError, match="two formats"):
        FormatTable([*votable_rows("TABLEDATA"), *votable_rows("BINARY2")])


@given(st.text(max_size=60))
def test_any_wish_is_either_a_format_or_a_usage_error(asked) -> None:
    try:
        found = TABLE.resolve(asked)
    except UsageError:
        return
    assert "\n" not in found.media_type
    assert "\r" not in found.media_type
