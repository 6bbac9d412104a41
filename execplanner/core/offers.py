"""The documents of offers and sessions, in the first dialect.

What never changes of a session is made once, when it is offered (`offered_document`); its phase, times and options are
put to it whenever somebody looks (`session_document`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from execplanner.core.facility import Facility
from execplanner.core.kinds import UWS_CONNECTOR, write_kind
from execplanner.core.locality import Transfer
from execplanner.core.messages import Level, Message, Urn
from execplanner.core.model import METRICS, REQUEST
from execplanner.core.phases import LIVE, OFFERS, Phase, choices
from execplanner.core.request import COST_TYPE, GIB, Amounts, Ask
from execplanner.core.shapes import spell_kinds
from execplanner.core.times import format_iso_duration
from penstock.dali.values import format_timestamp

RELEASING_S: Final = 10.0
METRIC_TYPE: Final = "urn:penstock:metric:"
CORES_PATH, MEMORY_PATH, PHASE_PATH = "compute/cores", "compute/memory", "phase"
_BEFORE = OFFERS | {Phase.ACCEPTED, Phase.REJECTED, Phase.EXPIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What of a session changes, as it is to be shown."""

    id: str
    url: str
    phase: Phase
    created: datetime
    modified: datetime
    prepares: datetime
    begins: datetime
    ends: datetime
    name: str | None = None
    expires: datetime | None = None
    messages: Sequence[Mapping[str, Any]] = ()
    connectors: Sequence[Mapping[str, Any]] = ()
    job_url: str | None = None
    limits: tuple[int | None, int | None] | None = None


def asked_parts(ask: Ask) -> dict[str, Any]:
    """Return what all offers for a request have in common: the parts of it that are not changed."""
    asked = ask.document
    found = {
        "executable": asked["executable"],
        "compute": asked.get("compute") or {"kind": "simple-compute-resource"},
        "storage": asked.get("storage"),
        "data": asked.get("data"),
    }
    parts: dict[str, Any] = spell_kinds(REQUEST, {name: part for name, part in found.items() if part})
    return parts


def offered_document(
    parts: Mapping[str, Any], amounts: Amounts, costs: Mapping[str, float], metrics: list[Any]
) -> dict[str, Any]:
    """Return what of an offer never changes: what was asked for (`parts`), with what is offered in its place."""
    compute = {**parts["compute"], **compute_ranges(amounts)}
    if amounts.gpus:
        compute["gpus"] = {**compute.get("gpus", {}), "min": amounts.gpus, "max": amounts.gpus}
    kind = write_kind("costs", "simple-minmax-float-cost")
    priced = [
        {"kind": kind, "type": COST_TYPE + name, "min": round(value, 6), "max": round(value, 6)}
        for name, value in sorted(costs.items())
    ]
    more = {"costs": priced, "metrics": spell_kinds(METRICS, metrics)}
    return {**parts, "compute": compute} | {name: part for name, part in more.items() if part}


def compute_ranges(amounts: Amounts) -> dict[str, Any]:
    """Return cores and memory (GiB) as an offer has them: so many, not more and not less."""
    memory = amounts.memory_bytes // GIB
    return {
        "cores": {"min": amounts.cores, "max": amounts.cores},
        "memory": {"min": memory, "max": memory},
    }


def metrics_of(facility: Facility, transfer: Transfer | None) -> list[dict[str, Any]]:
    """Return what a facility promises, and what is known of the data."""
    found: list[tuple[str, float | None, float | None, str | None]]
    found = [(name, low, high, None) for name, (low, high) in sorted(facility.metrics.items())]
    if transfer is not None:
        for name, value, text in (
            ("bytes-local", float(transfer.bytes_local), "Bytes of the data that are at the facility"),
            ("bytes-to-move", float(transfer.bytes_to_move), "Bytes of the data that must be brought there"),
            ("transfer-time", round(transfer.seconds, 3), "Seconds that this is expected to take"),
        ):
            found.append((METRIC_TYPE + name, value, value, text))
    return [_metric(name, low, high, text) for name, low, high, text in found]


