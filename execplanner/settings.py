"""Settings of the Execution Planner."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from penstock.settings import Section


class ExecPlannerSettings(Section):
    """``PENSTOCK_EXECPLANNER__...``, ``[execplanner]``."""

    facility_file: Path | None = Field(
        None, description="YAML record of the facility; unset: this host, with the job types that it runs"
    )
    max_document_bytes: int = Field(1024 * 1024, ge=1024, description="Largest JSON or YAML document that is read")
    standard_id: str | None = Field(
        None,
        pattern=r"^ivo://\S+$",
        description="Identifier of the interfaces in capabilities, before the #; unset: one of this authority",
    )
