"""The spectral axis: wavelengths in vacuum, in metres, whatever the file counts in (FITS WCS paper III).

Limits come from the first of these that a file has:

1. a spectral WCS axis (FREQ, ENER, WAVN, WAVE, AWAV, VRAD, VOPT, ZOPT, VELO, BETA), the outer edges of its channels;
2. a linear axis that says that it is a wavelength (CTYPE LAMBDA, WAVELENGTH or LINEAR, DC-FLAG for its logarithm);
3. keywords with limits, or with a pivot wavelength and a width;
4. the limits that a table's column of wavelengths declares (TDMIN, TDMAX);
5. the name of the filter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy import units as u
from astropy.wcs import WCS, WCSSUB_SPECTRAL

from penstock.lake.fits.cards import STRANGE, Cards
from penstock.lake.fits.filters import band

LIGHT_M_S = 299_792_458.0
_PLANCK_LIGHT_J_M = 1.986445857148929e-25
_SIGMA_TO_HALF_WIDTH = 1.1774  # a Gaussian's half width at half maximum
SPECTRAL_AXES = ("FREQ", "ENER", "WAVN", "WAVE", "AWAV", "VRAD", "VOPT", "ZOPT", "VELO", "BETA", "FELO")
PLAIN_AXES = ("LAMBDA", "WAVELENGTH", "WAVELEN", "LINEAR", "LOG-LINEAR")
_UCDS = {
    "FREQ": "em.freq",
    "ENER": "em.energy",
    "WAVN": "em.wavenumber",
    "WAVE": "em.wl",
    "AWAV": "em.wl",
    "VRAD": "spect.dopplerVeloc.radio",
    "VOPT": "spect.dopplerVeloc.opt",
    "VELO": "spect.dopplerVeloc",
}
_RADIO = ("FREQ", "VRAD", "VELO", "VOPT", "FELO")
_LIMIT_KEYS = (  # lower, upper, unit where no keyword names it, keyword that names it
    ("WAVELMIN", "WAVELMAX", u.nm, None),
    ("MINWAVE", "MAXWAVE", u.AA, None),
    ("WAVEMIN", "WAVEMAX", u.AA, None),
    ("E_MIN", "E_MAX", u.keV, "EUNIT"),
    ("FREQMIN", "FREQMAX", u.Hz, None),
)
_WAVE_COLUMN = re.compile(r"(WAVE(LENGTH)?|LAMBDA|FREQ(UENCY)?|ENERGY)", re.IGNORECASE)
_FILTER_KEYS = ("FILTER", "FILTER1", "FILTER2", "FILTNAM1", "FILTERS", "FILTNAM", "FILT", "BAND", "INSFILTE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectral:
    """The spectral axis of a file, in the names and units of ObsCore."""

    em_min: float | None = None
    em_max: float | None = None
    em_xel: int | None = None
    em_res_power: float | None = None
    em_ucd: str | None = None


def spectral(headers: Sequence[Cards], wcs: WCS | None) -> Spectral:
    """Return what is known of wavelengths; the first header is that of the data, with `wcs` its coordinates."""
    main = headers[0]
    power = next((value for cards in headers if (value := cards.number("SPEC_RES", "SPECRES", "SPEC_RP"))), None)
    try:
        found = _from_wcs(main, wcs) or _from_plain_axis(main)
    except STRANGE:
        found = None
    if found is not None:
        return found if power is None else replace(found, em_res_power=power)
    limits = _from_keywords(headers) or _from_table(main) or _from_filter(headers)
    return Spectral(em_min=limits and limits[0], em_max=limits and limits[1], em_res_power=power)


def _from_wcs(cards: Cards, wcs: WCS | None) -> Spectral | None:
    if wcs is None or wcs.wcs.spec < 0 or wcs.wcs.spec >= len(cards.axes):
        return None
    channels = cards.axes[wcs.wcs.spec]
    axis = wcs.sub([WCSSUB_SPECTRAL])
    kind = axis.wcs.ctype[0][:4]
    ends = axis.wcs_pix2world(np.array([-0.5, channels - 0.5]), 0)[0]
    limits = _ordered([wavelength(kind, float(value), axis.wcs.restfrq, axis.wcs.restwav) for value in ends])
    if limits is None or not channels:
        return None
    shortest, longest = limits
    resolved = kind in _RADIO and channels > 1 and longest > shortest
    return Spectral(
        em_min=shortest,
        em_max=longest,
        em_xel=channels,
        em_ucd=_UCDS.get(kind),
        em_res_power=(shortest + longest) / 2 / (longest - shortest) * channels if resolved else None,
    )


def wavelength(kind: str, value: float, rest_hz: float, rest_m: float) -> float:
    """Return the wavelength of a spectral coordinate in SI (FITS WCS paper III, table 3)."""
    rest = rest_m or (LIGHT_M_S / rest_hz if rest_hz else float("nan"))
    beta = value if kind == "BETA" else value / LIGHT_M_S
    match kind:
        case "WAVE":
            return value
        case "AWAV":
            return value * _air_index(value)
        case "FREQ":
            return LIGHT_M_S / value
        case "ENER":
            return _PLANCK_LIGHT_J_M / value
        case "WAVN":
            return 1 / value
        case "VRAD":
            return rest / (1 - beta)
        case "VOPT":
            return rest * (1 + beta)
        case "ZOPT":
            return rest * (1 + value)
        case "VELO" | "BETA":
            return rest * float(np.sqrt((1 + beta) / (1 - beta)))
        case _:
            raise ValueError(kind)


def _air_index(wavelength: float) -> float:
    """Return the refractive index of air at 15 °C (Edlén 1953), by which spectra have been reduced and wcslib goes."""
    square = wavelength**-2
    return 1.000064328 + 294.981e8 / (1.46e14 - square) + 2.554e8 / (0.41e14 - square)


def _from_plain_axis(cards: Cards) -> Spectral | None:
    for axis, kind in cards.axis_types:
        if kind not in PLAIN_AXES or axis > len(cards.axes) or not cards.axes[axis - 1]:
            continue
        channels = cards.axes[axis - 1]
        step = cards.number(f"CD{axis}_{axis}", f"CDELT{axis}")
        start, pixel = cards.number(f"CRVAL{axis}"), cards.number(f"CRPIX{axis}")
        unit = _unit(
            cards.text(f"CUNIT{axis}")
            or _iraf_unit(cards, axis)
            or ("Angstrom" if "L" in kind[:3] and kind != "LINEAR" else None)
        )
        if step is None or start is None or unit is None:
            continue
        ends = start + (np.array([0.5, channels + 0.5]) - (1.0 if pixel is None else pixel)) * step
        if cards.integer("DC-FLAG") == 1 or kind == "LOG-LINEAR":
            ends = 10**ends
        limits = _ordered([_in_metres(float(end), unit) for end in ends])
        if limits:
            return Spectral(em_min=limits[0], em_max=limits[1], em_xel=channels, em_ucd="em.wl")
    return None


def _iraf_unit(cards: Cards, axis: int) -> str | None:
    found = re.search(r"units=(\w+)", cards.text(f"WAT{axis}_001") or "")
    return found[1] if found else None


def _from_keywords(headers: Sequence[Cards]) -> tuple[float, float] | None:
    for cards in headers:
        for low, high, unit, unit_key in _LIMIT_KEYS:
            named = _unit(cards.text(unit_key)) if unit_key else None
            limits = _pair(cards.number(low), cards.number(high), named or unit)
            if limits:
                return limits
        pivot, width = cards.number("PHOTPLAM"), cards.number("PHOTBW")
        if pivot and width and 0 < width * _SIGMA_TO_HALF_WIDTH < pivot:
            half = width * _SIGMA_TO_HALF_WIDTH
            return _pair(pivot - half, pivot + half, u.AA)
    return None


def _from_table(cards: Cards) -> tuple[float, float] | None:
    if not cards.is_table:
        return None
    for column in range(1, min(cards.integer("TFIELDS") or 0, 999) + 1):
        if _WAVE_COLUMN.fullmatch(cards.text(f"TTYPE{column}") or ""):
            unit = _unit(cards.text(f"TUNIT{column}"))
            limits = unit and _pair(cards.number(f"TDMIN{column}"), cards.number(f"TDMAX{column}"), unit)
            if limits:
                return limits
    return None


def _from_filter(headers: Sequence[Cards]) -> tuple[float, float] | None:
    instrument = next((name for cards in headers if (name := cards.text("INSTRUME"))), None)
    for cards in headers:
        for key in _FILTER_KEYS:
            limits = band(cards.text(key) or "", instrument)
            if limits:
                return limits
    return None


def _unit(name: str | None) -> u.UnitBase | None:
    if not name:
        return None
    for spelling in (name, name.lower(), name.capitalize(), name.capitalize().rstrip("s")):
        try:
            return u.Unit(spelling)
        except (ValueError, TypeError):
            continue
    return None


def _pair(low: float | None, high: float | None, unit: u.UnitBase) -> tuple[float, float] | None:
    if low is None or high is None:
        return None
    return _ordered([_in_metres(low, unit), _in_metres(high, unit)])


def _in_metres(value: float, unit: u.UnitBase) -> float:
    try:
        return float((value * unit).to_value(u.m, equivalencies=u.spectral()))
    except (u.UnitsError, ArithmeticError, TypeError):
        return float("nan")


def _ordered(ends: Sequence[float]) -> tuple[float, float] | None:
    """Return the shorter and the longer of two wavelengths; None unless both are positive and finite."""
    shortest, longest = sorted(ends)
    return (shortest, longest) if shortest > 0 and np.isfinite([shortest, longest]).all() else None
