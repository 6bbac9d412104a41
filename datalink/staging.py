"""Staging as a UWS job: replicas at a site for a while, made by the lake's own means.

The lake's rule is the job's lease: while the job runs, the rule lasts some minutes and is renewed, and only a job that
has come to its end gives it the lifetime that was asked for. So an aborted job ends its rule, and the rule of a job
that was killed ends by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import orjson

from datalink.compose import facts_of
from datalink.core.access import Access
from datalink.core.services import STAGE_JOB
from datalink.settings import DataLinkSettings
from penstock.auth.principal import Principal
from penstock.basket.app import open_baskets
from penstock.basket.model import MAX_LABEL, Kind, NewItem
from penstock.basket.service import Baskets
from penstock.dali.errors import NotFound, ServiceUnavailable, UsageError
from penstock.dali.values import parse_int
from penstock.ivoid import lake_did, publisher_did
from penstock.lake.obscore import access_path
from penstock.lake.port import DataLake, Did, DidType, Rule, Staging, StagingLake, StagingState
from penstock.service import Resources
from uws.ports import JobContext, JobType, ParameterSpec, ResultSpec

RESULT_ID = "replicas"
LEASE = timedelta(minutes=15)
_RENEW_EVERY_S = LEASE.total_seconds() / 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_PAGE = 1000
_DAY_S = 86_400
_MAX_IDS = 10_000
_JSON = "application/json"
_JOBS_PATH = "/uws/jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be staged, where, for how long, and for whom."""

    dids: tuple[Did, ...]
    site: str
    lifetime: timedelta
    caller: Principal


async def _run(context: JobContext) -> None:
    resources = await context.resources()
    lake, settings = resources.lake, resources.settings.section(DataLinkSettings)
    if not isinstance(lake, StagingLake):
        raise UsageError("This lake cannot stage files.")
    baskets = open_baskets(resources.settings, resources.db, resources.clock)
    basket = await baskets.for_results(context.owner, context.parameters)
    order = await _order(context, baskets, resources)
    rule = await lake.stage(order.dids, site=order.site, lifetime=min(LEASE, order.lifetime), caller=order.caller)
    try:
        await _watch(context, lake, order, rule, patience_s=settings.stage_stuck_s)
        await lake.stage(order.dids, site=order.site, lifetime=order.lifetime, caller=order.caller)
    except BaseException:
        # An abort comes as a cancellation, and there is a moment left to tell the lake.
        if rule.created:
            await lake.unstage(rule.id, caller=order.caller)
        raise
    await context.progress(1.0, f"staged at {order.site}")
    async with context.result(RESULT_ID, _JSON) as result:
        async for piece in _document(lake, order, resources):
            await result.write(piece)
    if basket is not None:
        jobs = settings.jobs_url or f"{resources.settings.own_url}{_JOBS_PATH}"
        url = f"{jobs}/{context.job_id}/results/{RESULT_ID}"
        label = f"Replicas at {order.site}"[:MAX_LABEL]
        item = NewItem(reference=url, kind=Kind.RESULT, label=label, media_type=_JSON, job=context.job_id)
        await baskets.add(context.owner, basket, [item])


async def _order(context: JobContext, baskets: Baskets, resources: Resources) -> Order:
    authority, settings = resources.settings.authority, resources.settings.section(DataLinkSettings)
    given = [text for text in context.parameters.all("ID") if text]
    texts = await baskets.expand(context.owner, given, base_url=resources.settings.own_url)
    if not 0 < len(texts) <= _MAX_IDS:
        raise UsageError(f"ID has {len(texts)} values; a job stages 1 to {_MAX_IDS}, and datasets count as one.")
    lifetime_s = parse_int("LIFETIME", context.parameters.single("LIFETIME") or str(_DAY_S))
    if lifetime_s > settings.max_stage_lifetime_s:
        raise UsageError(f"LIFETIME={lifetime_s} is more than the {settings.max_stage_lifetime_s} s that are allowed.")
    return Order(
        dids=tuple(dict.fromkeys(lake_did(authority, text) for text in texts)),
        site=context.parameters.single("SITE") or "",
        lifetime=timedelta(seconds=lifetime_s),
        caller=context.owner,
    )


