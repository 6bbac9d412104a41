"""A job for people: what it is, how it is doing, and forms for all that is possible now (UWS 1.1 s2.2.2)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web

from penstock.edge.pages import render_page
from uws.core.document import JobDocument, ParameterItem, ResultItem
from uws.core.job import FINAL, Phase
from uws.core.phases import Kind, allowed

MEANINGS: Mapping[Phase, str] = {
    Phase.PENDING: "It waits for you to start it.",
    Phase.QUEUED: "It waits for its turn.",
    Phase.EXECUTING: "It is running.",
    Phase.COMPLETED: "It is done.",
    Phase.ERROR: "It failed.",
    Phase.ABORTED: "It was stopped.",
    Phase.HELD: "It cannot be queued at the moment: start it again later.",
    Phase.SUSPENDED: "The service has paused it, and it will go on by itself.",
    Phase.UNKNOWN: "Nobody can tell how it is at the moment: look again later.",
    Phase.ARCHIVED: "It is over, and its results are gone.",
}


_UNITS = ("kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button; `confirm` is what is asked before, where scripts run."""

    kind: Kind
    label: str
    path: str
    parameter: str
    value: str
    look: str = ""
    confirm: str = ""


_ACTIONS = (
    Action(kind=Kind.RUN, label="Run", path="/phase", parameter="PHASE", value="RUN", look="primary"),
    Action(kind=Kind.ABORT, label="Abort", path="/phase", parameter="PHASE", value="ABORT"),
    Action(
        kind=Kind.DELETE,
        label="Delete",
        path="",
        parameter="ACTION",
        value="DELETE",
        look="danger",
        confirm="Delete this job and its results?",
    ),
)


def job_page(job: JobDocument, url: str, *, name: str) -> web.Response:
    """Return the page of a job.

    Parameters
    ----------
    job
        What there is to show.
    url
        The address of the job.
    name
        What kind of job it is, for people.
    """
    parts, possible = urlsplit(url), allowed(job.phase)
    info = job.info or {}
    return render_page(
        "job.html",
        script="jobs.js",
        # a form answers with a redirect to the public address, which may not be the one that the browser knows us by
        forms_lead_to=f"{parts.scheme}://{parts.netloc}",
        title=name,
        name=name,
        job=job,
        url=url,
        path=parts.path,
        list_url=url.rpartition("/")[0],
        over=job.phase in FINAL,
        running=job.phase in (Phase.EXECUTING, Phase.SUSPENDED),
        meaning=MEANINGS[job.phase],
        progress=info.get("progress"),
        message=info.get("message") or "",
        actions=[_placed(action, parts.path) for action in _ACTIONS if action.kind in possible],
        editable=_editable(job) if Kind.UPDATE_PARAMETERS in possible else (),
        can_limit=Kind.SET_DURATION in possible,
        can_keep=Kind.SET_DESTRUCTION in possible,
        results=[_result(item) for item in job.results],
        times=[(label, time) for label, time in _times(job) if time],
        facts=[(label, fact) for label, fact in _facts(job) if fact],
        python=_python(job, url),
        curl=_curl(job, url),
    )


def _placed(action: Action, path: str) -> Mapping[str, str]:
    return {
        "path": path + action.path,
        "label": action.label,
        "parameter": action.parameter,
        "value": action.value,
        "look": action.look,
        "confirm": action.confirm,
    }


def _editable(job: JobDocument) -> Sequence[ParameterItem]:
    return [item for item in job.parameters or () if not item.by_reference]


def _result(item: ResultItem) -> Mapping[str, str]:
    size = "" if item.size is None else readable_size(item.size)
    return {"id": item.id, "href": item.href or "", "media_type": item.media_type or "", "size": size}


def readable_size(size_bytes: int) -> str:
    """Write a number of bytes as people like to read it."""
    if size_bytes < 1000:
        return f"{size_bytes} byte{'' if size_bytes == 1 else 's'}"
    power = min(len(_UNITS), (len(str(size_bytes)) - 1) // 3)
    return f"{size_bytes / 1000**power:.1f} {_UNITS[power - 1]}"


def _times(job: JobDocument) -> Iterator[tuple[str, str | None]]:
    yield "Created", job.creation_time
    yield "Started", job.start_time
    yield "Ended", job.end_time
    if job.phase not in FINAL and isinstance(job.quote, str):
        yield "Done at the latest", job.quote
    yield "Kept until", job.destruction


def _facts(job: JobDocument) -> Iterator[tuple[str, object]]:
    if job.start_time and job.end_time:
        ran = datetime.fromisoformat(job.end_time) - datetime.fromisoformat(job.start_time)
        yield "Ran for", f"{ran.total_seconds():.1f} s"
    yield "May run for", f"{job.execution_duration} s" if job.execution_duration else "as long as it takes"
    if job.destruction is None:
        yield "Kept", "for ever"
    yield "Run id", job.run_id
    yield "Owner", job.owner_id
    attempt = (job.info or {}).get("attempt")
    yield "Attempt", attempt if isinstance(attempt, int) and attempt > 1 else None


def _python(job: JobDocument, url: str) -> str:
    lines = ["from pyvo.dal import AsyncTAPJob", "", f"job = AsyncTAPJob({json.dumps(url)})"]
    if job.phase in (Phase.PENDING, Phase.HELD):
        lines.append("job.run().wait()")
    elif job.phase not in FINAL:
        lines.append("job.wait()")
    if any("votable" in (item.media_type or "") for item in job.results[:1]):
        lines.append("print(job.fetch_result().to_table())")
    else:
        lines.append("print(job.phase, *job.result_uris)")
    return "\n".join(lines)


def _curl(job: JobDocument, url: str) -> str:
    if job.phase in (Phase.PENDING, Phase.HELD):
        words = ["curl", "-sSL", "-d", "PHASE=RUN", f"{url}/phase"]
    elif job.phase not in FINAL:
        words = ["curl", "-sS", f"{url}?WAIT=60"]
    elif job.results and job.results[0].href:
        words = ["curl", "-sSO", job.results[0].href]
    else:
        words = ["curl", "-sS", url]
    return shlex.join(words)
