"""UWS 1.1: a job is made, says what it is, and goes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from conformance.bench import Bench, Job
from conformance.client import Reply
from conformance.documents import TIME, XML_TYPES, child_text, declined, instant, succeeded, valid, xml
from conformance.model import Level, NotApplicable, Violation, require
from conformance.registry import check

PHASES = {"PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED", "UNKNOWN", "HELD", "SUSPENDED", "ARCHIVED"}
CHILDREN = ("phase", "executionduration", "destruction", "quote", "results", "parameters", "owner")
TIMES = ("quote", "creationTime", "startTime", "endTime", "destruction")


def same(one: str, other: str) -> bool:
    """Say whether two URLs are of one resource: a slash at the end does not count."""
    return one.rstrip("/") == other.rstrip("/")


async def phase_of(job: Job) -> str:
    """Read the phase of a job from its document."""
    return child_text(xml(await job.bench.get(job.url), "job"), "phase") or ""


async def _plain(bench: Bench, url: str) -> str:
    """Read a sub-resource that is text."""
    return succeeded(await bench.get(url)).text.strip()


@check("uws.create-redirects", "2.2.3.1")
async def create_redirects(bench: Bench) -> None:
    """A creation is answered by 303 and the URL of the new job (UWS 1.1 s2.2.3.1)."""
    reply = await bench.post(bench.url, bench.profile.succeed)
    if reply.location:
        bench.shared.made(reply.location)
    require(reply.status == 303, f"POST {bench.url} answered {reply.status} instead of 303")
    require(reply.location, "the 303 has no Location")
    require(not same(reply.location, bench.url), "the Location of the 303 is the job list, not the new job")
    succeeded(await bench.get(reply.location))


@check("uws.location-absolute", "2.2.3.1", Level.MAY)
async def location_absolute(bench: Bench) -> None:
    """The Location of a new job is an absolute URL: several clients take it as it is (UWS 1.1 s2.2.3.1)."""
    reply = await bench.post(bench.url, bench.profile.succeed)
    if reply.location:
        bench.shared.made(reply.location)
    said = reply.headers.get("Location", "")
    require(urlsplit(said).scheme, f"the Location is {said!r}", "Build it from the public URL of the service.")


@check("uws.job-document", "2.2.2.2")
async def job_document(bench: Bench) -> None:
    """The job is an XML document that is valid by the schema (UWS 1.1 s2.2.2.2)."""
    async with bench.job() as job:
        reply = await bench.get(job.url)
        require(reply.media_type in XML_TYPES or reply.status != 200, f"{job.url} is not sent as XML")
        valid(reply, "job")


@check("uws.job-version", "2.2.1.1")
async def job_version(bench: Bench) -> None:
    """The root of a job and of the job list says version="1.1" (UWS 1.1 s2.2.1.1)."""
    async with bench.job() as job:
        for url in (job.url, bench.url):
            said = xml(await bench.get(url)).get("version")
            require(said == "1.1", f"{url} says version={said!r}")


@check("uws.job-id", "2.2.1", Level.SHOULD)
async def job_id(bench: Bench) -> None:
    """The jobId of the document is the last segment of the job's URL (UWS 1.1 s2.2.1)."""
    async with bench.job() as job:
        said = child_text(xml(await bench.get(job.url), "job"), "jobId")
        last = urlsplit(job.url).path.rstrip("/").rpartition("/")[2]
        require(said == last, f"the job at …/{last} says that its jobId is {said!r}")


@check("uws.new-job-pending", "2.1.3")
async def new_job_pending(bench: Bench) -> None:
    """A job that is not told to run is PENDING (UWS 1.1 s2.1.3)."""
    async with bench.job() as job:
        phase = await phase_of(job)
        require(phase == "PENDING", f"a new job is {phase}")


@check("uws.times-utc", "2.2.1")
async def times_utc(bench: Bench) -> None:
    """Every time of the job document is UTC, with T and Z (UWS 1.1 s2.2.1)."""
    async with bench.job() as job:
        root = xml(await bench.get(job.url), "job")
        said = {name: child_text(root, name) for name in TIMES}
        wrong = {name: text for name, text in said.items() if text and not TIME.fullmatch(text)}
        require(not wrong, f"times that are not of the form 2026-01-01T00:00:00Z: {wrong}")


@check("uws.creation-time", "2.1.2", Level.SHOULD)
async def creation_time(bench: Bench) -> None:
    """The job says when it was created (UWS 1.1 s2.1.2)."""
    async with bench.job() as job:
        said = child_text(xml(await bench.get(job.url), "job"), "creationTime")
        require(said, "the job has no creationTime, which version 1.1 asks for")


