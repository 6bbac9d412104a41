"""Settings of DataLink."""

from __future__ import annotations

from pydantic import Field

from penstock.settings import Section


class DataLinkSettings(Section):
    """``PENSTOCK_DATALINK__...``, ``[datalink]``."""

    max_ids: int = Field(
        5000, ge=1, description="How many IDs one call of /links answers; the rest is flagged as OVERFLOW"
    )
    max_members: int = Field(1000, ge=1, description="How many members of a dataset or container /links lists")
    deadline_s: float = Field(
        10.0, gt=0, description="Seconds the lake has to answer before its IDs are reported as TransientFault"
    )


class SodaSettings(Section):
    """``PENSTOCK_SODA__...``, ``[soda]``."""

    processes: int = Field(2, ge=1, description="How many cut-outs are made at once; jobs have processes of their own")
    memory_bytes: int = Field(
        2 * 2**30, ge=2**29, description="Address space of a process that cuts, in bytes; most of it is never used"
    )
    time_limit_s: float = Field(60.0, gt=0, description="Seconds that a cut-out may take which a caller waits for")
    job_time_limit_s: float = Field(3600.0, gt=0, description="Seconds that each cut-out of a job may take")
    queue_limit_s: float = Field(30.0, gt=0, description="Seconds that a caller waits for others before a 503")
    max_output_bytes: int = Field(4 * 2**30, ge=1, description="Largest cut-out, in bytes")
    max_fetch_bytes: int = Field(
        10 * 2**30, ge=0, description="Largest file that is fetched to be cut where no replica can be read as a file"
    )
    max_cutouts: int = Field(1000, ge=1, le=10_000, description="Most cut-outs of one job")


class HipsSettings(Section):
    """``PENSTOCK_HIPS__...``, ``[hips]``."""

    trees: dict[str, str] = Field(
        default_factory=dict,
        description="Surveys by name: each a directory of this host, or scope:prefix of their files in the lake",
    )
    max_age_s: int = Field(86_400, ge=0, description="Seconds for which clients may keep tiles")
