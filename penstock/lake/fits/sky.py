"""Where on the sky an image lies: footprint, centre, size and pixels, in ICRS.

The outline of the pixel grid (outer edges of the outer pixels) is projected; its great-circle polygon is the footprint.
Images of one file make one footprint, their convex hull. Where the outline is not all on the sky (all-sky projections)
or is wider than a hemisphere can hold, the footprint is the circle about all that is on the sky.

Headers say anything, and wcslib takes most of it: ``CRVAL1 = 1e300`` is some remainder of 360°, ``CRVAL1 = 'north'`` is
0. What is no place is refused (`OffSky`), not made one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from astropy import units as u
from astropy.coordinates import (
    FK4,
    FK5,
    ICRS,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    FK4NoETerms,
    Supergalactic,
    UnitSphericalRepresentation,
)
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS, WCSSUB_CELESTIAL
from astropy.wcs.utils import wcs_to_celestial_frame
from numpy.typing import NDArray

from penstock.lake.fits.cards import Cards
from penstock.lake.fits.walk import CARD

Vectors = NDArray[np.float64]  # of shape (n, 3), unit length; NaN where a pixel is not on the sky

SKY_AXES = ("RA", "GLON", "ELON", "SLON")
_POLYGON_LIMIT_DEG = 80.0  # a wider polygon is not surely on one side of its edges
_GRID = 25
_FLAT = 1e-7  # radian: less of a corner is rounding
_ARCSEC = 3600.0
_LONGITUDE_LIMIT_DEG = 720.0  # surveys count on beyond 360°; numbers beyond two turns are no longitudes
_EQUINOXES = (1500.0, 2500.0)  # what precession is known for
_WCS_KEY = re.compile(  # FITS WCS papers I to III, SIP, IRAF's TNX and ZPX, DSS plates; the primary description only
    r"WCSAXES|EQUINOX|EPOCH|RADE[C]?SYS|L[OA][NT]POLE|RESTFRE?Q|RESTWAV|SPECSYS|VELREF"
    r"|(?:CTYPE|CRPIX|CRVAL|CDELT|CUNIT|CROTA)[0-9]+|(?:PC|CD|PV|PS)[0-9]+_[0-9]+|PC[0-9]{6}|CD[0-9]{6}"
    r"|(?:A|B|AP|BP)_(?:ORDER|[0-9]+_[0-9]+)|WAT[0-9]_[0-9]+|PROJP[0-9]+"
    r"|PLTRA[HMS]|PLTDEC(?:SN|[DMS])|PLTSCALE|CNPIX[12]|[XY]PIXELSZ|PPO[1-6]|AMD[XY][0-9]+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Where images lie; the names and units are those of ObsCore."""

    s_ra: float
    s_dec: float
    s_fov: float
    s_region: str
    s_xel1: int
    s_xel2: int
    s_pixel_scale: float | None


class OffSky(ValueError):
    """Coordinates that are no place on the sky; the message says which keywords."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One image on the sky."""

    sky: WCS
    outline: Vectors
    centre: Vectors
    sizes: tuple[int, int]
    pixel_scale: float | None


def read_wcs(cards: Cards) -> WCS:
    """Return the world coordinates of an image.

    wcslib is shown what it needs and no more, since it reads long headers slowly. Distortions by lookup table are left
    out, being smaller than a pixel; so are axes by table (``-TAB``), on which its sub-images fail.
    """
    wanted = (card[:CARD] for key, card in cards.written.items() if _WCS_KEY.fullmatch(key))
    header = fits.Header.fromstring(b"".join(card.ljust(CARD) for card in wanted))
    for axis, size in enumerate(cards.axes, start=1):
        header[f"NAXIS{axis}"] = size
    for axis, kind in cards.axis_types:
        if "-TAB" in kind:
            header[f"CTYPE{axis}"] = ""
    return WCS(header)


