"""The HEALPix cells that regions touch, by a library: imported when the first query needs it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy import units as u
from mocpy import MOC

from tap_proxy.adql.mocs import CELL_DEG
from tap_proxy.adql.shapes import Part, Region

HALF_SKY_DEG = 90.0


def moc_of(region: Region, order: int) -> str:
    """Return the MOC of an order that covers a region, in its ASCII form (MOC 2.0 s4.3.2)."""
    mocs = [_moc(part, order) for part in region]
    whole = mocs[0] if len(mocs) == 1 else mocs[0].union(*mocs[1:])
    return " ".join(whole.to_string().split())


def _moc(part: Part, order: int) -> MOC:
    numbers = part.numbers
    match part.kind:
        case "point":
            return MOC.from_lonlat(_degrees(numbers[:1]), _degrees(numbers[1:]), max_norder=order)
        case "circle" if numbers[2] > HALF_SKY_DEG:
            return _large_cone(numbers[0], numbers[1], numbers[2], order)
        case "circle":
            return _cone(numbers[0], numbers[1], numbers[2], order)
        case _:
            return MOC.from_polygon(lon=_degrees(numbers[::2]), lat=_degrees(numbers[1::2]), max_depth=order)


def _large_cone(lon: float, lat: float, radius: float, order: int) -> MOC:
    """Return all but the cells of the opposite cone, since the library leaves cells out of cones beyond half the sky.

    The opposite cone is made smaller by two cells, so that what only touches it stays in.
    """
    opposite = 180.0 - radius - 2 * CELL_DEG / 2**order
    if opposite <= 0:
        return MOC.from_string("0/0-11")
    return _cone(lon + 180.0, -lat, opposite, order).complement()


def _cone(lon: float, lat: float, radius: float, order: int) -> MOC:
    return MOC.from_cone(lon=_degrees([lon]), lat=_degrees([lat]), radius=radius * u.deg, max_depth=order)


def _degrees(numbers: Sequence[float]) -> u.Quantity:
    return np.asarray(numbers, dtype=float) * u.deg
