"""Settings of the registry."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from penstock.settings import Section


class RegistrySettings(Section):
    """``PENSTOCK_REGISTRY__...``, ``[registry]``: what is published, how it is handed out, who is harvested."""

    curation: Path | None = Field(
        None, description="TOML file of what people know of the records; `penstock registry init` writes one"
    )
    page_size: int = Field(100, ge=1, le=10_000, description="How many records one OAI-PMH answer holds")
    token_lifetime_s: int = Field(86_400, ge=60, description="Seconds for which a resumption token is good")
    refresh_interval_s: int = Field(
        3600, ge=10, description="Seconds between two looks at the collections of the lake, and at what to harvest"
    )
    harvest: tuple[str, ...] = Field((), description="OAI-PMH addresses of registries that are harvested regularly")
    harvest_set: str = Field("ivo_managed", description="The set that is asked for there; empty for all records")
    harvest_interval_s: int = Field(86_400, ge=600, description="Seconds between two harvests of one registry")
    harvest_timeout_s: float = Field(120.0, gt=0, description="Seconds within which an answer must be whole")
    harvest_answer_bytes: int = Field(32 * 1024 * 1024, ge=100_000, description="The largest answer that is read")
    allow_private: bool = Field(
        False, description="Whether registries at addresses of private networks and of this machine may be harvested"
    )
    max_record_bytes: int = Field(4 * 1024 * 1024, ge=10_000, description="The largest record that operators may send")
