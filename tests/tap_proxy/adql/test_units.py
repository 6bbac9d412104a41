from __future__ import annotations

import math

import pytest

from tap_proxy.adql.units import UnitError, conversion_factor

FACTORS = (
    ("deg", "rad", math.pi / 180),
    ("deg", "arcmin", 60),
    ("mas/yr", "deg/yr", 1 / 3.6e6),
    ("km/s", "m.s**-1", 1000),
    ("km s-1", "m/s", 1000),
    ("m", "nm", 1e9),
    ("Angstrom", "nm", 0.1),
    ("eV", "J", 1.602176634e-19),
    ("Jy", "W.m**-2.Hz**-1", 1e-26),
    ("mJy", "Jy", 1e-3),
    ("erg/(s.cm**2)", "W/m**2", 1e-3),
    ("d", "s", 86400),
    ("yr", "d", 365.25),
    ("kpc", "pc", 1000),
    ("kbyte", "byte", 1000),
    ("10**-7 W", "W", 1e-7),
    ("deg**2", "sr", (math.pi / 180) ** 2),
    ("mag", "mag", 1),
    ("1/s", "Hz", 1),
)


@pytest.mark.parametrize(("source", "target", "factor"), FACTORS)
def test_units_convert(source: str, target: str, factor: float) -> None:
    assert conversion_factor(source, target) == pytest.approx(factor)
    assert conversion_factor(target, source) == pytest.approx(1 / factor)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("deg", "kg"),
        ("deg", "foo"),
        ("deg", ""),
        (None, "deg"),
        ("", "deg"),
        ("deg", "("),
        ("deg", "deg**"),
        ("m", "m$"),
    ],
)
def test_what_does_not_convert_is_refused(source: str | None, target: str) -> None:
    with pytest.raises(UnitError):
        conversion_factor(source, target)
