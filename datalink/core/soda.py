"""What SODA is asked for: parameters, and the cut-outs that they make together (SODA 1.0 s3).

Every value of a parameter is combined with every value of the others; CIRCLE, POLYGON and POS are one parameter in
that respect, since each of their values is a region. Values of POL belong together (SODA 1.0 s3.3.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Generic, TypeVar

from datalink.core.soda_sky import require_in_hemisphere
from penstock.dali.errors import MultiValuedParamNotSupported, UsageError
from penstock.dali.params import Parameters
from penstock.dali.shapes import Polygon, Shape, parse_circle, parse_polygon, parse_pos
from penstock.dali.values import Interval, parse_floats, parse_interval, refuse

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

STOKES = {
    "I": 1, "Q": 2, "U": 3, "V": 4,
    "RR": -1, "LL": -2, "RL": -3, "LR": -4, "XX": -5, "YY": -6, "XY": -7, "YX": -8,
}  # fmt: skip
"""Polarisation states as ObsCore names them, and as FITS numbers them (FITS 4.0 table 29)."""

MEDIA_TYPE = "application/fits"
_FORMATS = frozenset({"", "fits", "application/fits", "image/fits"})
_MAX_AXES = 9
_PIXELS = "first and last pixel of each axis, counted from 1, with -Inf and +Inf for open ends"


@dataclass(frozen=True, slots=True)
class Said(Generic[T_co]):
    """A value, and how the caller wrote it."""

    name: str
    text: str
    value: T_co


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What to cut out of one file; None leaves an axis whole.

    Parameters
    ----------
    region
        A part of the sky, ICRS.
    band
        Wavelengths in vacuum, in metres.
    time
        MJD in UTC.
    pol
        Polarisation states, by the names of `STOKES`.
    pixels
        First and last pixel of each axis, first axis first, from 1; infinite ends are open.
    words
        The parameters as they were given.
    """

    region: Shape | None = None
    band: Interval | None = None
    time: Interval | None = None
    pol: tuple[str, ...] = ()
    pixels: tuple[Interval, ...] = ()
    words: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def whole(self) -> bool:
        """Whether nothing is to be left out."""
        return self == Cut()

    def __str__(self) -> str:
        return " ".join(f"{name}={text}" for name, text in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRequest:
    """The identifiers and the cuts to be made of each: every combination is one cut-out (SODA 1.0 s6)."""

    ids: tuple[str, ...]
    cuts: tuple[Cut, ...]


def read_request(params: Parameters, *, most: int) -> CutRequest:
    """Read a request for at most `most` cut-outs.

    Raises
    ------
    UsageError
        A value cannot be understood, no ID is given, or there would be too many cut-outs.
    """
    _require_format(params)
    ids = tuple(dict.fromkeys(filter(None, params.all("ID"))))
    if not ids:
        raise UsageError("ID is missing: it names the file to cut out of, as scope:name or a publisher DID.")
    regions = _read(params, "CIRCLE", parse_circle) + _read(params, "POLYGON", _polygon) + _read(params, "POS", _pos)
    bands, times = _read(params, "BAND", parse_interval), _read(params, "TIME", parse_interval)
    pol, pixels = _read(params, "POL", _state), _read(params, "PIXELS", parse_pixels)
    choices: list[Sequence[Said[object] | None]] = [one or (None,) for one in (regions, bands, times, pixels)]
    count = len(ids) * math.prod(map(len, choices))
    if count > most:
        raise UsageError(f"The request asks for {count} cut-outs; at most {most} are made at once.")
    return CutRequest(ids=ids, cuts=tuple(_cut(combination, pol) for combination in product(*choices)))


def read_single(params: Parameters) -> tuple[str, Cut]:
    """Read a request for one cut-out.

    Raises
    ------
    MultiValuedParamNotSupported
        There would be several: only POL takes several values (SODA 1.0 s3.1).
    UsageError
        A value cannot be understood, or no ID is given.
    """
    for names in (("ID",), ("CIRCLE", "POLYGON", "POS"), ("BAND",), ("TIME",), ("PIXELS",)):
        _require_one(params, names)
    request = read_request(params, most=1)
    return request.ids[0], request.cuts[0]


def parse_pixels(name: str, text: str) -> tuple[Interval, ...]:
    """Read PIXELS, a parameter of our own: ``PIXELS=101 200 1 50`` (first axis first)."""
    numbers = parse_floats(name, text, _PIXELS)
    if len(numbers) % 2 or not 2 <= len(numbers) <= 2 * _MAX_AXES:
        raise refuse(name, text, _PIXELS)
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if any(low > high or not _is_pixel(low) or not _is_pixel(high) for low, high in pairs):
        raise refuse(name, text, _PIXELS)
    return tuple(Interval(lower=low, upper=high) for low, high in pairs)


def _cut(combination: tuple[Said[object] | None, ...], pol: Sequence[Said[str]]) -> Cut:
    region, band, time, pixels = (said and said.value for said in combination)
    return Cut(
        region=region,  # type: ignore[arg-type]  # each is what its parser has returned
        band=band,  # type: ignore[arg-type]
        time=time,  # type: ignore[arg-type]
        pixels=pixels or (),  # type: ignore[arg-type]
        pol=tuple(dict.fromkeys(said.value for said in pol)),
        words=tuple((said.name, said.text) for said in (*combination, *pol) if said is not None),
    )


def _read(params: Parameters, name: str, parse: Callable[[str, str], T]) -> tuple[Said[T], ...]:
    texts = (" ".join(text.split()) for text in params.all(name))
    return tuple(Said(name, text, parse(name, text)) for text in dict.fromkeys(filter(None, texts)))


def _polygon(name: str, text: str) -> Polygon:
    polygon = parse_polygon(name, text)
    require_in_hemisphere(name, polygon)
    return polygon


def _pos(name: str, text: str) -> Shape:
    shape = parse_pos(name, text)
    if isinstance(shape, Polygon):
        require_in_hemisphere(name, shape)
    return shape


def _state(name: str, text: str) -> str:
    if text.upper() not in STOKES:
        raise refuse(name, text, f"one of {', '.join(STOKES)}")
    return text.upper()


def _require_format(params: Parameters) -> None:
    asked = params.single("RESPONSEFORMAT") or ""
    if asked.partition(";")[0].strip().lower() not in _FORMATS:
        raise refuse("RESPONSEFORMAT", asked, MEDIA_TYPE)


def _require_one(params: Parameters, names: tuple[str, ...]) -> None:
    count = sum(bool(text.strip()) for name in names for text in params.all(name))
    if count > 1:
        what = " or ".join(names)
        raise MultiValuedParamNotSupported(f"{what} was given {count} times; it takes one value here, more in a job.")


def _is_pixel(number: float) -> bool:
    return math.isinf(number) or number == int(number)
