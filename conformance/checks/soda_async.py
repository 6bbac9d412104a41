"""SODA 1.0: cutouts by jobs, the resource {async}. That the jobs are good UWS jobs is checked by the checks of UWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin

from conformance.bench import Bench, Job
from conformance.checks.soda import LABELS, UNKNOWN
from conformance.checks.uws_jobs import ended
from conformance.client import Reply
from conformance.documents import XLINK_HREF, valid
from conformance.model import Level, NotApplicable, require
from conformance.profile import cone_of
from conformance.registry import check


def _jobs(bench: Bench) -> str:
    if not bench.profile.soda.jobs:
        raise NotApplicable("no job list of cutouts is known: name it in the profile, [soda] async")
    return urljoin(bench.url, bench.profile.soda.jobs)


@asynccontextmanager
async def _cutouts(bench: Bench, *circles: str) -> AsyncIterator[tuple[str, Job]]:
    """Run a job that cuts out circles, and yield how it ended, and the job."""
    place, known = _jobs(bench), bench.profile.soda
    if not known.id or not all(circles):
        raise NotApplicable("the profile names no data, or no circle that meets them and one that does not")
    form = [("ID", known.id), *(("CIRCLE", circle) for circle in circles)]
    async with bench.job(form, at=place) as job:
        await job.run()
        yield (await ended(job))[-1], job


def _smaller(circle: str) -> str:
    cone = cone_of(circle)
    return "" if cone is None else f"{cone[0]} {cone[1]} {cone[2] * 0.9:.6g}"


async def _results(job: Job) -> list[Reply]:
    """Read the results, each of which must be there."""
    root = valid(await job.bench.get(job.child("results")), "results")
    places = [urljoin(job.url, one.get(XLINK_HREF, "")) for one in root.iterfind("{*}result")]
    found = [await job.bench.get(place) for place in places]
    for one in found:
        require(one.status == 200, f"the result at {one.url} is answered by {one.status}")
    return found


@check("soda.async-result", "6")
async def async_result(bench: Bench) -> None:
    """A job that cuts out one circle has one result, which can be read (SODA 1.0 s2.2, s6)."""
    async with _cutouts(bench, bench.profile.soda.inside) as (phase, job):
        require(phase == "COMPLETED", f"the job is {phase}")
        found = await _results(job)
        require(len(found) == 1, f"one circle gives {len(found)} results")
        require(found[0].body, "the result is empty")


@check("soda.async-combinations", "6")
async def async_combinations(bench: Bench) -> None:
    """A job with two circles has two results, or fails with MultiValuedParamNotSupported (SODA 1.0 s3.1, s6)."""
    circle = bench.profile.soda.inside
    async with _cutouts(bench, circle, _smaller(circle)) as (phase, job):
        if phase == "ERROR":
            said = (await bench.get(job.child("error"))).text
            require(LABELS[-1] in said, f"two circles fail with {said[:80]!r}, not with {LABELS[-1]}")
            return
        require(phase == "COMPLETED", f"the job with two circles is {phase}")
        found = await _results(job)
        require(len(found) == 2, f"two circles give {len(found)} results")


@check("soda.async-no-overlap", "6")
async def async_no_overlap(bench: Bench) -> None:
    """Of two circles the one that meets nothing has a text with a word of errors as its result (SODA 1.0 s6)."""
    async with _cutouts(bench, bench.profile.soda.inside, bench.profile.soda.outside) as (phase, job):
        if phase == "ERROR":
            raise NotApplicable("the service does not take two circles, or fails the job for one that meets nothing")
        require(phase == "COMPLETED", f"the job with a circle that meets nothing is {phase}")
        found = await _results(job)
        texts = [one.text for one in found if one.media_type == "text/plain"]
        require(texts, "no result is a text that says that a circle meets nothing")
        require(texts[0].startswith(LABELS), f"the text begins with {texts[0][:40]!r}")


@check("soda.async-unknown-id", "5.2", Level.SHOULD)
async def async_unknown_id(bench: Bench) -> None:
    """A job of data that do not exist is refused, fails, or has a result that says so (SODA 1.0 s5.2, s6)."""
    reply = await bench.post(_jobs(bench), {"ID": UNKNOWN})
    if 400 <= reply.status < 500:
        return
    require(reply.status == 303 and reply.location, f"a job of unknown data is answered by {reply.status}")
    job = Job(bench=bench, url=reply.location, form=(("ID", UNKNOWN),))
    bench.shared.made(job.url)
    await job.run()
    if (phase := (await ended(job))[-1]) == "COMPLETED":
        said = [one.text[:40] for one in await _results(job)]
        require(said and all(text.startswith(LABELS) for text in said), f"a job of unknown data is {phase}: {said}")