def is_place(lon_deg: float, lat_deg: float) -> bool:
    """Tell whether a longitude and a latitude can be meant as a place; NaN cannot."""
    return abs(lon_deg) <= _LONGITUDE_LIMIT_DEG and abs(lat_deg) <= 90


def footprint(patches: Sequence[Patch]) -> Footprint | None:
    """Return where images lie together; None if none has pixels on the sky."""
    if not patches:
        return None
    polygon = _polygon(patches)
    centre = patches[0].centre if len(patches) == 1 and np.isfinite(patches[0].centre).all() else None
    if polygon is not None:
        middle = _mean(polygon) if centre is None else centre
        radius = 180.0 if middle is None else float(_separation(polygon, middle).max())
        if middle is not None and radius < _POLYGON_LIMIT_DEG:
            return _footprint(patches, middle, radius, "POLYGON ICRS " + _coordinates(polygon))
    return _circle(patches, centre)


def _circle(patches: Sequence[Patch], centre: Vectors | None) -> Footprint | None:
    """Return the circle about all points that are on the sky."""
    points = np.concatenate([part for patch in patches for part in (patch.outline, _inside(patch))])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    if centre is None:
        centre = _mean(points)
    if centre is None:  # the points balance: they surround the sphere
        centre, radius = points[:1], 180.0
    else:
        radius = min(180.0, float(_separation(points, centre).max()) + max(map(_grid_step_deg, patches)))
    return _footprint(patches, centre, radius, f"CIRCLE ICRS {_coordinates(centre)} {round(radius, 10)}")


def _footprint(patches: Sequence[Patch], centre: Vectors, radius: float, region: str) -> Footprint:
    ra, dec = position(centre)
    return Footprint(
        s_ra=ra,
        s_dec=dec,
        s_fov=min(360.0, 2 * radius * (1 + 1e-9) + 1e-9),  # the region's coordinates are rounded
        s_region=region,
        s_xel1=patches[0].sizes[0],
        s_xel2=patches[0].sizes[1],
        s_pixel_scale=patches[0].pixel_scale,
    )


