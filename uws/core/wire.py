"""What workers and the service say to each other over HTTP, as JSON.

A worker is outside the zone of trust: what it says is checked as a client's request is. It names its results by number,
in the order in which they were finished, and by digest; where they are stored is the service's own business.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from uws.core.job import ErrorType, Job
from uws.core.results import MOST_RESULTS, is_result_id, is_result_type
from uws.core.text import xml_text

_SILENT = "The job failed, and its worker does not say why."


def _result_id(text: str) -> str:
    if not is_result_id(text):
        raise ValueError("cannot be the id of a result")
    return text


def _result_type(text: str) -> str:
    if not is_result_type(text):
        raise ValueError("is no media type")
    return text


def _distinct(results: tuple[SentResult, ...]) -> tuple[SentResult, ...]:
    if len({result.id for result in results}) < len(results):
        raise ValueError("two results have the same id")  # UWS 1.1 s2.2.2.3
    if len({result.number for result in results}) < len(results):
        raise ValueError("two results have the same number")
    return results


def _reason(text: str) -> str:
    return xml_text(text).strip() or _SILENT


class _Message(BaseModel):
    """A message; members that a newer version says are not read."""

    model_config = ConfigDict(frozen=True)


class SentResult(_Message):
    """A result that was sent before."""

    id: Annotated[str, AfterValidator(_result_id)]
    number: int = Field(ge=1, le=MOST_RESULTS)
    media_type: Annotated[str, AfterValidator(_result_type)]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


SentResults = Annotated[tuple[SentResult, ...], Field(max_length=MOST_RESULTS), AfterValidator(_distinct)]
WorkerName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(xml_text)]


class Progress(_Message):
    """How far the job is, as jobInfo shows it."""

    progress: float | None = Field(None, ge=0, le=1)
    message: Annotated[str, Field(max_length=1000), AfterValidator(xml_text)] | None = None


class Claiming(_Message):
    """A worker wants the attempt."""

    worker: WorkerName


class Claimed(_Message):
    """It has it."""

    job: Job


class Beat(_Message):
    """A sign of life; None where nothing is new."""

    worker: WorkerName
    info: Progress | None = None
    results: SentResults | None = None


class Beaten(_Message):
    """It was heard; `until` is when the attempt must end by the service's clock, None where nothing limits it."""

    until: AwareDatetime | None = None


class Failure(_Message):
    """Why an attempt failed, for the owner of the job."""

    type: ErrorType
    message: Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_reason)]


class Completed(_Message):
    """The attempt ended well, or because its time was over."""

    results: SentResults = ()


class Failed(_Message):
    """The attempt failed."""

    error: Failure
    results: SentResults = ()


class Ended(_Message):
    """The attempt no longer runs, without a report of its own (see `uws.ports.EndOfAttempt`)."""

    why: Literal["VANISHED", "RELEASED"]
