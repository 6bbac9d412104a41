"""Read a VOSI capabilities document into the few facts that discovery and checks need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from conformance.documents import XSI_TYPE

TAP = "ivo://ivoa.net/std/tap"
UWS = "ivo://ivoa.net/std/uws#rest-1.1"
DATALINK = "ivo://ivoa.net/std/datalink#links-1"
SODA = "ivo://ivoa.net/std/soda#sync-1."
SODA_JOBS = "ivo://ivoa.net/std/soda#async-1."
SIA = "ivo://ivoa.net/std/sia#query-2."
SCS = "ivo://ivoa.net/std/conesearch"
PLANNER = "#accepts-1."  # no authority owns it yet, nor the next
BROKER = "#requests-1."
REGISTRY = "ivo://ivoa.net/std/registry"
VOSI_CAPABILITIES = "ivo://ivoa.net/std/vosi#capabilities"
VOSI_AVAILABILITY = "ivo://ivoa.net/std/vosi#availability"
VOSI_TABLES = "ivo://ivoa.net/std/vosi#tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface of a capability; `kind` is its xsi:type without the prefix."""

    kind: str
    role: str
    version: str
    urls: tuple[tuple[str, str], ...]
    test_query: str

    @property
    def url(self) -> str:
        """The first access URL; empty without one."""
        return self.urls[0][1] if self.urls else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """A capability; `standard_id` is in lower case, because IVOA identifiers are compared without regard to case."""

    standard_id: str
    kind: str
    interfaces: tuple[Interface, ...]
    element: etree._Element


def capabilities(root: etree._Element) -> tuple[Capability, ...]:
    """Read a capabilities document."""
    return tuple(
        Capability(
            standard_id=one.get("standardID", "").strip().lower(),
            kind=_kind(one),
            interfaces=tuple(_interface(child) for child in one.iterfind("{*}interface")),
            element=one,
        )
        for one in root.iterfind("{*}capability")
    )


def of_standard(found: Iterable[Capability], prefix: str) -> list[Capability]:
    """Return the capabilities whose standardID starts with a prefix."""
    return [one for one in found if one.standard_id.startswith(prefix)]


def _interface(element: etree._Element) -> Interface:
    urls = tuple((one.get("use", ""), (one.text or "").strip()) for one in element.iterfind("{*}accessURL"))
    test = element.find("{*}testQueryString")
    return Interface(
        kind=_kind(element),
        role=element.get("role", ""),
        version=element.get("version", ""),
        urls=tuple(pair for pair in urls if pair[1]),
        test_query="" if test is None else (test.text or "").strip(),
    )


def _kind(element: etree._Element) -> str:
    return str(element.get(XSI_TYPE, "")).rpartition(":")[2]
