"""When an observation was made: MJD in UTC, whatever the file's time scale (FITS WCS paper IV, OGIP timing keywords).

A date without a time of day covers its whole day. Times in TT, TAI, TDB, TCG, TCB and GPS are turned into UTC; UT1,
within a second of UTC, is taken for it; a local time is not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from astropy.time import Time

from penstock.lake.fits.cards import STRANGE, Cards

_DAY_S = 86_400.0
_MJD_ZERO = date(1858, 11, 17).toordinal()
_MJD_FLOOR, _MJD_CEILING = -60_000.0, 100_000.0  # years 1694 to 2132: what lies outside is a mistake
SCALES = {
    "UTC": "utc",
    "UT": "utc",
    "UT1": "utc",
    "GMT": "utc",
    "Z": "utc",
    "TT": "tt",
    "TDT": "tt",
    "ET": "tt",
    "TAI": "tai",
    "IAT": "tai",
    "TDB": "tdb",
    "TCG": "tcg",
    "TCB": "tcb",
    "GPS": "gps",
}
GPS_BEHIND_TAI_S = 19.0
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?Z?)?")
_OLD = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{2})")  # of the years 1900 to 1999 (FITS 4.0 s4.4.2.1)
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?")
_EXPOSURES = ("XPOSURE", "EXPTIME", "EXPOSURE", "EXP_TIME", "TEXPTIME", "ITIME", "INTTIME", "LIVETIME", "ONTIME")
_UNITS_S = {"s": 1.0, "sec": 1.0, "d": _DAY_S, "day": _DAY_S, "h": 3600.0, "min": 60.0, "ms": 1e-3, "us": 1e-6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The time axis of a file, in the names and units of ObsCore."""

    t_min: float | None = None
    t_max: float | None = None
    t_exptime: float | None = None
    t_resolution: float | None = None


@dataclass(frozen=True, slots=True)
class _Instant:
    """An instant, or a whole day from it on."""

    mjd: float
    whole_day: bool = False


def times(headers: Sequence[Cards]) -> Times:
    """Return what is known of times; the first header is that of the data."""
    start = _first(headers, _starts)
    end = _first(headers, _ends)
    exposure = next((value for cards in headers if (value := _exposure(cards)) is not None), None)
    resolution = next((value for cards in headers if (value := _sampling(cards)) is not None), None)
    t_min = start.mjd if start else None
    t_max = end.mjd + end.whole_day if end else None
    if start and (t_max is None or t_max < start.mjd):
        elapsed = next((value for cards in headers if (value := cards.number("TELAPSE"))), None)
        t_max = start.mjd + start.whole_day + (elapsed or exposure or 0.0) / _DAY_S
    if exposure is None and start and end and not start.whole_day and not end.whole_day and end.mjd > start.mjd:
        exposure = (end.mjd - start.mjd) * _DAY_S
    return Times(t_min=t_min, t_max=t_max if t_min is not None else None, t_exptime=exposure, t_resolution=resolution)


def release_date(headers: Sequence[Cards]) -> str | None:
    """Return when the file becomes public, as DALI writes instants (DALI 1.2 s3.1.2); None if it says nothing."""
    for cards in headers:
        for key in ("RELEASE", "REL_DATE", "RELDATE", "DATE-REL"):
            instant = _written(cards.text(key) or "", "utc")
            if instant is not None:
                return str(Time(instant.mjd, format="mjd", scale="utc").isot)
    return None


def _first(headers: Sequence[Cards], ways: Callable[[Cards], Iterator[_Instant | None]]) -> _Instant | None:
    return next((instant for cards in headers for instant in ways(cards) if instant is not None), None)


def _starts(cards: Cards) -> Iterator[_Instant | None]:
    scale = _scale(cards)
    if scale is None:
        return
    yield _written(cards.text("DATE-BEG") or "", scale)
    yield _counted(cards.number("MJD-BEG"), scale)
    yield _counted(cards.number("EXPSTART"), scale)
    yield _elapsed(cards, "TSTART", scale)
    day = _written(cards.text("DATE-OBS", "DATE_OBS") or "", scale)
    if day is None or not day.whole_day:
        yield day
    yield _counted(cards.number("MJD-OBS", "MJD_OBS", "MJD"), scale)
    yield day and _at_clock(day, cards.text("TIME-OBS", "TIME-BEG", "UTC-OBS", "UTSTART", "UTC", "UT"), scale)
    yield day


