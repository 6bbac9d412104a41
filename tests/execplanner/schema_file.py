"""Writes the XML schema of the broker's documents from the shapes that read and write them.

``python -m tests.execplanner.schema_file`` writes ``xsd/schemas/own/ExecutionBroker-1.0.xsd``; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lxml import etree

from execplanner.core.model import ROOTS
from execplanner.core.shapes import Anything, Flag, Items, Kinded, Names, Real, Record, Shape, Text, Whole
from tests.support.systems import ROOT

FILE = ROOT / "xsd" / "schemas" / "own" / "ExecutionBroker-1.0.xsd"
XS = "http://www.w3.org/2001/XMLSchema"
ABOUT = (
    "The documents of the Execution Broker in XML. Upstream publishes an OpenAPI document (1.0.7) with hints for XML "
    "and no schema; this one follows the hints. Made from the shapes in execplanner.core.model: do not edit."
)


def schema() -> bytes:
    """Return the schema."""
    root = etree.Element(f"{{{XS}}}schema", nsmap={"xs": XS}, elementFormDefault="unqualified")
    etree.SubElement(etree.SubElement(root, f"{{{XS}}}annotation"), f"{{{XS}}}documentation").text = ABOUT
    for name, shape in ROOTS.items():
        root.append(_element(name, shape))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _element(name: str, shape: Shape, **occurs: str) -> etree._Element:  # noqa: C901  # one case for each shape
    element = etree.Element(f"{{{XS}}}element", {"name": name, **occurs})
    match shape:
        case Text(options=()):
            element.set("type", "xs:string")
        case Text():
            restricted = etree.SubElement(etree.SubElement(element, f"{{{XS}}}simpleType"), f"{{{XS}}}restriction")
            restricted.set("base", "xs:string")
            for option in shape.options:
                etree.SubElement(restricted, f"{{{XS}}}enumeration", value=option)
        case Whole():
            element.set("type", "xs:long")
        case Real():
            element.set("type", "xs:double")
        case Flag():
            element.set("type", "xs:boolean")
        case Anything():
            element.set("type", "xs:anyType")
        case Names():
            value = _listed(element, shape.tag)
            extended = etree.SubElement(
                etree.SubElement(etree.SubElement(value, f"{{{XS}}}complexType"), f"{{{XS}}}simpleContent"),
                f"{{{XS}}}extension",
                base="xs:string",
            )
            etree.SubElement(extended, f"{{{XS}}}attribute", {"name": "name", "type": "xs:string", "use": "required"})
        case Items():
            inner = etree.SubElement(etree.SubElement(element, f"{{{XS}}}complexType"), f"{{{XS}}}sequence")
            inner.append(_element(shape.tag, shape.of, minOccurs="0", maxOccurs="unbounded"))
        case Record():
            _sequence(element, shape.members, [])
        case Kinded():
            _kinded(element, shape)
    return element


def _listed(element: etree._Element, tag: str) -> etree._Element:
    inner = etree.SubElement(etree.SubElement(element, f"{{{XS}}}complexType"), f"{{{XS}}}sequence")
    return etree.SubElement(inner, f"{{{XS}}}element", {"name": tag, "minOccurs": "0", "maxOccurs": "unbounded"})


def _kinded(element: etree._Element, shape: Kinded) -> None:
    """The members of all kinds may stand, in the order in which they are written; which, the kind says."""
    members = dict(shape.common)
    for known in shape.kinds.values():
        for name, one in known.items():
            members[name] = one if members.get(name, one) == one else Text()
    _sequence(element, members, ["kind"])


def _sequence(element: etree._Element, members: Mapping[str, Shape], attributes: list[str]) -> None:
    holder = etree.SubElement(element, f"{{{XS}}}complexType")
    sequence = etree.SubElement(holder, f"{{{XS}}}sequence")
    for name, one in members.items():
        sequence.append(_element(name, one, minOccurs="0"))
    for name in attributes:
        etree.SubElement(holder, f"{{{XS}}}attribute", {"name": name, "type": "xs:anyURI", "use": "required"})


if __name__ == "__main__":
    Path(FILE).write_bytes(schema())