@check("uws.text-plain", "2.2.2", Level.SHOULD)
async def text_plain(bench: Bench) -> None:
    """Simple values are sent as text/plain (UWS 1.1 s2.2.2)."""
    async with bench.job() as job:
        for name in ("phase", "executionduration", "destruction", "quote"):
            reply = await bench.get(job.child(name))
            told = reply.headers.get("Content-Type", "nothing")
            require(reply.media_type == "text/plain", f"/{name} is sent as {told} instead of text/plain")


@check("uws.phase-text", "2.2.1")
async def phase_text(bench: Bench) -> None:
    """The phase is one of the ten words, and the one of the job document (UWS 1.1 s2.2.1)."""
    async with bench.job() as job:
        text = await _plain(bench, job.child("phase"))
        require(text in PHASES, f"the phase is {text!r}")
        said = await phase_of(job)
        require(text == said, f"/phase says {text}, the job document says {said}")


@check("uws.executionduration-text", "2.2.1")
async def executionduration_text(bench: Bench) -> None:
    """The execution duration is a whole number of seconds, and the one of the job document (UWS 1.1 s2.2.1)."""
    async with bench.job() as job:
        text = await _plain(bench, job.child("executionduration"))
        require(re.fullmatch(r"\d+", text), f"/executionduration says {text!r}, which is not a number of seconds")
        said = child_text(xml(await bench.get(job.url), "job"), "executionDuration")
        require(text == said, f"/executionduration says {text}, the job document says {said}")


@check("uws.destruction-text", "2.2.1")
async def destruction_text(bench: Bench) -> None:
    """The destruction time is a time or nothing, and the one of the job document (UWS 1.1 s2.2.1)."""
    async with bench.job() as job:
        text = await _plain(bench, job.child("destruction"))
        said = child_text(xml(await bench.get(job.url), "job"), "destruction") or ""
        require(bool(text) == bool(said), f"/destruction says {text!r}, the job document says {said!r}")
        require(
            not text or instant(text) == instant(said), f"/destruction says {text!r}, the job document says {said!r}"
        )


@check("uws.quote-text", "2.1.6", Level.SHOULD)
async def quote_text(bench: Bench) -> None:
    """The quote is a time, or nothing where the service cannot know (UWS 1.1 s2.1.6)."""
    async with bench.job() as job:
        text = await _plain(bench, job.child("quote"))
        require(not text or TIME.fullmatch(text), f"/quote says {text!r}")


@check("uws.parameters-document", "2.2.2.4")
async def parameters_document(bench: Bench) -> None:
    """The parameters of a job are a valid document and hold what was posted (UWS 1.1 s2.2.2.4)."""
    async with bench.job() as job:
        root = valid(await bench.get(job.child("parameters")), "parameters")
        said = {one.get("id", "").upper(): (one.text or "") for one in root.iterfind("{*}parameter")}
        shown = [(name, value, said[name.upper()]) for name, value in job.form if name.upper() in said]
        wrong = [f"{name}={value} is shown as {text}" for name, value, text in shown if value != text]
        require(not wrong, "; ".join(wrong))
        # some of what is posted may be for the service and not for the job
        require(shown or not job.form, f"none of {', '.join(name for name, _ in job.form)} is among the parameters")


@check("uws.results-document", "2.2.2.3")
async def results_document(bench: Bench) -> None:
    """The results of a job are a valid document, empty before it runs (UWS 1.1 s2.2.2.3)."""
    async with bench.job() as job:
        root = valid(await bench.get(job.child("results")), "results")
        require(not len(root), f"a job that has not run has {len(root)} results")


@check("uws.runid-kept", "2.1.9", Level.SHOULD)
async def runid_kept(bench: Bench) -> None:
    """The run identifier comes back exactly as it was given (UWS 1.1 s2.1.9)."""
    given = 'Ångström "7" <a> & b'
    async with bench.job([*bench.profile.succeed.items(), ("RUNID", given)]) as job:
        said = child_text(xml(await bench.get(job.url), "job"), "runId")
        require(said == given, f"RUNID {given!r} came back as {said!r}")


@check("uws.unknown-job", "2.2", Level.SHOULD)
async def unknown_job(bench: Bench) -> None:
    """A job that does not exist is answered by 404 (UWS 1.1 s2.2)."""
    reply = await bench.get(f"{bench.url.rstrip('/')}/no-such-job-00000000")
    require(reply.status == 404, f"a job that does not exist is answered by {reply.status}")


@check("uws.unknown-child", "2.2", Level.SHOULD)
async def unknown_child(bench: Bench) -> None:
    """A part of a job that does not exist is answered by 404 (UWS 1.1 s2.2)."""
    async with bench.job() as job:
        reply = await bench.get(job.child("no-such-part"))
        require(reply.status == 404, f"{reply.url} is answered by {reply.status}")


