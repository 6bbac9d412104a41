"""Which pixels of an image a cut takes: a box, by the image's world coordinates.

The box is the smallest that holds every pixel which the region touches; an axis about which nothing is said stays
whole. Boxes are half open and count from 0, first FITS axis first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from astropy import units as u
from astropy.coordinates import ICRS, UnitSphericalRepresentation
from astropy.time import Time
from astropy.wcs import WCS, WCSSUB_CELESTIAL, WCSSUB_SPECTRAL
from numpy.typing import NDArray

from datalink.core.soda import STOKES, Cut
from datalink.core.soda_sky import Vectors, contains, outline
from penstock.dali.shapes import Shape
from penstock.dali.values import Interval
from penstock.lake.fits.cards import STRANGE, Cards
from penstock.lake.fits.sky import SKY_AXES, celestial_frame, project, read_wcs
from penstock.lake.fits.spectrum import SPECTRAL_AXES, wavelength
from penstock.lake.fits.when import GPS_BEHIND_TAI_S, SCALES

Span = tuple[int, int]
Box = tuple[Span, ...]
Pixels = NDArray[np.float64]  # of shape (n, 2), counted from 0

_GRID, _FINE_GRID = 33, 257
_EDGE = 0.5
_ROUNDING = 1e-6  # of a pixel
_SAME_PLACE = 0.1  # of a pixel
_DAY_S = 86_400.0


class NoSuchAxis(Exception):
    """The image has no axis of the kind that a filter is about; the message names it."""


def box_of(cards: Cards, cut: Cut) -> Box | None:
    """Return the pixels of an image that a cut takes; None where it takes none.

    Raises
    ------
    NoSuchAxis
        A filter is about an axis that the image does not have.
    """
    wcs = read_wcs(cards) if cut.region or cut.band or cut.time or cut.pol else None
    spans: list[Span | None] = [(0, size) for size in cards.axes]
    for place, span in _wanted(cards, wcs, cut):
        spans[place] = _both(spans[place], span)
    found = tuple(span for span in spans if span is not None)
    return found if len(found) == len(spans) else None


def _wanted(cards: Cards, wcs: WCS | None, cut: Cut) -> Iterator[tuple[int, Span | None]]:
    if cut.pixels:
        yield from _pixel_spans(cards, cut.pixels)
    if wcs is None:
        return
    if cut.region is not None:
        yield from _sky_spans(cards, wcs, cut.region)
    if cut.band is not None:
        yield _span_in(_spectral(cards, wcs), cut.band)
    if cut.time is not None:
        yield _span_in(_temporal(cards, wcs), cut.time)
    if cut.pol:
        yield _planes(cards, wcs, cut.pol)


def _both(one: Span | None, other: Span | None) -> Span | None:
    if one is None or other is None:
        return None
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low < high else None


def _pixel_spans(cards: Cards, pixels: tuple[Interval, ...]) -> Iterator[tuple[int, Span | None]]:
    if len(pixels) > len(cards.axes):
        raise NoSuchAxis(f"axis {len(pixels)}")
    for place, (asked, size) in enumerate(zip(pixels, cards.axes, strict=False)):
        low, high = max(asked.lower, 1), min(asked.upper, size)
        yield place, (int(low) - 1, int(high)) if low <= high else None


def _sky_spans(cards: Cards, wcs: WCS, region: Shape) -> Iterator[tuple[int, Span | None]]:
    if wcs.wcs.lng < 0 or wcs.wcs.lat < 0 or wcs.wcs.lngtyp.strip() not in SKY_AXES:
        raise NoSuchAxis("celestial axes")
    sky = wcs if wcs.naxis == 2 else wcs.sub([WCSSUB_CELESTIAL])
    first, second = sorted((int(wcs.wcs.lng), int(wcs.wcs.lat)))
    if second >= len(cards.axes):
        raise NoSuchAxis("celestial axes")
    sizes = cards.axes[first], cards.axes[second]
    points = _touched(sky, sizes, region)
    for axis, place in enumerate((first, second)):
        yield place, _span(points[:, axis], sizes[axis]) if len(points) else None


def _span(positions: NDArray[np.float64], size: int) -> Span | None:
    """Return the pixels between the lowest and the highest position, 0 being the middle of the first pixel."""
    low = math.floor(positions.min() + _EDGE + _ROUNDING)
    high = max(low + 1, math.ceil(positions.max() + _EDGE - _ROUNDING))
    return _both((low, high), (0, size))


def _touched(sky: WCS, sizes: tuple[int, int], region: Shape) -> Pixels:
    """Return pixel positions that reach as far as the part of a region that is on the image.

    That part is bounded by pieces of the region's outline and of the image's edges. Where the outline leaves what the
    projection shows, a fine grid stands for it.
    """
    around, torn = _on_pixels(sky, outline(region))
    clipped = _clipped(around, sizes)
    grid, within = _grid(sky, sizes, region, _FINE_GRID if torn else _GRID)
    if torn and within.any():
        step = np.array(sizes) / (_FINE_GRID - 1)
        held = grid[within]
        grid = np.clip(np.concatenate([held - step, held + step]), -_EDGE, np.array(sizes) - _EDGE)
        within = np.ones(len(grid), dtype=bool)
    return np.concatenate([clipped, grid[within]])


def _grid(sky: WCS, sizes: tuple[int, int], region: Shape, count: int) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return positions all over the image, its edges included, and which of them lie in the region."""
    x, y = (np.linspace(-_EDGE, size - _EDGE, count) for size in sizes)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return grid, contains(region, project(sky, grid))


