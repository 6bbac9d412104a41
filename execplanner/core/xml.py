"""The documents of the Execution Broker in XML.

Upstream has no XML schema, only hints in its OpenAPI. Ours, ``xsd/schemas/own/ExecutionBroker-1.0.xsd``, follows them:
no namespace, `kind` is an attribute, lists are wrapped. What a shape does not know, because its kind is somebody
else's, is written as elements by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from execplanner.core.model import ROOTS
from execplanner.core.reading import MAX_DEPTH, too_deep
from execplanner.core.shapes import Anything, Items, Kinded, Names, Record, Shape, Text
from penstock.dali.errors import UsageError

XML_TYPES = frozenset({"application/xml", "text/xml"})
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)


def read_xml(body: bytes, root: str) -> dict[str, Any]:
    """Read a document; every value is text.

    Parameters
    ----------
    root
        The name of the document, one of `ROOTS`: another root element is an error.

    Raises
    ------
    UsageError
        It is not well-formed, has a DTD or entities, is too deep, or is another document.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        found = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise UsageError(f"The document is not XML: {str(error.msg)[:200]}.") from error
    except ValueError as error:
        raise UsageError("The document is not XML in a known encoding.") from error
    if found.getroottree().docinfo.internalDTD is not None:
        raise UsageError("A DTD is not read in an XML document.")
    name = etree.QName(found).localname
    if name != root:
        raise UsageError(f"The root element is {name[:80]!r}; {root!r} is expected.")
    value: dict[str, Any] = _value(ROOTS[root], found, 0)
    return value


def _value(shape: Shape | None, element: etree._Element, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise too_deep()
    match shape:
        case Items():
            return [_value(shape.of, child, depth + 1) for child in element]
        case Names():
            return {child.get("name", etree.QName(child).localname): child.text or "" for child in element}
        case Record():
            return _children(shape.members, element, depth)
        case Kinded():
            kind = element.get("kind") or element.findtext("kind") or ""
            return _children(_all_members(shape), element, depth) | ({"kind": kind} if kind else {})
        case None | Anything() if len(element):
            return _children({}, element, depth)
        case _:
            return (element.text or "").strip() if len(element) == 0 else _refuse(element)


def _refuse(element: etree._Element) -> str:
    raise UsageError(f"The element {etree.QName(element).localname[:80]!r} holds elements where text is expected.")


def _children(members: Mapping[str, Shape], element: etree._Element, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in element:
        name = etree.QName(child).localname
        if name in found:
            raise UsageError(f"The element {name[:80]!r} occurs twice in one group of the document.")
        found[name] = _value(members.get(name), child, depth + 1)
    return found


def _all_members(shape: Kinded) -> dict[str, Shape]:
    """Return the members of every kind: members of one name differ at most in what their text means."""
    members = dict(shape.common)
    for known in shape.kinds.values():
        members.update(known)
    return members


def write_xml(root: str, document: Mapping[str, Any]) -> bytes:
    """Write a document whose kinds are URIs."""
    element = _element(root, ROOTS[root], document)
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


def _element(name: str, shape: Shape | None, value: Any) -> etree._Element:
    element = etree.Element(name)
    match shape:
        case Items():
            element.extend([_element(shape.tag, shape.of, one) for one in value])
        case Names():
            for key, text in value.items():
                etree.SubElement(element, shape.tag, {"name": key}).text = text
        case Record():
            element.extend(_in_order(shape.members, value))
        case Kinded():
            if "kind" in value:
                element.set("kind", value["kind"])
            element.extend(_in_order(_all_members(shape), value))
        case Text() | Anything() | None if isinstance(value, Mapping | list):
            element.extend(_unknown(value))
        case _:
            element.text = _text(value)
    return element


def _in_order(members: Mapping[str, Shape], value: Mapping[str, Any]) -> Iterator[etree._Element]:
    """Yield the members in the order of the schema, then what it does not know."""
    for name, shape in members.items():
        if name in value:
            yield _element(name, shape, value[name])
    for name, one in value.items():
        if name not in members and name != "kind" and _NAME.fullmatch(name):
            yield _element(name, None, one)


def _unknown(value: Mapping[str, Any] | list[Any]) -> Iterator[etree._Element]:
    pairs = value.items() if isinstance(value, Mapping) else (("item", one) for one in value)
    for name, one in pairs:
        if _NAME.fullmatch(name):
            yield _element(name, None, one)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
