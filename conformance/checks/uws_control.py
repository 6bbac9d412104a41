"""UWS 1.1: what a client may do to a job, and what it may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from conformance.bench import Bench, Job
from conformance.checks.uws_jobs import ended, phase_of, same
from conformance.client import Reply
from conformance.documents import XLINK_HREF, child_text, declined, instant, valid, xml
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

# Which phase may be seen after which while only the service acts; one in between may go unseen (UWS 1.1 s2.1.3).
OVER = {"COMPLETED", "ERROR", "ABORTED"}
NEXT = {
    "PENDING": {"QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN", *OVER},
    "HELD": {"QUEUED", "EXECUTING", "SUSPENDED", "UNKNOWN", *OVER},
    "QUEUED": {"EXECUTING", "HELD", "SUSPENDED", "UNKNOWN", *OVER},
    "EXECUTING": {"HELD", "SUSPENDED", "UNKNOWN", *OVER},
    "SUSPENDED": {"EXECUTING", "HELD", "UNKNOWN", *OVER},
    "UNKNOWN": {"QUEUED", "EXECUTING", "HELD", "SUSPENDED", *OVER},
}


def leads_to(reply: Reply, job: Job) -> None:
    """Require that a reply is a 303 to the job."""
    require(reply.status == 303, f"POST {reply.url} is answered by {reply.status} instead of 303")
    require(same(reply.location, job.url), f"the 303 leads to {reply.location or 'nowhere'} instead of {job.url}")


@check("uws.abort", "2.2.3.6")
async def abort(bench: Bench) -> None:
    """PHASE=ABORT is answered by 303 to the job, which is then ABORTED (UWS 1.1 s2.2.3.6)."""
    async with bench.job() as job:
        leads_to(await job.abort(), job)
        phase = await phase_of(job)
        require(phase == "ABORTED", f"after PHASE=ABORT the job is {phase}")


@check("uws.aborted-document", "2.2.3.6")
async def aborted_document(bench: Bench) -> None:
    """The document of an aborted job is valid, and its parameters are still there (UWS 1.1 s2.2.3.6)."""
    async with bench.job() as job:
        before = valid(await bench.get(job.child("parameters")), "parameters")
        await job.abort()
        valid(await bench.get(job.url), "job")
        after = valid(await bench.get(job.child("parameters")), "parameters")
        require(len(after) == len(before), f"of {len(before)} parameters the aborted job has {len(after)}")


@check("uws.run-after-abort", "2.2", Level.SHOULD)
async def run_after_abort(bench: Bench) -> None:
    """What the phase of a job does not allow is answered by 403, and does not happen (UWS 1.1 s2.2)."""
    async with bench.job() as job:
        await job.abort()
        reply = await job.run()
        phase = await phase_of(job)
        require(phase == "ABORTED", f"PHASE=RUN made an aborted job {phase}")
        require(reply.status == 403, f"PHASE=RUN on an aborted job is answered by {reply.status} instead of 403")


@check("uws.phase-not-settable", "2.1.3")
async def phase_not_settable(bench: Bench) -> None:
    """A client can start and abort a job, and put it into no other phase (UWS 1.1 s2.1.3)."""
    async with bench.job() as job:
        await bench.post(job.child("phase"), {"PHASE": "COMPLETED"})
        phase = await phase_of(job)
        require(phase == "PENDING", f"PHASE=COMPLETED made the job {phase}")


@check("uws.unknown-phase-refused", "2.2", Level.SHOULD)
async def unknown_phase_refused(bench: Bench) -> None:
    """A PHASE that is neither RUN nor ABORT is refused (UWS 1.1 s2.2)."""
    async with bench.job() as job:
        reply = await bench.post(job.child("phase"), {"PHASE": "COMPLETED"})
        require(400 <= reply.status < 500, f"PHASE=COMPLETED is answered by {reply.status} instead of a refusal")


@check("uws.run", "2.2.3.5")
async def run(bench: Bench) -> None:
    """PHASE=RUN is answered by 303 to the job, which has then left PENDING (UWS 1.1 s2.2.3.5)."""
    async with bench.job() as job:
        leads_to(await job.run(), job)
        phase = await phase_of(job)
        require(phase != "PENDING", "after PHASE=RUN the job is still PENDING")


@check("uws.create-and-run", "2.2.3.1", Level.MAY)
async def create_and_run(bench: Bench) -> None:
    """PHASE=RUN can be given when the job is made (UWS 1.1 s2.2.3.1)."""
    async with bench.job([*bench.profile.succeed.items(), ("PHASE", "RUN")]) as job:
        phase = await phase_of(job)
        require(phase != "PENDING", "a job made with PHASE=RUN is PENDING")


@check("uws.completes", "2.1.3")
async def completes(bench: Bench) -> None:
    """A job that is run goes through its phases in order and ends in COMPLETED (UWS 1.1 s2.1.3)."""
    _knows_a_job(bench)
    async with bench.job() as job:
        await job.run()
        seen = await ended(job)
        wrong = [pair for pair in pairwise(seen) if pair[1] not in NEXT.get(pair[0], set())]
        require(not wrong, f"phases in an illegal order: {' to '.join(wrong[0]) if wrong else ''}")
        require(seen[-1] == "COMPLETED", f"the job that must succeed is {seen[-1]}")
        valid(await bench.get(job.url), "job")


@check("uws.completed-times", "2.2.2.2", Level.MAY)
async def completed_times(bench: Bench) -> None:
    """A completed job says when it started and when it ended (UWS 1.1 s2.2.2.2)."""
    _knows_a_job(bench)
    async with bench.job() as job:
        await job.run()
        await ended(job)
        root = xml(await bench.get(job.url), "job")
        missing = [name for name in ("startTime", "endTime") if not child_text(root, name)]
        require(not missing, f"the completed job has no {' and no '.join(missing)}")


@check("uws.results-readable", "2.1.10")
async def results_readable(bench: Bench) -> None:
    """The results of a completed job have ids of their own and can be read (UWS 1.1 s2.1.10)."""
    _knows_a_job(bench)
    async with bench.job() as job:
        await job.run()
        await ended(job)
        root = valid(await bench.get(job.child("results")), "results")
        found = root.findall("{*}result")
        ids = [one.get("id", "") for one in found]
        require(len(set(ids)) == len(ids), f"results share an id: {ids}")
        for one in found:
            href = one.get(XLINK_HREF, "")
            reply = await bench.get(href)
            require(reply.status == 200, f"the result at {href} is answered by {reply.status}")


@check("uws.results-agree", "2.1.2")
async def results_agree(bench: Bench) -> None:
    """A job has one list of results: the job document and the list by itself say the same (UWS 1.1 s2.1.2)."""
    _knows_a_job(bench)
    async with bench.job() as job:
        await job.run()
        await ended(job)
        shown, alone = [await _results(bench, url) for url in (job.url, job.child("results"))]
        require(shown == alone, f"the job document shows the results {shown}, /results shows {alone}")


async def _results(bench: Bench, url: str) -> list[tuple[str, str]]:
    found = xml(await bench.get(url)).iter("{*}result")
    return [(one.get("id", ""), one.get(XLINK_HREF, "")) for one in found]


@check("uws.parameters-frozen", "2.1.11")
async def parameters_frozen(bench: Bench) -> None:
    """Parameters change while the job is PENDING and not later (UWS 1.1 s2.1.11)."""
    async with bench.job() as job:
        await job.abort()
        before = valid(await bench.get(job.child("parameters")), "parameters")
        reply = await bench.post(job.child("parameters"), {**bench.profile.succeed, "CONFORMANCE": "late"})
        after = valid(await bench.get(job.child("parameters")), "parameters")
        require(declined(reply), f"parameters of an aborted job: {reply.status} instead of a refusal")
        require(len(after) == len(before), "the parameters of an aborted job were changed")


@check("uws.executionduration-set", "2.2.3.4")
async def executionduration_set(bench: Bench) -> None:
    """EXECUTIONDURATION is answered by 303 to the job, or forbidden; the job stays consistent (UWS 1.1 s2.2.3.4)."""
    async with bench.job() as job:
        reply = await bench.post(job.child("executionduration"), {"EXECUTIONDURATION": "60"})
        if reply.status == 403:
            raise NotApplicable("the service does not let clients set the execution duration")
        leads_to(reply, job)
        said = child_text(valid(await bench.get(job.url), "job"), "executionDuration")
        text = (await bench.get(job.child("executionduration"))).text.strip()
        require(said == text, f"/executionduration says {text}, the job document says {said}")


@check("uws.executionduration-honoured", "2.1.4", Level.MAY)
async def executionduration_honoured(bench: Bench) -> None:
    """A modest execution duration is taken as given (UWS 1.1 s2.1.4)."""
    async with bench.job() as job:
        before = child_text(xml(await bench.get(job.url), "job"), "executionDuration") or "0"
        wanted = str(max(1, int(before) // 2)) if before.isdigit() and int(before) else "60"
        await bench.post(job.child("executionduration"), {"EXECUTIONDURATION": wanted})
        said = child_text(xml(await bench.get(job.url), "job"), "executionDuration")
        require(said == wanted, f"EXECUTIONDURATION={wanted} became {said}")


@check("uws.executionduration-refused", "2.2", Level.SHOULD)
async def executionduration_refused(bench: Bench) -> None:
    """An execution duration that is not a whole number of seconds is refused (UWS 1.1 s2.2)."""
    async with bench.job() as job:
        for value in ("soon", "-5"):
            reply = await bench.post(job.child("executionduration"), {"EXECUTIONDURATION": value})
            require(400 <= reply.status < 500, f"EXECUTIONDURATION={value} is answered by {reply.status}")


@check("uws.destruction-set", "2.2.3.3")
async def destruction_set(bench: Bench) -> None:
    """DESTRUCTION is answered by 303 to the job, or forbidden; the job stays consistent (UWS 1.1 s2.2.3.3)."""
    async with bench.job() as job:
        wanted = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        reply = await bench.post(job.child("destruction"), {"DESTRUCTION": wanted})
        if reply.status == 403:
            raise NotApplicable("the service does not let clients set the destruction time")
        leads_to(reply, job)
        said = child_text(valid(await bench.get(job.url), "job"), "destruction") or ""
        text = (await bench.get(job.child("destruction"))).text.strip()
        require(said and text, "the job has no destruction time after one was set")
        require(instant(said) == instant(text), f"/destruction says {text}, the job document says {said}")


@check("uws.destruction-honoured", "2.1.5", Level.MAY)
async def destruction_honoured(bench: Bench) -> None:
    """A destruction time before the one of the service is taken as given (UWS 1.1 s2.1.5)."""
    async with bench.job() as job:
        before = child_text(xml(await bench.get(job.url), "job"), "destruction")
        now = datetime.now(UTC)
        wanted = (now + (instant(before) - now) / 2 if before else now + timedelta(hours=1)).replace(microsecond=0)
        stamp = wanted.strftime("%Y-%m-%dT%H:%M:%SZ")
        await bench.post(job.child("destruction"), {"DESTRUCTION": stamp})
        said = child_text(xml(await bench.get(job.url), "job"), "destruction") or ""
        require(said and instant(said) == wanted, f"DESTRUCTION={stamp} became {said or 'nothing'}")


@check("uws.destruction-refused", "2.2", Level.SHOULD)
async def destruction_refused(bench: Bench) -> None:
    """A destruction time that is not a time is refused (UWS 1.1 s2.2)."""
    async with bench.job() as job:
        reply = await bench.post(job.child("destruction"), {"DESTRUCTION": "next Tuesday"})
        require(400 <= reply.status < 500, f"DESTRUCTION=next Tuesday is answered by {reply.status}")


def _knows_a_job(bench: Bench) -> None:
    if not bench.profile.completes:
        raise NotApplicable("the profile does not say how to make a job that succeeds")
