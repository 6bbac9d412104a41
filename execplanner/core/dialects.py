"""The generations of the Execution Broker as dialects of one model.

======== ===================================== =======================================================================
dialect  who speaks it                         how it is told
======== ===================================== =======================================================================
D1       the 1.0.7 schema, and we ourselves    kinds under ``Calycopis-openapi/schema/v1.0/kinds``, or nothing else
D2       brokers of spring 2026                kinds under ``EB/schema/v1.0/types``
D3       the drafts of 2025                    `type` in place of `kind`, members of `meta` at the top, `resources`
======== ===================================== =======================================================================

Reading turns any of them into the first; writing turns the first into any. Whatever is not a matter of dialect passes
through unchanged, so that the reader of shapes can judge it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from execplanner.core.kinds import UPSTREAM

_D2 = "https://www.purl.org/ivoa.net/EB/schema/v1.0/types"
_D3 = "https://www.purl.org/ivoa.net/EB/schema/types"
_IN_D2 = re.compile(r"EB/schema/v\d[\d.]*/+types/")
_META = {"uuid": "uuid", "name": "name", "ident": "uuid", "href": "url", "description": "description"}
_FLATTENED = {"uuid": "uuid", "name": "name", "url": "href", "description": "description"}
_WRAPPERS = frozenset({"request", "update", "offer"})
_TYPED = frozenset({"executable", "compute", "storage", "data", "volumes", "offers", "options", "connectors"})
_MEASURES = ("cores", "memory", "size")


class DialectName(StrEnum):
    """The dialects that are spoken."""

    D1 = "D1"
    D2 = "D2"
    D3 = "D3"


def unify(document: Any) -> tuple[Any, DialectName]:
    """Return a request or an update in the first dialect, and the dialect that it was in."""
    if not isinstance(document, Mapping):
        return document, DialectName.D1
    inner = next((document[name] for name in _WRAPPERS if isinstance(document.get(name), Mapping)), None)
    body: Mapping[str, Any] = document if inner is None or len(document) > 1 else inner
    if body is not document or _is_flat(body):
        return _from_flat(body), DialectName.D3
    spring = _IN_D2.search(_kind_of(body.get("executable")))
    return _with_volumes_below(body), DialectName.D2 if spring else DialectName.D1


def _is_flat(body: Mapping[str, Any]) -> bool:
    executable = body.get("executable")
    typed = isinstance(executable, Mapping) and "type" in executable and "kind" not in executable
    return typed or "resources" in body or ("type" in body and "kind" not in body and "path" in body)


def _kind_of(part: Any) -> str:
    kind = part.get("kind") if isinstance(part, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _with_volumes_below(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put volumes that stand beside the compute resource below it, where they moved in 2026."""
    compute = body.get("compute")
    if "volumes" not in body or not (compute is None or isinstance(compute, Mapping)):
        return body
    found = {"kind": f"{UPSTREAM}/compute/simple-compute-resource.yaml", **(compute or {})}
    named = isinstance(found.get("volumes"), list) and all(isinstance(one, str) for one in found["volumes"])
    if "volumes" not in found or named:
        volumes = body["volumes"]
        found["volumes"] = [_volume(one) for one in volumes] if isinstance(volumes, list) else volumes
    return {**{name: one for name, one in body.items() if name != "volumes"}, "compute": found}


def _volume(volume: Any) -> Any:
    """Let a volume of several resources be one of the first: there is never more than one in the examples."""
    if not isinstance(volume, Mapping):
        return volume
    found = {name: one for name, one in volume.items() if name not in ("resources", "cardinality")}
    found.setdefault("kind", f"{UPSTREAM}/volume/simple-volume-mount.yaml")
    resources = volume.get("resources")
    if isinstance(resources, list) and resources:
        found.setdefault("resource", resources[0])
    if found.get("mode") in ("rw", "ro"):
        found["mode"] = {"rw": "READWRITE", "ro": "READONLY"}[found["mode"]]
    return found


