"""Writes ``ri:Resource`` documents (VOResource 1.2, VODataService 1.2, StandardsRegExt 1.0, VORegistry 1.1).

The order of children is that of the schemas. Attributes that change without the content, `created` and `updated`, are
set apart by `stamp`, so that a digest of the rest tells whether a record says anything new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from penstock import regext
from penstock.regext import XSI, Capability, Interface, capability_element
from penstock.tables import Schema
from penstock.vosi import tableset_document
from registry.core.record import (
    AUTHORITY_TYPE,
    REGISTRY_TYPE,
    WITH_COVERAGE,
    Agent,
    Coverage,
    Curation,
    Endorsed,
    Record,
    Relationship,
)

RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
RESOURCE = f"{{{RI}}}Resource"
TYPE = f"{{{XSI}}}type"
NAMESPACES = {**regext.NAMESPACES, "vstd": "http://www.ivoa.net/xml/StandardsRegExt/v1.0"}
URL_MEMBERS = ("accessURL", "referenceURL", "mirrorURL")


def resource_element(record: Record) -> etree._Element:
    """Return the record without its stamps."""
    root = etree.Element(RESOURCE, nsmap={"ri": RI, **NAMESPACES})
    root.set(TYPE, record.type)
    root.set("status", "active")
    _add(root, "title", record.title)
    _add_if(root, "shortName", record.short_name)
    _add(root, "identifier", record.ivoid)
    _add_curation(root, record.curation)
    _add_content(root, record)
    if record.type != AUTHORITY_TYPE and record.endorsed is None:
        _add_service(root, record)
    root.extend(_particulars(record))
    return root


def digest(element: etree._Element, *more: str) -> str:
    """Return a digest of what the record says apart from its dates, whatever the spelling of its XML.

    `more` counts, too, without being in the record: the base URL that its paths are written with.
    """
    stamps = {name: value for name in ("created", "updated") if (value := element.get(name)) is not None}
    for name in stamps:
        del element.attrib[name]
    hashed = hashlib.sha256(etree.tostring(element, method="c14n"))
    for name, value in stamps.items():
        element.set(name, value)
    for text in more:
        hashed.update(b"\0" + text.encode())
    return hashed.hexdigest()


def stamp(element: etree._Element, *, created: str, updated: str) -> bytes:
    """Write the record with its stamps, which are UTC in whole seconds (VOResource 1.2 s2.2.4)."""
    element.set("created", created)
    element.set("updated", updated)
    return etree.tostring(element, encoding="UTF-8")


def parse(xml: bytes) -> etree._Element:
    """Read a record, and nothing else that it names.

    Raises
    ------
    lxml.etree.XMLSyntaxError
        It is not XML.
    """
    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def rebase(resource: etree._Element, base_url: str) -> None:
    """Put the base URL of the host before URLs of a record that are paths."""
    for element in resource.iter(*URL_MEMBERS):
        if (element.text or "").startswith("/"):
            element.text = f"{base_url}{element.text}"


def _add_curation(root: etree._Element, curation: Curation) -> None:
    element = etree.SubElement(root, "curation")
    element.append(_named("publisher", curation.publisher))
    for creator in curation.creators:
        child = _role("creator", creator)
        _add_if(child, "logo", creator.logo)
        element.append(child)
    element.extend([_named("contributor", one) for one in curation.contributors])
    for contact in curation.contacts:
        child = _role("contact", contact)
        _add_if(child, "address", contact.address)
        _add_if(child, "email", contact.email)
        _add_if(child, "telephone", contact.telephone)
        element.append(child)


def _named(name: str, agent: Agent) -> etree._Element:
    return _text(name, agent.name, {"ivo-id": agent.ivoid} if agent.ivoid else {})


def _role(name: str, agent: Agent) -> etree._Element:
    element = etree.Element(name)
    element.append(_named("name", agent))
    return element


def _add_content(root: etree._Element, record: Record) -> None:
    element = etree.SubElement(root, "content")
    for subject in record.subjects:
        _add(element, "subject", subject)
    _add(element, "description", record.text)
    _add(element, "referenceURL", record.reference_url)
    _add(element, "type", record.content_type)
    _add(element, "contentLevel", "Research")
    element.extend(map(_relationship, record.relationships))


def _relationship(relationship: Relationship) -> etree._Element:
    element = etree.Element("relationship")
    _add(element, "relationshipType", relationship.type)
    for title, ivoid in relationship.related:
        element.append(_text("relatedResource", title, {"ivo-id": ivoid}))
    return element


def _add_service(root: etree._Element, record: Record) -> None:
    for rights in record.curation.rights:
        root.append(_text("rights", rights.text, {"rightsURI": rights.uri} if rights.uri else {}))
    for capability in record.capabilities:
        root.append(capability_element(_one_method_each(capability)))
    if record.type in WITH_COVERAGE:
        for name, values in (("facility", record.facilities), ("instrument", record.instruments)):
            for value in values:
                _add(root, name, value)
        coverage = _coverage(record.coverage)
        if len(coverage):
            root.append(coverage)


def _coverage(coverage: Coverage) -> etree._Element:
    element = etree.Element("coverage")
    _add_if(element, "spatial", coverage.spatial)
    for name, intervals in (("temporal", coverage.temporal), ("spectral", coverage.spectral)):
        for low, high in intervals:
            _add(element, name, f"{low!r} {high!r}")
    for waveband in coverage.wavebands:
        _add(element, "waveband", waveband)
    return element


def _particulars(record: Record) -> Iterator[etree._Element]:
    """Yield the children that the type of the record adds."""
    if record.type == AUTHORITY_TYPE:
        yield _named("managingOrg", record.curation.publisher)
    elif record.type == REGISTRY_TYPE:
        yield _text("full", "false")
        yield from (_text("managedAuthority", authority) for authority in record.managed_authorities)
    elif record.endorsed is not None:
        yield from _standard(record.endorsed)
    elif record.tables:
        yield _tableset(record.tables)


def _standard(endorsed: Endorsed) -> Iterator[etree._Element]:
    yield _text("endorsedVersion", endorsed.version, {"status": "n/a"})
    for name, description in endorsed.keys:
        key = etree.Element("key")
        _add(key, "name", name)
        _add(key, "description", description)
        yield key


def _tableset(schemas: tuple[Schema, ...]) -> etree._Element:
    element = etree.Element("tableset")
    element.extend(list(parse(tableset_document(schemas))))
    return element


def _one_method_each(capability: Capability) -> Capability:
    """Give every security method an interface of its own: VOResource 1.2 allows one in each."""
    interfaces = tuple(one for interface in capability.interfaces for one in _split(interface))
    return replace(capability, interfaces=interfaces)


def _split(interface: Interface) -> Iterator[Interface]:
    for method in interface.security_methods or (None,):
        yield replace(interface, security_methods=(method,) if method else ())


def _add(parent: etree._Element, name: str, text: str) -> None:
    parent.append(_text(name, text))


def _add_if(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        _add(parent, name, text)


def _text(name: str, text: str, attributes: dict[str, str] | None = None) -> etree._Element:
    element = etree.Element(name, attributes or {})
    element.text = text
    return element
