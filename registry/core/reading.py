"""Reads of a ``ri:Resource`` what the store keeps beside it."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from registry.core.voresource import TYPE
from xsd.catalogue import prefixes


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What lists show of a record; `type` is its xsi:type with the customary prefix, whatever the record's own is."""

    ivoid: str
    title: str
    type: str
    status: str


def facts_of(resource: etree._Element) -> Facts:
    """Return what a record says at its top; empty texts where it says nothing."""
    return Facts(
        ivoid=text_of(resource, "identifier"),
        title=text_of(resource, "title"),
        type=type_of(resource),
        status=(resource.get("status") or "").strip(),
    )


def text_of(element: etree._Element, path: str) -> str:
    """Return the text at a path with white space made single blanks, empty where there is none."""
    found = element.find(path)
    return "" if found is None else words_of(found)


def words_of(element: etree._Element) -> str:
    """Return the text of an element with white space made single blanks."""
    return " ".join("".join(map(str, element.itertext())).split())


def type_of(element: etree._Element) -> str:
    """Return the xsi:type with the customary prefix of its namespace; empty where its prefix is not declared."""
    given = element.get(TYPE, "").strip()
    prefix, colon, name = given.rpartition(":")
    namespace = element.nsmap.get(prefix if colon else None) if given else None
    if not name or (colon and namespace is None):
        return ""
    customary = prefixes().get(namespace or "", prefix)
    return f"{customary}:{name}" if customary else name
