"""Job types as VOTable: the Job Description Language of OPUS, a service descriptor per type.

Each type is a RESOURCE of the utype ``voprov:ActivityDescription`` with three groups: ``InputParams``, a PARAM for each
value, of the type ``no_query`` where it may be left out; ``Used``, a group for each file that goes in; ``Generated``, a
group for each result. Utypes are those of the Provenance Data Model and of UWS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from lxml import etree

from penstock.votable.document import NAMESPACE
from penstock.votable.model import Datatype
from uws.core.text import xml_text
from uws.ports import JobType, ParameterSpec, ParameterType, ResultSpec
from uws.representations.job_type_json import XTYPES
from uws.service.policy import Policy

_NCNAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_DATATYPES: Mapping[ParameterType, tuple[Datatype, str | None]] = {
    "boolean": ("boolean", None),
    "integer": ("long", None),
    "real": ("double", None),
    "string": ("unicodeChar", "*"),
    "timestamp": ("char", "*"),
    "uri": ("char", "*"),
    "interval": ("double", "2"),
    "circle": ("double", "3"),
    "polygon": ("double", "*"),
}
_UNKNOWN = {"interval": "NaN NaN", "circle": "NaN NaN NaN", "boolean": "?", "real": "NaN"}
_NO_INTEGER = str(-(2**63))


def job_types_to_votable(described: Iterable[tuple[JobType, Policy]]) -> bytes:
    """Write job types, each with what holds for its jobs."""
    nsmap: dict[str | None, str] = {None: NAMESPACE}
    root = etree.Element(f"{{{NAMESPACE}}}VOTABLE", nsmap=nsmap, version="1.4")  # type: ignore[arg-type]  # the stubs do not know a default namespace
    for job_type, policy in described:
        _add_job_type(root, job_type, policy)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _add_job_type(root: etree._Element, job_type: JobType, policy: Policy) -> None:
    resource = _child(root, "RESOURCE", name=job_type.name, type="meta", utype="voprov:ActivityDescription")
    if _NCNAME.fullmatch(job_type.name):
        resource.set("ID", job_type.name)
    _describe(resource, job_type.description or job_type.title)
    for name, value, utype in _attributes(job_type):
        _add_text(resource, name, value, utype)
    for name, limit, utype in (
        ("executionDuration", policy.duration_s(None), "uws:Job.executionDuration"),
        ("maxExecutionDuration", policy.max_duration_s, None),
    ):
        _child(resource, "PARAM", name=name, datatype="long", unit="s", value=str(limit), utype=utype)
    inputs = _child(resource, "GROUP", name="InputParams")
    used = _child(resource, "GROUP", name="Used")
    generated = _child(resource, "GROUP", name="Generated")
    for spec in job_type.parameters:
        if spec.type == "file":
            _add_used(used, spec)
        else:
            _add_input(inputs, spec)
    for result in job_type.results:
        _add_generated(generated, result)


def _attributes(job_type: JobType) -> Iterator[tuple[str, str, str | None]]:
    yield "doculink", job_type.docs or "", "voprov:ActivityDescription.doculink"
    yield "type", job_type.name, "voprov:ActivityDescription.type"
    yield "version", job_type.version, "voprov:ActivityDescription.version"
    yield "title", job_type.title, "voprov:ActivityDescription.name"
    if job_type.roles:
        yield "roles", " ".join(sorted(job_type.roles)), None


def _add_input(group: etree._Element, spec: ParameterSpec) -> None:
    datatype, arraysize = _DATATYPES[spec.type]
    element = _child(
        group,
        "PARAM",
        name=spec.name,
        datatype=datatype,
        arraysize=arraysize,
        xtype=XTYPES.get(spec.type),
        unit=spec.unit,
        ucd=spec.ucd,
        utype=spec.utype,
        value=_UNKNOWN.get(spec.type, "") if spec.default is None else spec.default,
        type=None if spec.required and spec.default is None else "no_query",
    )
    _describe(element, f"{spec.description} May be given several times." if spec.multiple else spec.description)
    unknown = spec.type == "integer" and spec.default is None
    if unknown:
        element.set("value", _NO_INTEGER)
    if unknown or spec.options or spec.minimum is not None or spec.maximum is not None:
        values = _child(element, "VALUES", null=_NO_INTEGER if unknown else None)
        for tag, bound in (("MIN", spec.minimum), ("MAX", spec.maximum)):
            if bound is not None:
                _child(values, tag, value=f"{bound:.17g}")
        for option in spec.options:
            _child(values, "OPTION", value=option)


def _add_used(group: etree._Element, spec: ParameterSpec) -> None:
    used = _child(group, "GROUP", name=spec.name, utype="voprov:UsedDescription")
    _describe(used, spec.description)
    _add_text(used, "role", spec.name, "voprov:UsedDescription.role")
    _add_text(used, "multiplicity", _multiplicity(spec), "voprov:UsedDescription.multiplicity")
    _add_content(used, spec.media_types)
    _add_text(used, "url", "file://$ID", "voprov:EntityDescription.url")  # an uploaded file


def _add_generated(group: etree._Element, result: ResultSpec) -> None:
    generated = _child(group, "GROUP", name=result.id, utype="voprov:WasGeneratedBy")
    _describe(generated, result.description)
    _add_text(generated, "role", result.id, "voprov:WasGeneratedByDescription.role")
    _add_text(generated, "multiplicity", _multiplicity(result), "voprov:WasGeneratedByDescription.multiplicity")
    _add_content(generated, result.media_types)


def _multiplicity(spec: ParameterSpec | ResultSpec) -> str:
    """Return how many there may be: ``1``, ``0..1``, ``1..*`` or ``*``."""
    if spec.multiple:
        return "1..*" if spec.required else "*"
    return "1" if spec.required else "0..1"


def _add_content(group: etree._Element, media_types: Iterable[str]) -> None:
    _add_text(group, "content_type", " ".join(media_types), "voprov:EntityDescription.content_type")


def _add_text(parent: etree._Element, name: str, value: str, utype: str | None) -> None:
    _child(parent, "PARAM", name=name, datatype="unicodeChar", arraysize="*", value=value, utype=utype)


def _describe(parent: etree._Element, text: str) -> None:
    if text:
        _child(parent, "DESCRIPTION").text = xml_text(text)


def _child(parent: etree._Element, tag: str, /, **attributes: str | None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}")
    for name, value in attributes.items():
        if value is not None:
            element.set(name, xml_text(value))
    return element
