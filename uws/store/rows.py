"""Jobs as rows, and rows as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import orjson

from penstock.dali.values import format_timestamp
from penstock.direct import Row
from uws.core.job import ErrorSummary, ErrorType, Job, JobParameter, JobResult, JobSummary, Lease, Phase
from uws.ports import Creation


def job_row(job: Job) -> dict[str, Any]:
    """Return the row of a job."""
    return {
        "id": job.id,
        "type": job.type,
        "phase": job.phase.value,
        "attempt": job.attempt,
        "version": job.version,
        "owner": job.owner,
        "owner_groups": orjson.dumps(job.owner_groups).decode() if job.owner_groups else None,
        "run_id": job.run_id,
        "creation_time": format_timestamp(job.creation_time),
        "start_time": _text(job.start_time),
        "end_time": _text(job.end_time),
        "quote": _text(job.quote),
        "destruction": _text(job.destruction),
        "execution_duration_s": job.execution_duration_s,
        "deadline": _text(job.deadline),
        "worker": job.lease.worker if job.lease else None,
        "lease_until": _text(job.lease.until) if job.lease else None,
        "error_type": job.error.type if job.error else None,
        "error_message": job.error.message if job.error else None,
        "info": orjson.dumps(dict(job.info)).decode(),
    }


def parameter_rows(job: Job) -> list[dict[str, Any]]:
    """Return the rows of a job's parameters."""
    return [
        {
            "job_id": job.id,
            "seq": seq,
            "id": parameter.id,
            "value": parameter.value,
            "blob": parameter.blob,
            "media_type": parameter.media_type,
        }
        for seq, parameter in enumerate(job.parameters)
    ]


def result_rows(job_id: str, results: Sequence[JobResult]) -> list[dict[str, Any]]:
    """Return the rows of a job's results."""
    return [
        {
            "job_id": job_id,
            "id": result.id,
            "seq": seq,
            "blob": result.blob,
            "size_bytes": result.size_bytes,
            "media_type": result.media_type,
            "sha256": result.sha256,
        }
        for seq, result in enumerate(results)
    ]


def job_of(row: Row, parameters: tuple[JobParameter, ...], results: tuple[JobResult, ...]) -> Job:
    """Return the job of a row and of those that belong to it."""
    return Job(
        id=row["id"],
        type=row["type"],
        phase=Phase(row["phase"]),
        attempt=row["attempt"],
        version=row["version"],
        owner=row["owner"],
        owner_groups=tuple(orjson.loads(row["owner_groups"] or "[]")),
        run_id=row["run_id"],
        creation_time=to_instant(row["creation_time"]),
        start_time=_instant(row["start_time"]),
        end_time=_instant(row["end_time"]),
        quote=_instant(row["quote"]),
        destruction=_instant(row["destruction"]),
        execution_duration_s=row["execution_duration_s"],
        parameters=parameters,
        results=results,
        lease=_lease(row),
        error=_error(row),
        info=orjson.loads(row["info"]),
    )


def summary_of(row: Row) -> JobSummary:
    """Return what a list says of a job."""
    return JobSummary(
        id=row["id"],
        type=row["type"],
        phase=Phase(row["phase"]),
        owner=row["owner"],
        run_id=row["run_id"],
        creation_time=to_instant(row["creation_time"]),
    )


def parameter_of(row: Row) -> JobParameter:
    """Return the parameter of a row."""
    return JobParameter(id=row["id"], value=row["value"], blob=row["blob"], media_type=row["media_type"])


def result_of(row: Row) -> JobResult:
    """Return the result of a row."""
    return JobResult(
        id=row["id"],
        blob=row["blob"],
        size_bytes=row["size_bytes"],
        media_type=row["media_type"],
        sha256=row["sha256"],
    )


def creation_row(creation: Creation) -> dict[str, Any]:
    """Return the row of a creation."""
    return {
        "key": creation.key,
        "fingerprint": creation.fingerprint,
        "job_id": creation.job_id,
        "time": format_timestamp(creation.time),
    }


def creation_of(row: Row) -> Creation:
    """Return the creation of a row."""
    return Creation(key=row["key"], fingerprint=row["fingerprint"], job_id=row["job_id"], time=to_instant(row["time"]))


def to_instant(text: str) -> datetime:
    """Return the instant that a column holds."""
    return datetime.fromisoformat(text)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else to_instant(text)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else format_timestamp(instant)


def _lease(row: Row) -> Lease | None:
    if row["lease_until"] is None:
        return None
    return Lease(worker=row["worker"], until=to_instant(row["lease_until"]))


def _error(row: Row) -> ErrorSummary | None:
    if row["error_message"] is None:
        return None
    return ErrorSummary(type=cast("ErrorType", row["error_type"]), message=row["error_message"])
