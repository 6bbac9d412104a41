from __future__ import annotations

from typing import Any

import astropy.constants as const
import astropy.units as u
import pytest
from astropy.io import fits

from penstock.lake.fits.filters import band
from tests.penstock.lake.fits.builders import TAN, image, observe, table

HI_HZ = 1.420405751786e9


def axis(kind: str, unit: str, first: float, step: float, channels: int = 4, **more: Any) -> fits.PrimaryHDU:
    """Return a spectrum whose first channel is at `first`."""
    cards = {"CTYPE1": kind, "CUNIT1": unit, "CRVAL1": first, "CDELT1": step, "CRPIX1": 1.0} | more
    return image({key: value for key, value in cards.items() if value is not None}, (channels,))


def metres(value: float, unit: str, equivalencies: Any = None) -> float:
    return float((value * u.Unit(unit)).to_value(u.m, equivalencies or u.spectral()))


LINEAR = [
    ("FREQ", "MHz", 1420.0, 1.0, u.spectral(), "em.freq"),
    ("WAVE", "nm", 500.0, 2.0, u.spectral(), "em.wl"),
    ("WAVE", "Angstrom", 5000.0, -2.0, u.spectral(), "em.wl"),
    ("ENER", "keV", 2.0, 0.5, u.spectral(), "em.energy"),
    ("WAVN", "cm-1", 1000.0, 5.0, u.spectral(), "em.wavenumber"),
    ("VRAD", "km/s", 100.0, 10.0, u.doppler_radio(HI_HZ * u.Hz), "spect.dopplerVeloc.radio"),
    ("VELO", "km/s", 100.0, 10.0, u.doppler_relativistic(HI_HZ * u.Hz), "spect.dopplerVeloc"),
    ("VOPT", "km/s", 100.0, 10.0, u.doppler_optical(HI_HZ * u.Hz), "spect.dopplerVeloc.opt"),
]


@pytest.mark.parametrize(("kind", "unit", "first", "step", "way", "ucd"), LINEAR, ids=[row[0] for row in LINEAR])
def test_limits_are_the_edges_of_the_outer_channels(
    kind: str, unit: str, first: float, step: float, way: Any, ucd: str
) -> None:
    found = observe(axis(kind, unit, first, step, RESTFRQ=HI_HZ))
    expected = sorted(metres(first + offset * step, unit, way) for offset in (-0.5, 3.5))
    assert [found.em_min, found.em_max] == pytest.approx(expected, rel=1e-9)
    assert (found.em_xel, found.em_ucd) == (4, ucd)


def test_air_becomes_vacuum() -> None:
    found = observe(axis("AWAV", "nm", 656.279, 1e-6, 1))
    assert found.em_min == pytest.approx(656.4602e-9, rel=2e-7)  # H alpha


def test_redshift_and_beta_follow_the_rest_wavelength() -> None:
    assert observe(axis("ZOPT", "", 1.0, 1e-9, 1, RESTWAV=1e-6)).em_min == pytest.approx(2e-6)
    assert observe(axis("BETA", "", 0.6, 1e-9, 1, RESTWAV=1e-6)).em_min == pytest.approx(2e-6)


def test_old_velocity_axes_are_understood() -> None:
    found = observe(axis("VELO-LSR", "m/s", 1e5, 1e4, RESTFREQ=HI_HZ))
    assert found.em_min == pytest.approx(const.c.value / HI_HZ * (1 + 0.95e5 / const.c.value), rel=1e-4)


def test_resolving_power_of_a_radio_cube_is_that_of_its_channels() -> None:
    assert observe(axis("FREQ", "MHz", 1000.0, 1.0, 11)).em_res_power == pytest.approx(1005, rel=1e-3)
    assert observe(axis("WAVE", "nm", 500.0, 1.0, 11)).em_res_power is None
    assert observe(axis("WAVE", "nm", 500.0, 1.0, 11, SPEC_RES=4000.0)).em_res_power == 4000


