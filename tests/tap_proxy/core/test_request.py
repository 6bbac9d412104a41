from __future__ import annotations

import pytest

from penstock.dali.errors import MultiValuedParamNotSupported, UsageError
from penstock.dali.params import Parameters
from tap_proxy.core.formats import TAP_FORMATS
from tap_proxy.core.request import RowLimits, TapQuery, read_query

LIMITS = RowLimits(default=100, hard=1000)
QUERY = "SELECT TOP 1 * FROM ivoa.obscore"


def read(*pairs: tuple[str, str], **given: str) -> TapQuery:
    base = {"LANG": "ADQL", "QUERY": QUERY} | given
    return read_query(Parameters([*base.items(), *pairs]), formats=TAP_FORMATS, limits=LIMITS)


def test_a_plain_query_gets_the_defaults() -> None:
    query = read()
    assert (query.text, query.language, query.maxrec, query.runid) == (QUERY, "ADQL", 100, None)
    assert query.format.media_type == "application/x-votable+xml"
    assert query.format.serialization == "TABLEDATA"


@pytest.mark.parametrize("name", ["query", "Query", "qUeRy"])
def test_names_are_case_insensitive(name: str) -> None:
    params = Parameters([("lang", "ADQL"), (name, QUERY)])
    assert read_query(params, formats=TAP_FORMATS, limits=LIMITS).text == QUERY


@pytest.mark.requirement("TA-06")
@pytest.mark.parametrize("language", ["ADQL", "ADQL-2.0", "ADQL-2.1", "adql", " ADQL "])
def test_languages_of_the_service_are_taken(language: str) -> None:
    assert read(LANG=language).language == language.strip().upper()


@pytest.mark.parametrize("language", ["OOBLECK", "ADQL-3.0", "SQL", "", " "])
def test_other_languages_are_refused(language: str) -> None:
    with pytest.raises(UsageError, match=r"LANG.*ADQL"):
        read(LANG=language)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_query_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="QUERY is missing"):
        read(QUERY=text)


@pytest.mark.parametrize(
    ("asked", "effective"),
    [("0", 0), ("1", 1), ("+7", 7), ("1000", 1000), ("1001", 1000), ("9" * 30, 1000), ("", 100), (" 5 ", 5)],
)
def test_maxrec_never_exceeds_the_hard_limit(asked: str, effective: int) -> None:
    assert read(MAXREC=asked).maxrec == effective


@pytest.mark.parametrize("asked", ["-1", "1.5", "ten", "1e3", "0x10", "1_000", "٣", "1;2", "9" * 5000])
def test_a_maxrec_that_is_no_count_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="MAXREC"):
        read(MAXREC=asked)


@pytest.mark.parametrize("name", ["LANG", "QUERY", "MAXREC", "RUNID", "RESPONSEFORMAT", "FORMAT"])
def test_a_single_valued_parameter_given_twice_is_refused(name: str) -> None:
    with pytest.raises(MultiValuedParamNotSupported, match=name):
        read((name.lower(), "1"), (name, "1"))


@pytest.mark.requirement("TA-06")
def test_format_is_another_name_of_responseformat() -> None:
    assert read(FORMAT="csv").format == read(RESPONSEFORMAT="csv").format
    with pytest.raises(UsageError, match="different values"):
        read(FORMAT="csv", RESPONSEFORMAT="tsv")


@pytest.mark.parametrize(
    "name", ["votable", "votable/td", "votable/b2", "csv", "tsv", "fits", "json", "text", "html", "parquet"]
)
def test_formats_have_short_names(name: str) -> None:
    assert read(RESPONSEFORMAT=name).format.extension


@pytest.mark.parametrize("name", ["xlsx", "votable/b", "application/pdf", "csv;header=absent", "../../etc/passwd"])
def test_an_unknown_format_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not offered"):
        read(RESPONSEFORMAT=name)


def test_a_media_type_that_was_asked_for_comes_back() -> None:
    asked = "application/x-votable+xml;serialization=BINARY2"
    assert read(RESPONSEFORMAT=asked).format.media_type == asked


@pytest.mark.requirement("TA-04", "DA-07")
@pytest.mark.parametrize("spurious", [("REQUEST", "doQuery"), ("VERSION", "1.0"), ("DUMMY", "ABC"), ("UPLOAD", "")])
def test_spurious_parameters_change_nothing(spurious: tuple[str, str]) -> None:
    assert read(spurious) == read()


def test_a_long_runid_is_refused() -> None:
    assert read(RUNID="r" * 64).runid == "r" * 64
    with pytest.raises(UsageError, match="RUNID"):
        read(RUNID="r" * 65)
