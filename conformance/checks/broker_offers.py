"""Execution Broker: sets of offers and sessions, as they are before anybody accepts."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from conformance.bench import Bench
from conformance.brokering import (
    JSON,
    YAML,
    amounts,
    base,
    choices,
    document,
    duration,
    first,
    interval,
    meta,
    offered,
    session_of,
    soon,
    standing,
    url_of,
    valid,
    wanted,
    yaml_document,
)
from conformance.client import Reply
from conformance.documents import duplicates, instant, succeeded
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

NOWHERE: Final = "5e0e5c2a-0000-4000-8000-000000000000"


def _last(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


async def _read(bench: Bench, url: str, accept: str = JSON) -> Reply:
    return succeeded(await bench.get(url, headers={"Accept": accept}))


@check("broker.offerset-valid", "OfferSetResponse")
async def offerset_valid(bench: Bench) -> None:
    """The set of offers is valid by a schema of its type (openapi 1.0.7)."""
    valid((await first(bench)).document, "offerset")


@check("broker.offered", "WD 2025 s2.2.4")
async def is_offered(bench: Bench) -> None:
    """An offer is OFFERED, and says until when in the future it holds (WD 2025 s2.2.4)."""
    async with offered(bench) as offers:
        for session in offers.sessions:
            require(session.get("phase") == "OFFERED", f"the phase of a new offer is {session.get('phase')}")
            expires = str(session.get("expires") or "")
            require(expires, "an offer does not say when it expires")
            require(instant(expires) > datetime.now(UTC), f"a new offer has expired at {expires}")


@check("broker.uuids", "WD 2025 s2.2.4")
async def uuids(bench: Bench) -> None:
    """Each offer has an identifier, which no other has (WD 2025 s2.2.4)."""
    found = [meta(session, "uuid") for session in (await standing(bench)).sessions]
    require(all(found), "an offer has no meta.uuid")
    require(not duplicates(found), f"offers that have one uuid: {', '.join(duplicates(found))}")


@check("broker.minima", "WD 2025 s2.2.2")
async def minima(bench: Bench) -> None:
    """Each offer has at least the cores and the memory that are asked for (WD 2025 s2.2.2)."""
    least = {name: low for name, low, _ in amounts(wanted(bench)["compute"])}
    for session in (await standing(bench)).sessions:
        found = {name: low if most is None else most for name, low, most in amounts(session.get("compute"))}
        for name, want in least.items():
            require(found.get(name, 0) >= want, f"at least {want} of {name} were asked for, {found.get(name)} offered")


@check("broker.maxima", "WD 2025 s2.2.2", Level.SHOULD)
async def maxima(bench: Bench) -> None:
    """No offer has more cores or memory than the most that is asked for (WD 2025 s2.2.2)."""
    compute = deepcopy(wanted(bench)["compute"])
    limits = {name: max(low, 1) for name, low, _ in amounts(compute)}
    async with offered(
        bench, compute={**compute, **{name: {"min": n, "max": n} for name, n in limits.items()}}
    ) as them:
        for session in them.sessions:
            for name, low, most in amounts(session.get("compute")):
                got = low if most is None else most
                require(
                    got <= limits.get(name, got), f"at most {limits.get(name)} of {name} were asked for, {got} offered"
                )


@check("broker.duration", "WD 2025 s3.3")
async def lasts(bench: Bench) -> None:
    """Each offer lasts as long as is asked for, or longer (WD 2025 s2.2.2, s3.3)."""
    async with offered(bench, schedule={"requested": {"duration": "PT2M"}}) as offers:
        for session in offers.sessions:
            said = str(_available(session).get("duration") or "")
            require(said, "an offer does not say how long it lasts")
            require(duration(said) >= timedelta(minutes=2), f"two minutes were asked for, {said} is offered")


@check("broker.start", "WD 2025 s3.3")
async def start(bench: Bench) -> None:
    """Each offer starts within the range that is asked for (WD 2025 s3.3)."""
    begins, ends = soon()
    asked = f"{begins:%Y-%m-%dT%H:%M:%SZ}/{ends:%Y-%m-%dT%H:%M:%SZ}"
    async with offered(bench, schedule={"requested": {"duration": "PT1M", "start": asked}}) as offers:
        for session in offers.sessions:
            said = str(_available(session).get("start") or "")
            require(said, "an offer does not say when it starts")
            early, late = interval(said)
            require(begins <= early and late <= ends, f"a start in {asked} was asked for, {said} is offered")


def _available(session: dict[str, Any]) -> dict[str, Any]:
    if not str(session.get("kind", "")).rstrip("/").removesuffix(".yaml").endswith("scheduled-execution-session"):
        raise NotApplicable("the offers are no scheduled sessions")
    schedule = session.get("schedule")
    slot = schedule.get("available") if isinstance(schedule, dict) else None
    require(isinstance(slot, dict), "schedule.available of an offer is not one time slot")
    return dict(slot or {})


@check("broker.offerset", "OfferSetSelect")
async def offerset(bench: Bench) -> None:
    """The set of offers is at its URL: it has the uuid of the URL, and the same offers (openapi 1.0.7)."""
    offers = await first(bench)
    found = document(await _read(bench, offers.url))
    require(meta(found, "uuid") == _last(offers.url), f"{offers.url} has the uuid {meta(found, 'uuid')!r}")
    ids = sorted(meta(one, "uuid") for one in found.get("offers") or ())
    require(ids == sorted(meta(one, "uuid") for one in offers.sessions), "the set is read again with other offers")


@check("broker.offerset-url", "ComponentMetadata", Level.SHOULD)
async def offerset_url(bench: Bench) -> None:
    """The set of offers says where it is (openapi 1.0.7)."""
    offers = await first(bench)
    said = meta(offers.document, "url")
    require(said, "the set of offers has no meta.url")
    require(meta(document(await _read(bench, said)), "uuid") == _last(offers.url), f"at {said} is another set")


@check("broker.offerset-unknown", "RFC 9110 s15.5.5", Level.SHOULD)
async def offerset_unknown(bench: Bench) -> None:
    """A set of offers that does not exist is answered by 404 (RFC 9110 s15.5.5)."""
    reply = await bench.get(f"{base(bench)}/offersets/{NOWHERE}", headers={"Accept": JSON})
    require(reply.status == 404, f"a set of offers that does not exist is answered by {reply.status}")


@check("broker.session", "SessionSelect")
async def session(bench: Bench) -> None:
    """A session is at /sessions, and has the uuid of its URL (WD 2025 s5.2.2, openapi 1.0.7)."""
    for one in (await standing(bench)).sessions:
        place = f"{base(bench)}/sessions/{meta(one, 'uuid')}"
        found = await session_of(bench, place)
        require(meta(found, "uuid") == meta(one, "uuid"), f"{place} has the uuid {meta(found, 'uuid')!r}")


@check("broker.session-url", "WD 2025 s2.2.7")
async def session_url(bench: Bench) -> None:
    """Each session has a URL of its own, at which it is (WD 2025 s2.2.7)."""
    for one in (await standing(bench)).sessions:
        said = meta(one, "url")
        require(said, "an offer has no meta.url")
        require(_last(said) == meta(one, "uuid"), f"the offer {meta(one, 'uuid')} says that it is at {said}")
        require(meta(await session_of(bench, said), "uuid") == meta(one, "uuid"), f"at {said} is another session")


@check("broker.session-valid", "AbstractExecutionSession")
async def session_valid(bench: Bench) -> None:
    """A session is valid by a schema of its type (openapi 1.0.7)."""
    one = (await standing(bench)).sessions[0]
    valid(document(await _read(bench, url_of(bench, one))), "session")


@check("broker.session-yaml", "WD 2025 s5.2.2")
async def session_yaml(bench: Bench) -> None:
    """A session is to be had as YAML (WD 2025 s5.2.2)."""
    one = (await standing(bench)).sessions[0]
    found = yaml_document(await _read(bench, url_of(bench, one), YAML))
    require(meta(found, "uuid") == meta(one, "uuid"), f"the YAML has the uuid {meta(found, 'uuid')!r}")


@check("broker.session-unknown", "RFC 9110 s15.5.5", Level.SHOULD)
async def session_unknown(bench: Bench) -> None:
    """A session that does not exist is answered by 404 (RFC 9110 s15.5.5)."""
    reply = await bench.get(f"{base(bench)}/sessions/{NOWHERE}", headers={"Accept": JSON})
    require(reply.status == 404, f"a session that does not exist is answered by {reply.status}")


@check("broker.options", "WD 2025 s2.2.7", Level.SHOULD)
async def announced(bench: Bench) -> None:
    """An offer announces that it may be accepted or rejected (WD 2025 s2.2.7)."""
    async with offered(bench) as offers:
        for one in offers.sessions:
            missing = {"ACCEPTED", "REJECTED"} - choices(one)
            require(not missing, f"the options of an offer do not announce {', '.join(sorted(missing))}")
