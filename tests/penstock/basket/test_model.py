"""References and names as callers send them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.basket.model import Kind, basket_name, read_item
from penstock.dali.errors import UsageError


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("demo:a.fits", Kind.DID),
        ("demo:run/1/http://odd", Kind.DID),
        ("ivo://penstock.example/lake?demo:a", Kind.DID),
        ("https://x.org/datalink/links?ID=demo:a", Kind.DATALINK),
        ("https://x.org/uws/jobs/1/results/result", Kind.RESULT),
        ("davs://x.org/a.fits", Kind.URL),
        ("http://[::1]:8080/x", Kind.URL),
    ],
)
def test_a_reference_tells_what_it_is(reference: str, kind: Kind) -> None:
    assert read_item({"reference": reference}).kind is kind


def test_everything_that_is_said_is_kept() -> None:
    item = read_item(
        {"reference": "https://x.org/q", "kind": "tap", "label": "Ü", "mediaType": "text/csv", "size": 5, "job": "j"}
    )
    assert (item.kind, item.label, item.media_type, item.size_bytes, item.job) == (Kind.TAP, "Ü", "text/csv", 5, "j")


@pytest.mark.parametrize(
    "given",
    [
        None, [], "demo:a", 5, {}, {"reference": ""}, {"reference": 5}, {"reference": None}, {"reference": "no did"},
        {"reference": "demo:a\nb"}, {"reference": "https://user:secret@x.org/"}, {"reference": "https:///nowhere"},
        {"reference": "file:///etc/passwd"}, {"reference": "http://[broken/"}, {"reference": "demo:" + "x" * 3000},
        {"reference": "demo:a", "kind": "cake"}, {"reference": "demo:a", "size": -1},
        {"reference": "demo:a", "size": True}, {"reference": "demo:a", "size": 2**63},
        {"reference": "demo:a", "mediaType": "no"},
        {"reference": "demo:a", "label": "x" * 201},
        {"reference": "demo:a", "label": "\0"}, {"reference": "demo:a", "x": 1},
    ],
)  # fmt: skip
def test_what_is_no_item_is_refused(given: Any) -> None:
    with pytest.raises(UsageError):
        read_item(given)


def test_a_secret_is_not_repeated() -> None:
    with pytest.raises(UsageError) as told:
        read_item({"reference": "https://user:secret@x.org/"})
    assert "secret" not in told.value.message


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "a/b", "ä", "x" * 65, "-x", "a\n"])
def test_some_names_name_no_basket(name: str) -> None:
    with pytest.raises(UsageError):
        basket_name(name)
