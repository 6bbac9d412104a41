"""ObsCore metadata of a FITS file from its headers; ``docs/obscore-from-fits.md`` lists every derivation.

A keyword is looked for in the header of the data first, then in the primary header, then in those of the HDUs that
share the data's name: a file may hold other things besides. Headers may say anything: what makes no sense leaves its
columns empty, and never stops the rest.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from astropy import log
from astropy import units as u
from astropy.coordinates import Angle
from astropy.wcs import WCS

from penstock.lake.fits import kind, sky, spectrum, when
from penstock.lake.fits.cards import STRANGE, Cards, read_cards
from penstock.lake.fits.walk import Unit
from penstock.lake.obscore import DataproductType
from penstock.lake.record import Observation

A = TypeVar("A")
T = TypeVar("T")
log.setLevel("ERROR")  # astropy tells of every oddity of a header

_POINTINGS = (
    ("RA_NOM", "DEC_NOM"),
    ("RA_PNT", "DEC_PNT"),
    ("RA_TARG", "DEC_TARG"),
    ("RA_OBJ", "DEC_OBJ"),
    ("RA", "DEC"),
    ("OBJCTRA", "OBJCTDEC"),
    ("OBSRA", "OBSDEC"),
)
_MAX_IMAGES = 200  # of a mosaic, whose hull the footprint is
_ARCSEC = 3600.0


def describe(units: tuple[Unit, ...]) -> tuple[Observation, tuple[str, ...]]:
    """Return what the headers of a file tell, and what they say of its place that cannot be."""
    doubts: list[str] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        headers = read_cards(units)
        main = kind.main_header(headers)
        related = (cards for cards in headers if cards.index == 0 or _key(cards) == _key(main))
        columns = _columns(headers, [main, *(cards for cards in related if cards is not main)], doubts)
    observation = Observation(**{name: _storable(value) for name, value in columns.items()})
    return observation, tuple(f"no place on the sky: {doubt}" for doubt in dict.fromkeys(doubts))


def _columns(headers: Sequence[Cards], ordered: Sequence[Cards], doubts: list[str]) -> dict[str, Any]:
    main = ordered[0]
    wcs = None if main.is_table or main.is_groups else _attempt(sky.read_wcs, main)
    pol_states, pol_xel = _attempt(kind.polarisation, main) or (None, None)
    o_ucd, o_unit = kind.observable(main)
    product = kind.product_type(main)
    return {
        "dataproduct_type": product,
        "calib_level": kind.calibration_level(ordered),
        **_words(ordered),
        **_space(headers, ordered, wcs, doubts),
        **asdict(_attempt(when.times, ordered) or when.Times()),
        **asdict(spectrum.spectral(ordered, wcs)),
        "t_xel": _samples(main, product),
        "o_ucd": o_ucd,
        "o_unit": o_unit,
        "pol_states": pol_states,
        "pol_xel": pol_xel,
        "obs_release_date": when.release_date(ordered),
    }


def _storable(value: Any) -> Any:
    """Return a value that a database can hold: no infinity, no number beyond 64 bits."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    return value


def _key(cards: Cards) -> tuple[bool, str]:
    """Return what HDUs of one kind share."""
    return cards.is_table, cards.name


def _attempt(derive: Callable[[A], T], source: A) -> T | None:
    """Return what can be derived, None where the header makes no sense."""
    try:
        return derive(source)
    except STRANGE:
        return None


def _text(headers: Sequence[Cards], *keys: str) -> str | None:
    return next((words for cards in headers if (words := cards.text(*keys))), None)


def _words(headers: Sequence[Cards]) -> dict[str, str | None]:
    return {
        "obs_id": _text(headers, "OBS_ID", "OBSID", "OBSERVID", "ROOTNAME", "OBS-ID"),
        "target_name": _text(headers, "OBJECT", "TARGNAME", "TARGET", "SRC_NAME"),
        "facility_name": _text(headers, "TELESCOP", "OBSERVAT"),
        "instrument_name": _text(headers, "INSTRUME", "INSTRUMENT"),
        "obs_title": _text(headers, "TITLE", "OBSTITLE"),
        "obs_creator_name": _text(headers, "AUTHOR", "OBSERVER"),
        "proposal_id": _text(headers, "PROPOSID", "PROG_ID", "PROPID", "PROPOSAL", "ESO OBS PROG ID"),
    }


