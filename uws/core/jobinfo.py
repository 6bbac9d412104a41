"""jobInfo: a JSON object as XML elements, and back (UWS 1.1 s2.2.2.2 leaves its content to the service).

Each member is an element without a namespace, nested objects are nested elements. What a plain string is not is said by
attributes: ``type`` is number, boolean, null, object or array; ``array="true"`` marks an item of an array, which
repeats its element; an array without items, or within another, is one element of ``type="array"``. A name that is no
XML name is escaped as ``_xHHHH_``. A string that XML cannot carry is a JSON string, with ``type="json"``.

Whatever other services write is read as members where these would be written as the same XML again; anything else is
kept as it is, as canonical XML: ``{"$xml": ["<a:b xmlns:a=\\"urn:a\\"/>"]}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson
from lxml import etree

from penstock.dali.errors import UsageError
from uws.core.text import is_xml_text

FOREIGN = "$xml"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_ESCAPE = re.compile(r"_x([0-9a-f]{4,6})_")
_ITEM = "item"
_MOST_LEVELS = 200  # these functions call themselves for each level


def fill_info(element: etree._Element, info: Mapping[str, Any]) -> None:
    """Write the members of `info` as children of a jobInfo element."""
    if is_foreign(info):
        element.extend(_parse(text) for text in info[FOREIGN])
        return
    for name, value in info.items():
        _add_member(element, name, value)


def read_info(element: etree._Element) -> dict[str, Any]:
    """Read a jobInfo element.

    Raises
    ------
    UsageError
        It is nested too deeply.
    """
    if sum(1 for _ in _levels([element], list)) > _MOST_LEVELS:
        raise _too_deep()
    children = list(element.iterchildren(etree.Element))
    for child in children:
        _strip(child)
    try:
        info = orjson.loads(orjson.dumps(_read_object(children)))  # numbers and texts may be none of JSON
        require_shallow(info)
        again = etree.Element(element.tag)
        fill_info(again, info)
    except (UsageError, ValueError, TypeError):
        return {FOREIGN: _canonical(children)}
    return info if _canonical(again) == _canonical(children) else {FOREIGN: _canonical(children)}


def require_shallow(info: Mapping[str, Any]) -> None:
    """See that a jobInfo can be written.

    Raises
    ------
    UsageError
        It is nested too deeply.
    """
    if sum(1 for _ in _levels([info], _inner)) > _MOST_LEVELS:
        raise _too_deep()


def _levels(here: list[Any], inner: Callable[[Any], Iterable[Any]]) -> Iterator[None]:
    """Yield once for each level below."""
    while here := [child for each in here for child in inner(each)]:
        yield None


def _inner(value: Any) -> Iterable[Any]:
    match value:
        case Mapping():
            return value.values()
        case list():
            return value
        case _:
            return ()


def _too_deep() -> UsageError:
    return UsageError(f"The jobInfo is nested more than {_MOST_LEVELS} levels deep.")


def _strip(element: etree._Element) -> None:
    """Leave out the white space between elements."""
    for each in element.iter(etree.Element):
        if len(each) and not (each.text or "").strip():
            each.text = None
        if each is not element and not (each.tail or "").strip():
            each.tail = None


def _canonical(elements: Iterable[etree._Element]) -> list[str]:
    return [etree.tostring(each, method="c14n", exclusive=True, with_tail=False).decode() for each in elements]


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
    element = etree.SubElement(parent, _escape(name))
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