async def _watch(context: JobContext, lake: StagingLake, order: Order, rule: Rule, *, patience_s: float) -> None:
    """Return when everything is there; tell how far it is meanwhile.

    Raises
    ------
    ServiceUnavailable
        Nothing has moved for `patience_s` seconds.
    """
    loop = asyncio.get_running_loop()
    moved = renewed = loop.time()
    last: Staging | None = None
    pause_s = _FIRST_PAUSE_S
    while True:
        now = loop.time()
        try:
            if now - renewed > _RENEW_EVERY_S:
                await lake.stage(order.dids, site=order.site, lifetime=min(LEASE, order.lifetime), caller=order.caller)
                renewed = now
            staging = await lake.staging(rule.id, caller=order.caller)
        except NotFound as error:
            raise UsageError("Somebody ended the staging in the lake.") from error
        except ServiceUnavailable as error:  # a lake that is away for a moment goes on with the rule afterwards
            if now - moved > patience_s:
                raise
            await context.progress(None, f"waiting: {error.message}")
        else:
            if last is None or staging.done != last.done:
                moved, pause_s = now, _FIRST_PAUSE_S
            last = staging
            await context.progress(staging.done / staging.total if staging.total else 1.0, _told(staging, order.site))
            if staging.state is StagingState.OK:
                return
            if now - moved > patience_s:
                raise ServiceUnavailable(f"Nothing has moved for {patience_s:g} s: {_told(staging, order.site)}.")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def _told(staging: Staging, site: str) -> str:
    text = f"{staging.done} of {staging.total} files are at {site}"
    if staging.state is StagingState.WAITING:
        text += "; waiting for approval or its turn"
    if staging.stuck:
        text += f"; {staging.stuck} cannot be copied now"
    return f"{text}: {staging.reason}" if staging.reason else text


async def _document(lake: DataLake, order: Order, resources: Resources) -> AsyncIterator[bytes]:
    """Yield a JSON document that says where each file is now, at the site; files of datasets one by one."""
    head = {"site": order.site, "lifetime_s": int(order.lifetime.total_seconds())}
    yield orjson.dumps(head)[:-1] + b',"files":['
    separator = b""
    facts, early = facts_of(resources), resources.settings.section(DataLinkSettings).early_access
    access = Access(caller=order.caller, now=resources.clock(), early=early)
    async for page in _pages(lake, order):
        found = await facts.resolve(page, order.caller)
        for did in page:
            if (known := found.get(did)) is None:
                continue
            entry, readable = known.entry, access.may_read(known)
            here = [one.url for one in entry.replicas if one.site == order.site and one.url and readable]
            links = resources.settings.own_url + access_path(publisher_did(resources.settings.authority, did))
            row = {"did": str(did), "size_bytes": entry.size_bytes, "urls": here, "datalink": links}
            yield separator + orjson.dumps(row)
            separator = b",\n"
    yield b"]}\n"


async def _pages(lake: DataLake, order: Order) -> AsyncIterator[Sequence[Did]]:
    page: list[Did] = []
    async for did in _files(lake, order.dids, order.caller):
        page.append(did)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


async def _files(lake: DataLake, dids: Sequence[Did], caller: Principal) -> AsyncIterator[Did]:
    """Yield files, and those of datasets and containers, each once; containers may hold each other in a circle."""
    waiting, seen = list(reversed(dids)), set(dids)
    entries = await lake.resolve(dids, caller=caller)
    collections = {did for did, entry in entries.items() if entry.type is not DidType.FILE}
    while waiting:
        did = waiting.pop()
        if did not in collections:
            yield did
            continue
        async for member in lake.content(did, caller=caller):
            if member.did not in seen:
                seen.add(member.did)
                waiting.append(member.did)
                if member.type is not DidType.FILE:
                    collections.add(member.did)


STAGE = JobType(
    name=STAGE_JOB,
    version="1.0",
    title="Stage files at a site",
    description=(
        "Makes replicas of files, datasets or containers at a storage site, and keeps them there for a while. "
        "The job is completed when all files are there; aborting it gives the replicas up."
    ),
    run=_run,
    parameters=(
        ParameterSpec(
            name="ID",
            description=(
                "What to stage: scope:name or a publisher DID, of a file, a dataset or a container; "
                "basket:NAME stands for all of them in a basket"
            ),
            required=True,
            multiple=True,
            ucd="meta.id;meta.main",
        ),
        ParameterSpec(name="SITE", description="The storage site", required=True, ucd="meta.id"),
        ParameterSpec(
            name="LIFETIME",
            type="integer",
            description="How long the replicas are kept",
            unit="s",
            minimum=60,
            default=str(_DAY_S),
        ),
        ParameterSpec(name="BASKET", description="Name of a basket into which the result is put, too"),
    ),
    results=(ResultSpec(id=RESULT_ID, media_types=(_JSON,), description="Where the files are at the site"),),
)
