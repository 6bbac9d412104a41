"""What clients were seen to send, and what they must get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import UsageError
from penstock.dali.media import MediaType, accepts_json, content_coding, negotiate_document, parse_accept

JAVA_17 = "text/html, image/gif, image/jpeg, */*; q=0.2"
JAVA_OLD = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.requirement("U-043", "U-044")
@pytest.mark.parametrize(
    ("accept", "container", "atom"),
    [
        (None, "xml", "text"),
        ("", "xml", "text"),
        (JAVA_17, "xml", "text"),
        (JAVA_OLD, "xml", "text"),
        ("*/*", "xml", "text"),
        ("application/*", "xml", "text"),
        ("text/*", "xml", "text"),
        ("application/xml,text/plain", "xml", "text"),
        ("text/plain", "xml", "text"),
        ("text/xml", "text-xml", "text"),
        ("application/xml, text/xml", "xml", "text"),
        (BROWSER, "html", "text"),
        ("application/json", "json", "json"),
        ("application/json, */*;q=0.5", "json", "json"),
        ("application/json, text/plain, */*", "json", "json"),
        ("application/problem+json", "json", "json"),
        ("application/json;q=0.5, text/plain", "json", "text"),
        ("application/xml;q=0.9, application/json;q=0.5", "xml", "text"),
        ("application/json;q=0.5, */*", "xml", "text"),
        ("application/json;q=0", "xml", "text"),
        ("image/png", "xml", "text"),
        ("text/html", "xml", "text"),
        ("application/xhtml+xml", "xml", "text"),
        ("application/json, text/html, application/xhtml+xml;q=0.9", "json", "json"),
        ("application/json;q=0.8, text/html, application/xhtml+xml", "html", "json"),
        (";;;,,,/;q=x,*/", "xml", "text"),
        ("application/json;q=NaN", "json", "json"),
    ],
)
def test_each_known_client_gets_the_form_that_it_can_read(accept, container, atom) -> None:
    assert negotiate_document(accept, None, None, atom=False) == container
    assert negotiate_document(accept, None, None, atom=True) == atom


def test_a_browser_is_known_by_its_fetch_metadata_too() -> None:
    assert negotiate_document("text/html, */*", "document", None, atom=False) == "html"
    assert negotiate_document("text/html, */*", "empty", None, atom=False) == "xml"
    assert negotiate_document("*/*", "document", None, atom=False) == "xml"


@pytest.mark.parametrize(
    ("asked", "container"),
    [
        ("json", "json"),
        ("application/json", "json"),
        ("XML", "xml"),
        ("application/xml", "xml"),
        ("text/xml", "text-xml"),
    ],
)
def test_responseformat_wins_over_accept(asked, container) -> None:
    assert negotiate_document(BROWSER, "document", asked, atom=False) == container


@pytest.mark.parametrize(("asked", "atom"), [("json", True), ("text/plain", True)])
def test_responseformat_chooses_the_form_of_an_atom(asked, atom) -> None:
    assert negotiate_document(None, None, asked, atom=atom) in {"json", "text"}


@pytest.mark.parametrize(("asked", "atom"), [("text/plain", False), ("xml", True), ("csv", False), ("\0", True)])
def test_an_unsupported_responseformat_is_a_usage_error(asked, atom) -> None:
    with pytest.raises(UsageError, match="RESPONSEFORMAT"):
        negotiate_document(None, None, asked, atom=atom)


@given(st.text(max_size=200))
def test_no_accept_header_raises(header) -> None:
    negotiate_document(header, header, None, atom=False)
    negotiate_document(header, header, None, atom=True)
    content_coding(header)
    assert all(0 <= r.q <= 1 for r in parse_accept(header))


@given(st.text(alphabet='applicationtextjsonxml*/;q=.019, +\t"\\', max_size=80))
def test_no_header_made_of_the_right_characters_raises(header) -> None:
    negotiate_document(header, None, None, atom=False)
    content_coding(header)


def test_a_header_of_a_million_commas_is_read_in_part() -> None:
    assert len(parse_accept("a/b," * 1_000_000)) == 64


def test_json_is_never_chosen_by_a_wildcard() -> None:
    assert not accepts_json(parse_accept("*/*, application/*"))


@pytest.mark.parametrize(
    ("text", "essence", "params"),
    [
        ("Text/XML", "text/xml", set()),
        ('application/x-votable+xml; Content="datalink"', "application/x-votable+xml", {("content", "datalink")}),
        ("text/csv;header=present", "text/csv", {("header", "present")}),
    ],
)
def test_a_media_type_is_read_without_regard_to_case_space_and_quotes(text, essence, params) -> None:
    assert MediaType.parse(text) == MediaType(essence=essence, params=frozenset(params))


@pytest.mark.parametrize(
    "text", ["", "csv", "a/b/c", "a/b;", "a/b;c", "a/b\r\nX: y", 'a/b;c="\n"', "a /b", "a/b;c=\xe9"]
)
def test_what_is_no_media_type_is_none(text) -> None:
    assert MediaType.parse(text) is None


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZIP, deflate", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0", None),
        ("gzip;q=0.1, deflate;q=0.9", "deflate"),
        ("identity, *", None),
        ("x-gzip", "gzip"),
        ("br", None),
    ],
)
def test_compression_needs_to_be_asked_for_by_name(header, coding) -> None:
    assert content_coding(header) == coding
