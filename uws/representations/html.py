"""Jobs for people: a plain page of a job and one of a list, with forms for what is possible now (UWS 1.1 s2.2.2)."""

from __future__ import annotations

from lxml import html
from lxml.html import builder as tag

from uws.core.document import JobDocument, JobList
from uws.representations.describe import actions


def job_page(job: JobDocument, url: str) -> str:
    """Return the page of a job."""
    rows = [
        ("Phase", job.phase.value),
        ("Run id", job.run_id),
        ("Owner", job.owner_id),
        ("Created", job.creation_time),
        ("Started", job.start_time),
        ("Ended", job.end_time),
        ("Execution duration", f"{job.execution_duration} s"),
        ("Destruction", job.destruction),
        ("Error", job.error.message if job.error else None),
    ]
    facts = [part for name, value in rows if value for part in (tag.DT(name), tag.DD(value))]
    parameters = [tag.LI(tag.B(item.id), " ", item.value) for item in job.parameters or ()]
    results = [tag.LI(tag.A(item.id, href=item.href or "")) for item in job.results]
    return _page(
        f"Job {job.job_id}",
        tag.DL(*facts),
        tag.H2("Parameters"),
        tag.UL(*parameters),
        tag.H2("Results"),
        tag.UL(*results),
        *[_form(name, url) for name in actions(job.phase) if name in _FORMS],
        tag.P(tag.A("All jobs", href=url.rpartition("/")[0])),
    )


def list_page(jobs: JobList) -> str:
    """Return the page of a job list."""
    items = [
        tag.LI(tag.A(ref.job_id, href=ref.href or ""), f" {ref.phase} {ref.creation_time} {ref.run_id or ''}")
        for ref in jobs.jobs
    ]
    return _page("Jobs", tag.UL(*items))


_FORMS = {"RUN": ("/phase", "PHASE", "RUN"), "ABORT": ("/phase", "PHASE", "ABORT"), "DELETE": ("", "ACTION", "DELETE")}


def _form(name: str, url: str) -> html.HtmlElement:
    path, parameter, value = _FORMS[name]
    return tag.FORM(
        tag.INPUT(type="hidden", name=parameter, value=value),
        tag.BUTTON(name, type="submit"),
        method="post",
        action=url + path,
    )


def _page(title: str, *content: html.HtmlElement) -> str:
    page = tag.HTML(tag.HEAD(tag.META(charset="utf-8"), tag.TITLE(title)), tag.BODY(tag.H1(title), *content))
    text: str = html.tostring(page, doctype="<!DOCTYPE html>", encoding="unicode")
    return text
