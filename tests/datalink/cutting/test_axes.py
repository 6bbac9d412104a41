"""Boxes against what every single pixel says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from datalink.core.soda_sky import contains
from datalink.cutting.axes import Box, NoSuchAxis, box_of
from penstock.lake.fits.sky import project, read_wcs
from tests.datalink.cutting.builders import SIZES, cards_of, cut, header, sky

SIP = {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-4, "B_0_2": -3e-4,
    "A_1_1": 1e-4,
}  # fmt: skip
TPV = {"PV1_1": 1.0, "PV1_4": 0.01, "PV2_1": 1.0, "PV2_4": -0.02}
IMAGES: Mapping[str, dict[str, Any]] = {
    "tan": sky(),
    "over 0h": sky(at=(0.1, -30.0)),
    "at the pole": sky(at=(10.0, 89.9)),
    "galactic": sky("CAR", at=(200.0, 0.0), axes=("GLON", "GLAT")),
    "old equinox": sky("SIN", EQUINOX=1950.0, RADESYS="FK4"),
    "sip": sky() | SIP,
    "tpv": sky("TPV") | TPV,
    "swapped": sky() | {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 20.0, "CRVAL2": 150.0},
}


def middle(cards: Mapping[str, Any]) -> tuple[float, float]:
    """Return the position of the middle of an image, as ICRS degrees."""
    wcs = WCS(header(cards))
    place = wcs.pixel_to_world((SIZES[0] - 1) / 2, (SIZES[1] - 1) / 2)
    assert isinstance(place, SkyCoord)
    icrs = place.icrs
    return float(icrs.ra.deg), float(icrs.dec.deg)


def by_pixels(cards: Mapping[str, Any], wanted: Any) -> Box | None:
    """Return the box of the pixels whose middles lie in a region."""
    read = cards_of(cards)
    x, y = np.meshgrid(np.arange(SIZES[0]), np.arange(SIZES[1]))
    inside = contains(wanted.region, project(read_wcs(read), np.c_[x.ravel(), y.ravel()].astype(float)))
    if not inside.any():
        return None
    xs, ys = x.ravel()[inside], y.ravel()[inside]
    return (int(xs.min()), int(xs.max()) + 1), (int(ys.min()), int(ys.max()) + 1)


def assert_fits(found: Box | None, pixels: Box | None, slack: int = 1) -> None:
    """See that a box holds all pixels that are inside by their middles, and hardly more."""
    if pixels is None:
        return
    assert found is not None
    for (low, high), (least, most) in zip(found, pixels, strict=True):
        assert low <= least <= low + slack + 1
        assert high - slack - 1 <= most <= high


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("shape", ["CIRCLE", "POLYGON", "RANGE"])
@pytest.mark.parametrize("shift", [0.0, 0.35, 0.7])
def test_a_region_gets_the_pixels_that_lie_in_it(name: str, shape: str, shift: float) -> None:
    cards = IMAGES[name]
    lon, lat = middle(cards)
    lat = min(lat + shift, 89.7)
    wide = 0.2 / np.cos(np.deg2rad(lat))
    text = {
        "CIRCLE": f"CIRCLE {lon} {lat} 0.2",
        "POLYGON": f"POLYGON {lon} {lat - 0.2} {lon + wide} {lat} {lon} {lat + 0.2} {lon - wide} {lat}",
        "RANGE": f"RANGE {(lon - wide) % 360} {(lon + wide) % 360} {lat - 0.2} {lat + 0.2}",
    }[shape]
    wanted = cut(POS=text)
    assert_fits(box_of(cards_of(cards), wanted), by_pixels(cards, wanted))


@pytest.mark.filterwarnings("ignore:All-NaN")  # of astropy, where nothing of a circle is on the image
@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(IMAGES)),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(1e-7, 120),
)
def test_any_circle_gets_the_pixels_that_lie_in_it(name: str, east: float, north: float, radius: float) -> None:
    cards = IMAGES[name]
    lon, lat = middle(cards)
    centre = SkyCoord(lon * u.deg, lat * u.deg).spherical_offsets_by(east * u.deg, north * u.deg)
    wanted = cut(CIRCLE=f"{centre.ra.deg} {centre.dec.deg} {radius}")
    assert_fits(box_of(cards_of(cards), wanted), by_pixels(cards, wanted))


@pytest.mark.parametrize(
    ("region", "projection"),
    [
        ("CIRCLE 0 0 20", "AIT"), ("CIRCLE 179 10 5", "AIT"), ("CIRCLE 30 80 3", "AIT"), ("RANGE 350 10 -5 5", "AIT"),
        ("RANGE 0 360 80 90", "CAR"), ("RANGE 170 190 -10 10", "CAR"), ("CIRCLE 0 90 10", "MOL"),
        ("CIRCLE 0 0 5", "HPX"), ("POLYGON 10 10 40 10 40 30", "SFL"), ("CIRCLE 0 0 180", "AIT"),
    ],
)  # fmt: skip
def test_maps_of_the_whole_sky_are_cut_around_what_is_not_on_them(region: str, projection: str) -> None:
    cards = {
        "CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}", "CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": 60.5,
        "CRPIX2": 45.5, "CDELT1": -3.0, "CDELT2": 3.0,
    }  # fmt: skip
    wanted = cut(POS=region)
    pixels = by_pixels(cards, wanted)
    assert pixels is not None
    assert_fits(box_of(cards_of(cards), wanted), pixels, slack=8)


@pytest.mark.parametrize("name", IMAGES)
def test_a_region_off_the_image_gets_nothing(name: str) -> None:
    lon, lat = middle(IMAGES[name])
    for opposite in (f"{(lon + 180) % 360} {-lat} 1", f"{lon} {lat - 5} 0.5"):
        assert box_of(cards_of(IMAGES[name]), cut(CIRCLE=opposite)) is None


@pytest.mark.parametrize("radius", ["0", "1e-9"])
def test_a_point_gets_one_pixel(radius: str) -> None:
    place = WCS(header(IMAGES["tan"])).pixel_to_world(17, 33)
    box = box_of(cards_of(IMAGES["tan"]), cut(CIRCLE=f"{place.ra.deg} {place.dec.deg} {radius}"))
    assert box == ((17, 18), (33, 34))


def test_a_region_around_the_image_gets_all_of_it() -> None:
    assert box_of(cards_of(IMAGES["tan"]), cut(CIRCLE="150 20 30")) == ((0, 120), (0, 90))


def cube(kind: str, start: float, step: float, **more: Any) -> dict[str, Any]:
    return sky() | {"CTYPE3": kind, "CRVAL3": start, "CD3_3": step, "CRPIX3": 1.0, **more}


@pytest.mark.parametrize(
    ("cards", "band", "channels"),
    [
        (cube("WAVE", 500e-9, 1e-9, CUNIT3="m"), "502.6e-9 504.4e-9", (3, 5)),
        (cube("WAVE", 500.0, 1.0, CUNIT3="nm"), "502.6e-9 504.4e-9", (3, 5)),
        (cube("WAVE", 500e-9, 1e-9), "503e-9 503e-9", (3, 4)),
        (cube("WAVE", 500e-9, 1e-9), "-Inf 502.2e-9", (0, 3)),
        (cube("WAVE", 500e-9, 1e-9), "507.7e-9 +Inf", (8, 10)),
        (cube("WAVE", 500e-9, 1e-9), "600e-9 700e-9", None),
        (cube("FREQ", 1.4e9, 1e6), f"{299792458 / 1.4042e9} {299792458 / 1.4028e9}", (3, 5)),
        (cube("VRAD", 0.0, 1e3, RESTFRQ=1.42e9), f"{299792458 / 1.42e9} {299792458 / 1.42e9}", (0, 1)),
        (cube("VOPT", 0.0, 3e5, RESTWAV=500e-9), "502.0e-9 502.0e-9", (4, 5)),
    ],
)
def test_a_band_gets_the_channels_that_it_touches(
    cards: Mapping[str, Any], band: str, channels: tuple[int, int] | None
) -> None:
    box = box_of(cards_of(cards, (*SIZES, 10)), cut(BAND=band))
    assert (None if box is None else box[2]) == channels
    assert box is None or box[:2] == ((0, 120), (0, 90))


@pytest.mark.parametrize(
    ("cards", "time", "planes"),
    [
        (cube("TIME", 0.0, 1.0, CUNIT3="d", MJDREF=60000.0), "60002.6 60004.4", (3, 5)),
        (cube("TIME", 0.0, 86400.0, CUNIT3="s", MJDREFI=60000, MJDREFF=0.0), "60002.6 60004.4", (3, 5)),
        (cube("UTC", 60000.0, 1.0, CUNIT3="d"), "60003 60003", (3, 4)),
        (cube("TAI", 0.0, 1.0, CUNIT3="s", MJDREF=60000.0), f"{60000 - 34 / 86400} {60000 - 34 / 86400}", (3, 4)),
        (cube("TIME", 0.0, 1.0, CUNIT3="d", MJDREF=60000.0), "50000 +Inf", (0, 10)),
        (cube("TIME", 0.0, 1.0, CUNIT3="d", DATEREF="2023-02-25"), "50000 59990", None),
    ],
)
def test_a_time_gets_the_planes_that_it_touches(
    cards: Mapping[str, Any], time: str, planes: tuple[int, int] | None
) -> None:
    box = box_of(cards_of(cards, (*SIZES, 10)), cut(TIME=time))
    assert (None if box is None else box[2]) == planes


@pytest.mark.parametrize(
    ("states", "planes"), [("I", (0, 1)), ("V", (3, 4)), ("Q U", (1, 3)), ("I U", (0, 3)), ("RR", None)]
)
def test_states_of_polarisation_get_the_planes_that_hold_them(states: str, planes: tuple[int, int] | None) -> None:
    wanted = cut(*[("POL", state) for state in states.split()])
    box = box_of(cards_of(cube("STOKES", 1.0, 1.0), (*SIZES, 4)), wanted)
    assert (None if box is None else box[2]) == planes


def test_filters_hold_together() -> None:
    cards = cube("WAVE", 500e-9, 1e-9)
    both = box_of(cards_of(cards, (*SIZES, 10)), cut(CIRCLE="150 20 0.1", BAND="503e-9 503e-9", PIXELS="50 +Inf"))
    sky_only = box_of(cards_of(cards, (*SIZES, 10)), cut(CIRCLE="150 20 0.1"))
    assert both is not None
    assert sky_only is not None
    assert both == ((max(49, sky_only[0][0]), sky_only[0][1]), sky_only[1], (3, 4))
    assert box_of(cards_of(cards, (*SIZES, 10)), cut(CIRCLE="150 20 0.1", BAND="1 2")) is None


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("1 120 1 90", ((0, 120), (0, 90))),
        ("11 20", ((10, 20), (0, 90))),
        ("-Inf +Inf 90 +Inf", ((0, 120), (89, 90))),
        ("-5 3 2 2", ((0, 3), (1, 2))),
        ("121 130", None),
        ("-3 0", None),
    ],
)
def test_pixels_are_counted_from_1(text: str, box: Box | None) -> None:
    assert box_of(cards_of({}), cut(PIXELS=text)) == box


@pytest.mark.parametrize(
    ("cards", "filters"),
    [
        ({}, {"CIRCLE": "0 0 1"}),
        (sky(), {"BAND": "1 2"}),
        (sky(), {"TIME": "1 2"}),
        (sky(), {"POL": "I"}),
        (sky(), {"PIXELS": "1 2 3 4 5 6"}),
        ({"CTYPE1": "XLON-TAN", "CTYPE2": "XLAT-TAN"}, {"CIRCLE": "0 0 1"}),
        (cube("TIME", 0.0, 1.0, CUNIT3="m"), {"TIME": "1 2"}),
    ],
)
def test_an_image_without_the_axis_says_so(cards: Mapping[str, Any], filters: dict[str, str]) -> None:
    with pytest.raises(NoSuchAxis):
        box_of(cards_of(cards), cut(**filters))
