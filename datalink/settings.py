"""Settings of DataLink."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from datalink.core.replicas import Delivery
from penstock.settings import Section


class StorageHost(BaseModel):
    """A host of the lake's storage that this service may read from, though its address is not public."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(description="The host as it stands in URLs of replicas, with its port where they have one")
    token_file: Path | None = Field(
        None, description="File with the bearer token for this host; it is read again whenever a replica is opened"
    )


class DataLinkSettings(Section):
    """``PENSTOCK_DATALINK__...``, ``[datalink]``."""

    max_ids: int = Field(
        5000, ge=1, description="How many IDs one call of /links answers; the rest is flagged as OVERFLOW"
    )
    max_members: int = Field(
        1000, ge=1, description="How many members of a dataset or container /links lists on a page"
    )
    max_package_files: int = Field(10_000, ge=1, description="How many files /package puts into one archive at most")
    deadline_s: float = Field(
        10.0, gt=0, description="Seconds the lake has to answer before its IDs are reported as TransientFault"
    )
    remember_s: float = Field(
        10.0, ge=0, description="Seconds for which what the lake said of a file is not asked for again"
    )
    delivery: Delivery = Field(
        Delivery.PROXY, description="How #this gives the bytes of a file: proxy (they pass through here) or redirect"
    )
    storage: tuple[StorageHost, ...] = Field(
        (), description="Storage hosts that may have private addresses, or want a token"
    )
    storage_idle_s: float = Field(
        20.0, gt=0, description="Seconds without a byte after which the next replica takes over"
    )
    avoid_s: float = Field(60.0, ge=0, description="Seconds for which a site that failed is tried after all others")
    early_access: dict[str, frozenset[str]] = Field(
        default_factory=dict, description="Groups that may read files under embargo, by scope, as JSON"
    )
    site_by_network: dict[IPv4Network | IPv6Network, str] = Field(
        default_factory=dict, description='Storage site near the callers of a network, as JSON: {"10.0.0.0/8": "SITE"}'
    )
    jobs_url: str | None = Field(
        None, description="UWS job list that stages files, where another process serves it; unset: that of this one"
    )
    planner_url: str | None = Field(
        None, description="/accepts of the Execution Planner, where another process serves it; unset: that of this one"
    )
    stage_stuck_s: float = Field(
        3600.0, gt=0, description="Seconds without a file that arrives, after which a staging job gives up"
    )
    max_stage_lifetime_s: int = Field(
        30 * 86_400, ge=60, description="Most seconds for which a staging job may ask to keep replicas"
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
