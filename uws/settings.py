"""The settings of UWS."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock.settings import Section


class UwsSettings(Section):
    """How jobs live and die."""

    max_wait_s: float = Field(60.0, gt=0, description="Longest time that a request with WAIT blocks")
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
    max_running: int | None = Field(
        None, ge=1, description="Jobs run at once by the local executor; unset: one per core"
    )
    max_attempts: int = Field(3, ge=1, description="How often a job is started when its worker vanishes")
    lease_s: float = Field(60.0, gt=0, description="How long a worker may be silent before it counts as vanished")
    kill_after_s: float = Field(5.0, gt=0, description="Seconds between SIGTERM and SIGKILL when a job is stopped")
    max_file_bytes: int = Field(256 * 2**20, gt=0, description="Largest file that may be uploaded with a job")
