from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import token
from registry.core.oai import ErrorCode, OaiError, Prefix, Selection, Verb
from registry.core.token import Position, decode, encode

NOW = "2026-11-21T12:00:00Z"
POSITION = Position(
    verb=Verb.LIST_RECORDS,
    selection=Selection(prefix=Prefix.IVO_VOR, since="2026-01-01T00:00:00Z", set="ivo_managed"),
    after=("2026-11-20T00:00:00Z", "ivo://penstock.example/ü&<"),
    cursor=100,
    size=250,
    expires="2026-11-21T12:00:00Z",
)


def refused(text: str, *, verb: Verb = Verb.LIST_RECORDS, now: str = NOW) -> str:
    with pytest.raises(OaiError) as caught:
        decode(text, verb=verb, now=now)
    assert caught.value.code is ErrorCode.BAD_RESUMPTION_TOKEN
    return caught.value.message


def test_a_token_holds_the_whole_state_and_is_safe_in_a_url() -> None:
    text = encode(POSITION)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert decode(text, verb=Verb.LIST_RECORDS, now=NOW) == POSITION
    begun = replace(POSITION, after=None)
    assert decode(encode(begun), verb=Verb.LIST_RECORDS, now=NOW) == begun


def test_a_token_serves_its_verb_and_its_time_only() -> None:
    assert "ListRecords" in refused(encode(POSITION), verb=Verb.LIST_IDENTIFIERS)
    assert "expired" in refused(encode(POSITION), now="2026-11-21T12:00:01Z")


@given(st.integers(min_value=0), st.sampled_from("abcXYZ019-_"))
def test_a_token_with_one_letter_changed_is_refused(place: int, letter: str) -> None:
    text = encode(POSITION)
    place %= len(text) - 1
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        refused(changed)


@pytest.mark.parametrize("text", ["", "x", "=", "%%%", "é" * 10, "A" * 5000, "AAAA" * 20, "../../etc/passwd"])
def test_junk_is_refused(text: str) -> None:
    refused(text)


@given(st.text(max_size=200))
def test_any_text_is_refused_without_ado(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"null", b"\xff", b'{"verb":"Identify"}', b"[" * 2000])
def test_a_forged_check_does_not_make_nonsense_a_token(content: bytes) -> None:
    data = token._check(content) + content
    refused(base64.urlsafe_b64encode(data).decode().rstrip("="))
