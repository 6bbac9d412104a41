"""Durations, instants and intervals of ISO 8601, as far as the Execution Broker has them.

Intervals are start/end or start/duration; a lone instant is an interval of no length. Those that count back from their
end, and those that repeat, are refused, as the working draft of 2025 wants it. Years and months have no fixed length
and are refused in durations. An instant without a zone is taken for UTC, and that is told.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(
    r"(?P<minus>-?)P(?=\d|T\d)(?:(?P<Y>\d{1,6})Y)?(?:(?P<M>\d{1,6})M)?(?:(?P<W>\d{1,9})W)?(?:(?P<D>\d{1,9})D)?"
    r"(?:T(?=\d)(?:(?P<h>\d{1,9})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,12}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"T?(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?\s*(Z|[+-]\d\d:?\d\d)?)?", re.ASCII | re.IGNORECASE
)
_SECONDS = {"W": 7 * 86_400, "D": 86_400, "h": 3600, "m": 60, "s": 1}
LONGEST_S = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When something may start: from `start` to `end`, aware; `zoneless` tells that UTC was assumed."""

    start: datetime
    end: datetime
    zoneless: bool = False


def parse_iso_duration(text: str) -> float:
    """Read a duration in seconds.

    Raises
    ------
    ValueError
        It is none that has one length above zero; the message is a sentence for the caller.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not an ISO 8601 duration such as PT1H30M or P2D")
    if match["Y"] or match["M"]:
        raise ValueError("has years or months, whose length varies: say it in weeks, days or hours")
    seconds = math.fsum(float(match[name] or 0) * factor for name, factor in _SECONDS.items())
    if match["minus"] or not 0 < seconds <= LONGEST_S:
        raise ValueError("is not a duration above zero and below ten years")
    return seconds


def format_iso_duration(seconds: float) -> str:
    """Write a duration in days, hours, minutes and seconds, rounded up to whole seconds."""
    left, parts = math.ceil(seconds), ""
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    for value, unit in ((hours, "H"), (minutes, "M"), (left, "S")):
        parts += f"{value}{unit}" if value else ""
    if not days and not parts:
        return "PT0S"
    return "P" + (f"{days}D" if days else "") + (f"T{parts}" if parts else "")


def parse_instant(text: str) -> tuple[datetime, bool]:
    """Read an instant; return it in UTC, and whether its zone had to be assumed.

    Raises
    ------
    ValueError
        It is none.
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not an instant such as 2026-01-31T12:00:00Z")
    date, clock, seconds, zone = match.groups()
    spelt = f"{date}T{clock or '00:00'}{(seconds or ':00')[:10]}{(zone or '').upper()}"
    try:
        found = datetime.fromisoformat(spelt)
    except ValueError as error:
        raise ValueError("is not an instant of the calendar") from error
    if found.tzinfo is None:
        return found.replace(tzinfo=UTC), True
    try:
        return found.astimezone(UTC), False
    except OverflowError as error:
        raise ValueError("is not an instant of the calendar") from error


def parse_window(text: str) -> Window:
    """Read an interval in which something may start.

    Raises
    ------
    ValueError
        It is none that is understood; the message is a sentence for the caller.
    """
    first, slash, second = text.strip().partition("/")
    if "/" in second or re.match(r"R\d*$", first.strip()):
        raise ValueError("repeats: give one interval")
    if first.strip().startswith("P"):
        raise ValueError("counts back from its end: give start/end or start/duration")
    start, zoneless = parse_instant(first)
    if not slash:
        return Window(start=start, end=start, zoneless=zoneless)
    end, zoneless_end = _end_of(start, first, second.strip())
    if end < start:
        raise ValueError("ends before it starts")
    return Window(start=start, end=end, zoneless=zoneless or zoneless_end)


def _end_of(start: datetime, first: str, text: str) -> tuple[datetime, bool]:
    if text.startswith(("P", "-P")):
        seconds = 0.0 if re.fullmatch(r"PT?0[DWHMS](?:0S)?|PT0S", text) else parse_iso_duration(text)
        try:
            return start + timedelta(seconds=seconds), False
        except OverflowError as error:
            raise ValueError("is not an interval of the calendar") from error
    if match := _TIME.fullmatch(text):  # only what differs from the start is repeated
        zone = match[2] or (first.strip()[19:] if len(first.strip()) > 19 else "")
        return parse_instant(f"{first.strip()[:10]}T{match[1]}{zone}")
    return parse_instant(text)


def to_ms(time: datetime) -> int:
    """Return an instant as whole milliseconds since 1970."""
    return round(time.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return the instant of `to_ms`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
