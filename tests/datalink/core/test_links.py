from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalink.core.links import FIELDS, Addresses, Link, links_of_collection, links_of_file
from datalink.core.nearest import Hint, Nearness
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.lake.port import Did, DidType, Entry, Medium, Replica, ReplicaState
from tests.datalink.builders import NOW, PARIS, PERTH, TRIESTE, a_file

ADDRESSES = Addresses("https://penstock.example/datalink")


def rows(entry: Entry, *, hint: Hint = Hint(), caller: Principal = ANONYMOUS) -> tuple[Link, ...]:  # noqa: B008  # immutable
    nearness = Nearness(hint, (PARIS, PERTH, TRIESTE))
    return links_of_file("the id", entry, addresses=ADDRESSES, nearness=nearness, caller=caller, now=NOW)


def with_replicas(*replicas: Replica) -> Entry:
    return replace(a_file(), replicas=replicas)


TAPE = Replica(site="vault", url="https://vault.example.org/a.fits", medium=Medium.TAPE)
DOWN = Replica(site="perth", url="https://perth.example.org/a.fits", state=ReplicaState.UNAVAILABLE)
XROOTD = Replica(site="cern", url="root://cern.example.org//a.fits")
BARE = Replica(site="nowhere")
STRANGE = (TAPE, DOWN, XROOTD, BARE, *a_file().replicas)


def test_columns_are_the_members_of_a_link_in_their_order() -> None:
    names = [name.lower() for name in Link.__dataclass_fields__]
    assert [field.name.lower() for field in FIELDS] == names


def test_a_file_has_one_this_row_and_a_row_per_replica() -> None:
    this, first, second = rows(a_file(content=b"bytes"))
    assert this.access_url == "https://penstock.example/datalink/data/demo/a.fits"
    assert (this.semantics, this.site) == ("#this", None)
    assert {first.semantics, second.semantics} == {"https://penstock.example/datalink/terms#replica"}
    assert [first.site, second.site] == ["paris", "perth"]
    assert first.access_url == "https://paris.example.org/a.fits"
    assert first.checksum == "adler32:066c0228 md5:4b3a6218bb3e3a7303e8a171a60fcf92"
    assert {row.content_length for row in (this, first, second)} == {5}


def test_a_replica_that_this_process_can_read_is_served_here() -> None:
    (_, row) = rows(with_replicas(Replica(site="a b/c", path=Path("/lake/a.fits"))))
    assert row.access_url == "https://penstock.example/datalink/replicas/a%20b%2Fc/demo/a.fits"


@pytest.mark.parametrize(
    ("hint", "sites"),
    [
        (Hint(), ["paris", "perth", "trieste"]),
        (Hint(site="perth"), ["perth", "trieste", "paris"]),
        (Hint(site="trieste"), ["trieste", "paris", "perth"]),
        (Hint(latitude_deg=-35.3, longitude_deg=149.1), ["perth", "trieste", "paris"]),
        (Hint(latitude_deg=45.0, longitude_deg=14.0 - 360.0), ["trieste", "paris", "perth"]),
    ],
)
def test_replicas_are_listed_nearest_first(hint: Hint, sites: list[str]) -> None:
    assert [row.site for row in rows(a_file("a.fits", "trieste", "perth", "paris"), hint=hint)[1:]] == sites


@pytest.mark.parametrize(
    ("replicas", "message"),
    [
        ((), "NotFoundFault: demo:a.fits is known, but no site holds a replica of it"),
        ((TAPE,), "TransientFault: demo:a.fits is on tape only, at vault, and must be staged first"),
        ((DOWN,), "TransientFault: no replica of demo:a.fits can be read now; it is stored at perth"),
        ((XROOTD,), "FatalFault: demo:a.fits can only be had over root"),
    ],
)
def test_a_file_that_cannot_be_fetched_says_why_in_its_this_row(replicas: tuple[Replica, ...], message: str) -> None:
    this = rows(with_replicas(*replicas))[0]
    assert this == Link(id="the id", error_message=message)


