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
    stage_stuck_s: float = Field(
        3600.0, gt=0, description="Seconds without a file that arrives, after which a staging job gives up"
    )
    max_stage_lifetime_s: int = Field(
        30 * 86_400, ge=60, description="Most seconds for which a staging job may ask to keep replicas"
    )
