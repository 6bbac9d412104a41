"""Values of parameters, parsed once into what they mean (DALI 1.2 s3).

Every parser takes the parameter's name first, so that an error can say which one was wrong and what it accepts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|NaN|[+-]?Inf(?:inity)?", re.IGNORECASE)
_BOOLEANS = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}
_TIMESTAMP = re.compile(
    r"""(?P<year>\d{4})
        (?:-(?P<month>\d\d)(?:-(?P<day>\d\d))? | (?P<compact_month>\d\d)(?P<compact_day>\d\d))?
        (?:[T ](?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:\.(?P<fraction>\d{1,12}))?)?)?
        \ ?(?P<offset>Z|[+-]\d\d:?\d\d)?""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_UPLOAD = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_]*),(?P<uri>[A-Za-z][A-Za-z0-9+.-]*:\S+)")
_NEXT_UPLOAD = re.compile(r";(?=[A-Za-z][A-Za-z0-9_]*,|$)")
_UTC_OFFSETS = {None, "Z", "z", "+00:00", "-00:00", "+0000", "-0000"}
_LONG = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A closed interval; infinite ends are open ones (DALI 1.2 s3.4)."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A table that comes with the request (DALI 1.2 s4.3.5); `uri` is ``param:part`` or a URL."""

    name: str
    uri: str


def refuse(name: str, text: str, accepted: str) -> UsageError:
    """Return the error for a value that its parameter does not take; `accepted` completes "it takes ..."."""
    return UsageError(f"{name}={text[:80]!r} cannot be understood: it takes {accepted}.")


def parse_bool(name: str, text: str) -> bool:
    """Read ``true``, ``t`` or ``1``, ``false``, ``f`` or ``0``, in any case (DALI 1.2 s3.2)."""
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise refuse(name, text, "true or false")
    return value


def parse_int(name: str, text: str, *, minimum: int = -_LONG, maximum: int = _LONG - 1) -> int:
    """Read an integer between two bounds, both included; by default of 64 bits."""
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped) and minimum <= int(stripped) <= maximum:
        return int(stripped)
    bounds = [f" from {minimum}" if minimum > -_LONG else "", f" up to {maximum}" if maximum < _LONG - 1 else ""]
    raise refuse(name, text, "an integer" + "".join(bounds))


def parse_float(name: str, text: str) -> float:
    """Read a floating-point number, NaN and infinities included (DALI 1.2 s3.1)."""
    stripped = text.strip()
    if not _FLOAT.fullmatch(stripped):
        raise refuse(name, text, "a number")
    return float(stripped)


def parse_floats(name: str, text: str, accepted: str) -> tuple[float, ...]:
    """Read numbers separated by white space, none of them NaN."""
    words = text.split()
    if len(words) > 20_000 or not all(_FLOAT.fullmatch(word) for word in words):
        raise refuse(name, text, accepted)
    numbers = tuple(float(word) for word in words)
    if any(math.isnan(number) for number in numbers):
        raise refuse(name, text, accepted)
    return numbers


def parse_interval(name: str, text: str) -> Interval:
    """Read two numbers, the lower first; ``-Inf`` and ``+Inf`` leave an end open (DALI 1.2 s3.4)."""
    accepted = "two numbers, the lower first, with -Inf and +Inf for open ends"
    numbers = parse_floats(name, text, accepted)
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise refuse(name, text, accepted)
    return Interval(lower=numbers[0], upper=numbers[1])


def parse_timestamp(name: str, text: str) -> datetime:
    """Read an instant as UTC.

    Written ``YYYY-MM-DDThh:mm:ss.sssZ`` (DALI 1.2 s3.3); a space for the T, fewer or more parts, the compact form
    without separators and a missing Z are taken too. An offset other than zero is refused: times are UTC.
    """
    accepted = "a time in UTC such as 2026-11-21T10:15:00.000Z"
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None or match["offset"] not in _UTC_OFFSETS:
        raise refuse(name, text, accepted)
    if match["hour"] and not (match["day"] or match["compact_day"]):
        raise refuse(name, text, accepted)
    try:
        return datetime(
            int(match["year"]),
            int(match["month"] or match["compact_month"] or 1),
            int(match["day"] or match["compact_day"] or 1),
            int(match["hour"] or 0),
            int(match["minute"] or 0),
            int(match["second"] or 0),
            int((match["fraction"] or "0")[:6].ljust(6, "0")),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise refuse(name, text, accepted) from error


def format_timestamp(instant: datetime) -> str:
    """Write an aware instant as ``YYYY-MM-DDThh:mm:ss.SSSZ``: the one form that every client reads.

    Raises
    ------
    ValueError
        The instant is naive.
    """
    if instant.tzinfo is None:
        raise ValueError("a naive time has no place in UTC")
    in_utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")[:-6] + "Z"


def format_float(number: float) -> str:
    """Write a number with the fewest digits that read back as the same (DALI 1.2 s3.1)."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return repr(number)


def maxrec(params: Parameters) -> int | None:
    """Return MAXREC, None where it was not given (DALI 1.2 s4.3.4)."""
    text = params.single("MAXREC")
    if text is None or not text.strip():
        return None
    return parse_int("MAXREC", text, minimum=0)


def runid(params: Parameters) -> str | None:
    """Return RUNID, None where it was not given (DALI 1.2 s4.3.6)."""
    text = params.single("RUNID")
    if text is not None and (len(text) > 64 or not text.isprintable()):
        raise refuse("RUNID", text, "at most 64 printable characters")
    return text


def uploads(params: Parameters) -> tuple[Upload, ...]:
    """Return every UPLOAD, repeated or joined with semicolons (DALI 1.2 s4.3.5).

    Raises
    ------
    UsageError
        One is not ``name,uri``, or two have the same name.
    """
    found = []
    for value in params.all("UPLOAD"):
        for text in filter(None, (piece.strip() for piece in _NEXT_UPLOAD.split(value))):
            match = _UPLOAD.fullmatch(text)
            if match is None:
                raise refuse("UPLOAD", text, "name,uri, where the name is letters, digits and underscores")
            found.append(Upload(name=match["name"], uri=match["uri"]))
    names = [upload.name.upper() for upload in found]
    if len(set(names)) < len(names):
        raise UsageError("UPLOAD names the same table twice.")
    return tuple(found)
