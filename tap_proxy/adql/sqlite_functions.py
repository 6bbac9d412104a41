"""The helper functions that SQL for SQLite calls, for ``sqlite3.Connection.create_function``.

All are pure; register them with ``deterministic=True``. NULL in gives NULL out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

from penstock.moc import Bounds, MocError, contains, from_bytes, intersects, parse_moc
from penstock.words import words_of
from tap_proxy.adql import sphere
from tap_proxy.adql.casts import INTEGER, REAL
from tap_proxy.adql.shapes import Part, Region, region_or_none
from tap_proxy.adql.vectors import box_corners

PLAIN_DIGITS = 15
"""Numbers of so many digits before the point are still written without exponent, as PostgreSQL does."""

SQLValue = int | float | str | None
Helper = Callable[..., SQLValue]


def _strict(function: Callable[..., SQLValue]) -> Helper:
    """Make a function give NULL for NULL."""

    @wraps(function)
    def called(*arguments: SQLValue) -> SQLValue:
        return None if None in arguments else function(*arguments)

    return called


def _of_regions(function: Callable[..., SQLValue]) -> Helper:
    """Make a function of regions one of texts; what is no region counts as NULL."""

    @_strict
    def called(*arguments: Any) -> SQLValue:
        regions = [region_or_none(str(argument)) for argument in arguments]
        return None if None in regions else function(*regions)

    return called


def _contains(inner: Region, outer: Region) -> int:
    return int(sphere.contains(inner, outer))


def _intersects(left: Region, right: Region) -> int:
    return int(sphere.intersects(left, right))


def _centroid(region: Region) -> str:
    return " ".join(map(number_text, sphere.centroid(region)))


@_strict
def _coordinate(text: Any, index: Any) -> SQLValue:
    region = region_or_none(str(text))
    if region is None or len(region) != 1 or region[0].kind != "point":
        return None
    return region[0].numbers[int(index) - 1]


@_strict
def _box(lon: Any, lat: Any, width: Any, height: Any) -> str | None:
    if not (math.isfinite(lon) and math.isfinite(lat) and 0 <= width < 180 and 0 <= height < 180):
        return None
    part = Part("polygon", box_corners(lon, lat, width, height))
    return "polygon " + " ".join(map(number_text, part.numbers))


def number_text(value: float) -> str:
    """Return a double as PostgreSQL writes it: the fewest digits that give it back."""
    mantissa, _, exponent = repr(float(value)).partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    if exponent:
        power = int(exponent)
        return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    digits = mantissa.lstrip("-")
    if "." not in digits and len(digits) > PLAIN_DIGITS:
        power = len(digits) - 1
        kept = digits.rstrip("0")
        fraction = f".{kept[1:]}" if len(kept) > 1 else ""
        return f"{'-' if value < 0 else ''}{kept[0]}{fraction}e+{power:02d}"
    return mantissa


@_strict
def _text(value: Any) -> str:
    return number_text(float(value))


@_strict
def _integer(value: Any, bits: Any) -> int:
    if isinstance(value, str):
        if not INTEGER.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is no whole number")
        value = value.strip()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no whole number")
    number = int(value)
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise ValueError(f"{number} does not fit into {bits} bits")
    return number


@_strict
def _double(value: Any) -> float:
    if isinstance(value, str) and not REAL.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is no number")
    number = float(value)
    if math.isinf(number) and isinstance(value, str) and "inf" not in value.lower():
        raise ValueError(f"{value[:40]!r} is too large")
    return number


@_strict
def _real(value: Any) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", _double(value)))[0])
    except OverflowError as error:
        raise ValueError(f"{value} is too large for a REAL") from error


_words = lru_cache(maxsize=256)(words_of)


def _has_word(haystack: SQLValue, needle: SQLValue) -> int:
    if haystack is None or needle is None:
        return 0
    wanted = _words(str(needle))
    return int(bool(wanted) and wanted <= words_of(str(haystack)))


@lru_cache(maxsize=1024)
def _moc_of_text(text: str) -> Bounds | None:
    try:
        return parse_moc(text)
    except MocError:
        return None


def _of_mocs(function: Callable[[Bounds, Bounds], bool]) -> Helper:
    """Make a function of MOCs, each as text or as bounds; what is no MOC counts as NULL."""

    @_strict
    def called(*arguments: Any) -> SQLValue:
        left, right = (from_bytes(each) if isinstance(each, bytes) else _moc_of_text(str(each)) for each in arguments)
        return None if left is None or right is None else int(function(left, right))

    return called


SQLITE_FUNCTIONS: Mapping[str, tuple[int, Helper]] = {
    "penstock_contains": (2, _of_regions(_contains)),
    "penstock_intersects": (2, _of_regions(_intersects)),
    "penstock_area": (1, _of_regions(sphere.area)),
    "penstock_centroid": (1, _of_regions(_centroid)),
    "penstock_coord": (2, _coordinate),
    "penstock_box": (4, _box),
    "penstock_text": (1, _text),
    "penstock_integer": (2, _integer),
    "penstock_double": (1, _double),
    "penstock_real": (1, _real),
    "penstock_hasword": (2, _has_word),
    "penstock_moc_contains": (2, _of_mocs(contains)),
    "penstock_moc_intersects": (2, _of_mocs(intersects)),
}
"""Name -> (number of arguments, function)."""
