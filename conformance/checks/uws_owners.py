"""UWS 1.1: whose a job is, and who else may touch it."""

from __future__ import annotations

from conformance.bench import Bench, Job
from conformance.checks.uws_jobs import phase_of
from conformance.checks.uws_list import listed
from conformance.credentials import Identity
from conformance.documents import child_text, succeeded, xml
from conformance.model import Level, NotApplicable, require
from conformance.registry import check


async def _owner(job: Job) -> str:
    return child_text(xml(await job.bench.get(job.url), "job"), "ownerId") or ""


def _needs(bench: Bench, identity: Identity) -> None:
    if not bench.has(Identity.OWN):
        raise NotApplicable("there is no token: give one with --auth")
    if not bench.has(identity):
        raise NotApplicable("there is no token of somebody else: give one with --auth-other")


@check("uws.owner-text", "2.2.1")
async def owner_text(bench: Bench) -> None:
    """The owner of a job is a resource that says what the job document says (UWS 1.1 s2.2.1)."""
    async with bench.job() as job:
        text = succeeded(await bench.get(job.child("owner"))).text.strip()
        said = await _owner(job)
        if not said:  # what stands there instead is not said
            raise NotApplicable("the job has no owner")
        require(text == said, f"/owner says {text!r}, the job document says {said!r}")


@check("uws.owner", "2.1.8", Level.SHOULD)
async def owner(bench: Bench) -> None:
    """A job that somebody made who authenticated has an owner (UWS 1.1 s2.1.8)."""
    _needs(bench, Identity.OWN)
    async with bench.job() as job:
        require(await _owner(job), "the job that was made with a token has no owner")


@check("uws.foreign-job", "3", Level.SHOULD)
async def foreign_job(bench: Bench) -> None:
    """The job of somebody else, and each of its parts, is answered by 403 (UWS 1.1 s3)."""
    _needs(bench, Identity.OTHER)
    async with bench.job() as job:
        for url in (job.url, job.child("phase"), job.child("parameters"), job.child("results"), job.child("owner")):
            reply = await bench.get(url, identity=Identity.OTHER)
            require(reply.status == 403, f"to somebody else {url} is answered by {reply.status} instead of 403")


@check("uws.foreign-control", "3", Level.SHOULD)
async def foreign_control(bench: Bench) -> None:
    """The job of somebody else can be neither run, nor aborted, nor deleted (UWS 1.1 s3)."""
    _needs(bench, Identity.OTHER)
    async with bench.job() as job:
        for phase in ("RUN", "ABORT"):
            reply = await bench.post(job.child("phase"), {"PHASE": phase}, identity=Identity.OTHER)
            require(reply.status == 403, f"PHASE={phase} by somebody else is answered by {reply.status} instead of 403")
        reply = await bench.delete(job.url, identity=Identity.OTHER)
        require(reply.status == 403, f"DELETE by somebody else is answered by {reply.status} instead of 403")
        phase = await phase_of(job)
        require(phase == "PENDING", f"after what somebody else tried, the job is {phase}")


@check("uws.foreign-list", "3", Level.SHOULD)
async def foreign_list(bench: Bench) -> None:
    """The job list does not show the jobs of somebody else (UWS 1.1 s3)."""
    _needs(bench, Identity.OTHER)
    async with bench.job() as job:
        identifier = child_text(xml(await bench.get(job.url), "job"), "jobId")
        seen = await listed(bench, identity=Identity.OTHER)
        require(all(one.id != identifier for one in seen), "somebody else sees our job in the list")


@check("uws.anonymous-on-owned", "3", Level.SHOULD)
async def anonymous_on_owned(bench: Bench) -> None:
    """The job of somebody is answered to nobody by 401 with a challenge, or by 403 (UWS 1.1 s3, DALI 1.2 s5.2)."""
    _needs(bench, Identity.OWN)
    async with bench.job() as job:
        if not await _owner(job):
            raise NotApplicable("the job that was made with a token has no owner")
        reply = await bench.get(job.url, identity=Identity.NOBODY)
        require(reply.status in {401, 403}, f"without a token our job is answered by {reply.status}")
        require(reply.status == 403 or "WWW-Authenticate" in reply.headers, "the 401 has no WWW-Authenticate")
