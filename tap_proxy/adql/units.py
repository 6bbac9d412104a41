"""Reads VOUnits and finds the factor from one to another, for IN_UNIT (VOUnits 1.1; ADQL 2.1 s4.9.1).

A unit is reduced to a factor and its dimensions. Angles are a dimension of their own here, so that a rate in deg/yr
does not become one in 1/s. Units on a logarithmic scale (mag, dex) convert to themselves only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TypeAlias


class UnitError(ValueError):
    """A unit that cannot be read, or not be turned into the other."""


Dimensions: TypeAlias = dict[str, Fraction]
Unit: TypeAlias = tuple[float, Dimensions]

_PREFIXES = {
    "": 1.0, "da": 1e1, "h": 1e2, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24,
    "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18, "z": 1e-21, "y": 1e-24,
}  # fmt: skip

_AU, _DAY, _YEAR = 149597870700.0, 86400.0, 365.25 * 86400.0
_DEG = math.pi / 180
_EV = 1.602176634e-19

_BASE: Mapping[str, tuple[float, str]] = {
    "m": (1.0, "m"), "g": (1e-3, "kg"), "s": (1.0, "s"), "A": (1.0, "A"), "K": (1.0, "K"), "mol": (1.0, "mol"),
    "cd": (1.0, "cd"), "rad": (1.0, "rad"), "sr": (1.0, "rad2"),
    "N": (1.0, "kg m s-2"), "Pa": (1.0, "kg m-1 s-2"), "J": (1.0, "kg m2 s-2"), "W": (1.0, "kg m2 s-3"),
    "Hz": (1.0, "s-1"), "C": (1.0, "A s"), "V": (1.0, "kg m2 s-3 A-1"), "T": (1.0, "kg s-2 A-1"),
    "Wb": (1.0, "kg m2 s-2 A-1"), "F": (1.0, "kg-1 m-2 s4 A2"), "H": (1.0, "kg m2 s-2 A-2"),
    "Ohm": (1.0, "kg m2 s-3 A-2"), "S": (1.0, "kg-1 m-2 s3 A2"), "lm": (1.0, "cd rad2"), "lx": (1.0, "cd rad2 m-2"),
    "deg": (_DEG, "rad"), "arcmin": (_DEG / 60, "rad"), "arcsec": (_DEG / 3600, "rad"), "mas": (_DEG / 3.6e6, "rad"),
    "uas": (_DEG / 3.6e9, "rad"), "hourangle": (_DEG * 15, "rad"),
    "min": (60.0, "s"), "h": (3600.0, "s"), "d": (_DAY, "s"), "a": (_YEAR, "s"), "yr": (_YEAR, "s"),
    "AU": (_AU, "m"), "au": (_AU, "m"), "pc": (_AU * 648000 / math.pi, "m"), "lyr": (9460730472580800.0, "m"),
    "Angstrom": (1e-10, "m"), "angstrom": (1e-10, "m"), "solRad": (6.957e8, "m"), "Rsun": (6.957e8, "m"),
    "solMass": (1.988409870698051e30, "kg"), "Msun": (1.988409870698051e30, "kg"), "u": (1.66053906660e-27, "kg"),
    "solLum": (3.828e26, "kg m2 s-3"), "Lsun": (3.828e26, "kg m2 s-3"), "eV": (_EV, "kg m2 s-2"),
    "erg": (1e-7, "kg m2 s-2"), "Ry": (13.605693122994 * _EV, "kg m2 s-2"), "Jy": (1e-26, "kg s-2"),
    "G": (1e-4, "kg s-2 A-1"), "barn": (1e-28, "m2"), "R": (1e10 / (4 * math.pi), "m-2 s-1 rad-2"),
    "bit": (1.0, "bit"), "byte": (8.0, "bit"), "B": (8.0, "bit"),
    "mag": (1.0, "mag"), "dex": (1.0, "dex"), "ct": (1.0, "count"), "count": (1.0, "count"), "adu": (1.0, "adu"),
    "ph": (1.0, "photon"), "photon": (1.0, "photon"), "pix": (1.0, "pixel"), "pixel": (1.0, "pixel"),
    "beam": (1.0, "beam"), "electron": (1.0, "electron"), "D": (1e-21 / 299792458.0, "A s m"), "bin": (1.0, "bin"),
    "chan": (1.0, "chan"), "voxel": (1.0, "voxel"), "Sun": (1.0, "Sun"), "%": (0.01, ""),
}  # fmt: skip
_UNPREFIXED = frozenset(
    {"min", "h", "d", "AU", "au", "Angstrom", "angstrom", "mas", "uas", "deg", "arcmin", "Sun", "%"}
)

_POWER = r"[+-]?\d+(?:\.\d+|/\d+)?"
_TERM = re.compile(rf"([A-Za-z%]+)(?:(?:\*\*|\^)?(?:\(({_POWER})\)|({_POWER})))?", re.ASCII)
_PIECE = re.compile(rf"[A-Za-z%]+(?:(?:\*\*|\^)?(?:\({_POWER}\)|{_POWER}))?|\S", re.ASCII)
_SCALE = re.compile(r"(?:10(?:\*\*|\^)\(?([+-]?\d+)\)?|(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?))\s*", re.ASCII)


def conversion_factor(source: str | None, target: str) -> float:
    """Return what to multiply values in `source` by to have them in `target`.

    Raises
    ------
    UnitError
        One is no unit, one is missing, or they measure different things.
    """
    if not source or not source.strip():
        raise UnitError("the value has no unit")
    if not target.strip():
        raise UnitError("the unit to convert to is empty")
    try:
        from_factor, from_dimensions = parse_unit(source)
        to_factor, to_dimensions = parse_unit(target)
        factor = from_factor / to_factor
    except (ArithmeticError, ValueError) as error:
        raise error if isinstance(error, UnitError) else UnitError("a power is out of bounds") from error
    if from_dimensions != to_dimensions:
        raise UnitError(f"{source} and {target} measure different things")
    if not math.isfinite(factor):
        raise UnitError("the units are too far apart")
    return factor


def parse_unit(text: str) -> Unit:
    """Return a unit's factor and dimensions, in SI and radians.

    Raises
    ------
    UnitError
        The text is no unit.
    """
    factor, terms = _terms(text)
    dimensions = Dimensions()
    for name, power in terms:
        factor *= _multiply(dimensions, name, power, text)
    return factor, _present(dimensions)


def product_unit(units: Iterable[tuple[str, Fraction]]) -> str | None:
    """Return the product of units, each to a power, or None where there is none to be named.

    Names are kept as they are, so that ``mas/yr`` twice makes ``mas**2.yr**-2``; units with a scale are left alone.
    """
    powers = Dimensions()
    try:
        for unit, outer in units:
            scale, terms = _terms(unit)
            if scale != 1.0:
                return None
            for name, power in terms:
                _named(name, unit)
                powers[name] = powers.get(name, Fraction(0)) + power * outer
    except UnitError:
        return None
    return ".".join(_written(name, power) for name, power in _present(powers).items()) or None


def _written(name: str, power: Fraction) -> str:
    if power == 1:
        return name
    return f"{name}**{power}" if power.denominator == 1 else f"{name}**({power})"


def _present(powers: Dimensions) -> Dimensions:
    return {name: power for name, power in powers.items() if power}


def _terms(text: str) -> tuple[float, list[tuple[str, Fraction]]]:
    """Return the scale in front of a unit, and what it names, each to a power."""
    rest = text.strip()
    factor, terms = 1.0, list[tuple[str, Fraction]]()
    scale = _SCALE.match(rest)
    if scale is not None:
        factor = 10.0 ** int(scale[1]) if scale[1] else float(scale[2])
        rest = rest[scale.end() :].lstrip(".* ")
    sign, grouped, joined = 1, False, False
    for piece in _PIECE.findall(rest):
        if joined and piece in {".", "*", "/"}:
            break
        joined = piece in {".", "*", "/"}
        if piece in {".", "*"}:
            sign = sign if grouped else 1
        elif piece == "/":
            sign = -1
        elif piece == "(":
            grouped = True
        elif piece == ")":
            grouped, sign = False, 1
        else:
            terms.append(_term(piece, sign, text))
            sign = sign if grouped else 1
    if joined or grouped:
        raise UnitError(f"{text!r} is no unit")
    return factor, terms


def _term(piece: str, sign: int, whole: str) -> tuple[str, Fraction]:
    match = _TERM.fullmatch(piece)
    if match is None:
        raise UnitError(f"{whole!r} is no unit")
    return match[1], Fraction(match[2] or match[3] or 1) * sign


def _multiply(dimensions: Dimensions, name: str, power: Fraction, whole: str) -> float:
    """Take one named unit with its power into the dimensions; return its factor."""
    factor, base = _named(name, whole)
    for dimension in base.split():
        found = re.fullmatch(r"([A-Za-z]+?)(-?\d+)?", dimension)
        if found is not None:
            dimensions[found[1]] = dimensions.get(found[1], Fraction(0)) + Fraction(found[2] or 1) * power
    return float(factor ** float(power))


def _named(name: str, whole: str) -> tuple[float, str]:
    if name in _BASE:
        return _BASE[name]
    for size in (2, 1):
        prefix, rest = name[:size], name[size:]
        if prefix in _PREFIXES and rest in _BASE and rest not in _UNPREFIXED:
            factor, base = _BASE[rest]
            return _PREFIXES[prefix] * factor, base
    raise UnitError(f"{whole!r} is no unit: {name} is not known")