def patch(cards: Cards, wcs: WCS) -> Patch | None:
    """Return where one image lies; None if it has no celestial axes.

    Raises
    ------
    OffSky
        Its coordinates are no place on the sky.
    """
    sky = wcs if wcs.naxis == 2 else wcs.sub([WCSSUB_CELESTIAL])
    if sky.naxis != 2 or sky.wcs.lngtyp.strip() not in SKY_AXES:
        return None
    first, second = sorted((wcs.wcs.lng, wcs.wcs.lat))
    axes = cards.axes
    if second >= len(axes) or not (axes[first] and axes[second]):
        return None
    _check_place(cards, sky, (first + 1, second + 1))
    sizes = axes[first], axes[second]
    straight = sky.wcs.ctype[0].endswith("TAN") and sky.sip is None  # whose edges are great circles
    middle = (np.array(sizes) - 1) / 2
    cross = middle + np.array([[0, 0], [-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    vectors = project(sky, np.concatenate([cross, _outline(sizes, 1 if straight else 4)]))
    pixel_scale = _pixel_scale(vectors[:5])
    if pixel_scale == 0:
        raise OffSky("pixels of no extent")
    return Patch(sky=sky, centre=vectors[:1], outline=vectors[5:], sizes=sizes, pixel_scale=pixel_scale)


def _check_place(cards: Cards, sky: WCS, axes: tuple[int, int]) -> None:
    """Look at what the header says of the celestial axes, which count from 1."""
    names = ("CRVAL", "CRPIX") if sky.wcs.has_cd() else ("CRVAL", "CRPIX", "CDELT")
    for key in (f"{name}{axis}" for axis in axes for name in names):
        if key in cards.written and not isinstance(cards.value(key), float | int):
            raise OffSky(f"{key} is no number")
    lon, lat = sky.wcs.crval[sky.wcs.lng], sky.wcs.crval[sky.wcs.lat]
    if not is_place(lon, lat):
        raise OffSky(f"CRVAL{axes[0]} and CRVAL{axes[1]} say longitude {lon:g}°, latitude {lat:g}°")
    if np.abs(sky.pixel_scale_matrix).max() > 360:
        raise OffSky("pixels wider than the sky")


def _outline(sizes: tuple[int, int], segments: int) -> NDArray[np.float64]:
    """Return pixel positions along the outer edges, anticlockwise on the grid; shape (4 * segments, 2)."""
    step = np.arange(segments) / segments
    zero, one = np.zeros(segments), np.ones(segments)
    unit = np.concatenate([np.c_[step, zero], np.c_[one, step], np.c_[1 - step, one], np.c_[zero, 1 - step]])
    return unit * sizes - 0.5


def _inside(patch: Patch) -> Vectors:
    """Return points all over an image."""
    x, y = (np.linspace(-0.5, size - 0.5, _GRID) for size in patch.sizes)
    return project(patch.sky, np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))


def _grid_step_deg(patch: Patch) -> float:
    """Return about how far the points of `_inside` lie apart, by which they may miss the edge of the sky."""
    return (patch.pixel_scale or 0.0) / _ARCSEC * max(patch.sizes) / (_GRID - 1)


def project(sky: WCS, pixels: NDArray[np.float64]) -> Vectors:
    """Return unit vectors in ICRS for pixel positions counted from 0."""
    lonlat = sky.all_pix2world(pixels, 0)
    lon, lat = lonlat[:, sky.wcs.lng], lonlat[:, sky.wcs.lat]
    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90)
    vectors = np.full((len(pixels), 3), np.nan)
    vectors[good] = icrs_vectors(celestial_frame(sky), lon[good], lat[good])
    return vectors


def celestial_frame(sky: WCS) -> BaseCoordinateFrame:
    """Return the frame of a celestial WCS (FITS WCS paper II s3.1).

    Raises
    ------
    ValueError
        The frame is not one of the sky.
    """
    match sky.wcs.lngtyp.strip():
        case "ELON":
            year = sky.wcs.equinox if np.isfinite(sky.wcs.equinox) else 2000.0
            return BarycentricMeanEcliptic(equinox=Time(year, format="jyear"))
        case "SLON":
            return Supergalactic()
        case _:
            return wcs_to_celestial_frame(sky)


def equatorial_frame(system: str | None, equinox: float | None) -> BaseCoordinateFrame:
    """Return the frame of right ascensions by RADESYS and EQUINOX (FITS WCS paper II s3.1)."""
    name = (system or "").upper().strip()
    if name == "ICRS" or (not name and equinox is None):
        return ICRS()
    if name.startswith("FK4") or (not name and equinox is not None and equinox < 1984):
        return FK4(equinox=Time(1950.0 if equinox is None else equinox, format="byear"))
    return FK5(equinox=Time(2000.0 if equinox is None else equinox, format="jyear"))


def icrs_vectors(frame: BaseCoordinateFrame, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Vectors:
    """Return unit vectors in ICRS for positions in degrees in a frame.

    Raises
    ------
    OffSky
        The frame has an equinox that nobody uses.
    """
    vectors = _vectors(lon, lat)
    year = float(frame.equinox.jyear) if hasattr(frame, "equinox") else None
    if year is not None and not _EQUINOXES[0] <= year <= _EQUINOXES[1]:
        raise OffSky(f"EQUINOX says {year:g}")
    match frame:
        case ICRS():
            return vectors
        case FK4() | FK4NoETerms():
            return _moved(frame, lon, lat)
        case _:
            turned: Vectors = vectors @ _rotation(frame.__class__, year)
            return turned


@lru_cache(maxsize=64)
def _rotation(kind: type[BaseCoordinateFrame], equinox: float | None) -> NDArray[np.float64]:
    """Return the matrix that turns row vectors of a frame into ICRS: astropy's own way costs milliseconds each time."""
    frame = kind() if equinox is None else kind(equinox=Time(equinox, format="jyear"))
    return _moved(frame, np.array([0.0, 90.0, 0.0]), np.array([0.0, 0.0, 90.0]))


def _moved(frame: BaseCoordinateFrame, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Vectors:
    position = frame.realize_frame(UnitSphericalRepresentation(lon * u.deg, lat * u.deg)).transform_to(ICRS())
    return _vectors(position.ra.deg, position.dec.deg)


def _vectors(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Vectors:
    a, d = np.deg2rad(lon), np.deg2rad(lat)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def position(vectors: Vectors) -> tuple[float, float]:
    """Return right ascension and declination of the first vector, in degrees."""
    ra, dec = _spherical(vectors)
    return float(ra[0]), float(dec[0])


def _polygon(patches: Sequence[Patch]) -> Vectors | None:
    """Return the corners of the outline, anticlockwise seen from inside the sphere; None if it has no outline."""
    points = np.concatenate([patch.outline for patch in patches])
    if not np.isfinite(points).all():
        return None
    if len(patches) > 1:
        hull = _hull(points)
        if hull is None:
            return None
        points = hull
    centre = _mean(points)
    if centre is not None and (np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0) @ centre[0]) > 0:
        points = points[::-1]
    return points


def _hull(points: Vectors) -> Vectors | None:
    """Return the corners of the convex hull, by Andrew's algorithm in the plane that touches the middle."""
    middle = _mean(points)
    if middle is None or _separation(points, middle).max() > _POLYGON_LIMIT_DEG:
        return None
    east = np.cross([0.0, 0.0, 1.0], middle[0]) if abs(middle[0, 2]) < 0.9 else np.cross([1.0, 0.0, 0.0], middle[0])
    east /= np.linalg.norm(east)
    north = np.cross(middle[0], east)
    depth = points @ middle[0]
    plane = sorted(
        {(float(x), float(y), i) for i, (x, y) in enumerate(np.c_[points @ east, points @ north] / depth[:, None])}
    )
    lower, upper = _chain(plane), _chain(plane[::-1])
    return points[[i for _, _, i in (*lower[:-1], *upper[:-1])]]


def _chain(points: Sequence[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    """Return the part of a convex hull that turns left along sorted points."""
    chain: list[tuple[float, float, int]] = []
    for point in points:
        while len(chain) > 1:
            (ax, ay, _), (bx, by, _) = chain[-2:]
            turn = (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax)
            if turn > _FLAT * math.dist((ax, ay), (bx, by)) * math.dist((ax, ay), point[:2]):
                break
            chain.pop()
        chain.append(point)
    return chain


def _mean(points: Vectors) -> Vectors | None:
    """Return the direction of the mean of vectors; None if they balance."""
    total = points.mean(axis=0, keepdims=True)
    length = np.linalg.norm(total)
    return total / length if length > 1e-3 else None


def _separation(points: Vectors, centre: Vectors) -> NDArray[np.float64]:
    """Return the angles between vectors and one other, in degrees."""
    across = np.linalg.norm(np.cross(points, centre), axis=1)
    angles: NDArray[np.float64] = np.rad2deg(np.arctan2(across, points @ centre[0]))
    return angles


def _pixel_scale(cross: Vectors) -> float | None:
    """Return the side of a square as large as the middle pixel, in arcsec, from that pixel's middle and edges."""
    if not np.isfinite(cross).all():
        return None
    width = _separation(cross[2:3], cross[1:2])[0]
    height = _separation(cross[4:5], cross[3:4])[0]
    return float(np.sqrt(width * height)) * _ARCSEC


def _spherical(vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension in [0, 360) and declination, in degrees."""
    ra = np.rad2deg(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360.0
    dec = np.rad2deg(np.arctan2(vectors[:, 2], np.hypot(vectors[:, 0], vectors[:, 1])))
    return ra, dec


def _coordinates(vectors: Vectors) -> str:
    ra, dec = _spherical(vectors)
    return " ".join(f"{round(float(x) % 360, 10)} {round(float(y), 10)}" for x, y in zip(ra, dec, strict=True))
