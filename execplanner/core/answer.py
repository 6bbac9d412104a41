"""The answer of the planner, and its three spellings (note s2, s8.2).

The note misspells ``responseword`` throughout, and clients read what it says; both spellings are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import yaml
from lxml import etree

from execplanner.core.facility import Facility
from execplanner.core.matching import Verdict, limits_of, spell
from penstock.dali.formats import JSON, Format, FormatRow, FormatTable

_YAML = FormatRow(
    format=Format(key="yaml", media_type="application/yaml", extension="yaml"),
    aliases=("yaml",),
    media_types=("text/yaml", "application/x-yaml", "text/x-yaml"),
)
_XML = FormatRow(
    format=Format(key="xml", media_type="application/xml", extension="xml"), aliases=("xml",), media_types=("text/xml",)
)
FORMATS = FormatTable((JSON, _YAML, _XML))
_SINGULAR = {"interfaces": "interface", "reasons": "reason", "warnings": "warning", "languages": "language"}


def answer_document(verdict: Verdict, facility: Facility) -> dict[str, Any]:
    """Return the answer as a document of plain values."""
    word = "YES" if verdict.accepts else "NO"
    document: dict[str, Any] = {"reponseword": word, "responseword": word}
    if verdict.accepts:
        document |= _access(facility)
    if verdict.offered is not None:
        document["resources"] = _resources(verdict)
    info = _info(verdict)
    if info:
        document |= {"reponseinfo": info, "responseinfo": info}
    return document


def facility_document(facility: Facility) -> dict[str, Any]:
    """Return what is known of a facility as a document of plain values; this form is our own."""
    limits = limits_of(facility.capacity)
    return {
        "id": facility.id,
        "title": facility.title,
        "site": facility.site,
        "interfaces": _interfaces(facility),
        "kinds": {
            name: {"title": kind.title, "languages": list(kind.languages)} for name, kind in facility.kinds.items()
        },
        "capacity": {name: spell(name, limit) for name, limit in limits.items() if limit is not None},
    }


def write(document: Mapping[str, Any], key: str) -> bytes:
    """Write a document in the form of a key of `FORMATS`."""
    match key:
        case "yaml":
            text: bytes = yaml.dump(
                document, Dumper=_Dumper, encoding="utf-8", sort_keys=False, allow_unicode=True, width=120
            )
            return text
        case "xml":
            return etree.tostring(_element("response", document), xml_declaration=True, encoding="UTF-8")
        case _:
            return orjson.dumps(document)


class _Dumper(yaml.CSafeDumper):
    """Writes what occurs twice twice: readers are right to refuse aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _access(facility: Facility) -> dict[str, Any]:
    """Return the preferred interface as the note has it for one, and all of them (note s3.4)."""
    interfaces = _interfaces(facility)
    return {**interfaces[0], "interfaces": interfaces}


def _interfaces(facility: Facility) -> list[dict[str, Any]]:
    return [{"servicetype": one.servicetype, "serviceinfo": {"endpoint": one.endpoint}} for one in facility.interfaces]


def _resources(verdict: Verdict) -> dict[str, str | int]:
    spelt = {}
    for name, wish in (verdict.offered or {}).items():
        for bound, value in (("min", wish.minimum), ("max", wish.maximum)):
            if value is not None:
                spelt[f"{bound}{name}"] = spell(name, value)
    return spelt


def _info(verdict: Verdict) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if verdict.reasons:
        info["reasons"] = [
            {"httpcode": one.http_code, "text": one.text, "stage": str(one.stage), "path": one.pointer}
            for one in verdict.reasons
        ]
    if verdict.ignored:
        info["warnings"] = [f"{pointer[:80]!r} is not understood and was passed over." for pointer in verdict.ignored]
    return info


def _element(name: str, value: object) -> etree._Element:
    element = etree.Element(name)
    if isinstance(value, Mapping):
        element.extend([_element(key, one) for key, one in value.items()])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        element.extend([_element(_SINGULAR[name], one) for one in value])
    else:
        element.text = str(value)
    return element
