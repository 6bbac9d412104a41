"""A VOTable document around one table: everything but the rows (VOTable 1.5 s3, DALI 1.2 s5.4).

::

    VOTABLE
     ├─ RESOURCE type="results"
     │   ├─ DESCRIPTION
     │   ├─ INFO name="QUERY_STATUS" value="OK", then all others
     │   ├─ LINK*
     │   ├─ TABLE: DESCRIPTION, FIELD+, DATA
     │   └─ INFO name="QUERY_STATUS" value="OVERFLOW" or "ERROR", when that shows only after the rows
     └─ RESOURCE type="meta" utype="adhoc:service"*   (DataLink 1.1 s4)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

from lxml import etree

from penstock.dali.formats import VotableVersion
from penstock.votable.model import ByIdentity, Field

Version = VotableVersion

# The namespace of 1.3 serves all later versions; the attribute `version` tells them apart (VOTable 1.5 s3).
NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"

_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAMESPACES: Any = {None: NAMESPACE}  # the stubs do not know a default namespace
_CUT = ("rows", "here")
_CUT_INFOS = ("infos", "here")
_INFO_INDENT = "    "
_END = b"</VOTABLE>"


class QueryStatus(StrEnum):
    """How a query went (DALI 1.2 s5.4)."""

    OK = "OK"
    OVERFLOW = "OVERFLOW"
    ERROR = "ERROR"


class Serialization(StrEnum):
    """How rows are written (VOTable 1.5 s5); the values are the elements' names."""

    TABLEDATA = "TABLEDATA"
    BINARY2 = "BINARY2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A fact about the document: a pair of words with an optional text (VOTable 1.5 s4.8)."""

    name: str
    value: str
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A pointer to something outside (VOTable 1.5 s3.7)."""

    href: str
    content_role: str | None = None
    content_type: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Param(Field):
    """A parameter: a field with one value, or one that takes its values from the column with ID `ref`.

    `minimum`, `maximum` and `options` say what a caller may put in (DataLink 1.1 s4.3).
    """

    value: str = ""
    ref: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDescriptor:
    """How to call a service with values of the table (DataLink 1.1 s4).

    `id` is what `service_def` in a row of links refers to. `params` hold accessURL, standardID and the like;
    `inputs` become the GROUP inputParams. `utype` is ``adhoc:this`` where a service describes itself.
    """

    id: str
    params: tuple[Param, ...]
    inputs: tuple[Param, ...] = ()
    name: str | None = None
    description: str | None = None
    utype: Literal["adhoc:service", "adhoc:this"] = "adhoc:service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document with one table; `fields` describe the columns of its rows.

    QUERY_STATUS stands before all other `infos` and need not be among them.
    """

    fields: tuple[Field, ...]
    infos: tuple[Info, ...] = ()
    description: str | None = None
    table_name: str | None = None
    table_description: str | None = None
    links: tuple[Link, ...] = ()
    services: tuple[ServiceDescriptor, ...] = ()
    version: Version = "1.4"


class Frame:
    """A document without its infos and rows: all that answers to the same query have in common, written once.

    Without a serialization its table has no DATA: it tells of a table that is elsewhere.
    """

    def __init__(self, document: Document, serialization: Serialization | None) -> None:
        root = _root(document.version)
        results = _child(root, "RESOURCE", type="results")
        _describe(results, document.description)
        _add_infos(results, (Info(name="QUERY_STATUS", value=QueryStatus.OK),))
        results.append(etree.ProcessingInstruction(*_CUT_INFOS))
        for link in document.links:
            _add_link(results, link)
        _add_table(results, document, serialization)
        results.append(etree.ProcessingInstruction(*_CUT_INFOS))
        for service in document.services:
            _add_service(root, service)
        header, footer = _serialised(root).split("<?{} {}?>".format(*_CUT).encode())
        info_line = "{}<?{} {}?>\n".format(_INFO_INDENT, *_CUT_INFOS).encode()
        self._before_infos, self._after_infos = header.split(info_line)
        self._before_trailing, self._after_trailing = footer.split(info_line)

    def header(self, infos: tuple[Info, ...]) -> bytes:
        """Return the bytes before the rows."""
        return b"".join((self._before_infos, _info_lines(infos), self._after_infos))

    def footer(self, trailing: tuple[Info, ...] = (), services: Iterable[ServiceDescriptor] = ()) -> bytes:
        """Return the bytes after the rows; `services` are those that only the rows made known."""
        before, end, rest = self._after_trailing.rpartition(_END)
        more = (_service_lines(ByIdentity(service)) for service in services)
        return b"".join((self._before_trailing, _info_lines(trailing), before, *more, end, rest))


def error_document(message: str, *, infos: tuple[Info, ...] = (), version: Version = "1.4") -> bytes:
    """Return the document that tells of an error in place of a result (DALI 1.2 s5.4.2)."""
    root = _root(version)
    results = _child(root, "RESOURCE", type="results")
    _add_infos(results, (Info(name="QUERY_STATUS", value=QueryStatus.ERROR, text=message), *infos))
    return _serialised(root)