def _on_pixels(sky: WCS, points: Vectors) -> tuple[Pixels, bool]:
    """Return where directions lie on an image, NaN where nowhere; and whether some do.

    What does not lead back to where it came from is nowhere: polynomials may fold what is far off into the image, and
    some projections show both halves of the sky in one place.
    """
    lonlat = _from_icrs(sky, points)
    pixels = np.asarray(sky.all_world2pix(lonlat, 0, quiet=True, maxiter=50), dtype=float)
    good = np.isfinite(pixels).all(axis=1)
    if good.any():
        places = pixels[good]
        back, aside = project(sky, places), project(sky, places + 0.5)
        reach = np.linalg.norm(aside - back, axis=1)
        astray = ~(np.linalg.norm(back - points[good], axis=1) <= _SAME_PLACE * reach + 1e-12)
        pixels[np.flatnonzero(good)[astray]] = np.nan
    return pixels, not np.isfinite(pixels).all()


def _from_icrs(sky: WCS, points: Vectors) -> Pixels:
    lon, lat = np.arctan2(points[:, 1], points[:, 0]), np.arcsin(np.clip(points[:, 2], -1, 1))
    frame = celestial_frame(sky)
    if not isinstance(frame, ICRS):
        moved = ICRS(UnitSphericalRepresentation(lon * u.rad, lat * u.rad)).transform_to(frame)
        lon, lat = moved.spherical.lon.rad, moved.spherical.lat.rad
    pair: Pixels = np.rad2deg(np.c_[lon, lat])
    return pair if sky.wcs.lng < sky.wcs.lat else pair[:, ::-1]


def _clipped(path: Pixels, sizes: tuple[int, int]) -> Pixels:
    """Return the ends of those pieces of a path that are on the image (Liang and Barsky)."""
    path = path if len(path) > 1 else np.concatenate([path, path])
    start, way = path[:-1], np.diff(path, axis=0)
    enter, leave = np.zeros(len(way)), np.ones(len(way))
    good = np.isfinite(way).all(axis=1)
    with np.errstate(all="ignore"):
        for axis, size in enumerate(sizes):
            to_low, to_high = -_EDGE - start[:, axis], size - _EDGE - start[:, axis]
            near, far = to_low / way[:, axis], to_high / way[:, axis]
            still = way[:, axis] == 0
            good &= ~still | ((to_low <= 0) & (to_high >= 0))
            enter = np.where(still, enter, np.maximum(enter, np.minimum(near, far)))
            leave = np.where(still, leave, np.minimum(leave, np.maximum(near, far)))
    good &= enter <= leave
    ends = [start[good] + way[good] * part[good][:, None] for part in (enter, leave)]
    return np.concatenate(ends)


