"""TAP 1.1: queries by /async. That the jobs are good UWS jobs is checked by the checks of UWS."""

from __future__ import annotations

from conformance.bench import Bench
from conformance.checks.tap_sync import answered, refused
from conformance.checks.uws_jobs import ended
from conformance.documents import child_text, valid
from conformance.model import Level, require
from conformance.profile import QUERY
from conformance.registry import check


def jobs(bench: Bench) -> str:
    """Return the URL of /async."""
    return f"{bench.url.rstrip('/')}/async"


@check("tap.async-result", "2.2")
async def async_result(bench: Bench) -> None:
    """The result of a job is called result and is at results/result (TAP 1.1 s2.2)."""
    async with bench.job({"LANG": "ADQL", "QUERY": QUERY}, at=jobs(bench)) as job:
        await job.run()
        seen = await ended(job)
        require(seen[-1] == "COMPLETED", f"the job is {seen[-1]}")
        results = valid(await bench.get(job.child("results")), "results")
        ids = [one.get("id") for one in results.iterfind("{*}result")]
        require("result" in ids, f"the results are {ids}")
        found = answered(await bench.get(job.child("results/result")))
        require(len(found.rows) == 1, f"TOP 1 gave {len(found.rows)} rows")


@check("tap.async-missing", "DALI 1.2 s5.2")
async def async_missing(bench: Bench) -> None:
    """An unknown job, and the result and the error of a job that has none, are answered by 404 (DALI 1.2 s5.2)."""
    async with bench.job({"LANG": "ADQL", "QUERY": QUERY}, at=jobs(bench)) as job:
        for place in (job.child("results/result"), job.child("error"), f"{jobs(bench)}/no-such-job-00000000"):
            reply = await bench.get(place)
            require(reply.status == 404, f"{place} is answered by {reply.status} instead of 404")


@check("tap.async-empty-job", "2.7")
async def async_empty_job(bench: Bench) -> None:
    """A job can be made without parameters and get them later, one by one (TAP 1.1 s2.7)."""
    async with bench.job((), at=jobs(bench)) as job:
        for name, value in (("LANG", "ADQL"), ("QUERY", QUERY)):
            reply = await bench.post(job.child("parameters"), {name: value})
            require(reply.status == 303, f"POST {name} to /parameters is answered by {reply.status} instead of 303")
        await job.run()
        seen = await ended(job)
        require(seen[-1] == "COMPLETED", f"the job that got its parameters later is {seen[-1]}")


@check("tap.async-bad-query", "2.7")
async def async_bad_query(bench: Bench) -> None:
    """A query is judged when it is run: until then a job with a bad one can be made (TAP 1.1 s2.7)."""
    reply = await bench.post(jobs(bench), {"LANG": "ADQL", "QUERY": "SELECT nonsense FROM FROM"})
    if reply.location:
        bench.shared.made(reply.location)
    require(reply.status == 303, f"a job with a bad query is answered by {reply.status} when it is made")
    require(reply.location, "the 303 of a new job has no Location")


@check("tap.async-error", "3.3")
async def async_error(bench: Bench) -> None:
    """The error of a failed query is a document of status 200 that says so (TAP 1.1 s3.3, DALI 1.2 s5.2)."""
    async with bench.job({"LANG": "ADQL", "QUERY": "SELECT nonsense FROM FROM"}, at=jobs(bench)) as job:
        await job.run()
        seen = await ended(job)
        require(seen[-1] == "ERROR", f"the job with a bad query is {seen[-1]}")
        error = await bench.get(job.child("error"))
        require(error.status == 200, f"/error is answered by {error.status} instead of 200")
        refused(error, "the error document")


@check("tap.async-runid", "2.7.5", Level.SHOULD)
async def async_runid(bench: Bench) -> None:
    """A RUNID that is posted again replaces the one before (TAP 1.1 s2.7.5)."""
    async with bench.job({"LANG": "ADQL", "QUERY": QUERY, "RUNID": "first"}, at=jobs(bench)) as job:
        await bench.post(job.child("parameters"), {"RUNID": "second"})
        root = valid(await bench.get(job.url), "job")
        values = [one.text for one in root.iter("{*}parameter") if one.get("id", "").upper() == "RUNID"]
        require(child_text(root, "runId") == "second" or values == ["second"], f"the RUNIDs are {values}")
        require(len(values) <= 1, f"the RUNIDs are {values}")
