"""Jobs for people: a page of a job and one of a list, with forms for what is possible now (UWS 1.1 s2.2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from aiohttp import web

from penstock.edge.pages import render_page
from uws.core.document import JobDocument, JobList
from uws.representations.describe import actions

_FORMS = {"RUN": ("/phase", "PHASE", "RUN"), "ABORT": ("/phase", "PHASE", "ABORT"), "DELETE": ("", "ACTION", "DELETE")}


def job_page(job: JobDocument, url: str) -> web.Response:
    """Return the page of a job; `url` is its own."""
    page = render_page(
        "job.html",
        title=f"Job {job.job_id}",
        job=job,
        facts=[(name, value) for name, value in _facts(job) if value],
        actions=list(_forms(job, url)),
        url=url,
        list_url=url.rpartition("/")[0],
    )
    # A form answers with a redirect to the public address, which may not be the one that the browser knows us by.
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    policy = page.headers["Content-Security-Policy"]
    page.headers["Content-Security-Policy"] = policy.replace("form-action 'self'", f"form-action 'self' {origin}")
    return page


def list_page(jobs: JobList, url: str) -> web.Response:
    """Return the page of a job list; `url` is its own."""
    return render_page("jobs.html", title="Jobs", jobs=jobs.jobs, url=url)


def _facts(job: JobDocument) -> Iterator[tuple[str, object]]:
    info = job.info or {}
    yield "Phase", job.phase.value
    yield "Type", _name(info.get("jobType"))
    yield "Progress", f"{info['progress']:.0%}" if isinstance(info.get("progress"), float) else None
    yield "Message", info.get("message")
    yield "Error", job.error.message if job.error else None
    yield "Run id", job.run_id
    yield "Owner", job.owner_id
    yield "Created", job.creation_time
    yield "Started", job.start_time
    yield "Ended", job.end_time
    yield "Execution duration", f"{job.execution_duration} s" if job.execution_duration else "unlimited"
    yield "Destruction", job.destruction or "never"


def _name(job_type: object) -> object:
    return job_type.get("name") if isinstance(job_type, Mapping) else job_type


def _forms(job: JobDocument, url: str) -> Iterator[dict[str, str]]:
    for name in actions(job.phase):
        if name in _FORMS:
            path, parameter, value = _FORMS[name]
            yield {"name": name, "path": urlsplit(url).path + path, "parameter": parameter, "value": value}