def _space(headers: Sequence[Cards], ordered: Sequence[Cards], wcs: WCS | None, doubts: list[str]) -> dict[str, Any]:
    main = ordered[0]
    patches = []
    for cards in kind.companions(headers, main)[:_MAX_IMAGES]:
        read = wcs if cards is main else _attempt(sky.read_wcs, cards)
        patch = _patch(cards, read, doubts) if read is not None else None
        if patch is not None:
            patches.append(patch)
    found = _attempt(sky.footprint, patches)
    resolution = next((value for cards in ordered if (value := _resolution(cards))), None)
    if found is not None:
        return {**asdict(found), "s_resolution": resolution}
    ra, dec = next((place for cards in ordered if (place := _pointing(cards, doubts))), (None, None))
    return {"s_ra": ra, "s_dec": dec, "s_resolution": resolution}


def _patch(cards: Cards, wcs: WCS, doubts: list[str]) -> sky.Patch | None:
    try:
        return sky.patch(cards, wcs)
    except sky.OffSky as error:
        doubts.append(str(error))
    except STRANGE:
        pass
    return None


def _resolution(cards: Cards) -> float | None:
    """Return the width of the beam or of the seeing disc, in arcsec."""
    major, minor = cards.number("BMAJ"), cards.number("BMIN")
    if major and major > 0:
        return float(np.sqrt(major * (minor if minor and minor > 0 else major))) * _ARCSEC
    seeing = cards.number("SEEING", "PSF_FWHM")
    return seeing if seeing and 0 < seeing < _ARCSEC else None


def _pointing(cards: Cards, doubts: list[str]) -> tuple[float, float] | None:
    """Return where the telescope pointed, as ICRS right ascension and declination, in degrees."""
    for keys, ra, dec in _pointings(cards):
        try:
            if sky.is_place(ra, dec):
                return _icrs(cards, ra, dec)
            doubts.append(f"{keys} say longitude {ra:g}°, latitude {dec:g}°")
        except sky.OffSky as error:
            doubts.append(str(error))
        except STRANGE:
            continue
    return None


def _pointings(cards: Cards) -> Iterator[tuple[str, float, float]]:
    """Yield what may be the pointing, best first: the keywords, right ascension and declination in degrees."""
    for ra_key, dec_key in _POINTINGS:
        ra, dec = _angle(cards, ra_key, u.hourangle), _angle(cards, dec_key, u.deg)
        if ra is not None and dec is not None:
            yield f"{ra_key} and {dec_key}", ra, dec
    points = _reference_point(cards)
    if "RA" in points and "DEC" in points:
        (ra_key, ra), (dec_key, dec) = points["RA"], points["DEC"]
        yield f"{ra_key} and {dec_key}", ra, dec


def _reference_point(cards: Cards) -> dict[str, tuple[str, float]]:
    """Return keyword and value of the reference point of axes, those of a table's columns included, by their names."""
    prefixes = ("TCTYP", "TCRVL") if cards.is_table else ("CTYPE", "CRVAL")
    points: dict[str, tuple[str, float]] = {}
    for axis in range(
        1, min(max(cards.integer("TFIELDS") or 0, cards.integer("NAXIS") or 0, cards.integer("WCSAXES") or 0), 999) + 1
    ):
        name = (cards.text(f"{prefixes[0]}{axis}") or "").upper().partition("-")[0]
        key = f"{prefixes[1]}{axis}"
        value = cards.number(key)
        if value is not None:
            points.setdefault(name, (key, value))
    return points


def _icrs(cards: Cards, ra: float, dec: float) -> tuple[float, float]:
    frame = sky.equatorial_frame(cards.text("RADESYS", "RADECSYS"), cards.number("EQUINOX"))
    return sky.position(sky.icrs_vectors(frame, np.array([ra]), np.array([dec])))


def _angle(cards: Cards, key: str, unit: u.UnitBase) -> float | None:
    """Return an angle in degrees: a number is of degrees, text of hours or degrees, minutes and seconds."""
    number = cards.number(key)
    if number is not None:
        return number
    text = cards.text(key) or ""
    if not re.fullmatch(r"[+-]?\d{1,3}[: ]\d{1,2}([: ]\d{1,2}(\.\d*)?)?", text):
        return None
    return _attempt(lambda words: float(Angle(words, unit=unit).deg), text)


def _samples(main: Cards, product: DataproductType | None) -> int | None:
    """Return how many samples there are along a time axis."""
    if product is DataproductType.TIMESERIES and main.is_table:
        return main.integer("NAXIS2")
    axis = next((axis for axis, name in main.axis_types if name.partition("-")[0] in kind.TIME_AXES), None)
    return main.axes[axis - 1] if axis is not None and axis <= len(main.axes) else None