def _root(version: Version) -> etree._Element:
    return etree.Element(f"{{{NAMESPACE}}}VOTABLE", nsmap=_NAMESPACES, version=version)


def _serialised(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _child(parent: etree._Element, tag: str, /, **attributes: str | None) -> etree._Element:
    """Add an element; an underscore in an attribute's name stands for a hyphen, None leaves the attribute out."""
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}")
    for key, value in attributes.items():
        if value is not None:
            element.set(key.replace("_", "-"), _legal(value))
    return element


def _legal(text: str) -> str:
    """Leave out the characters that XML 1.0 cannot hold (XML 1.0 s2.2)."""
    return _ILLEGAL_IN_XML.sub("", text)


def _describe(parent: etree._Element, description: str | None) -> None:
    if description:
        _child(parent, "DESCRIPTION").text = _legal(description)


def _add_infos(parent: etree._Element, infos: tuple[Info, ...]) -> None:
    for info in infos:
        element = _child(parent, "INFO", name=info.name, value=info.value)
        if info.text is not None:
            element.text = _legal(info.text)


def _info_lines(infos: tuple[Info, ...]) -> bytes:
    """Write infos as they stand in the results, where the namespace is declared above them."""
    lines = []
    for info in infos:
        element = etree.Element("INFO", name=_legal(info.name), value=_legal(info.value))
        if info.text is not None:
            element.text = _legal(info.text)
        lines.append(b"%b%b\n" % (_INFO_INDENT.encode(), etree.tostring(element, encoding="UTF-8")))
    return b"".join(lines)


def _add_link(parent: etree._Element, link: Link) -> None:
    attributes = {"content_role": link.content_role, "content_type": link.content_type, "title": link.title}
    _child(parent, "LINK", href=link.href, **attributes)


def _add_table(parent: etree._Element, document: Document, serialization: Serialization | None) -> None:
    parent.append(deepcopy(_table(document.fields, document.table_name, document.table_description, serialization)))


@lru_cache(maxsize=128)
def _table(
    fields: tuple[Field, ...], name: str | None, description: str | None, serialization: Serialization | None
) -> etree._Element:
    """Make the TABLE element; queries ask for the same columns again and again, and a copy costs a tenth."""
    table = etree.Element(f"{{{NAMESPACE}}}TABLE", nsmap=_NAMESPACES)
    if name is not None:
        table.set("name", _legal(name))
    _describe(table, description)
    seen: set[str] = set()
    for field in fields:
        # A column that was selected twice has its ID only once: an XML ID is unique.
        identifier = None if field.id in seen else field.id
        seen.update({field.id} if field.id else ())
        _describe(_add_field(table, "FIELD", field, identifier), field.description)
    holder = table if serialization is None else _child(_child(table, "DATA"), serialization)
    if serialization is Serialization.BINARY2:
        holder = _child(holder, "STREAM", encoding="base64")
    # Text never contains a processing instruction, so the one place where the document is cut is certain.
    holder.append(etree.ProcessingInstruction(*_CUT))
    return table


def _add_field(parent: etree._Element, element: str, field: Field, identifier: str | None) -> etree._Element:
    return _child(
        parent,
        element,
        ID=identifier,
        name=field.name,
        datatype=field.datatype,
        arraysize=field.arraysize,
        xtype=field.xtype,
        unit=field.unit,
        ucd=field.ucd,
        utype=field.utype,
    )


def _add_service(root: etree._Element, service: ServiceDescriptor) -> None:
    resource = _child(root, "RESOURCE", type="meta", utype=service.utype, ID=service.id, name=service.name)
    _describe(resource, service.description)
    for param in service.params:
        _add_param(resource, param)
    if service.inputs:
        group = _child(resource, "GROUP", name="inputParams")
        for param in service.inputs:
            _add_param(group, param)


@lru_cache(maxsize=256)
def _service_lines(service: ByIdentity[ServiceDescriptor]) -> bytes:
    """Write a service as it stands at the end of a document, where the namespace is declared above it."""
    root = etree.Element("ROOT", nsmap=_NAMESPACES)
    _add_service(root, service.held)
    written = etree.tostring(root, encoding="UTF-8", pretty_print=True)
    return written[written.index(b"  <RESOURCE") : written.rindex(b"</ROOT>")]


def _add_param(parent: etree._Element, param: Param) -> None:
    element = _add_field(parent, "PARAM", param, param.id)
    element.set("value", _legal(param.value))
    if param.ref is not None:
        element.set("ref", param.ref)
    _describe(element, param.description)
    if param.minimum is None and param.maximum is None and not param.options:
        return
    values = _child(element, "VALUES")
    for name, value in (("MIN", param.minimum), ("MAX", param.maximum)):
        if value is not None:
            _child(values, name, value=value)
    for option in param.options:
        _child(values, "OPTION", value=option)
