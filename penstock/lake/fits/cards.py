"""Headers that may hold anything, read without surprises.

A keyword that is missing, empty, of the wrong type or beyond repair is simply not there. Compressed images are shown
as the images that they hold (FITS 4.0 s10.1). Values are parsed when they are asked for: most never are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from astropy.io import fits

from penstock.lake.fits.walk import CARD, Unit

MAX_TEXT = 256
MAX_AXES = 99
STRANGE = (  # what astropy, wcslib and erfa raise on headers that make no sense
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    fits.VerifyError,
)


@dataclass(frozen=True)
class Cards:
    """One header; `index` is its place in the file, `written` the first card of each keyword as it is written."""

    written: dict[str, bytes]
    index: int
    has_data: bool
    _values: dict[str, Any] = field(default_factory=dict, repr=False)

    def value(self, key: str) -> Any:
        """Return the value of a keyword as the header types it, None if there is none to be had."""
        raw = self.written.get(key)
        if raw is None:
            return None
        if key not in self._values:
            self._values[key] = _parsed(raw)
        return self._values[key]

    def text(self, *keys: str) -> str | None:
        """Return the first keyword that says something, in one line of printable characters."""
        for key in keys:
            value = self.value(key)
            if value is None or isinstance(value, bool):
                continue
            words = "".join(c if c.isprintable() else " " for c in str(value)).split()
            if words:
                return " ".join(words)[:MAX_TEXT]
        return None

    def number(self, *keys: str) -> float | None:
        """Return the first keyword that is a finite number; numbers in quotes count."""
        for key in keys:
            value = self.value(key)
            if value is None or isinstance(value, (bool, complex)):
                continue
            try:
                number = float(value)
            except (TypeError, ValueError, OverflowError):
                continue
            if math.isfinite(number):
                return number
        return None

    def integer(self, *keys: str) -> int | None:
        """Return the first keyword that is a whole number."""
        for key in keys:
            number = self.number(key)
            if number is not None and number.is_integer():
                return int(number)
        return None

    def comment(self, key: str) -> str:
        """Return the comment of a keyword in lower case, empty if there is none."""
        try:
            return str(fits.Card.fromstring(self.written[key]).comment).lower()
        except STRANGE:
            return ""

    @cached_property
    def name(self) -> str:
        """The name of the extension in upper case, empty if it has none."""
        return (self.text("EXTNAME") or "").upper()

    @cached_property
    def is_table(self) -> bool:
        """Whether the data are a table."""
        return (self.text("XTENSION") or "").upper() in ("BINTABLE", "TABLE", "A3DTABLE")

    @property
    def is_groups(self) -> bool:
        """Whether the data are random groups (FITS 4.0 s6)."""
        return self.value("GROUPS") is True and self.value("NAXIS1") == 0

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """The lengths of the axes, first axis first."""
        count = self.integer("NAXIS") or 0
        return tuple(self.integer(f"NAXIS{axis + 1}") or 0 for axis in range(min(count, MAX_AXES)))

    @cached_property
    def axis_types(self) -> tuple[tuple[int, str], ...]:
        """The number, from 1, and the CTYPE in upper case of each axis that has a CTYPE."""
        count = min(max(self.integer("WCSAXES") or 0, self.integer("NAXIS") or 0), MAX_AXES)
        kinds = ((axis, self.text(f"CTYPE{axis}")) for axis in range(1, count + 1))
        return tuple((axis, kind.upper()) for axis, kind in kinds if kind)


def read_cards(units: tuple[Unit, ...]) -> tuple[Cards, ...]:
    """Return the headers of a file."""
    return tuple(_read_one(index, unit) for index, unit in enumerate(units))


def _read_one(index: int, unit: Unit) -> Cards:
    cards = Cards(_split(_clean(unit.header)), index, unit.data_bytes > 0)
    if cards.is_table and cards.value("ZIMAGE") is True:
        return Cards(_image(cards.written), index, cards.has_data)
    return cards


def _split(header: bytes) -> dict[str, bytes]:
    """Return the first card of each keyword, with the cards that continue it."""
    written: dict[str, bytes] = {}
    last = ""
    for start in range(0, len(header), CARD):
        card = header[start : start + CARD]
        key = card[:8].decode("ascii").rstrip()
        if key == "CONTINUE" and last:
            written[last] += card
            continue
        if key == "HIERARCH":
            key = card[9:].partition(b"=")[0].decode("ascii").strip()
        last = "" if key in written else key
        written.setdefault(key, card)
    return written


def _clean(header: bytes) -> bytes:
    """Return a header without the bytes that headers must not have (FITS 4.0 s3.3.1)."""
    if header.isascii() and header.decode("ascii").isprintable():
        return header
    return bytes(byte if 32 <= byte < 127 else 32 for byte in header)


def _image(written: dict[str, bytes]) -> dict[str, bytes]:
    """Turn the header of a compressed image into that of the image."""
    count = Cards(written, 0, has_data=True).integer("ZNAXIS") or 0
    shown = {key: card for key, card in written.items() if key != "XTENSION" and not key.startswith("NAXIS")}
    for key in ("NAXIS", *(f"NAXIS{axis + 1}" for axis in range(min(count, MAX_AXES)))):
        if f"Z{key}" in written:
            shown[key] = written[f"Z{key}"]
    return shown


def _parsed(raw: bytes) -> Any:
    try:
        value = fits.Card.fromstring(raw).value
    except STRANGE:
        return None
    return None if isinstance(value, fits.card.Undefined) else value