@check("uws.no-error-without-failure", "2.2", Level.SHOULD)
async def no_error_without_failure(bench: Bench) -> None:
    """The error of a job that has not failed is answered by 404 (UWS 1.1 s2.2)."""
    async with bench.job() as job:
        reply = await bench.get(job.child("error"))
        require(reply.status == 404, f"/error of a job that has not failed is answered by {reply.status}")


@check("uws.delete", "2.2.3.2")
async def delete(bench: Bench) -> None:
    """DELETE of a job is answered by 303 to the job list, and the job is gone (UWS 1.1 s2.2.3.2)."""
    async with bench.job() as job:
        await _is_gone(bench, job, await bench.delete(job.url))


@check("uws.action-delete", "2.2.3.2")
async def action_delete(bench: Bench) -> None:
    """POST of ACTION=DELETE does what DELETE does, for clients that cannot send it (UWS 1.1 s2.2.3.2)."""
    async with bench.job() as job:
        await _is_gone(bench, job, await bench.post(job.url, {"ACTION": "DELETE"}))


async def _is_gone(bench: Bench, job: Job, reply: Reply) -> None:
    require(reply.status == 303, f"the deletion is answered by {reply.status} instead of 303")
    told = reply.location.partition("?")[0]
    lists = (bench.url, job.url.rpartition("/")[0])  # a server may know its list by another URL than the caller
    require(any(same(told, one) for one in lists), f"the 303 leads to {told or 'nowhere'} instead of the job list")
    after = await bench.get(job.url)
    archived = after.status == 200 and child_text(xml(after, "job"), "phase") == "ARCHIVED"
    require(400 <= after.status < 500 or archived, f"after its deletion the job is answered by {after.status}")


@check("uws.delete-parts-refused", "2.2.3.2")
async def delete_parts_refused(bench: Bench) -> None:
    """Nothing but a job can be deleted: its parts refuse (UWS 1.1 s2.2.3.2)."""
    async with bench.job() as job:
        for name in CHILDREN:
            reply = await bench.delete(job.child(name))
            require(declined(reply), f"DELETE of /{name} is answered by {reply.status} instead of a refusal")
        succeeded(await bench.get(job.url))


@check("uws.delete-parts-405", "RFC 9110 s15.5.6", Level.SHOULD)
async def delete_parts_405(bench: Bench) -> None:
    """The refusal to delete a part of a job is 405 with Allow (RFC 9110 s15.5.6)."""
    async with bench.job() as job:
        for name in CHILDREN:
            reply = await bench.delete(job.child(name))
            require(reply.status == 405, f"DELETE of /{name} is answered by {reply.status} instead of 405")
            require("Allow" in reply.headers, f"the 405 of /{name} has no Allow")


@check("uws.failed-job", "2.2.2.5")
async def failed_job(bench: Bench) -> None:
    """A job that fails ends in ERROR (UWS 1.1 s2.2.2.5)."""
    async with bench.job(_failing(bench)) as job:
        await job.run()
        await ended(job)
        phase = child_text(valid(await bench.get(job.url), "job"), "phase")
        require(phase == "ERROR", f"the job that must fail is {phase}")


@check("uws.failed-job-summary", "2.2.2.5", Level.SHOULD)
async def failed_job_summary(bench: Bench) -> None:
    """A job that failed has a summary of its error, and the detail that this promises (UWS 1.1 s2.2.2.5)."""
    async with bench.job(_failing(bench)) as job:
        await job.run()
        await ended(job)
        summary = xml(await bench.get(job.url), "job").find("{*}errorSummary")
        if summary is None or not child_text(summary, "message"):
            raise Violation("the failed job has no errorSummary with a message")
        if summary.get("hasDetail") in {"true", "1"}:
            error = await bench.get(job.child("error"))
            require(error.status == 200, f"/error of a failed job is answered by {error.status} instead of 200")


def _failing(bench: Bench) -> dict[str, str]:
    if not bench.profile.fail:
        raise NotApplicable("the profile does not say how to make a job that fails")
    return bench.profile.fail


async def ended(job: Job, within_s: int = 60) -> list[str]:
    """Wait until a job has ended, and return the phases that were seen."""
    seen: list[str] = []
    waited = 0.0
    while waited < within_s:
        query = {"WAIT": "5"} | ({"PHASE": seen[-1]} if seen else {})
        reply = await job.bench.get(job.url, query, extra_s=5)
        phase = child_text(xml(reply, "job"), "phase") or ""
        if not seen or seen[-1] != phase:
            seen.append(phase)
        if phase in {"COMPLETED", "ERROR", "ABORTED", "ARCHIVED"}:
            return seen
        require(phase != "PENDING" or waited < 5, "the job was told to run, and is PENDING 5 s later")
        waited += max(reply.seconds, 0.2)
    raise NotApplicable(f"the job did not end within {within_s} s; its phases were {', '.join(seen)}")
