"""Where, when and at which energies a resource has data (VODataService 1.2 s3.3; RegTAP 1.2 s8.15 to s8.17)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from penstock.moc import MocError, parse_moc
from registry.core.regtap.values import Row, clean, number, text_of

_CELESTIAL = {None, "icrs"}
_INTERVALS = {
    "temporal": ("stc_temporal", "time_start", "time_end"),
    "spectral": ("stc_spectral", "spectral_start", "spectral_end"),
}


def coverage_rows(record: etree._Element) -> Iterator[tuple[str, Row]]:
    """Yield the rows of the three tables.

    Areas on other bodies than the sky are left out, since the column for their frame is to be NULL.
    """
    for spatial in record.iterfind("coverage/spatial"):
        coverage = text_of(spatial)
        frame = clean(spatial.get("frame"))
        if coverage and (frame and frame.lower()) in _CELESTIAL and _is_moc(coverage):
            yield "stc_spatial", {"coverage": coverage, "ref_system_name": None}
    for name, (table, start, end) in _INTERVALS.items():
        for element in record.iterfind(f"coverage/{name}"):
            interval = _interval(text_of(element))
            if interval:
                yield table, {start: interval[0], end: interval[1]}


def _is_moc(text: str) -> bool:
    try:
        parse_moc(text)
    except MocError:
        return False
    return True


def _interval(text: str | None) -> tuple[float, float] | None:
    numbers = [value for value in map(number, (text or "").split()) if value is not None]
    return (min(numbers), max(numbers)) if len(numbers) == 2 else None
