"""The documents of VOSI 1.1: capabilities, availability, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lxml import etree

from penstock.dali.values import format_timestamp
from penstock.identifiers import qualified_name, query_ready
from penstock.regext import NAMESPACES, XSI, Capability, Interface, capability_element
from penstock.tables import Column, ForeignKey, Schema, Table

__all__ = [
    "Availability",
    "Capability",
    "availability_document",
    "capabilities_document",
    "find_table",
    "table_document",
    "tableset_document",
    "vosi_capabilities",
]

_AVAILABILITY = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
_CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
_TABLES = "http://www.ivoa.net/xml/VOSITables/v1.0"
_STANDARD = "ivo://ivoa.net/std/VOSI"

Detail = Literal["min", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether a service can do its work (VOSI 1.1 s3.2); times are aware, `notes` say what is wrong."""

    available: bool
    up_since: datetime | None = None
    down_at: datetime | None = None
    back_at: datetime | None = None
    notes: tuple[str, ...] = ()


def availability_document(availability: Availability) -> bytes:
    """Write the availability document."""
    root = etree.Element(f"{{{_AVAILABILITY}}}availability", nsmap={"vosi": _AVAILABILITY})
    children = [("available", "true" if availability.available else "false")]
    times = (("upSince", availability.up_since), ("downAt", availability.down_at), ("backAt", availability.back_at))
    children += [(name, format_timestamp(instant)) for name, instant in times if instant is not None]
    children += [("note", note) for note in availability.notes]
    for name, text in children:
        etree.SubElement(root, f"{{{_AVAILABILITY}}}{name}").text = text
    return _serialise(root)


def capabilities_document(capabilities: Iterable[Capability]) -> bytes:
    """Write the capabilities document."""
    root = etree.Element(f"{{{_CAPABILITIES}}}capabilities", nsmap={"vosi": _CAPABILITIES, **NAMESPACES})
    root.extend(map(capability_element, capabilities))
    return _serialise(root)


def vosi_capabilities(base_url: str, *, tables: bool = False) -> tuple[Capability, ...]:
    """Return the capabilities that every service with VOSI endpoints has (VOSI 1.1 s3.1, s4, TAP 1.1 s2.4).

    Parameters
    ----------
    base_url
        Of the service, without a slash at its end.
    tables
        The service has /tables too.
    """
    endpoints: list[tuple[str, str, str | None]] = [
        ("#capabilities", "capabilities", None),
        ("#availability", "availability", None),
    ]
    if tables:
        endpoints += [("#tables", "tables", None), ("#tables-1.1", "tables", "1.1")]
    return tuple(
        Capability(
            standard_id=_STANDARD + fragment,
            interfaces=(Interface(access_url=f"{base_url}/{path}", use="full", role="std", version=version),),
        )
        for fragment, path, version in endpoints
    )


def tableset_document(schemas: Iterable[Schema], detail: Detail = "max") -> bytes:
    """Write the tables of a service; ``min`` leaves out columns and keys (VOSI 1.1 s3.3)."""
    root = _tables_root("tableset")
    for schema in schemas:
        element = etree.SubElement(root, "schema")
        _add_texts(element, name=query_ready(schema.name), description=schema.description, utype=schema.utype)
        for table in schema.tables:
            _fill_table(etree.SubElement(element, "table"), schema, table, detail)
    return _serialise(root)


def table_document(schema: Schema, table: Table) -> bytes:
    """Write one table, with all that is known of it (VOSI 1.1 s3.3)."""
    root = _tables_root("table")
    _fill_table(root, schema, table, "max")
    return _serialise(root)


def find_table(schemas: Sequence[Schema], name: str) -> tuple[Schema, Table] | None:
    """Return the table of a query-ready name and its schema; the case counts only where two would match."""
    named = {qualified_name(schema.name, table.name): (schema, table) for schema in schemas for table in schema.tables}
    if name in named:
        return named[name]
    return next((found for known, found in named.items() if known.casefold() == name.casefold()), None)


def _tables_root(name: str) -> etree._Element:
    return etree.Element(f"{{{_TABLES}}}{name}", nsmap={"vosi": _TABLES, **NAMESPACES})


def _fill_table(element: etree._Element, schema: Schema, table: Table, detail: Detail) -> None:
    element.set("type", table.table_type)
    name = qualified_name(schema.name, table.name)
    _add_texts(element, name=name, description=table.description, utype=table.utype)
    if detail == "max":
        element.extend(map(_column, table.columns))
        element.extend(map(_foreign_key, table.foreign_keys))


def _column(column: Column) -> etree._Element:
    element = etree.Element("column", {"std": "true" if column.std else "false"})
    _add_texts(
        element,
        name=query_ready(column.name),
        description=column.description,
        unit=column.unit,
        ucd=column.ucd,
        utype=column.utype,
    )
    datatype = etree.SubElement(element, "dataType", {f"{{{XSI}}}type": "vs:VOTableType"})
    datatype.text = column.datatype
    if column.arraysize is not None:
        datatype.set("arraysize", column.arraysize)
    if column.xtype is not None:
        datatype.set("extendedType", column.xtype)
    for flag, is_set in (("indexed", column.indexed), ("principal", column.principal)):
        if is_set:
            etree.SubElement(element, "flag").text = flag
    return element


def _foreign_key(key: ForeignKey) -> etree._Element:
    element = etree.Element("foreignKey")
    _add_texts(element, targetTable=key.target_table)
    for from_column, target_column in key.pairs:
        pair = etree.SubElement(element, "fkColumn")
        _add_texts(pair, fromColumn=query_ready(from_column), targetColumn=query_ready(target_column))
    _add_texts(element, description=key.description, utype=key.utype)
    return element


def _add_texts(parent: etree._Element, **texts: str | None) -> None:
    for name, text in texts.items():
        if text is not None:
            etree.SubElement(parent, name).text = text


def _serialise(root: etree._Element) -> bytes:
    etree.cleanup_namespaces(root, keep_ns_prefixes=list(NAMESPACES))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
