"""Execution Broker: what becomes of offers. None is accepted unless the profile allows it, and then it is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from conformance.bench import Bench
from conformance.brokering import (
    ACCEPTED,
    YAML,
    Offers,
    base,
    choices,
    document,
    offered,
    phase_update,
    posted,
    session_of,
    set_phase,
    url_of,
)
from conformance.checks.broker_offers import NOWHERE
from conformance.client import Reply
from conformance.credentials import Identity
from conformance.documents import succeeded
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


async def _phase(bench: Bench, session: Mapping[str, Any]) -> str:
    return str((await session_of(bench, url_of(bench, session))).get("phase"))


async def _refused(bench: Bench, reply: Reply, session: Mapping[str, Any], what: str, phase: str = "OFFERED") -> None:
    require(400 <= reply.status < 500, f"{what} is answered by {reply.status} instead of a refusal")
    found = await _phase(bench, session)
    require(found == phase, f"{what} is refused, and the session is {found} afterwards")


async def _send(bench: Bench, session: Mapping[str, Any], update: Mapping[str, Any]) -> Reply:
    return await bench.send(posted(url_of(bench, session), update))


def _needs_leave(bench: Bench) -> None:
    if not bench.profile.broker.accept:
        raise NotApplicable("no offer may be accepted: allow it in the profile, [broker] accept = true")


@asynccontextmanager
async def accepted(bench: Bench) -> AsyncIterator[tuple[Offers, dict[str, Any]]]:
    """Accept an offer, if that is allowed; yield the offers and the session. It is cancelled afterwards."""
    _needs_leave(bench)
    async with offered(bench) as offers:
        reply = await set_phase(bench, offers.sessions[0], "ACCEPTED")
        yield offers, document(succeeded(reply))


@check("broker.reject", "WD 2025 s2.2.5")
async def reject(bench: Bench) -> None:
    """An offer that is rejected is REJECTED (WD 2025 s2.2.5)."""
    async with offered(bench) as offers:
        found = document(succeeded(await set_phase(bench, offers.sessions[0], "REJECTED")))
        require(found.get("phase") == "REJECTED", f"an offer is {found.get('phase')} after it was rejected")
        seen = await _phase(bench, offers.sessions[0])
        require(seen == "REJECTED", f"an offer was rejected, and is read again as {seen}")


@check("broker.reject-yaml", "WD 2025 s5.2.3")
async def reject_yaml(bench: Bench) -> None:
    """An update may be YAML (WD 2025 s5.2.3)."""
    async with offered(bench) as offers:
        update = {"kind": "uri:enum-value-update", "path": "phase", "value": "REJECTED"}
        reply = await bench.send(posted(url_of(bench, offers.sessions[0]), update, media=YAML))
        phase = document(succeeded(reply)).get("phase")
        require(phase == "REJECTED", f"an offer is {phase} after it was rejected in YAML")


@check("broker.rejected-stays", "WD 2025 s2.2.5")
async def rejected_stays(bench: Bench) -> None:
    """An offer that was rejected cannot be accepted any more (WD 2025 s2.2.5)."""
    _needs_leave(bench)  # a broker that is wrong here runs it
    async with offered(bench) as offers:
        one = offers.sessions[0]
        succeeded(await set_phase(bench, one, "REJECTED"))
        await set_phase(bench, one, "ACCEPTED")
        found = await _phase(bench, one)
        require(found == "REJECTED", f"an offer was rejected, then accepted, and is {found}")


@check("broker.transition-refused", "RFC 9110 s15.5.10", Level.SHOULD)
async def transition_refused(bench: Bench) -> None:
    """An update that the phase does not allow is refused, best by 409 (RFC 9110 s15.5.10)."""
    async with offered(bench) as offers:
        one = offers.sessions[0]
        succeeded(await set_phase(bench, one, "REJECTED"))
        reply = await set_phase(bench, one, "CANCELLED")
        await _refused(bench, reply, one, "CANCELLED for a rejected offer", "REJECTED")


@check("broker.update-path", "WD 2025 s2.2.7", Level.SHOULD)
async def update_path(bench: Bench) -> None:
    """An update of what the options do not announce is refused (WD 2025 s2.2.7)."""
    async with offered(bench) as offers:
        update = {"kind": "uri:enum-value-update", "path": "no/such/part", "value": "REJECTED"}
        reply = await _send(bench, offers.sessions[0], update)
        await _refused(bench, reply, offers.sessions[0], "an update of a part that does not exist")


@check("broker.update-kind", "AbstractUpdate", Level.SHOULD)
async def update_kind(bench: Bench) -> None:
    """An update of an unknown kind is refused (openapi 1.0.7)."""
    async with offered(bench) as offers:
        update = {"kind": "uri:no-such-update", "path": "phase", "value": "REJECTED"}
        reply = await _send(bench, offers.sessions[0], update)
        await _refused(bench, reply, offers.sessions[0], "an update of an unknown kind")


@check("broker.update-value", "WD 2025 s2.2.7", Level.SHOULD)
async def update_value(bench: Bench) -> None:
    """An update to a phase that does not exist, or is not the client's to set, is refused (WD 2025 s2.2.7)."""
    async with offered(bench) as offers:
        for value in ("PERHAPS", "COMPLETED"):
            reply = await _send(
                bench, offers.sessions[0], {"kind": "uri:enum-value-update", "path": "phase", "value": value}
            )
            await _refused(bench, reply, offers.sessions[0], f"the phase {value}")


