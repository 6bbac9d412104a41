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
BROKER_TYPE = "urn:penstock:servicetype:execution-broker"
_MOST_SHOWN = 20
_SINGULAR = {
    "interfaces": "interface",
    "reasons": "reason",
    "warnings": "warning",
    "languages": "language",
    "errors": "error",
}


def answer_document(
    verdicts: Sequence[tuple[Facility, Verdict]], *, base_url: str = "", broker_url: str | None = None
) -> dict[str, Any]:
    """Return the answer for all facilities as a document of plain values.

    Parameters
    ----------
    verdicts
        What each facility says.
    base_url
        Of the host; endpoints that begin with a slash are paths of it.
    broker_url
        Where offers can be asked for.
    """
    chosen = [(facility, verdict) for facility, verdict in verdicts if verdict.accepts][:_MOST_SHOWN]
    word = "YES" if chosen else "NO"
    document: dict[str, Any] = {"reponseword": word, "responseword": word}
    if chosen:
        document |= _access([facility for facility, _ in chosen], base_url, broker_url)
    told = chosen or list(verdicts[:_MOST_SHOWN])
    if told and told[0][1].offered is not None:
        document["resources"] = _resources(told[0][1])
    info = _info(told, several=len(verdicts) > 1)
    if info:
        document |= {"reponseinfo": info, "responseinfo": info}
    return document


def facility_document(facility: Facility, base_url: str = "") -> dict[str, Any]:
    """Return what is known of a facility as a document of plain values; this form is our own."""
    limits = limits_of(facility.limits)
    document: dict[str, Any] = {
        "id": facility.id,
        "title": facility.title,
        "site": facility.site,
        "interfaces": _interfaces(facility, base_url),
        "kinds": {
            name: {"title": kind.title, "languages": list(kind.languages)} for name, kind in facility.kinds.items()
        },
        "capacity": {name: spell(name, limit) for name, limit in limits.items() if limit is not None},
    }
    if facility.limits.gpus:
        document["gpus"] = {"number": facility.limits.gpus, "models": list(facility.limits.gpu_models)}
    if facility.storage_sites:
        document["storage_sites"] = list(facility.storage_sites)
    if facility.latitude_deg is not None and facility.longitude_deg is not None:
        document["coordinates"] = {"latitude": facility.latitude_deg, "longitude": facility.longitude_deg}
    if facility.executors:
        document["sessions"] = True
    return document


def write(document: Mapping[str, Any], key: str, root: str = "response") -> bytes:
    """Write a document in the form of a key of `FORMATS`; `root` is its element in XML."""
    match key:
        case "yaml":
            text: bytes = yaml.dump(
                document, Dumper=_Dumper, encoding="utf-8", sort_keys=False, allow_unicode=True, width=120
            )
            return text
        case "xml":
            return etree.tostring(_element(root, document), xml_declaration=True, encoding="UTF-8")
        case _:
            return orjson.dumps(document)


class _Dumper(yaml.CSafeDumper):
    """Writes what occurs twice twice: readers are right to refuse aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _access(facilities: Sequence[Facility], base_url: str, broker_url: str | None) -> dict[str, Any]:
    """Return the preferred interface as the note has it for one, and all of them (note s3.4)."""
    interfaces = [one for facility in facilities for one in _interfaces(facility, base_url)]
    if broker_url is not None and any(facility.executors for facility in facilities):
        interfaces.append({"servicetype": BROKER_TYPE, "serviceinfo": {"endpoint": broker_url}})
    return {**interfaces[0], "interfaces": interfaces} if interfaces else {}


def _interfaces(facility: Facility, base_url: str = "") -> list[dict[str, Any]]:
    return [
        {
            "servicetype": one.servicetype,
            "serviceinfo": {"endpoint": base_url + one.endpoint if one.endpoint.startswith("/") else one.endpoint},
        }
        for one in facility.interfaces
    ]


def _resources(verdict: Verdict) -> dict[str, str | int]:
    spelt = {}
    for name, wish in (verdict.offered or {}).items():
        for bound, value in (("min", wish.minimum), ("max", wish.maximum)):
            if value is not None:
                spelt[f"{bound}{name}"] = spell(name, value)
    return spelt


def _info(told: Sequence[tuple[Facility, Verdict]], *, several: bool) -> dict[str, Any]:
    info: dict[str, Any] = {}
    reasons = [
        {"httpcode": one.http_code, "text": one.text, "stage": str(one.stage), "path": one.pointer}
        | ({"facility": facility.id} if several else {})
        for facility, verdict in told
        for one in verdict.reasons
    ]
    if not told:
        reasons = [{"httpcode": 404, "text": "No facility is known here.", "stage": "kind", "path": "/tasktype"}]
    if reasons:
        info["reasons"] = reasons
    ignored = told[0][1].ignored if told else ()
    if ignored:
        info["warnings"] = [f"{pointer[:80]!r} is not understood and was passed over." for pointer in ignored]
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
