"""What a file holds: the HDU with the data, its product type, observable, polarisation and calibration."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from penstock.lake.fits.cards import Cards
from penstock.lake.fits.sky import SKY_AXES
from penstock.lake.fits.spectrum import PLAIN_AXES, SPECTRAL_AXES
from penstock.lake.obscore import DataproductType

_AUXILIARY = re.compile(
    r"(ERR(OR)?|STDDEV|UNC(ERT)?|VAR(IANCE)?|WHT|WEIGHT|DQ|MASK|FLAGS?|QUAL(ITY)?|CON(TEXT)?|SAMP|TIME|ASDF|HDRLET"
    r"|D2IMARR|WCSDVARR|WCSCORR|WCS-TABLE|GTI\d*|STDGTI\d*|BADPIX\d*|EBOUNDS|HISTORY)"
)
_STOKES = {  # FITS 4.0 table 28, in the order in which ObsCore lists states (ObsCore 1.1 s3.3.1.9)
    1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR", -5: "XX", -6: "YY", -7: "XY", -8: "YX",
}  # fmt: skip
_OBSERVABLES = (  # BUNIT in lower case, without blanks: UCD
    (re.compile(r"[mu]?jy(/beam|\*?beam\^?-1|\.beam-1|/pixel|/arcsec\^?2|/sr)?"), "phot.flux.density"),
    (re.compile(r"w/m\^?2/hz|erg/s/cm\^?2/hz"), "phot.flux.density"),
    (re.compile(r".*erg.*(/a|a-1|angstrom(-1)?|a\^-1\)?|a\*\*-1)"), "phot.flux.density;em.wl"),
    (re.compile(r"m?k(\(t[ab]\*?\))?"), "phys.temperature"),
    (re.compile(r"adus?|counts?|cts|dn|electrons?|e-|ph(otons?)?"), "phot.count"),
    (re.compile(r"(adu|counts?|cts|dn|electrons?|e-|photons?)/(s|sec|second)"), "arith.rate;phot.count"),
    (re.compile(r"mag(s|nitudes?)?"), "phot.mag"),
    (re.compile(r"mag/arcsec\^?2"), "phot.mag.sb"),
    (re.compile(r"(k)?m/s|m\.s-1|km\.s-1"), "spect.dopplerVeloc"),
)  # fmt: skip
_CALIBRATED_KEYS = ("PHOTFLAM", "PHOTFNU", "MAGZPT", "MAGZERO", "MAGZP", "PHOTZP", "PHOT_C", "ZPTMAG")
_COMBINED_KEYS = ("NDRIZIM", "NCOMBINE", "NCOADD", "NIMAGES")
TIME_AXES = ("TIME", "UTC", "TT", "TAI", "TDB")
_TIME_COLUMNS = ("TIME", "MJD", "JD", "HJD", "BJD", "TIMES", "BARYTIME")
_FLUX_COLUMN = re.compile(r"(RATE|FLUX|MAG|COUNTS|SAP_FLUX|PDCSAP_FLUX|CTS)\d*", re.IGNORECASE)
_WAVE_COLUMN = re.compile(r"(WAVE(LENGTH)?|LAMBDA|LOGLAM|FREQ(UENCY)?|ENERGY|CHANNEL)", re.IGNORECASE)
_CLASSES = {
    "EVENTS": DataproductType.EVENT,
    "SPECTRUM": DataproductType.SPECTRUM,
    "LIGHTCURVE": DataproductType.TIMESERIES,
    "TEMPORALDATA": DataproductType.TIMESERIES,
    "IMAGE": DataproductType.IMAGE,
}
_NAMES = {
    "EVENTS": DataproductType.EVENT,
    "STDEVT": DataproductType.EVENT,
    "SPECTRUM": DataproductType.SPECTRUM,
    "RATE": DataproductType.TIMESERIES,
    "LIGHTCURVE": DataproductType.TIMESERIES,
    "AIPS UV": DataproductType.VISIBILITY,
    "UV_DATA": DataproductType.VISIBILITY,
}


def main_header(headers: Sequence[Cards]) -> Cards:
    """Return the header of the HDU that the file is about.

    The first that has data and is not auxiliary by its name; of images, the first with celestial coordinates. AIPS
    keeps its visibilities behind tables about the antennas, so of tables one whose name tells the product goes first.
    """
    filled = [cards for cards in headers if cards.has_data or cards.is_groups]
    science = [cards for cards in filled if not _AUXILIARY.fullmatch(cards.name)] or filled
    if not science:
        return headers[0]
    if science[0].is_table:
        return next((cards for cards in science if cards.name in _NAMES), science[0])
    return next((cards for cards in science if not cards.is_table and has_sky(cards)), science[0])


def companions(headers: Sequence[Cards], main: Cards) -> list[Cards]:
    """Return the images that lie beside the main one and are of its kind, itself included."""
    return [
        cards
        for cards in headers
        if cards.has_data and not cards.is_table and not cards.is_groups and has_sky(cards) and cards.name == main.name
    ]


def has_sky(cards: Cards) -> bool:
    """Whether the axes of an image include a celestial longitude."""
    return any(kind.partition("-")[0] in SKY_AXES for _, kind in cards.axis_types)


def product_type(cards: Cards) -> DataproductType | None:
    """Return what a header says that its data are; None where it cannot be told."""
    if cards.is_groups:
        return DataproductType.VISIBILITY
    if cards.is_table:
        return _table_type(cards)
    return _image_type(cards)


def _table_type(cards: Cards) -> DataproductType:
    declared = _CLASSES.get((cards.text("HDUCLAS1") or "").upper()) or _NAMES.get(cards.name)
    if declared:
        return declared
    columns = columns_of(cards)
    flux = any(_FLUX_COLUMN.fullmatch(name) for name in columns)
    if flux and any(_WAVE_COLUMN.fullmatch(name) for name in columns):
        return DataproductType.SPECTRUM
    if flux and any(name.upper() in _TIME_COLUMNS for name in columns):
        return DataproductType.TIMESERIES
    return DataproductType.MEASUREMENTS


def columns_of(cards: Cards) -> list[str]:
    """Return the names of a table's columns."""
    count = min(cards.integer("TFIELDS") or 0, 999)
    return [name for number in range(1, count + 1) if (name := cards.text(f"TTYPE{number}"))]


