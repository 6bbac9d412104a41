from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.lake.names import as_path, as_text, collection_name, dataset_prefix, file_did, site_name
from penstock.lake.port import Did

PATHS = st.binary(min_size=1, max_size=60).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)


@given(PATHS)
def test_any_path_becomes_printable_text_and_comes_back(path: str) -> None:
    text = as_text(path)
    assert text.isprintable()
    text.encode()
    assert str(as_path(text)) == str(Path(path))


@given(PATHS, PATHS)
def test_two_paths_never_share_a_name(one: str, other: str) -> None:
    assert (as_text(one) == as_text(other)) == (one == other)


@given(PATHS)
def test_the_identifier_of_any_file_can_be_read(path: str) -> None:
    did = file_did("col", PurePosixPath(path))
    assert Did.parse(str(did)) == did


def test_usual_names_stay_as_they_are() -> None:
    assert str(file_did("col", PurePosixPath("été/a b:c+d.fits"))) == "col:été/a b:c+d.fits"


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 526 characters"):
        file_did("col", PurePosixPath("x" * 600))


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 26, "a:b", "a/b", "é", ".."])
def test_bad_names_of_collections_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a collection"):
        collection_name(name)


def test_names_of_sites() -> None:
    assert site_name("SITE_A-1.x") == "SITE_A-1.x"
    with pytest.raises(ValueError, match="cannot name a site"):
        site_name("a/b")


@pytest.mark.parametrize(("name", "prefix"), [("/", ""), ("dir/", "dir/"), ("dir/a.fits", None), ("a", None)])
def test_datasets_end_with_a_slash(name: str, prefix: str | None) -> None:
    assert dataset_prefix(Did("col", name)) == prefix
