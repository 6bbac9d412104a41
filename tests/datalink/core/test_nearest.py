from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalink.core.nearest import Hint, Nearness, great_circle_km, site_of
from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters
from penstock.lake.port import Replica, Site
from tests.datalink.builders import PARIS, PERTH


def read(**values: str) -> Hint:
    return Hint.read(Parameters(values.items()))


def test_a_hint_is_read_from_any_spelling() -> None:
    assert read(site="paris") == Hint(site="paris")
    assert read(Lat="48.5", lon="-2") == Hint(latitude_deg=48.5, longitude_deg=-2.0)
    assert not read()
    assert not read(SITE="", LAT=" ")


@pytest.mark.parametrize(
    "values",
    [
        {"LAT": "1"},
        {"LON": "1"},
        {"LAT": "91", "LON": "0"},
        {"LAT": "NaN", "LON": "0"},
        {"LAT": "0", "LON": "inf"},
        {"LAT": "north", "LON": "0"},
        {"LAT": "1_0", "LON": "0"},
        {"SITE": "paris", "LAT": "0", "LON": "0"},
    ],
)
def test_half_a_hint_or_nonsense_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        read(**values)


def test_an_unknown_site_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="paris, perth"):
        Nearness(Hint(site="atlantis"), (PERTH, PARIS))


def test_a_site_without_coordinates_still_comes_first_for_itself() -> None:
    lost = Site(name="zzz")
    nearness = Nearness(Hint(site="zzz"), (PARIS, lost))
    assert [one.site for one in nearness.order([Replica(site="paris"), Replica(site="zzz")])] == ["zzz", "paris"]


def test_how_far_the_lake_ranks_sites_counts_more_than_the_way_on_the_ground() -> None:
    sites = (PARIS, PERTH, Site(name="oslo", latitude_deg=59.9, longitude_deg=10.8))
    copies = [Replica(site=name) for name in ("oslo", "perth", "paris")]
    for ranks, order in (
        ({}, ["paris", "oslo", "perth"]),
        ({"oslo": 9, "perth": 1}, ["paris", "perth", "oslo"]),
        ({"perth": 1}, ["paris", "perth", "oslo"]),  # a link that is known is better than none
        ({"oslo": 2, "perth": 2}, ["paris", "oslo", "perth"]),
    ):
        ordered = Nearness(Hint(site="paris"), sites, ranks).order(copies)
        assert [one.site for one in ordered] == order


PLACES = st.tuples(st.floats(-90, 90), st.floats(-360, 360))


@given(PLACES, PLACES)
def test_distances_are_symmetric_and_at_most_half_way_round(a: tuple[float, float], b: tuple[float, float]) -> None:
    distance = great_circle_km(a, b)
    assert 0 <= distance <= 20016
    assert distance == pytest.approx(great_circle_km(b, a), abs=1e-6)


def test_a_known_distance() -> None:
    assert great_circle_km((48.86, 2.35), (-31.95, 115.86)) == pytest.approx(14270, rel=0.01)


NETWORKS = {
    ip_network("10.0.0.0/8"): "wide",
    ip_network("10.1.0.0/16"): "narrow",
    ip_network("2001:db8::/32"): "six",
}


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("10.2.0.1", "wide"),
        ("10.1.0.1", "narrow"),
        ("::ffff:10.1.0.1", "narrow"),
        ("2001:db8::1", "six"),
        ("192.0.2.1", None),
        (None, None),
    ],
)
def test_the_smallest_network_tells_the_site(address: str | None, site: str | None) -> None:
    assert site_of(address, NETWORKS) == site


def test_at_one_place_the_protocol_that_most_clients_speak_comes_first() -> None:
    urls = [f"{scheme}://paris.example.org/a" for scheme in ("gsiftp", "root", "strange", "davs", "http", "https")]
    ordered = Nearness(Hint()).order([Replica(site="paris", url=url) for url in urls])
    schemes = [(one.url or "").partition(":")[0] for one in ordered]
    assert schemes == ["https", "http", "davs", "root", "gsiftp", "strange"]
