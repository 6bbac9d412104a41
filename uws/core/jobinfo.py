"""jobInfo: a JSON object as XML elements, and back (UWS 1.1 s2.2.2.2 leaves its content to the service).

Each member is an element of our namespace, nested objects are nested elements. What a plain string is not is said by
attributes: ``type`` is number, boolean, null, object or array; ``array="true"`` marks an item of an array, which
repeats its element; an array without items, or within another, is one element of ``type="array"``. A name that is no
XML name is escaped as ``_xHHHH_``. A string that XML cannot carry is a JSON string, with ``type="json"``.

Elements of other services are kept as they are, as canonical XML: ``{"$xml": ["<a/>"]}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from penstock.dali.errors import UsageError
from uws.core.text import is_xml_text

NAMESPACE = "urn:penstock:jobinfo"
FOREIGN = "$xml"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_ESCAPE = re.compile(r"_x([0-9a-f]{4,6})_")
_ITEM = "item"


def fill_info(element: etree._Element, info: Mapping[str, Any]) -> None:
    """Write the members of `info` as children of a jobInfo element."""
    if is_foreign(info):
        element.extend(_parse(text) for text in info[FOREIGN])
        return
    for name, value in info.items():
        _add_member(element, name, value)


def read_info(element: etree._Element) -> dict[str, Any]:
    """Read a jobInfo element."""
    children = list(element.iterchildren(etree.Element))
    if any(etree.QName(child).namespace != NAMESPACE for child in children):
        return {
            FOREIGN: [
                etree.tostring(child, method="c14n", exclusive=True, with_tail=False).decode() for child in children
            ]
        }
    return _read_object(children)


def is_foreign(info: Mapping[str, Any]) -> bool:
    """Tell whether this is what another service wrote."""
    return set(info) == {FOREIGN} and isinstance(info[FOREIGN], list)


def _parse(text: str) -> etree._Element:
    try:
        return etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except (etree.XMLSyntaxError, ValueError, TypeError) as error:
        raise UsageError(f"A member of jobInfo's {FOREIGN} is not XML: {error}") from error


def _add_member(parent: etree._Element, name: str, value: Any) -> None:
    if isinstance(value, (list, tuple)) and value:
        for item in value:
            _add(parent, name, item).set("array", "true")
    else:
        _add(parent, name, value)


def _add(parent: etree._Element, name: str, value: Any) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{_escape(name)}")
    match value:
        case str() if is_xml_text(value):
            element.text = value
        case str():
            _typed(element, "json", json.dumps(value))
        case None:
            _typed(element, "null", None)
        case bool():
            _typed(element, "boolean", json.dumps(value))
        case int() | float():
            _typed(element, "number", json.dumps(value))
        case Mapping():
            element.set("type", "object")
            for key, member in value.items():
                _add_member(element, key, member)
        case _:
            element.set("type", "array")
            for item in value:
                _add(element, _ITEM, item)
    return element


def _typed(element: etree._Element, kind: str, text: str | None) -> None:
    element.set("type", kind)
    element.text = text


def _read_object(children: Iterable[etree._Element]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for child in children:
        name = _unescape(etree.QName(child).localname)
        if child.get("array") == "true":
            members.setdefault(name, []).append(_read(child))
        else:
            members[name] = _read(child)
    return members


def _read(element: etree._Element) -> Any:
    text = element.text or ""
    match element.get("type"):
        case "null":
            return None
        case "number" | "boolean" | "json":
            try:
                return json.loads(text)
            except ValueError as error:
                raise UsageError(f"{text[:40]!r} in jobInfo is not what its type says.") from error
        case "object":
            return _read_object(element.iterchildren(etree.Element))
        case "array":
            return [_read(child) for child in element.iterchildren(etree.Element)]
        case _:
            return text


def _escape(name: str) -> str:
    escaped = _ESCAPE.sub(lambda match: f"_x005f_{match[0][1:]}", name)
    if _NAME.fullmatch(escaped):
        return escaped
    kept = "".join(char if re.fullmatch(r"[A-Za-z0-9_.-]", char, re.ASCII) else _code(char) for char in escaped)
    return kept if _NAME.fullmatch(kept) else _code(kept[0]) + kept[1:] if kept else _EMPTY


def _code(char: str) -> str:
    return f"_x{ord(char):04x}_"


_EMPTY = "_x10ffff_"  # the name "": no text holds this code point


def _unescape(name: str) -> str:
    return "" if name == _EMPTY else _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)