def _image_type(cards: Cards) -> DataproductType | None:
    """Tell by the axes that have more than one pixel."""
    long = [axis for axis, size in enumerate(cards.axes, start=1) if size > 1]
    kinds = {
        kind.partition("-")[0] if kind not in PLAIN_AXES else kind for axis, kind in cards.axis_types if axis in long
    }
    spectral = bool(kinds & {*SPECTRAL_AXES, *PLAIN_AXES})
    celestial = bool(kinds & {*SKY_AXES})
    if len(long) > 2:
        return DataproductType.CUBE
    if spectral and not celestial:
        return DataproductType.SPECTRUM
    if len(long) == 1 and not celestial:
        return DataproductType.TIMESERIES if kinds & {*TIME_AXES} else None
    return DataproductType.IMAGE if cards.axes and 0 not in cards.axes else None


def polarisation(cards: Cards) -> tuple[str | None, int | None]:
    """Return the polarisation states of an image, as ``/I/Q/``, and their number (ObsCore 1.1 s3.3.1.9)."""
    axis = next((axis for axis, kind in cards.axis_types if kind == "STOKES"), None)
    if axis is None:
        return None, None
    size = cards.axes[axis - 1] if axis <= len(cards.axes) else 0
    start, step = cards.number(f"CRVAL{axis}"), cards.number(f"CDELT{axis}", f"CD{axis}_{axis}")
    pixel = cards.number(f"CRPIX{axis}")
    if not 0 < size <= len(_STOKES) or start is None:
        return None, None
    values = start + (np.arange(1, size + 1) - (1.0 if pixel is None else pixel)) * (1.0 if step is None else step)
    states = {_STOKES.get(round(float(value))) for value in values}
    if None in states:
        return None, size
    return f"/{'/'.join(state for state in _STOKES.values() if state in states)}/", size


def observable(cards: Cards) -> tuple[str | None, str | None]:
    """Return the UCD and the unit of the pixel values, from BUNIT."""
    unit = cards.text("BUNIT")
    plain = "".join((unit or "").lower().split())
    return next((ucd for pattern, ucd in _OBSERVABLES if pattern.fullmatch(plain)), None), unit


def calibration_level(headers: Sequence[Cards]) -> int:
    """Return how far the data are calibrated (ObsCore 1.1 s3.3.2), as far as headers tell.

    What a header states is taken; else 3 for combined exposures, 2 where fluxes are calibrated, 1 otherwise: every FITS
    file is in a standard format.
    """
    for cards in headers:
        stated = cards.integer("CALIBLEV", "CALIB_LEVEL", "CALLEVEL")
        if stated is not None and 0 <= stated <= 4:
            return stated
    if any((cards.number(key) or 0) > 1 for cards in headers for key in _COMBINED_KEYS):
        return 3
    units = {observable(cards)[0] for cards in headers}
    if units & {"phot.flux.density", "phot.flux.density;em.wl", "phys.temperature", "phot.mag", "phot.mag.sb"}:
        return 2
    return 2 if any(cards.number(key) for cards in headers for key in _CALIBRATED_KEYS) else 1