def _metric(name: str, low: float | None, high: float | None, text: str | None) -> dict[str, Any]:
    metric: dict[str, Any] = {"kind": "simple-minmax-float-metric", "type": name}
    metric |= {bound: value for bound, value in (("min", low), ("max", high)) if value is not None}
    return metric | ({"description": text} if text else {})


def at_facility(facility: Facility) -> Message:
    """Return the message that says where an offer is: upstream has no member for it."""
    values = {"title": facility.title, "facility": facility.id}
    if facility.site:
        values["site"] = facility.site
    return Message(kind=Urn.SESSION, template="At ${title}", level=Level.INFO, values=values)


def session_document(document: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """Return a session as it is shown now."""
    found: dict[str, Any] = {
        "kind": write_kind("session", "scheduled-execution-session"),
        "meta": _meta(shown),
        "phase": str(shown.phase),
    }
    if shown.phase in OFFERS and shown.expires is not None:
        found["expires"] = format_timestamp(shown.expires)
    found["schedule"] = _schedule(shown)
    for name in ("executable", "compute"):
        if name in document:
            found[name] = _component(document[name], f"/{name}", shown)
    for name in ("storage", "data"):
        if name in document:
            found[name] = [_component(one, f"/{name}/{n}", shown) for n, one in enumerate(document[name])]
    found |= {name: document[name] for name in ("costs", "metrics") if name in document}
    connectors = [*shown.connectors, *_job_connector(shown)]
    if connectors:
        found["connectors"] = connectors
    return found


def _meta(shown: Shown) -> dict[str, Any]:
    meta: dict[str, Any] = {"uuid": shown.id}
    if shown.name:
        meta["name"] = shown.name
    if shown.url:
        meta["url"] = shown.url
    created = format_timestamp(shown.created)
    meta |= {
        "created": created,
        "modified": created if shown.modified == shown.created else format_timestamp(shown.modified),
    }
    if shown.messages:
        meta["messages"] = list(shown.messages)
    options = _options(shown)
    if options:
        meta["options"] = options
    return meta


def _options(shown: Shown) -> list[dict[str, Any]]:
    """Return what may be changed now."""
    options: list[dict[str, Any]] = []
    values = choices(shown.phase)
    if values:
        options.append({"kind": "uri:enum-value-option", "path": PHASE_PATH, "values": list(values)})
    if shown.phase is Phase.OFFERED and shown.limits is not None:
        for path, most, units in ((CORES_PATH, shown.limits[0], None), (MEMORY_PATH, shown.limits[1], "GiB")):
            option: dict[str, Any] = {"kind": "uri:integer-value-option", "path": path, "min": 1}
            option |= {"max": most} if most is not None else {}
            options.append(option | ({"units": units} if units else {}))
    return options


def _schedule(shown: Shown) -> dict[str, Any]:
    begins, ends = format_timestamp(shown.begins), format_timestamp(shown.ends)
    prepares = begins if shown.prepares == shown.begins else format_timestamp(shown.prepares)
    prepared_s = (shown.begins - shown.prepares).total_seconds()
    available_s = (shown.ends - shown.begins).total_seconds()
    return {
        "preparing": {"start": prepares, "duration": format_iso_duration(prepared_s)},
        "available": {"start": f"{begins}/PT0S", "duration": format_iso_duration(available_s)},
        "releasing": {"start": ends, "duration": format_iso_duration(RELEASING_S)},
    }


def _component(part: Mapping[str, Any], place: str, shown: Shown) -> dict[str, Any]:
    meta = {**part.get("meta", {}), "uuid": str(uuid5(UUID(shown.id) if shown.id else NAMESPACE_URL, place))}
    phase = "INITIALIZING" if shown.phase in _BEFORE else str(shown.phase)
    return {**part, "meta": meta, "phase": phase}


def _job_connector(shown: Shown) -> list[dict[str, Any]]:
    if shown.job_url is None:
        return []
    status = "AVAILABLE" if shown.phase in LIVE else "FINISHED"
    protocol = "HTTPS" if shown.job_url.startswith("https:") else "HTTP"
    return [{"kind": UWS_CONNECTOR, "status": status, "protocol": protocol, "location": shown.job_url}]
