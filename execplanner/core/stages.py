"""Whether a facility takes a request, in stages: kind, policy, identity, size, data, time.

`judge_one` says it of one facility with the reasons. For all facilities at once there are columns
(`execplanner.core.columns`), which must agree with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from execplanner.core.facility import Facility, Rate
from execplanner.core.locality import Transfer
from execplanner.core.messages import Message, Urn, reason
from execplanner.core.policy import check_policy
from execplanner.core.request import Ask
from penstock.auth.principal import Principal

_HOUR_S, _GIB = 3600.0, 2**30


class Stage(StrEnum):
    """Where a request was turned away, in order."""

    KIND = "kind"
    POLICY = "policy"
    IDENTITY = "identity"
    SIZE = "size"
    DATA = "data"
    TIME = "time"
    COST = "cost"


STAGES = tuple(Stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a facility does not take a request: the first stage that turned it away, and all its reasons there."""

    stage: Stage
    messages: tuple[Message, ...]


def judge_one(ask: Ask, facility: Facility, caller: Principal, transfer: Transfer) -> Refusal | None:
    """Return why a facility does not take a request, None if it does."""
    checks = {
        Stage.KIND: _kind(ask, facility),
        Stage.POLICY: check_policy(facility.kinds[ask.kind].policy, ask.document["executable"])
        if ask.kind in facility.kinds
        else iter(()),
        Stage.IDENTITY: _identity(facility, caller),
        Stage.SIZE: _size(ask, facility),
        Stage.DATA: iter(transfer.reasons),
        Stage.TIME: _time(ask, facility),
        Stage.COST: _cost(ask, facility, transfer),
    }
    for stage, found in checks.items():
        messages = tuple(found)
        if messages:
            return Refusal(stage=stage, messages=messages)
    return None


def _kind(ask: Ask, facility: Facility) -> Iterator[Message]:
    if ask.kind not in facility.kinds:
        yield reason(Urn.NOT_SUPPORTED, "The kind ${kind} is not run here.", "/executable/kind", kind=ask.kind)
    elif facility.executor_for(ask.kind) is None:
        text = "Sessions are not made here; use the facility's own interface, which /accepts tells."
        yield reason(Urn.NOT_SUPPORTED, text, "/executable/kind")


def may_use(facility: Facility, caller: Principal) -> bool:
    """Tell whether a caller may use a facility."""
    return caller.admin or not facility.groups or bool(facility.groups & caller.groups)


def _identity(facility: Facility, caller: Principal) -> Iterator[Message]:
    if not may_use(facility, caller):
        yield reason(Urn.NOT_AUTHORIZED, "The facility is for members of certain groups.")


def _size(ask: Ask, facility: Facility) -> Iterator[Message]:
    limits = facility.limits
    sizes = (
        ("/compute/cores/min", ask.need.cores, limits.cores),
        ("/compute/memory/min", ask.need.memory_bytes, limits.memory_bytes),
        ("/compute/gpus/min", ask.need.gpus, limits.gpus),
        ("/storage", ask.need.store_bytes, limits.store_bytes),
    )
    for pointer, asked, limit in sizes:
        if limit is not None and asked > limit:
            text = "${asked} at ${path} are more than there are: ${limit}."
            yield reason(Urn.RESOURCE_LIMIT, text, pointer, asked=asked, limit=limit)
    if ask.gpu_models and ask.need.gpus and not set(ask.gpu_models) & set(limits.gpu_models):
        text = "None of the models is there; there is ${models}."
        models = ", ".join(limits.gpu_models) or "none"
        yield reason(Urn.RESOURCE_LIMIT, text, "/compute/gpus/models", models=models)


def _time(ask: Ask, facility: Facility) -> Iterator[Message]:
    limit = facility.limits.duration_s
    if limit is not None and ask.duration_s > limit:
        text = "${asked} seconds are more than a session may last: ${limit}."
        place = "/schedule/requested/duration"
        yield reason(Urn.RESOURCE_LIMIT, text, place, asked=round(ask.duration_s), limit=round(limit))


def _cost(ask: Ask, facility: Facility, transfer: Transfer) -> Iterator[Message]:
    quoted = quote(facility.costs, ask, transfer)
    for name, limit in ask.cost_limits.items():
        if quoted.get(name, 0.0) > limit:
            text = "The ${type} cost is ${cost}, more than ${limit}."
            yield reason(Urn.RESOURCE_LIMIT, text, "/costs", type=name, cost=f"{quoted[name]:g}", limit=f"{limit:g}")
    for name, least in ask.metric_needs.items():
        _, best = facility.metrics.get(name, (None, None))
        if best is not None and best < least:
            text = "${type} is ${best} at best, less than ${least}."
            yield reason(Urn.RESOURCE_LIMIT, text, "/metrics", type=name, best=f"{best:g}", least=f"{least:g}")


def quote(costs: Mapping[str, Rate], ask: Ask, transfer: Transfer) -> dict[str, float]:
    """Return what the least that is asked for costs, by type."""
    hours, need = ask.duration_s / _HOUR_S, ask.need
    return {
        name: rate.fixed
        + hours * (rate.core_hour * need.cores + rate.gpu_hour * need.gpus + rate.gib_hour * need.memory_bytes / _GIB)
        + rate.gib_moved * transfer.bytes_to_move / _GIB
        for name, rate in costs.items()
    }
