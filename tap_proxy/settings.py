"""The settings of the TAP service."""

from __future__ import annotations

from pydantic import Field, model_validator

from penstock.settings import Section


class TapSettings(Section):
    """What an operator may change of the TAP service: section ``[tap]``, variables ``PENSTOCK_TAP__...``."""

    maxrec_default: int = Field(100_000, ge=1, description="Rows of a result when the query gives no MAXREC")
    maxrec_hard: int = Field(10_000_000, ge=1, description="Rows that no result exceeds, whatever MAXREC says")
    query_time_limit_s: float = Field(300.0, gt=0, description="Seconds that a synchronous query may take in all")
    job_time_limit_s: float = Field(7200.0, gt=0, description="Seconds that the query of a job may take")
    queue_time_limit_s: float = Field(30.0, gt=0, description="Seconds that a query waits for a free connection")
    connections: int = Field(8, ge=1, le=100, description="Queries that one process runs at once")
    cached_queries: int = Field(512, ge=0, description="Compiled queries that are kept for the next time")
    max_query_bytes: int = Field(1024 * 1024, ge=1024, description="Size of a request, its query included")
    max_upload_bytes: int = Field(64 * 2**20, ge=1024, description="Size of a table that comes with a query")
    max_upload_rows: int = Field(1_000_000, ge=1, description="Rows of a table that comes with a query")
    database_url: str | None = Field(
        None, description="postgresql://... of a role that may only read; unset: the database of all services"
    )
    links_url: str | None = Field(
        None, description="DataLink {links} resource that results refer to; unset: that of this deployment"
    )

    full_registry: bool = Field(
        False, description="Whether the tables rr.* hold the whole VO Registry, which clients are then told"
    )

    @model_validator(mode="after")
    def _ordered(self) -> TapSettings:
        if self.maxrec_default > self.maxrec_hard:
            raise ValueError("maxrec_default must not exceed maxrec_hard")
        return self
