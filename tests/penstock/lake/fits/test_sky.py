from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.lake.record import Observation
from tests.penstock.lake.fits.builders import (
    TAN,
    describe_bytes,
    extension,
    header,
    image,
    observe,
    observe_bytes,
    sample,
    table,
    to_bytes,
)


def region(observation: Observation) -> tuple[str, SkyCoord]:
    """Return the shape and its points."""
    assert observation.s_region
    shape, frame, *numbers = observation.s_region.split()
    assert frame == "ICRS"
    values = [float(number) for number in numbers]
    return shape, SkyCoord(values[0 : len(values) // 2 * 2 : 2], values[1::2], unit="deg")


def centre(observation: Observation) -> SkyCoord:
    return SkyCoord(observation.s_ra, observation.s_dec, unit="deg")


def everywhere(cards: dict[str, Any], shape: tuple[int, int]) -> SkyCoord:
    """Return where astropy itself puts the corners of all pixels of an image."""
    y, x = np.mgrid[0 : shape[0] + 1, 0 : shape[1] + 1] - 0.5
    return WCS(header(cards)).pixel_to_world(x.ravel(), y.ravel()).icrs


@pytest.mark.parametrize(
    "name",
    [
        "io/fits/hdu/compressed/tests/data/m13.fits",
        "io/fits/tests/data/scale.fits",
        "modeling/tests/data/1904-66_AZP.fits",
        "nddata/tests/data/sip-wcs.fits",
    ],
)
def test_samples_lie_where_astropy_puts_them(name: str, tmp_path: Any) -> None:
    data = sample(name)
    (tmp_path / "x.fits").write_bytes(data)
    cards = fits.getheader(tmp_path / "x.fits")
    wcs, found = WCS(cards), observe_bytes(data)
    size = cards["NAXIS1"], cards["NAXIS2"]
    middle = wcs.pixel_to_world((size[0] - 1) / 2, (size[1] - 1) / 2).icrs
    assert centre(found).separation(middle).arcsec < 1e-3
    edges = np.array([(-0.5, -0.5), (size[0] - 0.5, -0.5), (size[0] - 0.5, size[1] - 0.5), (-0.5, size[1] - 0.5)])
    corners = wcs.pixel_to_world(*edges.T).icrs
    shape, points = region(found)
    assert shape == "POLYGON"
    for corner in corners:
        assert points.separation(corner).min().arcsec < 1e-3
    assert found.s_fov == pytest.approx(2 * max(corners.separation(middle).deg), rel=1e-5)
    assert (found.s_xel1, found.s_xel2) == size


FRAMES = {
    "icrs": {"RADESYS": "ICRS"},
    "fk5": {"RADESYS": "FK5", "EQUINOX": 2000.0},
    "fk5 of another equinox": {"RADESYS": "FK5", "EQUINOX": 1975.0},
    "fk4": {"RADESYS": "FK4", "EQUINOX": 1950.0},
    "fk4 by its equinox": {"EQUINOX": 1950.0},
    "galactic": {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
    "at zero": {"CRVAL1": 0.0},
    "pole": {"CRVAL2": 90.0},
    "south": {"CRVAL2": -89.99},
    "mirrored": {"CDELT1": 0.01},
    "rotated": {"CROTA2": 137.0},
    "zenithal": {"CTYPE1": "RA---ARC", "CTYPE2": "DEC--ARC"},
    "cylindrical": {"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRVAL2": 0.0},
    "wide": {"CDELT1": -3.0, "CDELT2": 3.0},
}


@pytest.mark.parametrize("change", FRAMES.values(), ids=FRAMES)
def test_the_whole_image_lies_in_its_footprint(change: dict[str, Any]) -> None:
    cards, shape = TAN | change, (12, 9)
    found = observe(image(cards, shape))
    assert found.s_fov is not None
    assert everywhere(cards, shape).separation(centre(found)).deg.max() <= found.s_fov / 2
    kind, points = region(found)
    assert kind == "POLYGON"
    assert ((points.ra.deg >= 0) & (points.ra.deg < 360)).all()
    corners = SkyCoord(points.cartesian)
    for corner in everywhere(cards, shape)[[0, 9, -10, -1]]:
        assert corners.separation(corner).arcsec.min() < 1e-3


@pytest.mark.parametrize(
    ("names", "frame"),
    [(("ELON", "ELAT"), "barycentricmeanecliptic"), (("SLON", "SLAT"), "supergalactic")],
)
def test_rarer_frames_are_converted(names: tuple[str, str], frame: str) -> None:
    found = observe(image(TAN | {"CTYPE1": f"{names[0]}-TAN", "CTYPE2": f"{names[1]}-TAN"}))
    expected = SkyCoord(150, 20, unit="deg", frame=frame).icrs
    assert centre(found).separation(expected).arcsec < 0.1


@given(
    place=st.tuples(st.floats(0, 360), st.floats(-90, 90)),
    turn=st.floats(0, 360),
    scale=st.floats(1e-7, 1.0),
    mirrored=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_polygons_run_anticlockwise_seen_from_inside(
    place: tuple[float, float], turn: float, scale: float, mirrored: bool
) -> None:
    cards = TAN | {"CRVAL1": place[0], "CRVAL2": place[1], "CROTA2": turn}
    cards |= {"CDELT2": scale, "CDELT1": scale if mirrored else -scale}
    found = observe(image(cards))
    _, points = region(found)
    angles = centre(found).position_angle(points).deg  # from north through east, which is leftward seen from inside
    steps = (np.roll(angles, -1) - angles) % 360
    assert steps.sum() == pytest.approx(360, abs=1e-3)
    assert found.s_pixel_scale == pytest.approx(scale * 3600, rel=0.01)


@pytest.mark.parametrize("projection", ["AIT", "MOL", "CAR", "HPX"])
def test_an_all_sky_map_is_a_circle_about_everything(projection: str) -> None:
    cards = TAN | {"CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}", "CRVAL1": 0.0, "CRVAL2": 0.0}
    cards |= {"CDELT1": -1.0, "CDELT2": 1.0, "CRPIX1": 180.5, "CRPIX2": 90.5}
    found = observe(image(cards, (180, 360)))
    assert found.s_region
    assert found.s_region.startswith("CIRCLE ICRS ")
    assert found.s_fov is not None
    assert found.s_fov > 350


def test_a_hemisphere_in_orthographic_projection_is_a_circle_of_it() -> None:
    cards = TAN | {
        "CTYPE1": "RA---SIN",
        "CTYPE2": "DEC--SIN",
        "CRPIX1": 60.5,
        "CRPIX2": 60.5,
        "CDELT1": -1,
        "CDELT2": 1,
    }
    shape, points = region(observe(image(cards, (120, 120))))
    assert shape == "CIRCLE"
    assert points[0].separation(SkyCoord(150, 20, unit="deg")).deg < 1


def test_celestial_axes_may_stand_anywhere() -> None:
    cards = {
        "CTYPE1": "FREQ", "CRVAL1": 1.4e9, "CDELT1": 1e6, "CRPIX1": 1, "CUNIT1": "Hz",
        "CTYPE2": "DEC--TAN", "CRVAL2": 20.0, "CDELT2": 0.01, "CRPIX2": 4.0,
        "CTYPE3": "STOKES", "CRVAL3": 1, "CDELT3": 1, "CRPIX3": 1,
        "CTYPE4": "RA---TAN", "CRVAL4": 150.0, "CDELT4": -0.01, "CRPIX4": 3.0,
    }  # fmt: skip
    found = observe(image(cards, (5, 1, 7, 11)))
    assert centre(found).separation(SkyCoord(150, 20, unit="deg")).arcsec < 1e-3
    assert (found.s_xel1, found.s_xel2, found.em_xel, found.pol_xel) == (7, 5, 11, 1)


def test_a_mosaic_has_the_hull_of_its_images() -> None:
    chips = [extension(TAN | {"EXTNAME": "SCI", "CRPIX1": x, "CRPIX2": y}) for x in (-20, 20) for y in (-20, 20)]
    found = observe(*chips, extension(TAN | {"EXTNAME": "ERR", "CRPIX1": 900.0}))
    _, points = region(found)
    assert len(points) == 4
    assert centre(found).separation(SkyCoord(150, 20, unit="deg")).deg < 0.1
    assert found.s_fov == pytest.approx(2 * np.hypot(0.25, 0.25), rel=0.05)


@pytest.mark.parametrize(
    "change",
    [
        {"CDELT1": 0.0},
        {"CTYPE2": "GLAT-TAN"},
        {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
        {"CRVAL2": 500.0},
        {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"},
        {"CTYPE1": "TLON-TAN", "CTYPE2": "TLAT-TAN"},
        {"CUNIT1": "furlong"},
        {"CD1_1": 0.0, "CD1_2": 0.0},
        {"CRVAL1": "north"},
        {"A_ORDER": 99, "B_ORDER": 99},
        {"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"},
        {"PV2_1": 1e308},
        {"LONPOLE": 1e300},
    ],
)
def test_coordinates_that_make_no_sense_leave_the_rest_alone(change: dict[str, Any]) -> None:
    found = observe(image(TAN | {"OBJECT": "M 1"} | change))
    assert found.target_name == "M 1"
    assert found.s_region is None or "nan" not in found.s_region


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"CRVAL1": 1e300}, "CRVAL1 and CRVAL2 say longitude 1e+300°, latitude 20°"),
        ({"CRVAL1": -720.5}, "CRVAL1 and CRVAL2 say longitude -720.5°, latitude 20°"),
        ({"CRVAL2": 120.0}, "CRVAL1 and CRVAL2 say longitude 150°, latitude 120°"),
        ({"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRVAL2": 120.0}, "latitude 120°"),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 1e300}, "longitude 1e+300°"),
        ({"CRVAL1": "NaN"}, "CRVAL1 is no number"),
        ({"CRVAL2": None}, "CRVAL2 is no number"),
        ({"EQUINOX": 9999.0}, "EQUINOX says 9999"),
        ({"EQUINOX": 0.0}, "EQUINOX says"),
    ],
)
def test_an_image_whose_place_is_none_has_none_and_says_why(change: dict[str, Any], doubt: str) -> None:
    found, doubts = describe_bytes(to_bytes(image(TAN | change)))
    assert (found.s_ra, found.s_dec, found.s_fov, found.s_region) == (None, None, None, None)
    assert len(doubts) == 1
    assert doubt in doubts[0]


