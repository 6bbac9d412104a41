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
        The text of a query (TAP 1.1 s2.6); None for a service that is not asked in a query language.
    description
        What it does, one paragraph.
    tables
        Tables that the query reads.
    generic_parameters
        Parameters and values, for services without a query language.
    capability
        The standardID of the capability that the example is for.
    """

    id: str
    name: str
    query: str | None = None
    description: str | None = None
    tables: tuple[str, ...] = ()
    generic_parameters: tuple[tuple[str, str], ...] = ()
    capability: str | None = None


def examples_document(title: str, examples: Iterable[Example], *, continuations: Iterable[str] = ()) -> bytes:
    """Write the document; `continuations` are URLs of documents with more examples."""
    html = etree.Element(f"{{{_XHTML}}}html", {"lang": "en"}, nsmap=_NAMESPACES)
    head = _add(html, "head")
    _add(head, "title", title)
    _add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "style", _STYLE)
    body = _add(html, "body", vocab=VOCABULARY)
    _add(body, "h1", title)
    for example in examples:
        _add_example(body, example)
    for url in continuations:
        _add(_add(body, "p"), "a", "More examples", property="continuation", href=url)
    return etree.tostring(html, xml_declaration=True, encoding="UTF-8", doctype="<!DOCTYPE html>", pretty_print=True)


def _add(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{_XHTML}}}{tag}", attributes)
    element.text = text
    return element


def _add_example(body: etree._Element, example: Example) -> None:
    element = _add(body, "div", id=example.id, resource=f"#{example.id}", typeof="example")
    _add(element, "h2", example.name, property="name")
    if example.description is not None:
        _add(element, "p", example.description)
    if example.query is not None:
        _add(element, "pre", example.query, property="query")
    _add_values(element, "table", example.tables)
    _add_values(element, "capability", (example.capability,) if example.capability else ())
    for key, value in example.generic_parameters:
        pair = _add(element, "p", property="generic-parameter", typeof="keyval")
        _add(pair, "span", key, property="key").tail = " = "
        _add(pair, "span", value, property="value")


def _add_values(parent: etree._Element, prop: str, values: tuple[str, ...]) -> None:
    """Add one line of values; the blanks between them stand outside, as a property is pure text."""
    if values:
        line = _add(parent, "p", f"{prop}: ")
        for value in values:
            _add(line, "span", value, property=prop).tail = " "
