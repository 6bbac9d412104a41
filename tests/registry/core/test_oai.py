from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.oai import (
    ARGUMENTS,
    VERBS,
    ErrorCode,
    OaiError,
    Prefix,
    Selection,
    Verb,
    VerbSpec,
    read_request,
    read_selection,
)

VALID = {
    "identifier": "ivo://penstock.example",
    "metadataPrefix": "ivo_vor",
    "from": "2026-01-01",
    "until": "2026-12-31",
    "set": "ivo_managed",
    "resumptionToken": "token",
}


def code_of(*pairs: tuple[str, str]) -> ErrorCode:
    with pytest.raises(OaiError) as caught:
        read_request(pairs)
    assert caught.value.message.endswith(".")
    return caught.value.code


@pytest.mark.parametrize("verb", list(Verb))
def test_a_verb_with_all_that_it_needs_is_read(verb: Verb) -> None:
    needed = {name: VALID[name] for name in VERBS[verb].required}
    request = read_request([("verb", verb), *needed.items()])
    assert (request.verb, request.arguments) == (verb, needed)


@pytest.mark.parametrize(("verb", "name"), list(product(Verb, sorted(ARGUMENTS))))
def test_an_argument_that_a_verb_does_not_take_is_bad_and_so_is_any_twice(verb: Verb, name: str) -> None:
    spec = VERBS[verb]
    pairs = [("verb", verb), *((one, VALID[one]) for one in spec.required - {name}), (name, VALID[name])]
    if not spec.allows(name):
        assert code_of(*pairs) is ErrorCode.BAD_ARGUMENT
    assert code_of(*pairs, (name, VALID[name])) is ErrorCode.BAD_ARGUMENT


@pytest.mark.parametrize(("verb", "name"), [(verb, name) for verb in Verb for name in sorted(VERBS[verb].required)])
def test_a_missing_argument_is_bad(verb: Verb, name: str) -> None:
    rest = [(one, VALID[one]) for one in VERBS[verb].required - {name}]
    assert code_of(("verb", verb), *rest) is ErrorCode.BAD_ARGUMENT


@pytest.mark.parametrize("verb", [Verb.LIST_RECORDS, Verb.LIST_IDENTIFIERS])
def test_a_token_stands_alone(verb: Verb) -> None:
    assert read_request([("verb", verb), ("resumptionToken", "x")]).arguments == {"resumptionToken": "x"}
    assert code_of(("verb", verb), ("resumptionToken", "x"), ("metadataPrefix", "oai_dc")) is ErrorCode.BAD_ARGUMENT


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        (("verb", ""),),
        (("verb", "identify"),),
        (("Verb", "Identify"),),
        (("verb", "Identify"), ("verb", "Identify")),
        (("verb", "'; DROP TABLE record --"),),
        (("verb", "x" * 100_000),),
    ],
)
def test_anything_but_one_known_verb_is_a_bad_verb(pairs: tuple[tuple[str, str], ...]) -> None:
    assert code_of(*pairs) is ErrorCode.BAD_VERB


def test_names_of_arguments_are_case_sensitive() -> None:
    assert code_of(("verb", "GetRecord"), ("Identifier", "x"), ("metadataPrefix", "oai_dc")) is ErrorCode.BAD_ARGUMENT


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-02-03", None, ("2026-02-03T00:00:00Z", None)),
        (None, "2026-02-03", (None, "2026-02-03T23:59:59Z")),
        ("2026-02-03", "2026-02-03", ("2026-02-03T00:00:00Z", "2026-02-03T23:59:59Z")),
        ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z", ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z")),
    ],
)
def test_dates_are_inclusive_seconds(
    since: str | None, until: str | None, expected: tuple[str | None, str | None]
) -> None:
    given_ = {"metadataPrefix": "oai_dc"} | {k: v for k, v in (("from", since), ("until", until)) if v}
    selection = read_selection(given_)
    assert selection == Selection(prefix=Prefix.OAI_DC, since=expected[0], until=expected[1])


@pytest.mark.parametrize(
    "dates",
    [
        {"from": "2026"},
        {"from": "2026-02"},
        {"from": "2026-02-30"},
        {"from": "2026-02-03T04:05:06"},
        {"from": "2026-02-03T04:05:06.000Z"},
        {"from": "2026-02-03T25:05:06Z"},
        {"from": "2026-02-03T04:05:06+00:00"},
        {"from": "٢٠٢٦-٠٢-٠٣"},
        {"from": ""},
        {"from": "2026-02-03\n"},
        {"until": "yesterday"},
        {"from": "2026-02-03", "until": "2026-02-03T04:05:06Z"},
        {"from": "2026-02-04", "until": "2026-02-03"},
        {"from": "0000-01-01"},
    ],
)
def test_wrong_dates_are_bad_arguments(dates: dict[str, str]) -> None:
    with pytest.raises(OaiError) as caught:
        read_selection({"metadataPrefix": "oai_dc"} | dates)
    assert caught.value.code is ErrorCode.BAD_ARGUMENT


@pytest.mark.parametrize("prefix", ["", "IVO_VOR", "marc21", "oai_dc "])
def test_another_format_cannot_be_disseminated(prefix: str) -> None:
    with pytest.raises(OaiError) as caught:
        read_selection({"metadataPrefix": prefix})
    assert caught.value.code is ErrorCode.CANNOT_DISSEMINATE_FORMAT


@pytest.mark.parametrize(
    "members",
    [
        {"required": frozenset({"colour"})},
        {"required": frozenset({"set"}), "optional": frozenset({"set"})},
        {"optional": frozenset({"set"}), "exclusive": "set"},
    ],
)
def test_a_table_that_contradicts_itself_fails_when_it_is_made(members: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="arguments of a verb"):
        VerbSpec(**members)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from([*sorted(ARGUMENTS), "verb", "x"]), st.sampled_from([*Verb, "", "y"]))))
def test_every_request_is_read_or_refused_with_an_error_of_the_protocol(pairs: list[tuple[str, str]]) -> None:
    assert outcome(pairs) in {None, ErrorCode.BAD_VERB, ErrorCode.BAD_ARGUMENT}


def outcome(pairs: list[tuple[str, str]]) -> ErrorCode | None:
    try:
        read_request(pairs)
    except OaiError as error:
        return error.code
    return None