@pytest.mark.parametrize(
    ("cards", "limits_nm"),
    [
        ({"CTYPE1": "LAMBDA", "CRVAL1": 5000.0, "CDELT1": 2.0}, (499.9, 500.7)),
        ({"CTYPE1": "WAVELENGTH", "CUNIT1": "nm", "CRVAL1": 500.0, "CD1_1": 2.0}, (499.0, 507.0)),
        ({"CTYPE1": "LINEAR", "CRVAL1": 5000.0, "CDELT1": 2.0, "WAT1_001": "units=Angstroms"}, (499.9, 500.7)),
        ({"CTYPE1": "LINEAR", "CUNIT1": "Angstrom", "CRVAL1": 3.0, "CDELT1": 1.0, "DC-FLAG": 1}, (31.6, 316e3)),
        ({"CTYPE1": "LINEAR", "CRVAL1": 5000.0, "CDELT1": 2.0}, None),
        ({"CTYPE1": "LAMBDA"}, None),
    ],
)  # fmt: skip
def test_plain_wavelength_axes_are_read(cards: dict[str, Any], limits_nm: tuple[float, float] | None) -> None:
    found = observe(image(cards, (4,)))
    if limits_nm is None:
        assert found.em_min is None
    else:
        assert (found.em_min, found.em_max) == pytest.approx([one * 1e-9 for one in limits_nm], rel=1e-3)


@pytest.mark.parametrize(
    ("cards", "limits"),
    [
        ({"WAVELMIN": 300.0, "WAVELMAX": 1000.0}, (3e-7, 1e-6)),
        ({"MINWAVE": 3000.0, "MAXWAVE": 10000.0}, (3e-7, 1e-6)),
        ({"E_MIN": 0.5, "E_MAX": 2.0}, (metres(2, "keV"), metres(0.5, "keV"))),
        ({"E_MIN": 500.0, "E_MAX": 2000.0, "EUNIT": "eV"}, (metres(2, "keV"), metres(0.5, "keV"))),
        ({"PHOTPLAM": 6000.0, "PHOTBW": 500.0}, (541.13e-9, 658.87e-9)),
        ({"WAVELMIN": 0.0, "WAVELMAX": 1000.0}, None),
        ({"WAVELMIN": -5.0, "WAVELMAX": 1000.0}, None),
        ({"WAVELMIN": 300.0}, None),
        ({"PHOTPLAM": 100.0, "PHOTBW": 500.0}, None),
        ({"FILTER": "V"}, (507e-9, 595e-9)),
        ({"FILTER1": "CLEAR1S", "FILTER2": "F606W"}, (530.25e-9, 681.75e-9)),
        ({"FILTER": "no such filter"}, None),
    ],
)
def test_keywords_and_filters_tell_the_band(cards: dict[str, Any], limits: tuple[float, float] | None) -> None:
    found = observe(image(TAN | cards))
    assert (found.em_min, found.em_max) == ((None, None) if limits is None else pytest.approx(limits, rel=1e-4))


def test_a_column_of_wavelengths_tells_its_limits() -> None:
    found = observe(table({"WAVE": "nm", "FLUX": "Jy"}, {"TDMIN1": 400.0, "TDMAX1": 700.0}))
    assert (found.em_min, found.em_max) == pytest.approx((4e-7, 7e-7))


@pytest.mark.parametrize(
    ("name", "instrument", "nm"),
    [
        ("R", None, 658),
        ("r", None, 617),
        ("SDSS R", None, 617),
        ("sdss_g'", None, 469),
        ("g'", None, 469),
        ("Bessell V", None, 551),
        ("B_Johnson", None, 445),
        ("Ks", None, 2159),
        ("K'", None, 2124),
        ("W1", None, 3353),
        ("H-alpha", None, 656.3),
        ("F160W", "NICMOS", 1600),
        ("F160W", "WFC3", 1600),
        ("F555W", "WFC3", 555),
        ("F770W", "MIRI", 7700),
        ("f606w", "ACS", 606),
    ],
)
def test_filters_are_known_by_their_names(name: str, instrument: str | None, nm: float) -> None:
    limits = band(name, instrument)
    assert limits
    assert sum(limits) / 2 == pytest.approx(nm * 1e-9)


@pytest.mark.parametrize("name", ["", "CLEAR", "F850LP", "open", "L", "none", "dark", "'", "p"])
def test_other_names_tell_nothing(name: str) -> None:
    assert band(name, None) is None


@pytest.mark.parametrize(
    "change",
    [{"CRVAL1": 0.0, "CDELT1": 0.0}, {"CRVAL1": -5e9}, {"CUNIT1": "parsec"}, {"CTYPE1": "VRAD", "CUNIT1": "m/s"}],
)
def test_a_spectral_axis_that_makes_no_sense_is_left_out(change: dict[str, Any]) -> None:
    cards = {"CTYPE1": "FREQ", "CUNIT1": "Hz", "CRVAL1": 1e9, "CDELT1": 1e6, "CRPIX1": 1.0} | change
    found = observe(image(cards, (4,)))
    assert (found.em_min, found.em_max) == (None, None)
