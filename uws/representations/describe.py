"""What the documents say of a job: absolute URLs, times as text, values that cannot stand inline by reference."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from penstock.dali.params import upper_name
from penstock.dali.values import format_timestamp
from penstock.edge.compression import is_text
from penstock.edge.files import ServedFile
from uws.core.document import JobDocument, JobList, JobRef, ParameterItem, ResultItem
from uws.core.job import Job, JobParameter, JobResult, JobSummary, Phase
from uws.core.phases import Kind, allowed
from uws.core.text import can_stand_inline
from uws.ports import JobType

_ACTIONS = {Kind.RUN: "RUN", Kind.ABORT: "ABORT", Kind.UPDATE_PARAMETERS: "UPDATE", Kind.DELETE: "DELETE"}


def job_document(job: Job, url: str, job_type: JobType | None, *, checksums: bool = True) -> JobDocument:
    """Describe a job; `url` is its own, without a slash at the end, `checksums` tells those of its results."""
    return JobDocument(
        job_id=job.id,
        run_id=job.run_id,
        owner_id=job.owner,
        phase=job.phase,
        quote=None if job.quote is None else format_timestamp(job.quote),
        creation_time=format_timestamp(job.creation_time),
        start_time=None if job.start_time is None else format_timestamp(job.start_time),
        end_time=None if job.end_time is None else format_timestamp(job.end_time),
        execution_duration=job.execution_duration_s,
        destruction=None if job.destruction is None else format_timestamp(job.destruction),
        parameters=parameter_items(job, url),
        results=result_items(job, url, checksums=checksums),
        error=job.error,
        info=_info(job, job_type),
    )


def job_list(jobs: Iterable[JobSummary], url: str) -> JobList:
    """Describe a job list; `url` is its own."""
    return JobList(
        jobs=tuple(
            JobRef(
                job_id=job.id,
                phase=job.phase,
                run_id=job.run_id,
                owner_id=job.owner,
                creation_time=format_timestamp(job.creation_time),
                href=f"{url}/{job.id}",
            )
            for job in jobs
        )
    )


def parameter_items(job: Job, url: str) -> tuple[ParameterItem, ...]:
    """Describe the parameters of a job (UWS 1.1 s2.1.11)."""
    seen: dict[str, int] = {}
    items = []
    for parameter in job.parameters:
        number = seen[upper_name(parameter.id)] = seen.get(upper_name(parameter.id), 0) + 1
        items.append(_parameter_item(parameter, url, number))
    return tuple(items)


def result_items(job: Job, url: str, *, checksums: bool = True) -> tuple[ResultItem, ...]:
    """Describe the results of a job (UWS 1.1 s2.2.2.3)."""
    return tuple(_result_item(result, url, checksums=checksums) for result in job.results)


def result_file(result: JobResult, path: Path) -> ServedFile:
    """Describe the file of a result; its digest tells clients whether they have it, and have it whole (RFC 9530)."""
    file = ServedFile(
        path=path,
        media_type=result.media_type,
        checksum=result.sha256 or result.blob.replace("/", "-"),
        compressible=is_text(result.media_type),
    )
    if result.sha256 is None:
        return file
    digest = base64.b64encode(bytes.fromhex(result.sha256)).decode()
    return replace(file, headers={"Repr-Digest": f"sha-256=:{digest}:"})


def links(job: Job, url: str) -> Mapping[str, str]:
    """Return the addresses that belong to a job."""
    found = {"self": url, "jobs": url.rpartition("/")[0]}
    return found | {"error": f"{url}/error"} if job.error else found


def actions(phase: Phase) -> list[str]:
    """Return what a client may do with a job in this phase."""
    possible = allowed(phase)
    return [name for kind, name in _ACTIONS.items() if kind in possible]


def _parameter_item(parameter: JobParameter, url: str, number: int) -> ParameterItem:
    if parameter.blob is None and can_stand_inline(parameter.value):
        return ParameterItem(id=parameter.id, value=parameter.value)
    address = f"{url}/parameters/{quote(parameter.id, safe='')}"
    return ParameterItem(
        id=parameter.id, value=address if number == 1 else f"{address}?item={number}", by_reference=True
    )


def _result_item(result: JobResult, url: str, *, checksums: bool) -> ResultItem:
    return ResultItem(
        id=result.id,
        href=f"{url}/results/{quote(result.id, safe='')}",
        size=result.size_bytes,
        media_type=result.media_type,
        custom={"sha256": result.sha256} if checksums and result.sha256 else {},
    )


def _info(job: Job, job_type: JobType | None) -> Mapping[str, Any]:
    named = {"name": job.type} | ({"version": job_type.version} if job_type else {})
    return {"jobType": named, "attempt": job.attempt, **job.info}
