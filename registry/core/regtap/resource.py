"""What a record says of the resource as a whole: title and text, roles, subjects, dates, relationships."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from registry.core.regtap.values import (
    Row,
    clean,
    folded,
    folded_list,
    instant,
    number,
    text_of,
    texts,
    type_of,
)
from registry.core.regtap.vocabulary import date_role, relationship_type

DEFAULT_DATE_ROLE = "representative"


def resource_rows(record: etree._Element) -> Iterator[tuple[str, Row]]:
    """Yield the rows of ``resource`` and of the tables that hang on it alone."""
    yield "resource", _resource(record)
    for role in _roles(record):
        if role.get("role_name") or role.get("role_ivoid"):
            yield "res_role", role
    for subject in dict.fromkeys(texts(record, "content/subject")):
        yield "res_subject", {"res_subject": subject}
    yield from _dates(record)
    yield from _relationships(record)
    paths = ("altIdentifier", "curation/creator/altIdentifier")
    for identifier in dict.fromkeys(text for path in paths for text in texts(record, path)):
        yield "alt_identifier", {"alt_identifier": identifier}
    yield from validation_rows(record)


def _resource(record: etree._Element) -> Row:
    source, rights = record.find("content/source"), record.find("rights")
    return {
        "res_type": type_of(record),
        "created": instant(record.get("created")),
        "short_name": text_of(record, "shortName"),
        "res_title": text_of(record, "title"),
        "updated": instant(record.get("updated")),
        "content_level": folded_list(record, "content/contentLevel"),
        "res_description": text_of(record, "content/description"),
        "reference_url": text_of(record, "content/referenceURL"),
        "creator_seq": "; ".join(texts(record, "curation/creator/name")) or None,
        "content_type": folded_list(record, "content/type"),
        "source_format": folded(source.get("format")) if source is not None else None,
        "source_value": text_of(source),
        "res_version": text_of(record, "curation/version"),
        "region_of_regard": number(text_of(record, "coverage/regionOfRegard")),
        "waveband": folded_list(record, "coverage/waveband"),
        "rights": text_of(rights),
        "rights_uri": clean(rights.get("rightsURI")) if rights is not None else None,
    }


def _roles(record: etree._Element) -> Iterator[Row]:
    """Yield who does what; each role has only what VOResource gives it (RegTAP 1.2 s8.2)."""
    for contact in record.iterfind("curation/contact"):
        yield {
            **_named("contact", contact.find("name")),
            "street_address": text_of(contact, "address"),
            "email": text_of(contact, "email"),
            "telephone": text_of(contact, "telephone"),
        }
    for publisher in record.iterfind("curation/publisher"):
        yield _named("publisher", publisher)
    for creator in record.iterfind("curation/creator"):
        yield {**_named("creator", creator.find("name")), "logo": text_of(creator, "logo")}
    for contributor in record.iterfind("curation/contributor"):
        yield _named("contributor", contributor)


def _named(role: str, name: etree._Element | None) -> Row:
    return {
        "base_role": role,
        "role_name": text_of(name),
        "role_ivoid": folded(name.get("ivo-id")) if name is not None else None,
    }


def _dates(record: etree._Element) -> Iterator[tuple[str, Row]]:
    for date in record.iterfind("curation/date"):
        value = instant(text_of(date))
        if value is not None:
            role = folded(date.get("role")) or DEFAULT_DATE_ROLE
            yield "res_date", {"date_value": value, "value_role": date_role(role)}


def _relationships(record: etree._Element) -> Iterator[tuple[str, Row]]:
    """Yield a row for each resource of each relationship (RegTAP 1.2 s8.10)."""
    for relationship in record.iterfind("content/relationship"):
        kind = relationship_type(folded(text_of(relationship, "relationshipType")))
        for related in relationship.iterfind("relatedResource"):
            yield (
                "relationship",
                {
                    "relationship_type": kind,
                    "related_id": folded(related.get("ivo-id")),
                    "related_name": text_of(related),
                },
            )


def validation_rows(element: etree._Element, cap_index: int | None = None) -> Iterator[tuple[str, Row]]:
    """Yield what validators found of a record or of one of its capabilities."""
    for found in element.iterfind("validationLevel"):
        level = text_of(found) or ""
        if level.isascii() and level.isdigit() and len(level) == 1:
            yield (
                "validation",
                {
                    "validated_by": folded(found.get("validatedBy")),
                    "val_level": int(level),
                    "cap_index": cap_index,
                },
            )