def _ends(cards: Cards) -> Iterator[_Instant | None]:
    scale = _scale(cards)
    if scale is None:
        return
    yield _counted(cards.number("MJD-END"), scale)
    yield _counted(cards.number("EXPEND"), scale)
    yield _elapsed(cards, "TSTOP", scale)
    day = _written(cards.text("DATE-END", "DATE_END") or "", scale)
    yield day and _at_clock(day, cards.text("TIME-END"), scale)
    yield day


def _scale(cards: Cards) -> str | None:
    name = (cards.text("TIMESYS") or "UTC").upper().partition("(")[0].strip()
    return SCALES.get(name)


def _utc(mjd: float, scale: str, whole_day: bool = False) -> _Instant | None:  # noqa: FBT001  # as the record has it
    if not _MJD_FLOOR < mjd < _MJD_CEILING:
        return None
    if scale == "utc" or whole_day:
        return _Instant(mjd, whole_day)
    if scale == "gps":
        mjd, scale = mjd + GPS_BEHIND_TAI_S / _DAY_S, "tai"
    try:
        return _Instant(float(Time(mjd, format="mjd", scale=scale).utc.mjd))
    except STRANGE:
        return _Instant(mjd)


def _counted(mjd: float | None, scale: str) -> _Instant | None:
    return None if not mjd else _utc(mjd, scale)  # 0 stands for unknown, not for 1858


def _written(text: str, scale: str) -> _Instant | None:
    """Read a date in either form that FITS has had, or a date and time."""
    iso, old = _ISO.fullmatch(text), _OLD.fullmatch(text)
    if iso:
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3])
    elif old:
        year, month, day = 1900 + int(old[3]), int(old[2]), int(old[1])
    else:
        return None
    try:
        midnight = _Instant(float(date(year, month, day).toordinal() - _MJD_ZERO), whole_day=True)
    except ValueError:
        return None
    if iso and iso[4]:
        return _at(midnight, (float(iso[4]), float(iso[5]), float(iso[6] or 0)), scale)
    return _utc(midnight.mjd, scale, whole_day=True)


def _at_clock(day: _Instant, clock: str | None, scale: str) -> _Instant | None:
    found = _CLOCK.fullmatch(clock or "")
    if found is None or not day.whole_day:
        return None
    return _at(day, (float(found[1]), float(found[2]), float(found[3] or 0)), scale)


def _at(day: _Instant, clock: tuple[float, float, float], scale: str) -> _Instant | None:
    hours, minutes, seconds = clock
    if hours > 24 or minutes >= 60 or seconds >= 61:
        return None
    return _utc(day.mjd + (hours * 3600 + minutes * 60 + seconds) / _DAY_S, scale)


def _elapsed(cards: Cards, key: str, scale: str) -> _Instant | None:
    """Read a time that counts from the reference of the file (MJDREF, TIMEZERO)."""
    count, reference = cards.number(key), cards.number("MJDREF")
    if reference is None:
        whole, part = cards.number("MJDREFI"), cards.number("MJDREFF")
        reference = None if whole is None else whole + (part or 0.0)
    if count is None or reference is None:
        return None
    unit = _UNITS_S.get((cards.text("TIMEUNIT") or "s").lower())
    if unit is None:
        return None
    return _utc(reference + (count + (cards.number("TIMEZERO") or 0.0)) * unit / _DAY_S, scale)


def _exposure(cards: Cards) -> float | None:
    for key in _EXPOSURES:
        value = cards.number(key)
        if value is not None and value >= 0:
            return value * (60.0 if "minute" in cards.comment(key) else 1.0)
    return None


def _sampling(cards: Cards) -> float | None:
    step = cards.number("TIMEDEL")
    unit = _UNITS_S.get((cards.text("TIMEUNIT") or "s").lower())
    return step * unit if step and unit and step > 0 else None