@check("broker.update-malformed", "RFC 9110 s15.5.1", Level.SHOULD)
async def update_malformed(bench: Bench) -> None:
    """An update that is no document is refused (RFC 9110 s15.5.1)."""
    async with offered(bench) as offers:
        reply = await bench.send(posted(url_of(bench, offers.sessions[0]), '{"kind": '))
        await _refused(bench, reply, offers.sessions[0], "a broken update")


@check("broker.update-unknown", "RFC 9110 s15.5.5", Level.SHOULD)
async def update_unknown(bench: Bench) -> None:
    """An update of a session that does not exist is answered by 404 (RFC 9110 s15.5.5)."""
    reply = await bench.send(phase_update(f"{base(bench)}/sessions/{NOWHERE}", "REJECTED"))
    require(reply.status == 404, f"an update of a session that does not exist is answered by {reply.status}")


@check("broker.others", "WD 2025 s2.2.7", Level.SHOULD)
async def others(bench: Bench) -> None:
    """What somebody may change depends on who that is: others cannot reject our offer (WD 2025 s2.2.7)."""
    if not (bench.has(Identity.OWN) and bench.has(Identity.OTHER)):
        raise NotApplicable("there are no tokens of two people: give them with --auth and --auth-other")
    async with offered(bench) as offers:
        reply = await set_phase(bench, offers.sessions[0], "REJECTED", Identity.OTHER)
        await _refused(bench, reply, offers.sessions[0], "an update by somebody else")


@check("broker.accept", "WD 2025 s2.2.5")
async def accept(bench: Bench) -> None:
    """An offer that is accepted is ACCEPTED, or further on its way (WD 2025 s2.2.5, s2.2.6)."""
    async with accepted(bench) as (_, session):
        phase = session.get("phase")
        require(phase in ACCEPTED, f"an offer is {phase} after it was accepted")
        found = await _phase(bench, session)
        require(found in ACCEPTED | {"FAILED"}, f"an offer was accepted, and is read again as {found}")


@check("broker.siblings", "WD 2025 s2.2.5", Level.SHOULD)
async def siblings(bench: Bench) -> None:
    """When an offer is accepted, the others of its set are rejected (WD 2025 s2.2.5)."""
    async with accepted(bench) as (offers, _):
        if len(offers.sessions) < 2:
            raise NotApplicable("there is only one offer")
        for one in offers.sessions[1:]:
            found = await _phase(bench, one)
            require(found == "REJECTED", f"an offer was accepted, and another of the set is {found}")


@check("broker.accepted-options", "WD 2025 s2.2.7", Level.SHOULD)
async def accepted_options(bench: Bench) -> None:
    """A session that was accepted announces that it may be cancelled, and no other phase (WD 2025 s2.2.7)."""
    async with accepted(bench) as (_, session):
        found = await session_of(bench, url_of(bench, session))
        if found.get("phase") in ENDED | {"RELEASING"}:
            raise NotApplicable(f"the session was {found.get('phase')} at once")
        require(choices(found) == {"CANCELLED"}, f"a session that runs announces {sorted(choices(found))}")


@check("broker.cancel", "WD 2025 s2.2.7")
async def cancel(bench: Bench) -> None:
    """A session that was accepted can be cancelled, and can still be read then (WD 2025 s2.2.7)."""
    async with _cancelled(bench) as session:
        found = await _phase(bench, session)
        require(found in {"RELEASING", "CANCELLED"}, f"a session was cancelled, and is read again as {found}")


@check("broker.cancelled-stays", "WD 2025 s2.2.6")
async def cancelled_stays(bench: Bench) -> None:
    """A session that was cancelled does not run again (WD 2025 s2.2.6)."""
    async with _cancelled(bench) as session:
        await set_phase(bench, session, "ACCEPTED")
        found = await _phase(bench, session)
        require(found in {"RELEASING", "CANCELLED"}, f"a session was cancelled, then accepted, and is {found}")


@asynccontextmanager
async def _cancelled(bench: Bench) -> AsyncIterator[dict[str, Any]]:
    async with accepted(bench) as (_, session):
        reply = await set_phase(bench, session, "CANCELLED")
        if reply.status != 200 and (ended := await _phase(bench, session)) in ENDED:
            raise NotApplicable(f"the session was {ended} before it could be cancelled")
        yield document(succeeded(reply))
