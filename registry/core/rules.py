"""What a record must say beyond its schema, as the validators of the VO check it.

Each rule names the clause that it comes from. `ERROR` keeps a record out of the registry, `WARNING` does not: those
are what validators only recommend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import cast
from urllib.parse import urlsplit

from lxml import etree

from registry.core.dates import read_date
from registry.core.identifier import authority_of, is_authority
from registry.core.reading import text_of, type_of, words_of
from registry.core.voresource import RESOURCE, TYPE, URL_MEMBERS, parse
from xsd.catalogue import Edition, prefixes
from xsd.validation import validate


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFinding:
    """What is wrong with a record, on which line, and by which rule."""

    line: int
    rule: str
    message: str
    level: Level = Level.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    resource: etree._Element
    authority: str
    now: str


MAX_FINDINGS = 200
Rule = Callable[[_Subject], Iterator[RuleFinding]]
_SERVICES = {"vr:Service", "vs:DataService", "vs:CatalogService", "vg:Registry"}
_OF_EVERY_CAPABILITY = {"validationLevel", "description", "interface"}
_HTTP, _OAI = "vs:ParamHTTP", "vg:OAIHTTP"
_STANDARDS: dict[str, tuple[str, str | None, str | None]] = {
    # standardID in lower case: its right spelling, the type of its capability, the type of its standard interface
    "ivo://ivoa.net/std/tap": ("ivo://ivoa.net/std/TAP", "tr:TableAccess", _HTTP),
    "ivo://ivoa.net/std/tap#aux": ("ivo://ivoa.net/std/TAP#aux", None, _HTTP),
    "ivo://ivoa.net/std/conesearch": ("ivo://ivoa.net/std/ConeSearch", "cs:ConeSearch", _HTTP),
    "ivo://ivoa.net/std/sia": ("ivo://ivoa.net/std/SIA", "sia:SimpleImageAccess", _HTTP),
    "ivo://ivoa.net/std/sia#query-2.0": ("ivo://ivoa.net/std/SIA#query-2.0", None, _HTTP),
    "ivo://ivoa.net/std/ssa": ("ivo://ivoa.net/std/SSA", "ssap:SimpleSpectralAccess", _HTTP),
    "ivo://ivoa.net/std/slap": ("ivo://ivoa.net/std/SLAP", "slap:SimpleLineAccess", _HTTP),
    "ivo://ivoa.net/std/soda#sync-1.0": ("ivo://ivoa.net/std/SODA#sync-1.0", None, None),
    "ivo://ivoa.net/std/soda#async-1.0": ("ivo://ivoa.net/std/SODA#async-1.0", None, None),
    "ivo://ivoa.net/std/datalink#links-1.0": ("ivo://ivoa.net/std/DataLink#links-1.0", None, None),
    "ivo://ivoa.net/std/datalink#links-1.1": ("ivo://ivoa.net/std/DataLink#links-1.1", None, None),
    "ivo://ivoa.net/std/registry": ("ivo://ivoa.net/std/Registry", "vg:Harvest", _OAI),
    "ivo://ivoa.net/std/vosi#capabilities": ("ivo://ivoa.net/std/VOSI#capabilities", None, None),
    "ivo://ivoa.net/std/vosi#availability": ("ivo://ivoa.net/std/VOSI#availability", None, None),
    "ivo://ivoa.net/std/vosi#tables": ("ivo://ivoa.net/std/VOSI#tables", None, None),
    "ivo://ivoa.net/std/vosi#tables-1.1": ("ivo://ivoa.net/std/VOSI#tables-1.1", None, None),
    "ivo://ivoa.net/std/dali#examples": ("ivo://ivoa.net/std/DALI#examples", None, None),
    "ivo://ivoa.net/std/hips#hips-1.0": ("ivo://ivoa.net/std/hips#hips-1.0", None, None),
    "ivo://ivoa.net/std/uws#rest-1.1": ("ivo://ivoa.net/std/UWS#rest-1.1", None, None),
}


def check_record(document: bytes, *, authority: str, now: str) -> list[RuleFinding]:
    """Judge a record that is to be published: first by its schemas, then by the rules; sorted by line.

    Parameters
    ----------
    document
        The bytes as they came.
    authority
        The one that is managed here.
    now
        The present instant, a stamp.
    """
    findings = [
        RuleFinding(line=one.line, rule="schema", message=one.message)
        for one in validate(_checkable(document), edition=Edition.RECORD)
    ]
    try:
        resource = parse(document)
    except etree.XMLSyntaxError:
        return findings  # the schemas said so
    if resource.tag != RESOURCE:
        message = f"the root is {resource.tag}, not ri:Resource; one file holds one record"
        return [RuleFinding(line=1, rule="RegistryInterface 1.1 s3.1.2", message=message)]
    subject = _Subject(resource=resource, authority=authority.lower(), now=now)
    for rule in RULES:
        findings += rule(subject)
    return sorted(findings, key=lambda finding: finding.line)[:MAX_FINDINGS]


def _checkable(document: bytes) -> bytes | etree._Element:
    """Return the record as the schemas can judge it.

    It has the stamps that the registry gives, and no capability of a type whose schema is not known here keeps what
    that schema would add.
    """
    try:
        root = parse(document)
    except etree.XMLSyntaxError:
        return document
    if root.tag == RESOURCE:
        for name in ("created", "updated"):
            root.set(name, root.get(name, "2000-01-01T00:00:00Z"))
    for capability in filter(_is_unknown, root.iterfind("capability")):
        del capability.attrib[TYPE]
        for child in [one for one in capability if one.tag not in _OF_EVERY_CAPABILITY]:
            capability.remove(child)
    return root


def _is_unknown(capability: etree._Element) -> bool:
    """Tell whether the capability is of a type of another namespace than those whose schemas are known here."""
    prefix, colon, _ = capability.get(TYPE, "").strip().partition(":")
    return bool(colon) and capability.nsmap.get(prefix) not in {*prefixes(), None}


def _line(element: etree._Element) -> int:
    return cast("int | None", element.sourceline) or 1


def _identifier(subject: _Subject) -> Iterator[RuleFinding]:
    element = subject.resource.find("identifier")
    ivoid = text_of(subject.resource, "identifier")
    if element is None:
        return  # the schema says so
    rule, found = "RegistryInterface 1.1 s3.1.4", authority_of(ivoid)
    if found is None:
        message = f"{ivoid[:120]!r} is no identifier of a resource, which is ivo://authority/path"
        yield RuleFinding(line=_line(element), rule="IVOA Identifiers 2.0 s2", message=message)
    elif found != subject.authority:
        message = f"the authority {found} is not managed here; identifiers begin with ivo://{subject.authority}/"
        yield RuleFinding(line=_line(element), rule=rule, message=message)


def _dates(subject: _Subject) -> Iterator[RuleFinding]:
    rule, line, stamps = "VOResource 1.1 s2.2.4", _line(subject.resource), {}
    for name in ("created", "updated"):
        text = subject.resource.get(name)
        if text is None:
            continue
        stamp, problem = read_date(text)
        if problem:
            yield RuleFinding(line=line, rule=rule, message=f"{name}: {problem}", level=_level(stamp))
        if stamp is not None and stamp > subject.now:
            yield RuleFinding(line=line, rule="VRdate", message=f"{name} is in the future: {stamp}")
        stamps[name] = stamp or ""
    if stamps.get("created", "") > stamps.get("updated", "9"):
        yield RuleFinding(line=line, rule=rule, message="created is later than updated")


def _level(stamp: str | None) -> Level:
    return Level.ERROR if stamp is None else Level.WARNING


def _status(subject: _Subject) -> Iterator[RuleFinding]:
    if subject.resource.get("status") == "deleted":
        message = "a deleted record is not written but deleted: `penstock registry delete IVOID`"
        yield RuleFinding(line=_line(subject.resource), rule="VR3.1b1", message=message)


def _texts(subject: _Subject) -> Iterator[RuleFinding]:
    for path in ("title", "curation/publisher", "content/subject", "content/description"):
        for element in subject.resource.iterfind(path):
            if not words_of(element):
                yield RuleFinding(line=_line(element), rule="VOResource 1.1 s3.1", message=f"{path} is empty")
    for element in subject.resource.iterfind("content/subject"):
        term = (element.text or "").strip()
        if term and (term != term.lower() or " " in term):
            message = f"{term[:60]!r} is no term of the Unified Astronomy Thesaurus, such as galaxy-clusters"
            yield RuleFinding(line=_line(element), rule="VOResource 1.1 s3.1.3", message=message, level=Level.WARNING)


def _contact(subject: _Subject) -> Iterator[RuleFinding]:
    contacts = subject.resource.findall("curation/contact")
    if contacts and not any(text_of(contact, "email") for contact in contacts):
        message = "no contact has an email"
        line = _line(contacts[0])
        yield RuleFinding(line=line, rule="VOResource 1.1 s3.1.2", message=message, level=Level.WARNING)


def _urls(subject: _Subject) -> Iterator[RuleFinding]:
    for element in subject.resource.iter(*URL_MEMBERS):
        text = (element.text or "").strip()
        if not _is_http(text):
            message = f"{element.tag} {text[:120]!r} is no absolute URL of http: or https:"
            yield RuleFinding(line=_line(element), rule="VOResource 1.1 s3.2.3", message=message)


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isprintable() and " " not in text


def _particulars(subject: _Subject) -> Iterator[RuleFinding]:
    resource, kind = subject.resource, type_of(subject.resource)
    line = _line(resource)
    if kind == "vg:Authority" and not is_authority(text_of(resource, "identifier")):
        message = "the identifier of a vg:Authority is ivo://authority, without a path"
        yield RuleFinding(line=line, rule="RegistryInterface 1.1 s4.2", message=message)
    if kind == "vg:Registry" and resource.find("managedAuthority") is None:
        message = "a registry that publishes names its managedAuthority"
        yield RuleFinding(line=line, rule="RegistryInterface 1.1 s3.1.5", message=message)
    if kind in _SERVICES and resource.find("capability") is None:
        message = "a service should have a capability"
        yield RuleFinding(line=line, rule="VR3.2.2a", message=message, level=Level.WARNING)
    simple = {"ivo://ivoa.net/std/conesearch", "ivo://ivoa.net/std/sia"}
    if kind == "vr:Service" and any(one.get("standardID", "").lower() in simple for one in resource.iter("capability")):
        message = "a service of SCS or SIA should be a vs:CatalogService"
        yield RuleFinding(line=line, rule="SIA7.0a, CS4.0a", message=message, level=Level.WARNING)


def _capabilities(subject: _Subject) -> Iterator[RuleFinding]:
    for capability in subject.resource.iterfind("capability"):
        if _is_unknown(capability):
            message = f"the schema of {capability.get(TYPE)} is not known here: what it adds is not checked"
            yield RuleFinding(line=_line(capability), rule="schema", message=message, level=Level.WARNING)
        if capability.find("interface") is None:
            message = "a capability should have an interface"
            yield RuleFinding(line=_line(capability), rule="VR3.2.2a", message=message, level=Level.WARNING)
        standard = capability.get("standardID")
        if standard is not None:
            yield from _standard(capability, standard.strip())


def _standard(capability: etree._Element, standard: str) -> Iterator[RuleFinding]:
    line, known = _line(capability), _STANDARDS.get(standard.lower())
    if known is None:
        if standard.lower().startswith("ivo://ivoa.net/"):
            message = f"the standardID {standard[:80]!r} is not one that is known here; is it misspelt?"
            yield RuleFinding(line=line, rule="VOResource 1.1 s3.2.2", message=message, level=Level.WARNING)
        return
    spelling, kind, interface = known
    if standard != spelling:
        message = f"the standardID {standard!r} is spelt {spelling}"
        yield RuleFinding(line=line, rule="VOResource 1.1 s3.2.2", message=message)
    if kind is not None and type_of(capability) != kind:
        message = f"the capability of {spelling} has xsi:type {kind}, not {type_of(capability) or 'none'}"
        yield RuleFinding(line=line, rule="VOResource 1.1 s3.2.2", message=message)
    standards = [one for one in capability.iterfind("interface") if (one.get("role") or "").startswith("std")]
    if interface is not None and not any(type_of(one) == interface for one in standards):
        rules = {"ivo://ivoa.net/std/Registry": "RI4.0c", "ivo://ivoa.net/std/SIA": "SIA7.0b"}
        message = f"the capability of {spelling} has no interface with xsi:type {interface} and role std"
        yield RuleFinding(line=line, rule=rules.get(spelling, "CS4.0b"), message=message)


RULES: tuple[Rule, ...] = (_identifier, _dates, _status, _texts, _contact, _urls, _particulars, _capabilities)
