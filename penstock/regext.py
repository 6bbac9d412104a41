"""Capabilities of a service, as /capabilities and registry records describe them.

One record serves both: VOSI wraps `capability_element` into its own root, a VOResource record embeds it. The order of
children is that of the schemas (VOResource 1.1, VODataService 1.2, TAPRegExt 1.0, VORegistry 1.1).

Several securityMethod in one interface are allowed by VOResource 1.1 and refused by 1.2; TAP 1.1 s2.4 needs them in
/capabilities, so a registry record should be made from interfaces with at most one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from lxml import etree

XSI = "http://www.w3.org/2001/XMLSchema-instance"
NAMESPACES = {
    "vr": "http://www.ivoa.net/xml/VOResource/v1.0",
    "vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "tr": "http://www.ivoa.net/xml/TAPRegExt/v1.0",
    "vg": "http://www.ivoa.net/xml/VORegistry/v1.0",
    "cs": "http://www.ivoa.net/xml/ConeSearch/v1.0",
    "xsi": XSI,
}

InterfaceType = Literal["vs:ParamHTTP", "vr:WebBrowser", "vr:WebService", "vg:OAIHTTP"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputParam:
    """A parameter of an HTTP interface (VODataService 1.2 s3.5.1); `datatype` is ``string``, ``real`` and the like."""

    name: str
    datatype: str = "string"
    arraysize: str | None = None
    description: str | None = None
    unit: str | None = None
    ucd: str | None = None
    use: Literal["required", "optional", "ignored"] = "optional"
    std: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A way to call a capability (VOResource 1.1 s3.2.2).

    `security_methods` are standardIDs; None stands for anonymous access beside others. `query_types` to `test_query`
    belong to ``vs:ParamHTTP`` alone.
    """

    access_url: str
    type: InterfaceType = "vs:ParamHTTP"
    use: Literal["full", "base", "dir"] | None = None
    role: str | None = None
    version: str | None = None
    security_methods: tuple[str | None, ...] = ()
    query_types: tuple[Literal["GET", "POST"], ...] = ()
    result_type: str | None = None
    params: tuple[InputParam, ...] = ()
    test_query: str | None = None


