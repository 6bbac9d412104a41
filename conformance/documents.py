"""Read the documents of the standards: XML, UWS jobs, VOTables. What cannot be read is a violation, with a sentence."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from lxml import etree

import xsd
from conformance import official
from conformance.client import Reply
from conformance.model import Violation, require

XML_TYPES: Final = frozenset({"text/xml", "application/xml"})
VOTABLE_TYPES: Final = XML_TYPES | {"application/x-votable+xml", "text/x-votable+xml"}
XSI_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
XLINK_HREF: Final = "{http://www.w3.org/1999/xlink}href"
XSI_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")


def succeeded(reply: Reply) -> Reply:
    """Return the reply if its status is 200."""
    require(reply.status == 200, f"{reply.url} answered {reply.status} instead of 200")
    return reply


def xml(reply: Reply, root: str = "") -> etree._Element:
    """Parse a reply with status 200, an XML media type, and the root element `root`."""
    succeeded(reply)
    told = reply.headers.get("Content-Type", "no Content-Type")
    require(
        reply.media_type in VOTABLE_TYPES,
        f"{reply.url} says that it is {told}, where XML is due",
        "Send text/xml or application/xml.",
    )
    return parsed(reply, root)


def parsed(reply: Reply, root: str = "") -> etree._Element:
    """Parse a reply as XML, whatever its status and media type."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        element = etree.fromstring(reply.body, parser)
    except etree.XMLSyntaxError as error:
        start = reply.text.lstrip()[:40]
        raise Violation(f"{reply.url} is not well-formed XML: {error.msg}; it starts with {start!r}") from error
    name = etree.QName(element).localname
    require(not root or name == root, f"{reply.url} has the root element {name} instead of {root}")
    return element


def valid(reply: Reply, root: str = "") -> etree._Element:
    """Parse a reply and judge it by the schemas."""
    element = xml(reply, root)
    findings = xsd.validate(reply.body) or official.validate(reply.body)
    shown = "; ".join(f"line {finding.line}: {finding.message}" for finding in findings[:3])
    more = f" (and {len(findings) - 3} more)" if len(findings) > 3 else ""
    require(not findings, f"{reply.url} is not valid: {shown}{more}")
    return element


def child_text(element: etree._Element, name: str) -> str | None:
    """Return the text of the first descendant of that local name; None where it is absent or nil."""
    for found in element.iter(f"{{*}}{name}"):
        return None if found.get(XSI_NIL) in {"true", "1"} else (found.text or "").strip()
    return None


def instant(text: str) -> datetime:
    """Read a time of the VO: UTC, with T, with or without Z and fractions."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise Violation(f"{text!r} is not an ISO 8601 time") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A FIELD of a VOTable."""

    name: str
    datatype: str
    arraysize: str
    unit: str
    ucd: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """An INFO of a VOTable, and whether it comes after the table."""

    name: str
    value: str
    text: str
    trailing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VOTable:
    """The results of a DALI service: the fields, the infos, and the rows as text."""

    root: etree._Element
    resource: etree._Element
    infos: tuple[Info, ...]
    fields: tuple[Field, ...]
    rows: tuple[tuple[str, ...], ...] = field(repr=False)

    def status(self) -> str:
        """The last QUERY_STATUS that the document states; empty without one."""
        values = [info.value for info in self.infos if info.name == "QUERY_STATUS"]
        return values[-1] if values else ""

    def overflowed(self) -> bool:
        """Whether a QUERY_STATUS says OVERFLOW."""
        return any(info.name == "QUERY_STATUS" and info.value == "OVERFLOW" for info in self.infos)

    def names(self) -> list[str]:
        """The names of the fields."""
        return [one.name for one in self.fields]

    def column(self, name: str) -> list[str]:
        """The values of a column, whose name is compared without regard to case."""
        names = [one.lower() for one in self.names()]
        require(name.lower() in names, f"there is no column {name}, only {', '.join(names)}")
        index = names.index(name.lower())
        return [row[index] for row in self.rows]


def votable(reply: Reply, *, any_status: bool = False, typed: bool = True) -> VOTable:
    """Read the results of a VOTable, whose media type must say that it is one.

    Before DALI a RESOURCE did not say that it holds the results: without `typed` the first one does.
    """
    if not any_status:
        succeeded(reply)
    told = reply.headers.get("Content-Type", "no Content-Type")
    require(reply.media_type in VOTABLE_TYPES, f"{reply.url} says that it is {told}, where a VOTable is due")
    root = parsed(reply, "VOTABLE")
    resource = next((one for one in root.iterfind("{*}RESOURCE") if not typed or one.get("type") == "results"), None)
    if resource is None:
        raise Violation(f'{reply.url} has no RESOURCE of type="results"')
    table = resource.find("{*}TABLE")
    fields = () if table is None else tuple(_field(one) for one in table.iterfind("{*}FIELD"))
    return VOTable(
        root=root,
        resource=resource,
        infos=tuple(_infos(resource)),
        fields=fields,
        rows=() if table is None else _rows(reply, table, len(fields)),
    )


def declined(reply: Reply) -> bool:
    """Say whether a request was refused: by its status, or by an error document that came with 200."""
    if reply.status != 200 or reply.media_type not in VOTABLE_TYPES:
        return 400 <= reply.status < 500
    try:
        return votable(reply).status() == "ERROR"
    except Violation:
        return False


def _infos(resource: etree._Element) -> list[Info]:
    infos, trailing = [], False
    for child in resource.iterchildren(etree.Element):
        match etree.QName(child).localname:
            case "TABLE":
                trailing = True
            case "INFO":
                said = (child.text or "").strip()
                infos.append(
                    Info(name=child.get("name", ""), value=child.get("value", ""), text=said, trailing=trailing)
                )
            case _:
                pass
    return infos


def _field(element: etree._Element) -> Field:
    return Field(**{name: element.get(name, "") for name in ("name", "datatype", "arraysize", "unit", "ucd")})


def _rows(reply: Reply, table: etree._Element, width: int) -> tuple[tuple[str, ...], ...]:
    rows = table.find("{*}DATA/{*}TABLEDATA")
    if rows is None:
        return _binary_rows(reply) if table.find("{*}DATA") is not None else ()
    found = tuple(tuple((cell.text or "") for cell in row.iterfind("{*}TD")) for row in rows.iterfind("{*}TR"))
    require(all(len(row) == width for row in found), f"{reply.url} has rows that are not {width} cells long")
    return found


def _binary_rows(reply: Reply) -> tuple[tuple[str, ...], ...]:
    """Read BINARY, BINARY2 and FITS through astropy, which is slow to import and rarely needed."""
    from astropy.io.votable import parse_single_table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array = parse_single_table(io.BytesIO(reply.body)).array
        except Exception as error:
            raise Violation(f"{reply.url} holds a table that cannot be read: {error}") from error
    return tuple(tuple(_cell(value) for value in row) for row in array)


def _cell(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if str(value) == "--" else str(value)


def duplicates(values: Sequence[str]) -> set[str]:
    """Return the values that occur more than once."""
    seen: set[str] = set()
    return {value for value in values if value in seen or seen.add(value)}  # type: ignore[func-returns-value]
