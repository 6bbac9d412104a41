"""Values of records as the tables hold them: blanks, case, lists, dates, types (RegTAP 1.2 s4, s5)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from lxml import etree

Value: TypeAlias = str | int | float | None
Row: TypeAlias = Mapping[str, Value]

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PREFIXES = {
    "ConeSearch": "cs",
    "RegistryInterface": "ri",
    "SIA": "sia",
    "SLAP": "slap",
    "SSA": "ssap",
    "TAPRegExt": "tr",
    "VORegistry": "vg",
    "VOResource": "vr",
    "VODataService": "vs",
    "StandardsRegExt": "vstd",
    "DocRegExt": "doc",
}
_NAMESPACE = re.compile(r"http://www\.ivoa\.net/xml/(\w+)/v[0-9.]+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?\s*(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_TRUTHS = {"true": 1, "1": 1, "false": 0, "0": 0}


def clean(text: str | None) -> str | None:
    """Return a text with single blanks between its words, None if it has none (RegTAP 1.2 s4.1, s4.2)."""
    return " ".join((text or "").split()) or None


def folded(text: str | None) -> str | None:
    """Return a text cleaned and in lower case (RegTAP 1.2 s4.3)."""
    cleaned = clean(text)
    return cleaned.lower() if cleaned else None


def text_of(element: etree._Element | None, path: str | None = None) -> str | None:
    """Return the text of an element or of the first one at a path within it, comments and children left out."""
    found = element.find(path) if element is not None and path else element
    if found is None:
        return None
    return clean("".join([found.text or "", *(child.tail or "" for child in found)]))


def texts(element: etree._Element, path: str) -> Iterator[str]:
    """Yield the texts at a path that are not empty."""
    for found in element.iterfind(path):
        text = text_of(found)
        if text:
            yield text


def hash_list(values: Iterable[str]) -> str | None:
    """Return values with # between them, each once."""
    return "#".join(dict.fromkeys(values)) or None


def folded_list(element: etree._Element, path: str) -> str | None:
    """Return the texts at a path in lower case with # between them."""
    return hash_list(text.lower() for text in texts(element, path))


def type_of(element: etree._Element | None) -> str | None:
    """Return the xsi:type with the prefix that everybody uses, in lower case (RegTAP 1.2 s5)."""
    name = clean(element.get(XSI_TYPE)) if element is not None else None
    if element is None or name is None:
        return None
    prefix, colon, local = name.rpartition(":")
    match = _NAMESPACE.fullmatch(element.nsmap.get(prefix or None) or "")
    known = _PREFIXES.get(match[1]) if match else None
    return (f"{known}:{local}" if known else f"{prefix}{colon}{local}").lower()


def instant(text: str | None) -> str | None:
    """Return a date as ``YYYY-MM-DDThh:mm:ss`` in UTC, None if it is none."""
    written = clean(text) or ""
    if not _INSTANT.fullmatch(written):
        return None
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def number(text: str | None) -> float | None:
    """Return a number, None for what is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(value) else value


def truth(text: str | None) -> int | None:
    """Return 1 or 0 for what XML Schema takes for true or false, else None."""
    return _TRUTHS.get(folded(text) or "")