def test_an_unreadable_replica_is_listed_last_with_its_reason() -> None:
    last = rows(with_replicas(DOWN, TAPE, *a_file("a.fits", "paris").replicas))[2:]
    assert [row.error_message for row in last] == [
        "TransientFault: the replica of demo:a.fits at perth is not readable now",
        "TransientFault: the replica of demo:a.fits at vault is on tape, to be staged first",
    ]


def test_another_protocol_is_named_and_never_redirected_to() -> None:
    this, paris, cern = rows(with_replicas(XROOTD, *a_file("a.fits", "paris").replicas), hint=Hint(site="paris"))
    assert this.error_message is None
    assert paris.site == "paris"
    assert (cern.access_url, cern.description) == ("root://cern.example.org//a.fits", "Replica at cern, over root")


@given(st.lists(st.sampled_from(STRANGE), max_size=6))
def test_every_row_has_exactly_one_of_the_three(replicas: list[Replica]) -> None:
    """(DataLink 1.1 s3.2)."""
    found = rows(with_replicas(*replicas))
    assert [row.semantics for row in found].count("#this") == 1
    for row in found:
        assert sum(value is not None for value in (row.access_url, row.service_def, row.error_message)) == 1


@pytest.mark.parametrize(
    ("days", "caller", "auth", "authorized"),
    [
        (1, ANONYMOUS, "true", False),
        (1, Principal(subject="op", admin=True), "true", True),
        (0, ANONYMOUS, "false", True),
        (-1, ANONYMOUS, "false", True),
    ],
)
def test_an_embargo_is_told_by_the_authorization_columns(
    days: int, caller: Principal, auth: str, authorized: bool
) -> None:
    entry = replace(a_file(), public_from=NOW + timedelta(days=days))
    assert {(row.link_auth, row.link_authorized) for row in rows(entry, caller=caller)} == {(auth, authorized)}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("run/1/a b.fits", "demo/run/1/a%20b.fits"),
        ("a;b&c?d#e%f+g", "demo/a%3Bb%26c%3Fd%23e%25f%2Bg"),
        ("../../etc/passwd", "demo/..%2F..%2Fetc%2Fpasswd"),
        ("a//b", "demo/a%2F%2Fb"),
        ("α", "demo/%CE%B1"),
    ],
)
def test_a_name_becomes_a_path_that_leads_back_to_it(name: str, path: str) -> None:
    assert ADDRESSES.data(Did("demo", name)) == f"https://penstock.example/datalink/data/{path}"


@pytest.mark.parametrize(("product", "qualifier"), [("image", "#image"), ("hologram", None), ("", None)])
def test_only_known_product_types_qualify_the_content(product: str, qualifier: str | None) -> None:
    entry = a_file(metadata={"dataproduct_type": product})
    assert {row.content_qualifier for row in rows(entry)} == {qualifier}


def test_a_collection_lists_where_the_links_of_its_members_are() -> None:
    did = Did("demo", "set")
    listed = list(links_of_collection("x", did, [Did("demo", "a&b")], addresses=ADDRESSES, complete=True))
    assert [row.access_url for row in listed] == ["https://penstock.example/datalink/links?ID=demo%3Aa%26b"]
    assert listed[0].content_type == "application/x-votable+xml;content=datalink"


@pytest.mark.parametrize(
    ("members", "complete", "fault"), [((), True, "NotFoundFault"), ((Did("demo", "a"),), False, "DefaultFault")]
)
def test_a_collection_that_is_empty_or_too_long_says_so(members: tuple[Did, ...], complete: bool, fault: str) -> None:
    *_, last = links_of_collection("x", Did("demo", "set"), members, addresses=ADDRESSES, complete=complete)
    assert last.error_message is not None
    assert last.error_message.startswith(fault)
    assert DidType.DATASET.lower() not in last.error_message
