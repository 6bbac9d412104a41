"""Writes OAI-PMH answers (OAI-PMH 2.0 s3.2).

The envelope has a prefix of its own: members of a VOResource record are in no namespace, and a default one would
capture them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from penstock.regext import XSI
from registry.core.dublincore import OAI_DC, dublin_core
from registry.core.dublincore import SCHEMA as OAI_DC_SCHEMA
from registry.core.oai import GRANULARITY, SET, OaiError, Prefix, Verb
from registry.core.voresource import RI, parse, rebase

OAI = "http://www.openarchives.org/OAI/2.0/"
_SCHEMA = "http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd"
_RI_SCHEMA = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
FORMATS: Mapping[Prefix, tuple[str, str]] = {
    Prefix.IVO_VOR: (_RI_SCHEMA, RI),
    Prefix.OAI_DC: (OAI_DC_SCHEMA, OAI_DC),
}
"""Schema and namespace of each format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A record as the store has it: `xml` is the ``ri:Resource``, `updated` its datestamp.

    `digest` changes with the content, `origin` says where the record came from.
    """

    ivoid: str
    updated: str
    deleted: bool
    xml: bytes
    digest: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list; `token` is None for a whole list, empty for the last part of several (OAI-PMH 2.0 s3.5)."""

    records: tuple[Stored, ...]
    token: str | None = None
    cursor: int = 0
    size: int = 0
    expires: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What Identify tells; `registry` is the registry's own record."""

    name: str
    admin_email: str
    earliest: str
    registry: Stored


class Envelope:
    """One answer.

    Parameters
    ----------
    base_url
        The address under which the request came.
    now
        The date of the response, a stamp of whole seconds.
    host_url
        The base URL of the host, which is put before paths in records.
    """

    def __init__(self, base_url: str, now: str, *, host_url: str = "") -> None:
        self._base_url = base_url
        self._host_url = host_url
        self._root = etree.Element(f"{{{OAI}}}OAI-PMH", nsmap={"oai": OAI, "xsi": XSI})
        self._root.set(f"{{{XSI}}}schemaLocation", f"{OAI} {_SCHEMA}")
        _add(self._root, "responseDate", now)

    def error(self, error: OaiError, arguments: Mapping[str, str]) -> bytes:
        """Answer with an error; `arguments` are left empty where they or the verb are wrong (OAI-PMH 2.0 s3.2)."""
        self._request(arguments)
        element = _add(self._root, "error", error.message)
        element.set("code", error.code)
        return self._bytes()

    def identify(self, identity: Identity) -> bytes:
        """Answer Identify."""
        element = self._begin(Verb.IDENTIFY)
        for name, text in (
            ("repositoryName", identity.name),
            ("baseURL", self._base_url),
            ("protocolVersion", "2.0"),
            ("adminEmail", identity.admin_email),
            ("earliestDatestamp", identity.earliest),
            ("deletedRecord", "persistent"),
            ("granularity", GRANULARITY),
        ):
            _add(element, name, text)
        _add(element, "description").append(self._resource(identity.registry))
        return self._bytes()

    def formats(self, arguments: Mapping[str, str]) -> bytes:
        """Answer ListMetadataFormats: every record can be had in every format."""
        element = self._begin(Verb.LIST_METADATA_FORMATS, arguments)
        for prefix, (schema, namespace) in FORMATS.items():
            child = _add(element, "metadataFormat")
            _add(child, "metadataPrefix", prefix)
            _add(child, "schema", schema)
            _add(child, "metadataNamespace", namespace)
        return self._bytes()

    def sets(self) -> bytes:
        """Answer ListSets: the one set that an IVOA registry must have (RegistryInterface 1.1 s3.1.3)."""
        child = _add(self._begin(Verb.LIST_SETS), "set")
        _add(child, "setSpec", SET)
        _add(child, "setName", "Records of the authorities that this registry manages")
        return self._bytes()

    def record(self, stored: Stored, prefix: Prefix, arguments: Mapping[str, str]) -> bytes:
        """Answer GetRecord."""
        self._add_record(self._begin(Verb.GET_RECORD, arguments), stored, prefix)
        return self._bytes()

    def records(self, page: Page, prefix: Prefix, arguments: Mapping[str, str]) -> bytes:
        """Answer ListRecords."""
        element = self._begin(Verb.LIST_RECORDS, arguments)
        for stored in page.records:
            self._add_record(element, stored, prefix)
        _add_token(element, page)
        return self._bytes()

    def identifiers(self, page: Page, arguments: Mapping[str, str]) -> bytes:
        """Answer ListIdentifiers."""
        element = self._begin(Verb.LIST_IDENTIFIERS, arguments)
        for stored in page.records:
            _add_header(element, stored)
        _add_token(element, page)
        return self._bytes()

    def _add_record(self, parent: etree._Element, stored: Stored, prefix: Prefix) -> None:
        """Add a record; a deleted one is a header without metadata (OAI-PMH 2.0 s2.5.1)."""
        record = _add(parent, "record")
        _add_header(record, stored)
        if not stored.deleted:
            resource = self._resource(stored)
            _add(record, "metadata").append(resource if prefix is Prefix.IVO_VOR else dublin_core(resource))

    def _resource(self, stored: Stored) -> etree._Element:
        resource = parse(stored.xml)
        rebase(resource, self._host_url)
        return resource

    def _begin(self, verb: Verb, arguments: Mapping[str, str] | None = None) -> etree._Element:
        self._request({"verb": verb, **(arguments or {})})
        return _add(self._root, verb)

    def _request(self, arguments: Mapping[str, str]) -> None:
        element = _add(self._root, "request", self._base_url)
        for name, value in arguments.items():
            element.set(name, value)

    def _bytes(self) -> bytes:
        return etree.tostring(self._root, xml_declaration=True, encoding="UTF-8")


def _add_header(parent: etree._Element, stored: Stored) -> None:
    header = _add(parent, "header")
    if stored.deleted:
        header.set("status", "deleted")
    _add(header, "identifier", stored.ivoid)
    _add(header, "datestamp", stored.updated)
    _add(header, "setSpec", SET)


def _add_token(parent: etree._Element, page: Page) -> None:
    if page.token is None:
        return
    element = _add(parent, "resumptionToken", page.token)
    element.set("cursor", str(page.cursor))
    element.set("completeListSize", str(page.size))
    if page.expires is not None:
        element.set("expirationDate", page.expires)


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{OAI}}}{name}")
    element.text = text
    return element
