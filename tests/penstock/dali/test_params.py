from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import MultiValuedParamNotSupported
from penstock.dali.params import Parameters, Part, upper_name

PAIRS = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=8)


@pytest.mark.requirement("DA-05")
def test_names_are_case_insensitive_and_keep_their_first_spelling() -> None:
    params = Parameters([("Query", "a"), ("QUERY", "b"), ("lang", "ADQL")])
    assert params.names() == ("Query", "lang")
    assert params.all("query") == ("a", "b")
    assert "LANG" in params
    assert "MAXREC" not in params


@pytest.mark.parametrize(
    ("name", "other"), [("PHASE", "pha\u017fe"), ("KEY", "\u212aEY"), ("SS", "\xdf"), ("ID", "\u0131d")]
)
def test_only_letters_of_ascii_have_two_cases(name: str, other: str) -> None:
    params = Parameters(
        [(name.lower(), "a"), (other, "b"), ("\xe9", "c"), ("\xc9", "d")], [Part(name=other, content=b"", size_bytes=0)]
    )
    assert params.all(name) == ("a",)
    assert params.all(other) == ("b",)
    assert params.part(name) == Part(name=name, content=b"a", size_bytes=1)
    assert (params.all("\xe9"), len(params.names())) == (("c",), 4)


@pytest.mark.requirement("DA-05")
def test_values_are_case_sensitive_and_ordered() -> None:
    assert Parameters([("ID", "b"), ("ID", "B"), ("id", "a")]).all("ID") == ("b", "B", "a")


@pytest.mark.requirement("DA-06")
@pytest.mark.parametrize("second", ["QUERY", "query", "Query"])
def test_a_single_valued_parameter_given_twice_is_refused(second: str) -> None:
    params = Parameters([("QUERY", "same"), (second, "same")])
    with pytest.raises(MultiValuedParamNotSupported, match="QUERY was given 2 times"):
        params.single("QUERY")


def test_an_absent_parameter_is_none_and_a_blank_one_is_blank() -> None:
    params = Parameters([("RUNID", "")])
    assert params.single("RUNID") == ""
    assert params.single("MAXREC") is None


def test_a_part_is_found_in_any_case() -> None:
    part = Part(name="Mine", content=b"x", size_bytes=1)
    assert Parameters(parts=[part]).part("mine") is part


def test_of_two_parts_of_one_name_none_is_taken() -> None:
    parts = [Part(name=name, content=b"x", size_bytes=1) for name in ("t", "T")]
    with pytest.raises(MultiValuedParamNotSupported, match="2 files called 't'"):
        Parameters(parts=parts).part("t")


def test_a_value_without_file_name_serves_as_a_part() -> None:
    part = Parameters([("t1", "<VOTABLE/>")]).part("t1")
    assert part is not None
    assert (part.read(), part.size_bytes) == (b"<VOTABLE/>", 10)


def test_a_part_reads_its_spooled_file(tmp_path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"abc")
    assert Part(name="t", content=path, size_bytes=3).read() == b"abc"


def test_equal_pairs_make_equal_parameters() -> None:
    assert Parameters([("a", "1")]) == Parameters([("a", "1")])
    assert Parameters([("a", "1")]) != Parameters([("A", "1")])
    assert Parameters() != 1


@given(PAIRS)
def test_nothing_is_lost_and_every_name_is_found(pairs) -> None:
    params = Parameters(pairs)
    assert params.items() == tuple(pairs)
    assert len(params) == len(pairs)
    assert sum(len(params.all(name)) for name in params) == len(pairs)
    for name, value in pairs:
        assert value in params.all(upper_name(name))
