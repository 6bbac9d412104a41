"""Judge a document by the schemas of an edition, with libxml2 and without a network.

The schemas of an edition are compiled once, when they are first needed, from a driver that imports them all. What
a document says about where its schemas are (`xsi:schemaLocation`) is removed before it is judged, because libxml2
would go and read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Final, cast

from lxml import etree

from xsd.catalogue import Edition, SchemaEntry, entries, prefixes

XS: Final = "http://www.w3.org/2001/XMLSchema"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
RECORDS: Final = frozenset({"http://www.openarchives.org/OAI/2.0/", "http://www.ivoa.net/xml/RegistryInterface/v1.0"})
LOCATIONS: Final = (f"{{{XSI}}}schemaLocation", f"{{{XSI}}}noNamespaceSchemaLocation")

_compiling = Lock()
_judging = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong in a document: the line, where in the tree, and what."""

    line: int
    path: str
    message: str


class Unreadable(Exception):
    """A document that cannot be judged, because it cannot be read."""

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.finding = Finding(line=line, path="/", message=message)


class NotAllowed(Exception):
    """A schema or a document asked for a file that is not of this catalogue."""


def validate(document: bytes | etree._Element, *, edition: Edition | None = None) -> list[Finding]:
    """Judge a document; an empty list means that it is valid.

    Parameters
    ----------
    document
        The bytes as they came, or a parsed root element, which is not changed.
    edition
        The versions to judge by. Without one, OAI-PMH answers and registry records are judged as records, and all
        else as documents of an endpoint.
    """
    try:
        root = bare(document)
    except Unreadable as error:
        return [error.finding]
    schema = compiled(edition or edition_of(root))
    with _judging:
        if schema.validate(root):
            return []
        return [_finding(error) for error in cast("Iterable[etree._LogEntry]", schema.error_log)]


def edition_of(root: etree._Element) -> Edition:
    """Return the edition that a document is judged by, from the namespace of its root."""
    return Edition.RECORD if etree.QName(root).namespace in RECORDS else Edition.ENDPOINT


def bare(document: bytes | etree._Element) -> etree._Element:
    """Return a copy of the document that names no schema, parsed with entities, DTD and network off.

    Raises
    ------
    Unreadable
        If the bytes are not XML, or the document needs an entity of its own to be read.
    """
    try:
        root = deepcopy(document) if isinstance(document, etree._Element) else etree.fromstring(document, _parser())
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"not well-formed XML: {error.msg}", line=error.lineno or 1) from error
    for entity in root.iter(etree.Entity):
        raise Unreadable(f"the entity {entity.text} is not expanded", line=cast("int", entity.sourceline))
    for element in root.iter(etree.Element):
        for name in LOCATIONS:
            if name in element.attrib:
                del element.attrib[name]
    return root


def driver(edition: Edition) -> bytes:
    """Return the schema that imports every schema of an edition."""
    root = etree.Element(f"{{{XS}}}schema", nsmap={"xs": XS}, targetNamespace="urn:penstock:xsd:driver")
    for entry in entries(edition):
        location = entry.file.resolve().as_uri()
        etree.SubElement(root, f"{{{XS}}}import", namespace=entry.namespace, schemaLocation=location)
    return etree.tostring(root)


def compiled(edition: Edition) -> etree.XMLSchema:
    """Return the compiled schemas of an edition."""
    with _compiling:
        return _compile(edition)


@cache
def _compile(edition: Edition) -> etree.XMLSchema:
    parser = _parser()
    parser.resolvers.add(_Offline(entries(edition)))
    return etree.XMLSchema(etree.fromstring(driver(edition), parser))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False)


class _Offline(etree.Resolver):
    """Open the files of an edition and what they include; refuse the rest."""

    def __init__(self, known: tuple[SchemaEntry, ...]) -> None:
        super().__init__()
        files = {file for entry in known for file in (entry.file, *entry.file.parent.glob("*-common.xsd"))}
        self._known = {file.resolve().as_uri() for file in files} | {str(file.resolve()) for file in files}

    # the stubs do not know the third argument
    def resolve(self, system_url: str | None, public_id: str | None, context: object) -> None:  # type: ignore[override]
        """Let libxml2 open a known file itself; anything else is an error."""
        if system_url in self._known:
            return
        raise NotAllowed(f"a schema asked for {system_url}, which is not in the catalogue")


def _finding(error: etree._LogEntry) -> Finding:
    return Finding(line=error.line, path=error.path or "/", message=prefixed(error.message))


def prefixed(text: str) -> str:
    """Write the names of a message with customary prefixes instead of whole namespaces."""

    def short(match: re.Match[str]) -> str:
        prefix = prefixes().get(match[1])
        return f"{prefix}:" if prefix else match[0]

    return re.sub(r"\{([^{}\s]+)\}", short, text)
