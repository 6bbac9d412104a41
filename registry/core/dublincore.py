"""Writes a VOResource record as unqualified Dublin Core, which every OAI-PMH repository must offer (OAI-PMH 2.0 s2.5).

Which member becomes which element is said by VOResource itself, in the ``dcterm`` notes of its schema.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from penstock.regext import XSI

OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
DC = "http://purl.org/dc/elements/1.1/"
SCHEMA = "http://www.openarchives.org/OAI/2.0/oai_dc.xsd"

TERMS = (
    ("title", "title"),
    ("creator", "curation/creator/name"),
    ("subject", "content/subject"),
    ("description", "content/description"),
    ("publisher", "curation/publisher"),
    ("contributor", "curation/contributor"),
    ("date", "curation/date"),
    ("type", "content/type"),
    ("identifier", "identifier"),
    ("identifier", "content/referenceURL"),
    ("source", "content/source"),
    ("rights", "rights"),
)


def dublin_core(resource: etree._Element) -> etree._Element:
    """Return the ``oai_dc:dc`` element of a ``ri:Resource``."""
    root = etree.Element(f"{{{OAI_DC}}}dc", nsmap={"oai_dc": OAI_DC, "dc": DC, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", f"{OAI_DC} {SCHEMA}")
    for term, text in _values(resource):
        etree.SubElement(root, f"{{{DC}}}{term}").text = text
    return root


def _values(resource: etree._Element) -> Iterator[tuple[str, str]]:
    for term, path in TERMS:
        for element in resource.iterfind(path):
            text = (element.text or "").strip()
            if text:
                yield term, text
