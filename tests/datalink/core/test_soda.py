"""What SODA is asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from datalink.core.soda import Cut, read_request, read_single
from datalink.core.soda_description import FILTERS, capabilities
from datalink.core.soda_description import ID as IDENTIFIER
from datalink.core.soda_sky import contains, directions, outline
from penstock.dali.errors import MultiValuedParamNotSupported, UsageError
from penstock.dali.params import Parameters
from penstock.dali.shapes import Circle, Point, Range, parse_pos
from penstock.dali.values import Interval
from penstock.regext import capability_element

ID = ("ID", "demo:a.fits")


def single(*given: tuple[str, str], **more: str) -> Cut:
    return read_single(Parameters([ID, *given, *more.items()]))[1]


def test_every_filter_is_read() -> None:
    cut = single(("pol", "i"), ("POL", "V"), CIRCLE="10 20 0.5", BAND="1e-7 +Inf", TIME="-Inf 5e4", PIXELS="1 2 3 +Inf")
    assert cut.region == Circle(centre=Point(ra_deg=10, dec_deg=20), radius_deg=0.5)
    assert cut.band == Interval(lower=1e-7, upper=math.inf)
    assert cut.time == Interval(lower=-math.inf, upper=5e4)
    assert cut.pol == ("I", "V")
    assert cut.pixels == (Interval(lower=1, upper=2), Interval(lower=3, upper=math.inf))
    assert str(cut) == "CIRCLE=10 20 0.5 BAND=1e-7 +Inf TIME=-Inf 5e4 PIXELS=1 2 3 +Inf POL=i POL=V"


def test_nothing_but_an_id_is_the_whole_file() -> None:
    assert single().whole
    assert single(CIRCLE="", BAND=" ").whole, "fields of a form that were left empty"
    assert not single(POL="I").whole


@pytest.mark.parametrize("form", ["fits", "application/fits", "image/fits", "application/fits;x=y"])
def test_the_form_may_be_named(form: str) -> None:
    assert single(RESPONSEFORMAT=form).whole


BAD = [
    ("CIRCLE", "12 34"), ("CIRCLE", "12 34 -1"), ("CIRCLE", "12 91 1"), ("CIRCLE", "NaN 3 1"), ("CIRCLE", "a b c"),
    ("CIRCLE", "12 34 1 5"), ("CIRCLE", "1 2 Inf"), ("POLYGON", "1 2 3 4"), ("POLYGON", "1 2 3 4 5"),
    ("POLYGON", "0 0 120 0 240 0"), ("POLYGON", "1 NaN 3 4 5 6"), ("POS", "CIRCLE 1"), ("POS", "BOX 1 2 3 4"),
    ("POS", "RANGE 1 2 50 40"), ("POS", "POLYGON 0 0 120 0 240 0"), ("POS", "CIRCLE"), ("BAND", "5 3"),
    ("BAND", "NaN 1"), ("BAND", "blue"), ("BAND", "1"), ("BAND", "1 2 3"), ("TIME", "2 1"),
    ("TIME", "2026-01-01 2026-01-02"), ("POL", "Z"), ("PIXELS", "1"), ("PIXELS", "2 1"), ("PIXELS", "1.5 2"),
    ("PIXELS", "1 2 3"), ("PIXELS", "NaN 2"),
    ("PIXELS", " ".join(["1 2"] * 10)), ("RESPONSEFORMAT", "image/jpeg"), ("CIRCLE", "1 2 3\n4 5 6"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=name) as told:
        single((name, text))
    assert told.value.labelled().startswith("UsageError: ")


def test_an_id_is_needed() -> None:
    for given in ([], [("ID", "")], [("CIRCLE", "1 2 3")]):
        with pytest.raises(UsageError, match="ID is missing"):
            read_single(Parameters(given))


@pytest.mark.parametrize(
    "given",
    [
        [("ID", "demo:b.fits")],
        [("CIRCLE", "1 2 3"), ("circle", "1 2 4")],
        [("CIRCLE", "1 2 3"), ("POS", "CIRCLE 4 5 6")],
        [("POLYGON", "1 2 3 4 5 6"), ("POS", "RANGE 1 2 3 4")],
        [("BAND", "1 2"), ("BAND", "3 4")],
        [("TIME", "1 2"), ("TIME", "1 2")],
        [("PIXELS", "1 2"), ("PIXELS", "3 4")],
    ],
)
def test_one_part_of_one_file_is_cut_at_a_time(given: list[tuple[str, str]]) -> None:
    with pytest.raises(MultiValuedParamNotSupported) as told:
        read_single(Parameters([ID, *given]))
    assert told.value.labelled().startswith("MultiValuedParamNotSupported: ")


def test_every_combination_is_a_cut_out() -> None:
    given = [
        ID, ("ID", "demo:b.fits"), ID, ("CIRCLE", "1 2 3"), ("POS", "RANGE 1 2 3 4"), ("POLYGON", "1 2 3 4 5 6"),
        ("BAND", "1 2"), ("BAND", "3 4"), ("POL", "I"), ("POL", "Q"),
    ]  # fmt: skip
    request = read_request(Parameters(given), most=12)
    assert request.ids == ("demo:a.fits", "demo:b.fits")
    assert len(request.cuts) == len(set(request.cuts)) == 6
    assert {cut.pol for cut in request.cuts} == {("I", "Q")}
    with pytest.raises(UsageError, match="12 cut-outs; at most 11"):
        read_request(Parameters(given), most=11)


class TestRegions:
    @pytest.mark.parametrize(
        ("region", "inside", "outside"),
        [
            ("CIRCLE 0 90 1", [(0, 89.5), (200, 89.5)], [(0, 88)]),
            ("CIRCLE 10 20 1e-5", [(10, 20.000009)], [(10, 20.000011)]),
            ("RANGE 350 10 -5 5", [(0, 0), (355, 4), (10, 5), (350, -5)], [(20, 0), (349, 0), (0, 6)]),
            ("RANGE 0 360 80 90", [(0, 85), (180, 90), (77, 80)], [(0, 79)]),
            ("RANGE -Inf +Inf -90 -80", [(5, -85)], [(5, 85)]),
            ("POLYGON 350 -5 10 -5 10 5 350 5", [(0, 0), (355, 4)], [(180, 0), (12, 0), (0, 6)]),
            ("POLYGON 0 80 120 80 240 80", [(77, 89), (0, 90)], [(60, 70), (0, -90)]),
            ("POLYGON 0 0 4 0 4 4 2 1 0 4", [(1, 1), (3, 1)], [(2, 3)]),
            ("POLYGON 0 0 0 4 4 4 4 0", [(2, 2)], [(5, 5)]),
        ],
    )
    def test_know_what_they_hold(
        self, region: str, inside: list[tuple[float, float]], outside: list[tuple[float, float]]
    ) -> None:
        shape = parse_pos("POS", region)
        for places, expected in ((inside, True), (outside, False)):
            lon, lat = np.array(places, dtype=float).T
            assert (contains(shape, directions(lon, lat)) == expected).all()
        assert not contains(shape, np.full((1, 3), np.nan)).any()

    @pytest.mark.parametrize("region", ["CIRCLE 10 89 5", "RANGE 350 10 80 90", "POLYGON 350 -5 10 -5 10 5 350 5"])
    def test_are_bounded_by_their_outlines(self, region: str) -> None:
        shape = parse_pos("POS", region)
        around = outline(shape)
        assert np.allclose(np.linalg.norm(around, axis=1), 1)
        assert np.allclose(around[0], around[-1])
        middle = around.mean(axis=0)
        for factor, expected in ((0.999, True), (1.001, False)):
            moved = middle + (around - middle) * factor
            moved /= np.linalg.norm(moved, axis=1, keepdims=True)
            assert (contains(shape, moved) == expected).mean() > 0.7, "edges bulge, but not much"

    def test_a_range_without_width_is_a_line(self) -> None:
        line = Range(west_deg=10, east_deg=10, south_deg=0, north_deg=5)
        assert contains(line, directions(np.array([10.0]), np.array([2.0]))).all()
        assert not contains(line, directions(np.array([10.1]), np.array([2.0]))).any()


class TestDescription:
    def test_parameters_have_the_three_factors_of_the_standard(self) -> None:
        assert [(one.name, one.ucd, one.unit, one.xtype, one.arraysize) for one in (IDENTIFIER, *FILTERS)] == [
            ("ID", "meta.ref.url;meta.curation", None, None, "*"),
            ("CIRCLE", "pos.outline;obs", "deg", "circle", "3"),
            ("POLYGON", "pos.outline;obs", "deg", "polygon", "*"),
            ("POS", "pos.outline;obs", None, None, "*"),
            ("BAND", "em.wl;stat.interval", "m", "interval", "2"),
            ("TIME", "time.interval;obs.exposure", "d", "interval", "2"),
            ("POL", "meta.code;phys.polarization", None, None, "*"),
            ("PIXELS", None, "pixel", None, "*"),
        ]

    def test_capabilities_name_both_resources(self) -> None:
        elements = [capability_element(one) for one in capabilities("https://x.org/soda")]
        found = {one.get("standardID"): one.findtext("interface/accessURL") for one in elements}
        assert found["ivo://ivoa.net/std/SODA#sync-1.0"] == "https://x.org/soda/sync"
        assert found["ivo://ivoa.net/std/SODA#async-1.0"] == "https://x.org/soda/async"
