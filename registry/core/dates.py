"""Dates of records as others write them: UTC is demanded, other forms are met (VOResource 1.1 s2.2.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from registry.core.oai import format_stamp

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


def read_date(text: str) -> tuple[str | None, str | None]:
    """Return the date as a stamp in whole seconds, None if it is none, and what is wrong with how it is written."""
    match = _STAMP.fullmatch(text.strip())
    if match is None:
        return None, f"{text[:40]!r} is not a date"
    day, time, zone = match.groups()
    written = f"{day}T{time or '00:00:00'}{'+00:00' if zone in {None, 'Z'} else zone}"
    try:
        stamp = format_stamp(datetime.fromisoformat(written).astimezone(UTC))
    except (ValueError, OverflowError):
        return None, f"{text[:40]!r} is not a date"
    if time and zone is None:
        return stamp, f"{text[:40]!r} has no zone; it is taken for UTC"
    if zone not in {None, "Z"}:
        return stamp, f"{text[:40]!r} is not in UTC"
    return stamp, None
