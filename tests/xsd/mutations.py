"""Break a document in every systematic way: each rule of a schema is touched by some mutation."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from lxml import etree

BAD_TEXTS = ("", "not ~ a value", "-1", "99999999999", "2026-13-01", "2026-01-01T00:00:00+01:00", " 1 ", "ivo://a")
BAD_VALUES = ("", "not ~ a value", "-1", "TRUE", "ivo://a/b")
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def mutations(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """Yield a name and a broken copy for each mutation of each element."""
    for index, element in enumerate(root.iter(etree.Element)):
        where = f"{index} {etree.QName(element).localname}"
        for name, apply in (*_of_structure(element), *_of_text(element), *_of_attributes(element)):
            copy = deepcopy(root)
            target = list(copy.iter(etree.Element))[index]
            apply(target)
            yield f"{where}: {name}", copy


def _drop(e):
    e.getparent().remove(e)


def _duplicate(e):
    e.addnext(deepcopy(e))


def _swap(e):
    e.getnext().addnext(e)


def _rename(e):
    e.tag = f"{e.tag}X"


def _move(e):
    e.tag = f"{{urn:other}}{etree.QName(e).localname}"


def _unqualify(e):
    e.tag = etree.QName(e).localname


def _intrude(e):
    e.append(etree.Element("{urn:other}intruder"))


def _empty(e):
    for child in list(e):
        e.remove(child)


def _of_structure(element):
    yield from (("renamed", _rename), ("other namespace", _move), ("no namespace", _unqualify), ("intruder", _intrude))
    if len(element):
        yield "emptied", _empty
    if element.getparent() is not None:
        yield from (("dropped", _drop), ("duplicated", _duplicate))
    if element.getnext() is not None:
        yield "swapped with the next", _swap


def _of_text(element):
    def set_text(text):
        def apply(e):
            e.text = text

        return apply

    for text in BAD_TEXTS:
        if not len(element) or text == "not ~ a value":
            yield f"text {text!r}", set_text(text)


def _of_attributes(element):
    def set_attribute(name, value):
        def apply(e):
            e.set(name, value)

        return apply

    def unset(name):
        def apply(e):
            del e.attrib[name]

        return apply

    yield "unknown attribute", set_attribute("unknown", "1")
    yield "foreign attribute", set_attribute("{urn:other}unknown", "1")
    yield "nil", set_attribute(XSI_NIL, "true")
    for name in element.attrib:
        yield f"without @{name}", unset(name)
        for value in BAD_VALUES:
            yield f"@{name}={value!r}", set_attribute(name, value)