class Extension(Protocol):
    """What a standard adds to a capability; `xsi_type` uses the prefixes of `NAMESPACES`."""

    xsi_type: ClassVar[str]

    def elements(self) -> Iterator[etree._Element]:
        """Yield the children that follow the interfaces."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Something that a service can do (VOResource 1.1 s3.2.2)."""

    standard_id: str | None
    interfaces: tuple[Interface, ...]
    description: str | None = None
    extension: Extension | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What a publishing registry adds to a capability."""

    xsi_type: ClassVar[str] = "vg:Harvest"
    max_records: int

    def elements(self) -> Iterator[etree._Element]:
        """Yield the children that follow the interfaces."""
        yield _text("maxRecords", str(self.max_records))


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageFeatures:
    """Features of one kind (TAPRegExt 1.1 s2.4); each is (form, description)."""

    type: str
    features: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A query language; `versions` are (version, ivo-id) (TAPRegExt 1.1 s2.4)."""

    name: str
    versions: tuple[tuple[str, str | None], ...]
    description: str | None = None
    features: tuple[LanguageFeatures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """A form of results and the short names that ask for it (TAPRegExt 1.1 s2.5)."""

    mime: str
    aliases: tuple[str, ...] = ()
    ivo_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Default and hard limit of a time, in seconds (TAPRegExt 1.1 s2.7.1)."""

    default_s: int | None = None
    hard_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLimits:
    """Default and hard limit of a size, in `unit` (TAPRegExt 1.1 s2.7.2)."""

    unit: Literal["row", "byte"]
    default: int | None = None
    hard: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAccess:
    """What TAP adds to a capability (TAPRegExt 1.1 s2.9); `data_models` are (name, ivo-id)."""

    xsi_type: ClassVar[str] = "tr:TableAccess"
    languages: tuple[Language, ...]
    output_formats: tuple[OutputFormat, ...]
    data_models: tuple[tuple[str, str], ...] = ()
    upload_methods: tuple[str, ...] = ()
    retention_period: TimeLimits | None = None
    execution_duration: TimeLimits | None = None
    output_limit: DataLimits | None = None
    upload_limit: DataLimits | None = None

    def elements(self) -> Iterator[etree._Element]:
        """Yield the children that follow the interfaces."""
        for name, ivo_id in self.data_models:
            yield _text("dataModel", name, {"ivo-id": ivo_id})
        yield from map(_language, self.languages)
        yield from map(_output_format, self.output_formats)
        for method in self.upload_methods:
            yield etree.Element("uploadMethod", {"ivo-id": method})
        yield from _time_limits("retentionPeriod", self.retention_period)
        yield from _time_limits("executionDuration", self.execution_duration)
        yield from _data_limits("outputLimit", self.output_limit)
        yield from _data_limits("uploadLimit", self.upload_limit)


def capability_element(capability: Capability) -> etree._Element:
    """Return the ``capability`` element, ready to stand in a VOSI document or in a VOResource record."""
    element = etree.Element("capability", nsmap=NAMESPACES)
    if capability.standard_id is not None:
        element.set("standardID", capability.standard_id)
    if capability.extension is not None:
        element.set(f"{{{XSI}}}type", capability.extension.xsi_type)
    _append_text(element, "description", capability.description)
    element.extend(map(_interface, capability.interfaces))
    if capability.extension is not None:
        element.extend(capability.extension.elements())
    return element


def _interface(interface: Interface) -> etree._Element:
    attributes = {f"{{{XSI}}}type": interface.type, "role": interface.role, "version": interface.version}
    element = etree.Element("interface", {name: value for name, value in attributes.items() if value})
    element.append(_text("accessURL", interface.access_url, {"use": interface.use} if interface.use else {}))
    for method in interface.security_methods:
        etree.SubElement(element, "securityMethod", {"standardID": method} if method else {})
    for query_type in interface.query_types:
        element.append(_text("queryType", query_type))
    _append_text(element, "resultType", interface.result_type)
    element.extend(map(_input_param, interface.params))
    _append_text(element, "testQuery", interface.test_query)
    return element


def _input_param(param: InputParam) -> etree._Element:
    element = etree.Element("param", {"use": param.use, "std": "true" if param.std else "false"})
    for name, value in (
        ("name", param.name),
        ("description", param.description),
        ("unit", param.unit),
        ("ucd", param.ucd),
    ):
        _append_text(element, name, value)
    element.append(_text("dataType", param.datatype, {"arraysize": param.arraysize} if param.arraysize else {}))
    return element


def _language(language: Language) -> etree._Element:
    element = etree.Element("language")
    element.append(_text("name", language.name))
    for version, ivo_id in language.versions:
        element.append(_text("version", version, {"ivo-id": ivo_id} if ivo_id else {}))
    _append_text(element, "description", language.description)
    for group in language.features:
        listed = etree.SubElement(element, "languageFeatures", {"type": group.type})
        for form, description in group.features:
            feature = etree.SubElement(listed, "feature")
            feature.append(_text("form", form))
            _append_text(feature, "description", description)
    return element


def _output_format(output: OutputFormat) -> etree._Element:
    element = etree.Element("outputFormat", {"ivo-id": output.ivo_id} if output.ivo_id else {})
    element.append(_text("mime", output.mime))
    element.extend([_text("alias", alias) for alias in output.aliases])
    return element


def _time_limits(name: str, limits: TimeLimits | None) -> Iterator[etree._Element]:
    if limits is not None:
        element = etree.Element(name)
        _append_text(element, "default", None if limits.default_s is None else str(limits.default_s))
        _append_text(element, "hard", None if limits.hard_s is None else str(limits.hard_s))
        yield element


def _data_limits(name: str, limits: DataLimits | None) -> Iterator[etree._Element]:
    if limits is not None:
        element = etree.Element(name)
        for child, value in (("default", limits.default), ("hard", limits.hard)):
            if value is not None:
                element.append(_text(child, str(value), {"unit": limits.unit}))
        yield element


def _text(name: str, text: str, attributes: dict[str, str] | None = None) -> etree._Element:
    element = etree.Element(name, attributes or {})
    element.text = text
    return element


def _append_text(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        parent.append(_text(name, text))
