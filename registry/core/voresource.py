"""Writes ``ri:Resource`` documents (VOResource 1.2, VODataService 1.2, VORegistry 1.1).

The order of children is that of the schemas. Attributes that change without the content, `created` and `updated`, are
set apart by `stamp`, so that a digest of the rest tells whether a record says anything new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from penstock.regext import NAMESPACES, XSI, Capability, Interface, capability_element
from penstock.tables import Schema
from penstock.vosi import tableset_document
from registry.core.record import AUTHORITY_TYPE, REGISTRY_TYPE, Curation, Record

RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
RESOURCE = f"{{{RI}}}Resource"
_WITH_TABLES = "vs:CatalogService"


def resource_element(record: Record, curation: Curation) -> etree._Element:
    """Return the record without its stamps."""
    root = etree.Element(RESOURCE, nsmap={"ri": RI, **NAMESPACES})
    root.set(f"{{{XSI}}}type", record.type)
    root.set("status", "active")
    _add(root, "title", record.title)
    if record.short_name:
        _add(root, "shortName", record.short_name)
    _add(root, "identifier", record.ivoid)
    _add_curation(root, curation)
    _add_content(root, record)
    for capability in record.capabilities:
        root.append(capability_element(_one_method_each(capability)))
    root.extend(_particulars(record, curation))
    return root


def digest(element: etree._Element) -> str:
    """Return a digest of what the record says, whatever the spelling of its XML."""
    return hashlib.sha256(etree.tostring(element, method="c14n")).hexdigest()


def stamp(element: etree._Element, *, created: str, updated: str) -> bytes:
    """Write the record with its stamps, which are UTC in whole seconds (VOResource 1.2 s2.2.4)."""
    element.set("created", created)
    element.set("updated", updated)
    return etree.tostring(element, encoding="UTF-8")


def parse(xml: bytes) -> etree._Element:
    """Read a stored record.

    Raises
    ------
    lxml.etree.XMLSyntaxError
        It is not XML.
    """
    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def rebase(resource: etree._Element, old: str, new: str) -> None:
    """Make URLs in a record that begin with the base URL `old` begin with `new`."""
    for element in resource.iter("accessURL", "referenceURL") if old != new else ():
        text = element.text or ""
        if text.startswith(f"{old}/"):
            element.text = new + text.removeprefix(old)


def _add_curation(root: etree._Element, curation: Curation) -> None:
    element = etree.SubElement(root, "curation")
    _add(element, "publisher", curation.publisher)
    contact = etree.SubElement(element, "contact")
    _add(contact, "name", curation.contact_name)
    _add(contact, "email", curation.contact_email)


def _add_content(root: etree._Element, record: Record) -> None:
    element = etree.SubElement(root, "content")
    for subject in record.subjects:
        _add(element, "subject", subject)
    _add(element, "description", record.text)
    _add(element, "referenceURL", record.reference_url)
    _add(element, "type", record.content_type)
    _add(element, "contentLevel", "Research")


def _particulars(record: Record, curation: Curation) -> Iterator[etree._Element]:
    """Yield the children that the type of the record adds."""
    if record.type == AUTHORITY_TYPE:
        yield _text("managingOrg", curation.publisher)
    elif record.type == REGISTRY_TYPE:
        yield _text("full", "false")
        yield from (_text("managedAuthority", authority) for authority in record.managed_authorities)
    elif record.type == _WITH_TABLES and record.tables:
        yield _tableset(record.tables)


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


def _text(name: str, text: str) -> etree._Element:
    element = etree.Element(name)
    element.text = text
    return element
