"""The document of ``/examples``: queries that a person reads and a client extracts (DALI 1.2 s2.3).

It is XHTML with RDFa: one vocabulary on an ancestor, an element per example with `id`, `resource` and `typeof`, and
elements with `property` within. The content of a property is pure text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lxml import etree

VOCABULARY = "http://www.ivoa.net/rdf/examples#"
MEDIA_TYPE = "application/xhtml+xml"
_XHTML = "http://www.w3.org/1999/xhtml"
_STYLE = "body { margin: 1rem; font-family: sans-serif; overflow-wrap: anywhere; } pre { white-space: pre-wrap; }"
_NAMESPACES: Any = {None: _XHTML}  # the stubs do not know a default namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An example.

    Parameters
    ----------
    id
        An XML name, unique in the document.
    name
        A short title.
    query
        The text of a query (TAP 1.1 s2.6).
    description
        What it does, one paragraph.
    tables
        Tables that the query reads.
    """

    id: str
    name: str
    query: str
    description: str
    tables: tuple[str, ...]


def examples_document(title: str, examples: Iterable[Example]) -> bytes:
    """Write the document."""
    html = etree.Element(f"{{{_XHTML}}}html", {"lang": "en"}, nsmap=_NAMESPACES)
    head = _add(html, "head")
    _add(head, "title", title)
    _add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "style", _STYLE)
    body = _add(html, "body", vocab=VOCABULARY)
    _add(body, "h1", title)
    for example in examples:
        _add_example(body, example)
    return etree.tostring(html, xml_declaration=True, encoding="UTF-8", doctype="<!DOCTYPE html>", pretty_print=True)


def _add(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{_XHTML}}}{tag}", attributes)
    element.text = text
    return element


def _add_example(body: etree._Element, example: Example) -> None:
    element = _add(body, "div", id=example.id, resource=f"#{example.id}", typeof="example")
    _add(element, "h2", example.name, property="name")
    _add(element, "p", example.description)
    _add(element, "pre", example.query, property="query")
    line = _add(element, "p", "table: ")
    for table in example.tables:  # the blanks between them stand outside, as a property is pure text
        _add(line, "span", table, property="table").tail = " "