def _from_flat(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = dict(_part(body, top=True))
    resources = found.pop("resources", None)
    if isinstance(resources, Mapping):
        for name in ("compute", "storage", "data", "volumes"):
            if name in resources:
                found.setdefault(name, resources[name])
    if isinstance(found.get("compute"), list) and len(found["compute"]) == 1:
        [found["compute"]] = found["compute"]
    for name in ("executable", "compute", "storage", "data", "volumes"):
        if name in found:
            found[name] = _parts(found[name])
    compute = found.get("compute")
    if isinstance(compute, Mapping) and isinstance(compute.get("volumes"), list):
        found["compute"] = {**compute, "volumes": [_volume(_part(one)) for one in compute["volumes"]]}
    if "schedule" in found or "datetime" in found:
        found["schedule"] = _schedule(found.pop("datetime", found.get("schedule")))
    return _as_update(_with_volumes_below(found))


def _as_update(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read ``offer: {ident, status}``, the oldest way to accept."""
    status = found.get("status")
    if not isinstance(status, str) or "executable" in found:
        return found
    return {"kind": "uri:enum-value-update", "path": "phase", "value": status}


def _parts(value: Any) -> Any:
    return [_part(one) for one in value] if isinstance(value, list) else _part(value)


def _part(part: Any, *, top: bool = False) -> Any:
    """Return a component with `kind`, `meta` and what its `spec` holds."""
    if not isinstance(part, Mapping):
        return part
    found = {name: one for name, one in part.items() if name not in ("spec", "type", *_META)}
    if "type" in part and not (top and "executable" in part):
        found["kind"] = part["type"]
    if isinstance(part.get("spec"), Mapping):
        found |= part["spec"]
    meta = {new: part[old] for old, new in _META.items() if old in part}
    if meta and not (top and "status" in part):
        found["meta"] = {**meta, **found["meta"]} if isinstance(found.get("meta"), Mapping) else meta
    for name in _MEASURES:
        measure = found.get(name)
        if isinstance(measure, Mapping) and isinstance(measure.get("requested"), Mapping):
            found[name] = measure["requested"]
    return found


def _schedule(schedule: Any) -> Any:
    """Return the schedule with one start interval: of several the first is tried."""
    if isinstance(schedule, list):
        first = schedule[0] if schedule else {}
        schedule = {"requested": first}
    requested = schedule.get("requested") if isinstance(schedule, Mapping) else None
    if not isinstance(requested, Mapping):
        return schedule
    found = dict(requested)
    if isinstance(found.get("start"), list) and found["start"]:
        found["start"] = found["start"][0]
    if isinstance(found.get("duration"), Mapping):
        found["duration"] = found["duration"].get("min", found["duration"].get("max"))
    return {"requested": found}


def speak(document: Mapping[str, Any], dialect: DialectName) -> Mapping[str, Any]:
    """Return a document of the first dialect, its kinds spelt out, in another."""
    match dialect:
        case DialectName.D1:
            return document
        case DialectName.D2:
            spoken: Mapping[str, Any] = _rename_kinds(document, _D2)
            return spoken
        case DialectName.D3:
            flat: Mapping[str, Any] = _to_flat(_rename_kinds(document, _D3))
            return flat


def _rename_kinds(value: Any, base: str) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _renamed(one, base) if name == "kind" and isinstance(one, str) else _rename_kinds(one, base)
            for name, one in value.items()
        }
    return [_rename_kinds(one, base) for one in value] if isinstance(value, list) else value


def _renamed(kind: str, base: str) -> str:
    if not kind.startswith(UPSTREAM):
        return kind
    return f"{base}{kind.removeprefix(UPSTREAM).removesuffix('.yaml')}-1.0"


def _to_flat(value: Any, place: str = "") -> Any:
    if isinstance(value, list):
        return [_to_flat(one, place) for one in value]
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for name, one in value.items():
        if name == "kind" and (place in _TYPED or not place):
            found["type"] = one
        elif name == "meta":
            found |= {_FLATTENED.get(inner, inner): _to_flat(each, inner) for inner, each in one.items()}
        elif name in _MEASURES and place in ("compute", "storage"):
            found[name] = {"offered": one}
        else:
            found[name] = _to_flat(one, name)
    return found
