"""Sizes and durations as the Execution Planner note writes them: ``8G``, ``60s``, ``5m`` (note s4).

``k M G T P`` are powers of 1000, ``Ki Mi Gi Ti Pi`` of 1024, with or without a ``B``. Durations have one of ``s m h d``
or are ISO 8601 without years and months, whose lengths vary. A number without a unit is refused: the note leaves open
what it would mean.
"""

from __future__ import annotations

import math
import re

from penstock.dali.errors import UsageError

_NUMBER = r"(\d{1,15}(?:\.\d{1,9})?)"
_SIZE = re.compile(rf"{_NUMBER}\s*([kKMGTP]?)(i?)B?", re.ASCII)
_DURATION = re.compile(rf"{_NUMBER}\s*(s|m|min|h|d)", re.ASCII)
_ISO = re.compile(
    rf"P(?:{_NUMBER}W|(?:{_NUMBER}D)?(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)", re.ASCII
)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_ISO_SECONDS = (7 * 86_400, 86_400, 3600, 60, 1)


def parse_count(pointer: str, text: str) -> int:
    """Read a number of things, at least one; `pointer` says where it stood.

    Raises
    ------
    UsageError
        It is none.
    """
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII) or int(text) == 0:
        raise UsageError(f"{pointer}: {text[:40]!r} is not a whole number above zero.")
    return int(text)


def parse_size(pointer: str, text: str) -> int:
    """Read a size in bytes.

    Raises
    ------
    UsageError
        It is no positive size with a unit.
    """
    match = _SIZE.fullmatch(text.strip())
    has_unit = match is not None and (match[2] or text.strip().endswith("B"))
    if match is None or not has_unit or (match[3] and not match[2]) or float(match[1]) == 0:
        raise UsageError(f"{pointer}: {text[:40]!r} is not a size such as 8G or 512Mi.")
    unit: int = (1024 if match[3] else 1000) ** _POWERS[match[2].upper()]
    return round(float(match[1]) * unit)


def parse_duration(pointer: str, text: str) -> float:
    """Read a duration in seconds.

    Raises
    ------
    UsageError
        It is no duration with a unit.
    """
    stripped = text.strip()
    if match := _DURATION.fullmatch(stripped):
        return float(match[1]) * _SECONDS[match[2]]
    match = _ISO.fullmatch(stripped)
    if match is None or not any(match.groups()):
        raise UsageError(f"{pointer}: {text[:40]!r} is not a duration such as 60s, 5m or PT1H.")
    return sum(float(part) * seconds for part, seconds in zip(match.groups("0"), _ISO_SECONDS, strict=True))


def format_size(size_bytes: int) -> str:
    """Write a size with the largest unit of which it is a whole number."""
    for symbol in ("P", "T", "G", "M", "k"):
        unit = 1000 ** _POWERS[symbol.upper()]
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit}{symbol}"
    return f"{size_bytes}B"


def format_duration(seconds: float) -> str:
    """Write a duration in whole seconds, never shorter than it is."""
    return f"{math.ceil(seconds)}s"
