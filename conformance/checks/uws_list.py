"""UWS 1.1: the job list and its filters.

A service need not list the jobs of people it does not know, so what a filter must show is asked for only where the
list shows the jobs of this run; what it must not show is asked for always.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from conformance.bench import Bench, Job, Pairs
from conformance.checks.uws_jobs import PHASES
from conformance.credentials import Identity
from conformance.documents import child_text, instant, valid, xml
from conformance.model import Level, NotApplicable, require
from conformance.registry import check


@dataclass(frozen=True, slots=True)
class Reference:
    """A jobref of the list."""

    id: str
    phase: str
    created: str | None


async def listed(bench: Bench, query: Pairs = (), identity: Identity = Identity.OWN) -> list[Reference]:
    """Read the job list with a filter."""
    root = xml(await bench.get(bench.url, query, identity=identity), "jobs")
    return [
        Reference(one.get("id", ""), child_text(one, "phase") or "", child_text(one, "creationTime"))
        for one in root.iterfind("{*}jobref")
    ]


async def _id(job: Job) -> str:
    return child_text(xml(await job.bench.get(job.url), "job"), "jobId") or ""


def _shown(references: Sequence[Reference], identifier: str) -> bool:
    return any(one.id == identifier for one in references)


async def _needs_listing(bench: Bench, job: Job) -> str:
    identifier = await _id(job)
    if not _shown(await listed(bench), identifier):
        raise NotApplicable("the job list does not show the jobs of an anonymous client")
    return identifier


@check("uws.list-document", "2.2.2.1")
async def list_document(bench: Bench) -> None:
    """The job list is a valid document, with a job in it (UWS 1.1 s2.2.2.1)."""
    async with bench.job():
        valid(await bench.get(bench.url), "jobs")


@check("uws.list-shows-job", "2.2.2.1", Level.SHOULD)
async def list_shows_job(bench: Bench) -> None:
    """The list shows the jobs that the client may see, and a new one among them (UWS 1.1 s2.2.2.1)."""
    async with bench.job() as job:
        identifier = await _id(job)
        found = [one for one in await listed(bench) if one.id == identifier]
        require(found, f"the list does not show the job {identifier}, which was just made")
        require(found[0].phase == "PENDING", f"the list says that the new job is {found[0].phase}")


@check("uws.list-phase", "2.2.2.1", Level.SHOULD)
async def list_phase(bench: Bench) -> None:
    """PHASE selects the jobs of that phase (UWS 1.1 s2.2.2.1)."""
    async with bench.job() as job, bench.job() as other:
        await other.abort()
        for phase in ("PENDING", "ABORTED"):
            wrong = {one.phase for one in await listed(bench, {"PHASE": phase})} - {phase}
            require(not wrong, f"PHASE={phase} lists jobs that are {', '.join(sorted(wrong))}")
        pending, aborted = await _needs_listing(bench, job), await _id(other)
        require(_shown(await listed(bench, {"PHASE": "PENDING"}), pending), "PHASE=PENDING misses a pending job")
        require(_shown(await listed(bench, {"PHASE": "ABORTED"}), aborted), "PHASE=ABORTED misses an aborted job")


@check("uws.list-phases", "2.2.2.1", Level.SHOULD)
async def list_phases(bench: Bench) -> None:
    """Several PHASE select the jobs of any of them (UWS 1.1 s2.2.2.1)."""
    async with bench.job() as job, bench.job() as other:
        await other.abort()
        ids = {await _needs_listing(bench, job), await _id(other)}
        both = await listed(bench, [("PHASE", "PENDING"), ("PHASE", "ABORTED")])
        wrong = {one.phase for one in both} - {"PENDING", "ABORTED"}
        require(not wrong, f"PHASE=PENDING&PHASE=ABORTED lists jobs that are {', '.join(sorted(wrong))}")
        require(ids <= {one.id for one in both}, "PHASE=PENDING&PHASE=ABORTED misses a job of one of the phases")


@check("uws.list-filters", "2.2.2.1", Level.SHOULD)
async def list_filters(bench: Bench) -> None:
    """Several filters hold together, LAST after the others (UWS 1.1 s2.2.2.1)."""
    async with bench.job() as job, bench.job() as newer:
        await newer.abort()
        identifier = await _needs_listing(bench, job)
        found = await listed(bench, {"PHASE": "PENDING", "LAST": "1"})
        wrong = {one.phase for one in found} - {"PENDING"}
        require(not wrong, f"PHASE=PENDING&LAST=1 lists jobs that are {', '.join(sorted(wrong))}")
        require(len(found) <= 1, f"PHASE=PENDING&LAST=1 lists {len(found)} jobs")
        require(_shown(found, identifier), "PHASE=PENDING&LAST=1 misses the newest pending job")


@check("uws.list-no-archived", "2.2.2.1")
async def list_no_archived(bench: Bench) -> None:
    """The list shows archived jobs only where PHASE=ARCHIVED asks for them (UWS 1.1 s2.2.2.1)."""
    references = await listed(bench)
    require(all(one.phase != "ARCHIVED" for one in references), "the list shows archived jobs without being asked")
    unknown = {one.phase for one in references} - PHASES
    require(not unknown, f"the list has jobs in unknown phases: {', '.join(sorted(unknown))}")


@check("uws.list-last", "2.2.2.1", Level.SHOULD)
async def list_last(bench: Bench) -> None:
    """LAST=n gives the n newest jobs, the newest first (UWS 1.1 s2.2.2.1)."""
    async with bench.job(), bench.job() as second:
        one = await listed(bench, {"LAST": "1"})
        require(len(one) <= 1, f"LAST=1 lists {len(one)} jobs")
        identifier = await _needs_listing(bench, second)
        two = await listed(bench, {"LAST": "2"})
        times = [instant(reference.created) for reference in two if reference.created]
        require(times == sorted(times, reverse=True), "LAST=2 does not list the newest job first")
        require(_shown(two, identifier), "LAST=2 does not list a job that was just made")


@check("uws.list-after", "2.2.2.1", Level.SHOULD)
async def list_after(bench: Bench) -> None:
    """AFTER selects the jobs that were created after a time (UWS 1.1 s2.2.2.1)."""
    async with bench.job() as job:
        future = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        require(not await listed(bench, {"AFTER": future}), "AFTER tomorrow lists jobs")
        identifier = await _needs_listing(bench, job)
        require(
            _shown(await listed(bench, {"AFTER": "2010-01-01T00:00:00Z"}), identifier),
            "AFTER=2010-01-01T00:00:00Z misses a job that was just made",
        )


@check("uws.list-bad-filter", "2.2.2.1", Level.SHOULD)
async def list_bad_filter(bench: Bench) -> None:
    """A filter that means nothing is refused (UWS 1.1 s2.2.2.1)."""
    for query in ({"PHASE": "SUCCESS"}, {"LAST": "-1"}, {"LAST": "some"}, {"AFTER": "2015-26-10"}):
        reply = await bench.get(bench.url, query)
        require(400 <= reply.status < 500, f"{query} is answered by {reply.status} instead of a refusal")
