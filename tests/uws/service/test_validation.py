from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import UsageError
from uws.core.job import JobParameter
from uws.ports import JobContext, JobType, ParameterSpec, ParameterType
from uws.service.parameters import merge
from uws.service.validation import Rejected, parse_value, validate

KINDS: tuple[ParameterType, ...] = (
    "boolean", "integer", "real", "string", "timestamp", "uri", "interval", "circle", "polygon", "file",
)  # fmt: skip


async def nothing(context: JobContext) -> None: ...


TYPE = JobType(
    name="t",
    version="1",
    title="",
    description="",
    run=nothing,
    parameters=(
        ParameterSpec(name="Number", type="integer", minimum=1, maximum=9),
        ParameterSpec(name="TEXT"),
        ParameterSpec(name="CHOICE", options=("a", "b")),
        ParameterSpec(name="FILE", type="file", required=True, description="The file."),
        ParameterSpec(name="MANY", multiple=True),
    ),
)


def given_as(*pairs: tuple[str, str], files: tuple[str, ...] = ("FILE",)) -> list[JobParameter]:
    plain = [JobParameter(id=name, value=value) for name, value in pairs]
    return plain + [JobParameter(id=name, blob="b") for name in files]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Rejected) as caught:
        validate(
            TYPE,
            given_as(("number", "12"), ("TEXT", "1"), ("text", "2"), ("CHOICE", "c"), ("OTHER", "x"), files=("TEXT",)),
        )
    assert [(problem.field, problem.value) for problem in caught.value.problems] == [
        ("OTHER", None),
        ("Number", "12"),
        ("TEXT", None),
        ("TEXT", None),
        ("CHOICE", "c"),
        ("FILE", None),
    ]
    for text in ("no parameter 'OTHER'", "not between 1 and 9", "given 3 times", "not a file", "The file."):
        assert text in caught.value.message


@pytest.mark.parametrize(
    "parameters",
    [
        given_as(),
        given_as(("number", " 7 "), ("MANY", "1"), ("many", "1")),
        given_as(("FILE", "the content itself"), files=()),
        given_as(("FILE", "param:p"), files=("p",)),
        given_as(("TEXT", "param:no-reference-here")),
    ],
)
def test_what_fits_is_taken(parameters: list[JobParameter]) -> None:
    validate(TYPE, parameters)


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        (given_as(("FILE", "param:p"), files=()), "brings no part"),
        (given_as(files=("FILE", "p")), "no parameter 'p'"),
        (given_as(("MANY", "param:p"), files=("FILE", "p")), "no parameter 'p'"),
    ],
)
def test_files_and_their_names_belong_together(parameters: list[JobParameter], what: str) -> None:
    with pytest.raises(Rejected, match=what):
        validate(TYPE, parameters)


def test_no_other_letter_is_taken_for_one_of_a_name() -> None:
    job_type = replace(TYPE, parameters=(ParameterSpec(name="S"),))
    validate(job_type, given_as(("s", "1"), files=()))
    with pytest.raises(Rejected, match="no parameter"):
        validate(job_type, given_as(("\u017f", "1"), files=()))


def test_a_field_that_was_left_empty_says_nothing() -> None:
    merged = merge(TYPE, (), given_as(("NUMBER", ""), ("CHOICE", ""), ("MANY", ""), ("MANY", "x"), ("TEXT", "")))
    assert [(each.id, each.value) for each in merged] == [("MANY", "x"), ("TEXT", ""), ("FILE", "")]


def test_a_value_is_unset_by_an_empty_one() -> None:
    before = merge(TYPE, (), given_as(("NUMBER", "3")))
    assert "NUMBER" not in {each.id for each in merge(TYPE, before, [JobParameter(id="Number", value="")])}


@given(st.sampled_from(KINDS), st.text(max_size=30))
def test_any_text_is_a_value_or_a_usage_error(kind: ParameterType, text: str) -> None:
    with suppress(UsageError):
        parse_value(ParameterSpec(name="X", type=kind), text)
