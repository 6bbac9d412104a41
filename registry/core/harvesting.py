"""What is taken of the records of others, and what is not.

A record is refused, with a reason, where the store could not keep it as what it claims to be: its identifier is none,
is not that of its header, or comes twice in one answer; its authority is not one that the registry manages; it is no
``ri:Resource``; its dates cannot be read. What is merely written badly is taken and noted. Schemas are not asked: half
of the VO writes extensions, and older versions, of them.

Records of the authority that is managed here are left alone: what is published here counts, whoever hands it on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

from registry.core.answers import Cut
from registry.core.dates import read_date
from registry.core.identifier import authority_of, identifier_key
from registry.core.reading import Facts, facts_of
from registry.core.voresource import RESOURCE, RI, TYPE, parse

MAX_RECORD_BYTES = 4 * 1024 * 1024


class Verdict(StrEnum):
    """What becomes of a record."""

    TAKE = "take"
    DELETE = "delete"
    OWN = "own"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A record, and what becomes of it: `reason` says why it is refused, `notes` what is written badly.

    `resource`, `facts` and `xml` are of a record that is not deleted.
    """

    ivoid: str
    verdict: Verdict
    datestamp: str = ""
    resource: etree._Element | None = None
    facts: Facts | None = None
    xml: bytes = b""
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose records may come: `own` authority is managed here; `managed` are those of the source, None is any."""

    own: str
    managed: frozenset[str] | None
    now: str


class _Refused(Exception):
    pass


def judge_page(cuts: Iterable[Cut], scope: Scope) -> Iterator[Judged]:
    """Judge the records of one answer."""
    seen: set[str] = set()
    for cut in cuts:
        key = identifier_key(cut.ivoid)
        if key in seen:
            yield _refuse(cut, "the identifier comes twice in one answer")
            continue
        seen.add(key)
        try:
            yield _judge(cut, scope)
        except _Refused as refused:
            yield _refuse(cut, str(refused))


def _refuse(cut: Cut, reason: str) -> Judged:
    xml = b"\n".join(xml for _, xml in cut.metadata)
    return Judged(ivoid=cut.ivoid, verdict=Verdict.REFUSE, reason=reason, xml=xml)


def _judge(cut: Cut, scope: Scope) -> Judged:
    authority = authority_of(cut.ivoid)
    if authority is None:
        raise _Refused(f"{cut.ivoid[:120]!r} is no identifier of a resource")
    if authority == scope.own.lower():
        return Judged(ivoid=cut.ivoid, verdict=Verdict.OWN)
    if scope.managed is not None and authority not in scope.managed:
        raise _Refused(f"the registry does not manage the authority {authority}")
    datestamp, problem = read_date(cut.datestamp)
    if datestamp is None:
        raise _Refused(f"the datestamp of the header {problem}")
    notes = [f"datestamp {problem}"] if problem else []
    if datestamp > scope.now:
        notes.append(f"datestamp {datestamp} is in the future")
    if cut.deleted:
        return Judged(ivoid=cut.ivoid, verdict=Verdict.DELETE, datestamp=datestamp, notes=tuple(notes))
    resource, xml = _resource(cut)
    facts = facts_of(resource)
    notes += _look_at(resource, facts, cut.ivoid)
    if facts.status == "deleted":
        return Judged(ivoid=cut.ivoid, verdict=Verdict.DELETE, datestamp=datestamp, notes=tuple(notes))
    return Judged(
        ivoid=cut.ivoid,
        verdict=Verdict.TAKE,
        datestamp=datestamp,
        resource=resource,
        facts=facts,
        xml=xml,
        notes=tuple(notes),
    )


def _resource(cut: Cut) -> tuple[etree._Element, bytes]:
    if len(cut.metadata) != 1:
        raise _Refused(f"the metadata hold {len(cut.metadata)} elements instead of one ri:Resource")
    name, xml = cut.metadata[0]
    if name != RESOURCE:
        namespace = etree.QName(name).namespace
        where = "" if namespace == RI else f" of the namespace {namespace or 'none'}, not {RI}"
        raise _Refused(f"the metadata are {etree.QName(name).localname}{where}, not ri:Resource")
    if len(xml) > MAX_RECORD_BYTES:
        raise _Refused(f"the record has more than {MAX_RECORD_BYTES} bytes")
    return parse(xml), xml


def _look_at(resource: etree._Element, facts: Facts, ivoid: str) -> Iterator[str]:
    """Yield what is written badly in a resource.

    Raises
    ------
    _Refused
        It is too bad.
    """
    if identifier_key(facts.ivoid) != identifier_key(ivoid):
        raise _Refused(f"the record is of {facts.ivoid[:120]!r}, its header of another (RegistryInterface 1.1 s3.1.3)")
    if facts.ivoid != ivoid:
        yield f"the identifier is spelt {facts.ivoid} in the record"
    if not facts.type:
        raise _Refused(f"its xsi:type {resource.get(TYPE, '')[:60]!r} is missing or has an undeclared prefix")
    if not facts.title:
        raise _Refused("it has no title")
    if facts.status not in {"active", "inactive", "deleted"}:
        raise _Refused(f"its status is {facts.status[:40]!r}, not active, inactive or deleted")
    for name in ("created", "updated"):
        stamp, problem = read_date(resource.get(name, ""))
        if stamp is None:
            raise _Refused(f"its attribute {name} {problem}")
        if problem:
            yield f"{name} {problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What a registry says of itself (RegistryInterface 1.1 s3.1.5).

    `authorities` are those that it manages, None where it does not say or has records of all; `days` says that it
    takes dates only; `keeps_deleted` that it tells of every record that is gone.
    """

    name: str
    authorities: frozenset[str] | None
    days: bool
    keeps_deleted: bool
    notes: tuple[str, ...] = ()


def peer_of(identify: etree._Element) -> Peer:
    """Read the answer to Identify."""
    said = {etree.QName(child).localname: (child.text or "").strip() for child in identify.iterchildren(etree.Element)}
    notes = []
    if said.get("protocolVersion") != "2.0":
        notes.append(f"protocolVersion is {said.get('protocolVersion', '')[:20]!r}, not '2.0'")
    resource = next(identify.iter(RESOURCE), None)
    authorities: frozenset[str] | None = None
    if resource is None:
        notes.append("Identify has no record of the registry: the authorities that it manages are not known")
    elif (resource.findtext("full") or "").strip() not in {"true", "1"}:
        named = (" ".join((one.text or "").split()) for one in resource.iterfind("managedAuthority"))
        authorities = frozenset(one.lower() for one in named if one) or None
    return Peer(
        name=said.get("repositoryName", "")[:200],
        authorities=authorities,
        days=len(said.get("granularity", "")) == len("YYYY-MM-DD"),
        keeps_deleted=said.get("deletedRecord") == "persistent",
        notes=tuple(notes),
    )
