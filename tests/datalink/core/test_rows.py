from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalink.core.access import Access
from datalink.core.known import NOTHING, Known, Observed
from datalink.core.links import FIELDS, Addresses, Link
from datalink.core.nearest import Hint, Nearness
from datalink.core.replicas import Delivery
from datalink.core.rows import Members, RowMaker
from datalink.core.services import Offered, Offers
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.lake.port import Did, DidType, Entry, Medium, Replica, ReplicaState
from tests.datalink.builders import NOW, PARIS, PERTH, TRIESTE, a_file

ADDRESSES = Addresses("https://penstock.example/datalink")


def maker(hint: Hint = Hint(), caller: Principal = ANONYMOUS, **more: Any) -> RowMaker:  # noqa: B008  # immutable
    nearness = Nearness(hint, (PARIS, PERTH, TRIESTE))
    access = Access(caller=caller, now=NOW, early={"demo": frozenset({"survey"})})
    return RowMaker(addresses=ADDRESSES, nearness=nearness, access=access, **more)


def rows(entry: Entry, observed: Observed = NOTHING, **more: Any) -> tuple[Link, ...]:
    return maker(**more).of_file("the id", Known(entry=entry, observed=observed))


def with_replicas(*replicas: Replica) -> Entry:
    return replace(a_file(), replicas=replicas)


TAPE = Replica(site="vault", url="https://vault.example.org/a.fits", medium=Medium.TAPE)
DOWN = Replica(site="perth", url="https://perth.example.org/a.fits", state=ReplicaState.UNAVAILABLE)
XROOTD = Replica(site="cern", url="root://cern.example.org//a.fits")
BARE = Replica(site="nowhere")
STRANGE = (TAPE, DOWN, XROOTD, BARE, *a_file().replicas)


def test_columns_are_the_members_of_a_link_in_their_order() -> None:
    assert [field.name.lower() for field in FIELDS] == list(Link._fields)


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


def test_a_site_says_once_that_its_copy_cannot_be_read_however_many_protocols_it_has() -> None:
    also = replace(TAPE, url="root://vault.example.org//a.fits")
    assert len(rows(with_replicas(TAPE, also, *a_file("a.fits", "paris").replicas))) == 3


def test_webdav_can_be_streamed_but_not_redirected_to() -> None:
    webdav = with_replicas(Replica(site="cnaf", url="davs://cnaf.example.org/a.fits"))
    assert rows(webdav)[0].access_url == "https://penstock.example/datalink/data/demo/a.fits"
    redirected = rows(webdav, delivery=Delivery.REDIRECT)[0]
    assert redirected.error_message == "FatalFault: demo:a.fits can only be had over davs"


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
        (1, Principal(subject="ana", groups=frozenset({"survey"})), "true", True),
        (1, Principal(subject="ben", groups=frozenset({"other"})), "true", False),
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


def test_the_addresses_of_an_embargoed_file_at_other_servers_are_not_told() -> None:
    local = Replica(site="here", path=Path("/lake/a.fits"))
    entry = replace(
        with_replicas(local, TAPE, *a_file("a.fits", "paris").replicas), public_from=NOW + timedelta(days=1)
    )
    assert [row.site for row in rows(entry)] == [None, "here", None], "the tape has no address"
    caller = Principal(subject="ana", groups=frozenset({"survey"}))
    assert {row.site for row in rows(entry, caller=caller)} == {None, "here", "paris"}


def test_groups_in_the_metadata_may_read_early_and_obscore_can_prolong_an_embargo() -> None:
    tomorrow = Observed(obs_release_date=NOW + timedelta(days=1))
    entry = replace(a_file(metadata={"read_groups": "a b"}), public_from=NOW - timedelta(days=1))
    for groups, authorized in (({"b"}, True), ({"c"}, False)):
        caller = Principal(subject="ana", groups=frozenset(groups))
        (this, *_) = rows(entry, tomorrow, caller=caller)
        assert (this.link_auth, this.link_authorized) == ("true", authorized)