def _span_in(edges: tuple[int, Pixels], asked: Interval) -> tuple[int, Span | None]:
    """Return the pixels that touch an interval, of an axis whose pixels have these lower and upper ends."""
    place, ends = edges
    low, high = ends.min(axis=1), ends.max(axis=1)
    touched = np.flatnonzero((high > asked.lower) & (low < asked.upper) | (low <= asked.lower) & (asked.upper <= high))
    return place, (int(touched[0]), int(touched[-1]) + 1) if len(touched) else None


def _spectral(cards: Cards, wcs: WCS) -> tuple[int, Pixels]:
    """Return the wavelengths of the ends of all channels, in metres."""
    place = int(wcs.wcs.spec)
    if place < 0 or place >= len(cards.axes):
        raise NoSuchAxis("a spectral axis")
    axis = wcs.sub([WCSSUB_SPECTRAL])
    kind = axis.wcs.ctype[0][:4]
    if kind not in SPECTRAL_AXES:
        raise NoSuchAxis("a spectral axis")
    values = _edge_values(axis, cards.axes[place])
    rest = axis.wcs.restfrq, axis.wcs.restwav
    with np.errstate(all="ignore"):
        metres = np.array([_attempt(kind, float(value), rest) for value in values])
    return place, np.c_[metres[:-1], metres[1:]]


def _attempt(kind: str, value: float, rest: tuple[float, float]) -> float:
    try:
        return wavelength(kind, value, *rest)
    except STRANGE:
        return math.nan


def _edge_values(axis: WCS, size: int) -> NDArray[np.float64]:
    """Return the coordinates of the edges between the pixels of an axis, the outer two included."""
    values: NDArray[np.float64] = axis.wcs_pix2world(np.arange(size + 1.0)[:, None] - _EDGE, 0)[:, 0]
    return values


def _temporal(cards: Cards, wcs: WCS) -> tuple[int, Pixels]:
    """Return the times of the ends of all pixels, as MJD in UTC (FITS 4.0 s9)."""
    place = next((n for n, kind in cards.axis_types if kind.partition("-")[0] in ("TIME", *SCALES)), 0) - 1
    if place < 0 or place >= len(cards.axes):
        raise NoSuchAxis("a time axis")
    axis = wcs.sub([place + 1])
    values = _edge_values(axis, cards.axes[place]) * _days(str(axis.wcs.cunit[0]) or cards.text("TIMEUNIT") or "s")
    mjd = values + _reference(cards)
    kind = dict(cards.axis_types)[place + 1].partition("-")[0]
    scale = SCALES.get(kind) or SCALES.get((cards.text("TIMESYS") or "UTC").upper()) or "utc"
    if scale == "gps":
        mjd, scale = mjd + GPS_BEHIND_TAI_S / _DAY_S, "tai"
    if scale != "utc":
        mjd = Time(mjd, format="mjd", scale=scale).utc.mjd
    return place, np.c_[mjd[:-1], mjd[1:]]


def _days(unit: str) -> float:
    try:
        return float(u.Unit(unit).to(u.day))
    except (ValueError, TypeError, u.UnitsError) as error:
        raise NoSuchAxis(f"a time axis in a unit of time ({unit[:20]})") from error


def _reference(cards: Cards) -> float:
    """Return the MJD from which an axis counts (FITS 4.0 s9.2.2)."""
    reference = cards.number("MJDREF")
    if reference is None and (whole := cards.number("MJDREFI")) is not None:
        reference = whole + (cards.number("MJDREFF") or 0.0)
    if reference is None and (day := cards.text("DATEREF")):
        reference = float(Time(day, format="isot", scale="utc").mjd)
    return reference or 0.0


def _planes(cards: Cards, wcs: WCS, states: tuple[str, ...]) -> tuple[int, Span | None]:
    """Return the range of planes that holds all of the states that there are."""
    place = next((n for n, kind in cards.axis_types if kind == "STOKES"), 0) - 1
    if place < 0 or place >= len(cards.axes):
        raise NoSuchAxis("a polarisation axis")
    edges = _edge_values(wcs.sub([place + 1]), cards.axes[place])
    codes = np.rint((edges[:-1] + edges[1:]) / 2)
    found = np.flatnonzero(np.isin(codes, [STOKES[state] for state in states]))
    return place, (int(found[0]), int(found[-1]) + 1) if len(found) else None
