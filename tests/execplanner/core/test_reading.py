from __future__ import annotations

import json
import string
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execplanner.core.question import Question, Tree, Wish, read_question, tree_of
from execplanner.core.reading import MAX_DEPTH, read_document, read_object
from penstock.dali.errors import UnsupportedMediaType, UsageError

QUESTION = {"tasktype": "sleep", "taskinfo": {"languages": ["md", "python"]}, "resources": {"mincores": "2"}}


@pytest.mark.parametrize(
    ("media_type", "text"),
    [
        ("application/json", json.dumps(QUESTION)),
        ("text/json", json.dumps(QUESTION | {"resources": {"mincores": 2}})),
        ("application/problem+json", json.dumps(QUESTION)),
        ("application/yaml", json.dumps(QUESTION)),
        ("text/yaml", "tasktype: sleep\ntaskinfo:\n  languages: [md, python]\nresources: {mincores: 2}\n"),
        (
            "application/x-yaml",
            "---\ntasktype: 'sleep'\ntaskinfo:\n  languages:\n  - md\n  - python\nresources:\n  mincores: 2\n...",
        ),
    ],
)
def test_every_spelling_gives_the_same_tree(media_type: str, text: str) -> None:
    assert read_object(text.encode(), media_type) == QUESTION


def test_parameters_give_the_same_tree() -> None:
    pairs = [("tasktype", "sleep"), ("taskinfo.languages", "{md, python}"), ("resources.mincores", "2")]
    assert tree_of(pairs) == QUESTION
    repeated = [("tasktype", "sleep"), ("taskinfo.languages", "md"), ("taskinfo.languages", "python")]
    assert tree_of(repeated)["taskinfo"] == QUESTION["taskinfo"]


def test_yaml_resolves_nothing() -> None:
    written = ["2026-01-01", "1:30", "no", "0x10", "~", "1e3"]
    assert read_document(f"[{', '.join(written)}]".encode(), "text/yaml") == written


BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{name}: &{name} [*{before}, *{before}]" for before, name in pairwise(string.ascii_lowercase)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &x 1\nb: 2",
        "&x a: *x",
        "a: !!python/object/apply:os.system ['true']",
        "a: !foo b",
        "a: 1\na: 2",
        "{a: 1, a: 2}",
        "[a]: 1",
        "a: 1\n--- \nb: 2",
        "",
        "# nothing",
        "- a\n- b",
        "just text",
        "a: [",
        "a: b: c",
        "\ta: 1",
        "a: \x00",
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "[" * 100_000,
        "%YAML 9.9\n--- a",
        "a: \ud7ff\ufffe",
    ],
    ids=range(21),
)
def test_hostile_yaml_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_object(text.encode(), "application/yaml")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": ' + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2) + "}",
        "[" * 200_000,
        '{"a": ' + "9" * 5000 + "}",
        "{'a': 1}",
        '{"a": 1} {"b": 2}',
    ],
    ids=range(13),
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_object(text.encode(), "application/json")


@pytest.mark.parametrize("media_type", ["application/json", "text/yaml"])
def test_bytes_that_are_not_text_are_refused(media_type: str) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        read_object(b"\xff\xfe{}", media_type)


def test_another_type_is_not_read() -> None:
    with pytest.raises(UnsupportedMediaType):
        read_object(b"<a/>", "application/xml")


TREES = st.recursive(
    st.text(string.ascii_letters, min_size=1, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters, min_size=1), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(TREES)
def test_json_is_read_alike_as_json_and_as_yaml(tree: Tree) -> None:
    text = json.dumps(tree).encode()
    assert read_document(text, "application/json") == read_document(text, "application/yaml") == tree


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/yaml"]))
def test_any_bytes_are_read_or_refused(body: bytes, media_type: str) -> None:
    with suppress(UsageError):
        read_document(body, media_type)


@pytest.mark.parametrize(
    "pairs",
    [
        [("taskinfo", "a"), ("taskinfo.b", "c")],
        [("taskinfo.b", "c"), ("taskinfo", "a")],
        [("taskinfo..b", "c")],
        [("taskinfo.", "c")],
        [("taskinfo" + ".a" * 50, "c")],
    ],
)
def test_paths_that_contradict_each_other_are_refused(pairs: list[tuple[str, Tree]]) -> None:
    with pytest.raises(UsageError):
        tree_of(pairs)


def test_a_question_has_amounts_and_tells_what_it_does_not_know() -> None:
    question = read_question(
        {
            "tasktype": " sleep ",
            "resources": {"mincores": "2", "maxCores": "4", "minmemory": "8G", "maxstartup": "60s", "mingpus": "1"},
            "when": "now",
        }
    )
    assert question == Question(
        tasktype="sleep",
        resources={
            "cores": Wish(minimum=2, maximum=4),
            "memory": Wish(minimum=8e9),
            "startup": Wish(maximum=60),
        },
        unknown=("/when", "/resources/mingpus"),
    )


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        ({}, "/tasktype"),
        ({"tasktype": "  "}, "/tasktype"),
        ({"tasktype": ["a", "b"]}, "/tasktype"),
        ({"tasktype": {"a": "b"}}, "/tasktype"),
        ({"tasktype": "a", "taskinfo": "b"}, "/taskinfo"),
        ({"tasktype": "a", "resources": ["b"]}, "/resources"),
        ({"tasktype": "a", "resources": {"mincores": ["1", "2"]}}, "/resources/mincores"),
        ({"tasktype": "a", "resources": {"mincores": "-1"}}, "/resources/mincores"),
        ({"tasktype": "a", "resources": {"minmemory": "8 bananas"}}, "/resources/minmemory"),
        ({"tasktype": "a", "resources": {"maxstartup": "60"}}, "/resources/maxstartup"),
    ],
)
def test_a_wrong_member_is_refused_with_a_pointer_to_it(tree: dict[str, Tree], pointer: str) -> None:
    with pytest.raises(UsageError, match=f"^{pointer}: "):
        read_question(tree)
