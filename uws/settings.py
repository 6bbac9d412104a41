"""The settings of UWS."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from penstock.settings import Section


class Quota(Section):
    """How many jobs an owner may have; unset: any number."""

    max_active: Annotated[int | None, Field(ge=1, description="Jobs that are queued or run")] = None
    max_kept: Annotated[int | None, Field(ge=1, description="Jobs of any phase but ARCHIVED")] = None
    max_created_per_hour: Annotated[int | None, Field(ge=1, description="Jobs of the last hour, but deleted ones")] = (
        None
    )


class UwsSettings(Section):
    """How jobs live and die."""

    max_wait_s: float = Field(60.0, gt=0, description="Longest time that a request with WAIT blocks")
    max_followers: int = Field(1000, ge=1, description="Most streams of job events that a process sends at once")
    max_followers_per_caller: int = Field(
        20, ge=1, description="Most streams of job events for one user, and for one job"
    )
    max_waiting: int = Field(10_000, ge=1, description="Most requests with WAIT that a process lets block at once")
    max_waiting_per_caller: int = Field(
        1000, ge=1, description="Most of one user; anonymous callers are limited by the job only"
    )
    max_waiting_per_job: int = Field(5000, ge=1, description="Most for one job")
    default_duration_s: int = Field(3600, ge=0, lt=2**31, description="executionDuration of new jobs; 0 is unlimited")
    max_duration_s: int = Field(86400, ge=0, lt=2**31, description="Longest executionDuration; 0 is unlimited")
    default_lifetime_d: float = Field(30.0, gt=0, description="Days until a new job is destroyed")
    max_lifetime_d: float = Field(365.0, ge=0, description="Most days until a job is destroyed; 0 allows never")
    at_destruction: Literal["forget", "archive"] = Field(
        "forget", description="What becomes of a job at its destruction time: forgotten, or kept as ARCHIVED"
    )
    list_anonymous: bool | None = Field(
        None, description="Whether job lists show anonymous jobs; unset: only where nobody can authenticate"
    )
    quota: Quota = Field(
        Quota(), description="What every owner may have: max_active, max_kept and max_created_per_hour jobs"
    )
    anonymous_quota: Quota | None = Field(
        None, description="What all anonymous callers may have together; unset: the quota of an owner"
    )
    type_quotas: dict[str, Quota] = Field({}, description="What every owner may have, besides, of a job type")
    at_quota: Literal["refuse", "hold"] = Field(
        "refuse", description="What becomes of PHASE=RUN over max_active: refused with 429, or the job is HELD"
    )
    max_running: int | None = Field(
        None, ge=1, description="Jobs run at once by the local executor; unset: one per core"
    )
    max_light: int = Field(
        200, ge=1, description="Light jobs, such as sessions, which only wait for others, at once, besides"
    )
    jobs_per_process: int = Field(
        25,
        ge=1,
        description="Jobs that one process of the local executor runs, one after the other, light ones together; "
        "1: a new one each",
    )
    max_attempts: int = Field(3, ge=1, description="How often a job is started when its worker vanishes")
    lease_s: float = Field(60.0, gt=0, description="How long a worker may be silent before it counts as vanished")
    redispatch_s: float = Field(
        30.0, gt=0, description="After how long a queued job that no worker has taken is offered again"
    )
    api_url: str | None = Field(
        None, pattern=r"^https?://", description="The UWS service that a worker without a database reports to"
    )
    queue: str = Field(
        "penstock",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="The Celery queue; deployments that share a broker need one each",
    )
    drain_s: float = Field(
        10.0, ge=0, description="How long a worker that is told to end lets its jobs run before it hands them back"
    )
    kill_after_s: float = Field(5.0, gt=0, description="Seconds between SIGTERM and SIGKILL when a job is stopped")
    worker_secret: SecretStr | None = Field(
        None,
        description="Key of the tokens by which workers without a database are known, 32 characters or more; "
        "unset: made once, in data_dir",
    )
    max_result_bytes: int = Field(2**40, gt=0, description="Largest result that a worker may send over HTTP")
    max_attempt_bytes: int = Field(
        2**40, gt=0, description="Most bytes that a worker may send over HTTP for one attempt of a job, all together"
    )
    max_file_bytes: int = Field(256 * 2**20, gt=0, description="Largest file that may be uploaded with a job")