@pytest.mark.parametrize("change", [{"CRPIX1": 1e300}, {"CDELT1": 1e300}, {"CDELT2": 1e-300}])
def test_an_image_whose_pixels_are_none_has_a_position_and_no_footprint(change: dict[str, Any]) -> None:
    found, doubts = describe_bytes(to_bytes(image(TAN | change)))
    assert (found.s_ra, found.s_region) == (pytest.approx(150), None)
    assert "pixels" in doubts[0]


def test_the_pointing_stands_in_for_coordinates_that_are_no_place() -> None:
    found, doubts = describe_bytes(to_bytes(image(TAN | {"CRVAL1": 1e300, "RA": 83.6, "DEC": 22.0})))
    assert (found.s_ra, found.s_dec) == (pytest.approx(83.6), pytest.approx(22.0))
    assert len(doubts) == 1


def test_longitudes_that_count_on_beyond_a_turn_are_places() -> None:
    found, doubts = describe_bytes(to_bytes(image(TAN | {"CRVAL1": 400.0})))
    assert (found.s_ra, doubts) == (pytest.approx(40.0), ())


def test_a_step_that_is_left_blank_beside_a_matrix_does_no_harm() -> None:
    matrix = {"CDELT1": None, "CDELT2": None, "CD1_1": -0.01, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.01}
    found, doubts = describe_bytes(to_bytes(image(TAN | matrix)))
    assert (found.s_pixel_scale, doubts) == (pytest.approx(36.0), ())


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"RA": 83.6, "DEC": 22.0}, (83.6, 22.0)),
        ({"RA": 1e300, "DEC": 22.0}, None),
        ({"RA": 83.6, "DEC": 22.0, "EQUINOX": 1e300}, None),
        ({"RA": 1.0, "DEC": 91.0, "OBSRA": 83.6, "OBSDEC": 22.0}, (83.6, 22.0)),
        ({"RA": "05:34:31.94", "DEC": "+22:00:52.2"}, (83.633083, 22.0145)),
        ({"OBJCTRA": "05 34 31.94", "OBJCTDEC": "-00 00 52.2"}, (83.633083, -0.0145)),
        ({"RA_PNT": 10.0, "DEC_PNT": 20.0, "RA": 1.0, "DEC": 2.0}, (10.0, 20.0)),
        ({"RA": 83.6, "DEC": 220.0}, None),
        ({"RA": "unknown", "DEC": "unknown"}, None),
        ({}, None),
    ],
)
def test_a_table_lies_where_the_telescope_pointed(cards: dict[str, Any], expected: tuple[float, float] | None) -> None:
    found = observe(table({"X": ""}, cards))
    assert found.s_region is None
    if expected is None:
        assert found.s_ra is None
    else:
        assert centre(found).separation(SkyCoord(*expected, unit="deg")) < 0.1 * u.arcsec


@pytest.mark.parametrize(
    ("cards", "arcsec"),
    [({"BMAJ": 0.01, "BMIN": 0.0025}, 18.0), ({"BMAJ": 0.01}, 36.0), ({"SEEING": 0.8}, 0.8), ({"SEEING": -1.0}, None)],
)
def test_resolution_is_that_of_the_beam_or_the_seeing(cards: dict[str, Any], arcsec: float | None) -> None:
    assert observe(image(TAN | cards)).s_resolution == (None if arcsec is None else pytest.approx(arcsec))