OFFERS = Offers(
    cutouts=Offered(url="https://x.org/soda", standard_id="ivo://ivoa.net/std/SODA#sync-1.0"),
    jobs=Offered(url="https://x.org/uws/jobs", standard_id="ivo://ivoa.net/std/UWS#rest-1.1"),
    planner=Offered(url="https://x.org/accepts", standard_id="ivo://x.org/std/e#accepts-1.0"),
    sites=("paris", "perth"),
)
IMAGE = Observed(dataproduct_type="image", s_ra=10.0, s_dec=-5.0, s_fov=2.0, t_min=59000.5)


def terms(links: Iterable[Link]) -> list[str]:
    return [link.semantics.rpartition("/")[2] for link in links]


def test_services_that_run_have_rows_and_a_descriptor_each() -> None:
    made = maker(offers=OFFERS, own_cutouts=1)
    first = made.of_file("1", Known(entry=a_file("1", "paris"), observed=IMAGE))
    assert terms(first) == ["#this", "terms#replica", "#cutout", "terms#staging", "terms#compute"]
    assert [service.id for service in made.new_services()] == ["cutout_1", "staging", "compute"]
    second = made.of_file("2", Known(entry=a_file("2", "paris"), observed=IMAGE))
    assert [link.service_def for link in second if link.service_def] == ["cutout", "staging", "compute"]
    assert [service.id for service in made.new_services()] == ["cutout"], "the limits of one file are not another's"
    made.of_file("3", Known(entry=a_file("3", "paris"), observed=IMAGE))
    assert made.new_services() == ()


@pytest.mark.parametrize(
    ("entry", "observed"),
    [
        (with_replicas(TAPE), IMAGE),
        (with_replicas(XROOTD), IMAGE),
        (a_file(), Observed(dataproduct_type="spectrum")),
        (a_file(media_type="image/png"), IMAGE),
    ],
)
def test_only_images_and_cubes_in_fits_that_can_be_read_are_cut(entry: Entry, observed: Observed) -> None:
    found = terms(rows(entry, observed, offers=OFFERS))
    assert "#cutout" not in found
    assert "terms#staging" in found


def test_a_file_on_tape_says_so_and_offers_staging() -> None:
    this, *_, staging = rows(with_replicas(TAPE), offers=Offers(jobs=OFFERS.jobs))
    assert (this.error_message or "").startswith("TransientFault: demo:a.fits is on tape only")
    assert (staging.service_def, staging.content_type) == ("staging", "text/xml")


def collection(*dids: Did, page: int = 1, last: bool = True, **metadata: str) -> tuple[Link, ...]:
    entry = Entry(did=Did("demo", "set"), type=DidType.DATASET, metadata=metadata)
    return maker().of_collection("x", Known(entry=entry), Members(dids=dids, page=page, last=last))


def test_a_collection_lists_where_the_links_of_its_members_are() -> None:
    package, member = collection(Did("demo", "a&b"))
    assert (package.semantics, package.content_type) == ("#package", "application/x-tar")
    assert package.access_url == "https://penstock.example/datalink/package/demo/set"
    assert member.access_url == "https://penstock.example/datalink/links?ID=demo%3Aa%26b"
    assert member.content_type == "application/x-votable+xml;content=datalink"


def test_a_page_that_is_not_the_last_leads_to_the_next() -> None:
    *_, more = collection(Did("demo", "a"), page=3, last=False, link_progenitor="demo:raw")
    assert more.access_url == "https://penstock.example/datalink/links?ID=demo%3Aset&PAGE=4"
    assert "#progenitor" not in terms(collection(Did("demo", "a"), page=2, link_progenitor="demo:raw"))
    assert "#progenitor" in terms(collection(Did("demo", "a"), link_progenitor="demo:raw"))


@pytest.mark.parametrize(
    ("page", "message"), [(1, "demo:set has no members"), (4, "demo:set has no page 4 of members")]
)
def test_a_page_without_members_says_so(page: int, message: str) -> None:
    (row,) = collection(page=page)
    assert row.error_message == f"NotFoundFault: {message}"
