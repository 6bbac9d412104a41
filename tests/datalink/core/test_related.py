from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalink.core.links import Addresses
from datalink.core.related import CORE, MOST_TARGETS, OWN, key_of, related

ADDRESSES = Addresses("https://x.org/datalink")


def found(**metadata: str) -> list[tuple[str, str | None, str | None]]:
    return [(row.semantics, row.access_url, row.content_type) for row in related("id", metadata, ADDRESSES)]


def test_each_key_is_a_link_with_its_term() -> None:
    for term in CORE:
        assert [row[0] for row in found(**{key_of(term): "https://a.org/x"})] == [f"#{term}"]
    for own in OWN:
        assert [row[0] for row in found(**{key_of(own.name): "https://a.org/x"})] == [
            f"{ADDRESSES.base}/terms#{own.name}"
        ]


def test_a_preview_leads_to_bytes_and_anything_else_to_links() -> None:
    datalink = "application/x-votable+xml;content=datalink"
    assert found(link_preview="demo:a.png", link_progenitor="demo:raw.fits") == [
        ("#preview", "https://x.org/datalink/data/demo/a.png", "image/png"),
        ("#progenitor", "https://x.org/datalink/links?ID=demo%3Araw.fits", datalink),
    ]


def test_several_targets_are_separated_by_white_space() -> None:
    targets = [url for _, url, _ in found(link_documentation=" https://a.org/1.html\n https://a.org/2.pdf ")]
    assert targets == ["https://a.org/1.html", "https://a.org/2.pdf"]
    assert len(found(link_notebook="https://a.org/n.ipynb " * 1000)) == MOST_TARGETS


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)//x",
        "javascript://a.org/%0aalert(1)",
        "file:///etc/passwd",
        "ftp://a.org/x",
        "https://user:secret@a.org/x",
        "https:///x",
        "https://[bad/x",
        "nothing",
        ":",
        "",
    ],
)
def test_what_is_no_target_is_passed_over(target: str) -> None:
    assert [url for _, url, _ in found(link_preview=target) if not (url or "").startswith("https://x.org/")] == []


@given(st.dictionaries(st.sampled_from([key_of(term) for term in CORE]), st.text()))
def test_any_metadata_can_be_read(metadata: dict[str, str]) -> None:
    for row in related("id", metadata, ADDRESSES):
        assert row.access_url is not None


def test_other_keys_are_no_links() -> None:
    assert found(preview="https://a.org/x", link_strange="https://a.org/x") == []
