"""What a basket holds: references, and a few words about each.

A reference is a data identifier (``scope:name`` or a publisher DID) or a URL. It never holds a secret: a URL with a
user or a password in it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from penstock.dali.errors import UsageError
from penstock.dali.media import MediaType
from penstock.dali.values import format_timestamp
from penstock.lake.port import Did

MAX_REFERENCE = 2000
MAX_LABEL = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MEMBERS = ("reference", "label", "kind", "mediaType", "size", "job")


class Kind(StrEnum):
    """What a reference leads to."""

    DID = "did"  # a file or collection of the lake
    DATALINK = "datalink"  # a document of links
    TAP = "tap"  # the result of a query
    RESULT = "result"  # a result of a job
    URL = "url"  # anything else


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """Something to be put into a basket; `job` is the id of the job that it comes from."""

    reference: str
    kind: Kind
    label: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something in a basket; ids grow in the order in which things were put in."""

    id: int
    created: datetime
    what: NewItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """A basket; `version` grows with every change, `items` is their number. `owner` is None of an anonymous one."""

    owner: str | None
    name: str
    version: int
    items: int
    created: datetime
    changed: datetime


def basket_name(text: str) -> str:
    """Return `text` if it can name a basket.

    Raises
    ------
    UsageError
        It cannot.
    """
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"{text[:80]!r} cannot name a basket: up to 64 letters, digits, dots, underscores and hyphens can, "
            "the first a letter or digit."
        )
    return text


def read_item(given: object) -> NewItem:
    """Read an item as a caller sends it.

    Raises
    ------
    UsageError
        It is none; the message says why.
    """
    if not isinstance(given, Mapping):
        raise UsageError('An item is an object such as {"reference": "scope:name"}.')
    unknown = [str(name) for name in given if name not in _MEMBERS]
    if unknown:
        raise UsageError(f"An item has no member {unknown[0][:40]!r}; it takes {', '.join(_MEMBERS)}.")
    reference = _text(given, "reference", MAX_REFERENCE)
    if reference is None:
        raise UsageError("An item needs a reference: scope:name, a publisher DID or a URL.")
    kind = _text(given, "kind", MAX_LABEL)
    media_type = _text(given, "mediaType", MAX_LABEL)
    if media_type is not None and MediaType.parse(media_type) is None:
        raise UsageError(f"mediaType={media_type[:80]!r} is no media type.")
    return NewItem(
        reference=checked_reference(reference),
        kind=kind_of(reference) if kind is None else _kind(kind),
        label=_text(given, "label", MAX_LABEL),
        media_type=media_type,
        size_bytes=_size(given.get("size")),
        job=_text(given, "job", MAX_LABEL),
    )


def checked_reference(text: str) -> str:
    """Return `text` if it can be a reference.

    Raises
    ------
    UsageError
        It is neither a data identifier nor a URL, or it holds a user name or password.
    """
    if text.lower().startswith("ivo://"):
        return text
    if not _URL.match(text):
        Did.parse(text)
        return text
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.scheme != "file"
    except ValueError:
        known = False
    if not known:
        raise UsageError(f"{text[:80]!r} is no URL that others could follow.")
    if "@" in parts.netloc:
        raise UsageError("A reference may not hold a user name or password.")
    return text


def kind_of(reference: str) -> Kind:
    """Return what a reference seems to lead to."""
    if reference.lower().startswith("ivo://") or not _URL.match(reference):
        return Kind.DID
    path = urlsplit(reference).path
    if path.endswith("/links"):
        return Kind.DATALINK
    return Kind.RESULT if "/results/" in path else Kind.URL


def item_json(item: Item) -> dict[str, Any]:
    """Return an item as JSON shows it; what is not known is left out."""
    what = item.what
    shown = {
        "id": item.id,
        "reference": what.reference,
        "kind": what.kind,
        "label": what.label,
        "mediaType": what.media_type,
        "size": what.size_bytes,
        "job": what.job,
        "created": format_timestamp(item.created),
    }
    return {name: value for name, value in shown.items() if value is not None}


def basket_json(basket: Basket) -> dict[str, Any]:
    """Return a basket as JSON shows it, without its items."""
    return {
        "name": basket.name,
        "size": basket.items,
        "created": format_timestamp(basket.created),
        "changed": format_timestamp(basket.changed),
    }


def _text(given: Mapping[str, object], name: str, most: int) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value or len(value) > most or not value.isprintable():
        raise UsageError(f"{name} is a text of up to {most} printable characters.")
    return value


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError as error:
        raise UsageError(f"kind={text[:40]!r} is not one of {', '.join(Kind)}.") from error


def _size(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise UsageError("size is a number of bytes.")
    return value
