"""The settings of the TAP service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FieldSerializationInfo,
    SecretStr,
    field_serializer,
    field_validator,
    model_validator,
)

from penstock.identifiers import RESERVED_WORDS
from penstock.settings import FOR_JOBS, Section

_MOUNT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OWN_SCHEMAS = frozenset({"ivoa", "lake", "rr", "tap_schema", "tap_upload"})


class UpstreamSettings(BaseModel):
    """Another TAP service whose tables are offered here: ``[tap.upstreams.NAME]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(None, description="Where it is; a private address is reached if it is named here")
    registry: str | None = Field(None, description="Its ivo:// identifier, to find it in the tables of our registry")
    schemas: tuple[str, ...] = Field((), description="Those of its schemas that are offered; none: all")
    token: SecretStr | None = Field(None, description="Bearer token that is sent to this upstream, and to no other")
    obscore: bool = Field(False, description="Whether its observations are part of our ivoa.obscore")
    compressed: bool = Field(False, description="Whether answers are asked for with gzip: for slow lines")
    connect_s: float = Field(10.0, gt=0, description="Seconds in which a connection must be made")
    idle_s: float = Field(60.0, gt=0, description="Seconds in which something must come")
    dids_to_links: tuple[str, ...] = Field(
        (), description="Beginnings of publisher DIDs whose access URLs are replaced by our DataLink"
    )

    @model_validator(mode="after")
    def _has_an_address(self) -> UpstreamSettings:
        if (self.url is None) == (self.registry is None):
            raise ValueError("give either url or registry")
        if self.url is not None and not re.fullmatch(r"https?://[^/@?#\s]+(/[^?#\s]*)?", self.url):
            raise ValueError("url must be like https://archive.org/tap, without a password, ? or #")
        return self

    @field_serializer("token", when_used="json-unless-none")
    def _written(self, token: SecretStr, info: FieldSerializationInfo[Any]) -> str:
        """Write the token for the processes of jobs alone, which get the settings through a pipe."""
        return token.get_secret_value() if info.context == FOR_JOBS else str(token)


class TapSettings(Section):
    """What an operator may change of the TAP service: section ``[tap]``, variables ``PENSTOCK_TAP__...``."""

    maxrec_default: int = Field(100_000, ge=1, description="Rows of a result when the query gives no MAXREC")
    maxrec_hard: int = Field(10_000_000, ge=1, description="Rows that no result exceeds, whatever MAXREC says")
    query_time_limit_s: float = Field(300.0, gt=0, description="Seconds that a synchronous query may take in all")
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

    upstreams: Mapping[str, UpstreamSettings] = Field(
        {}, description="Other TAP services by the names of their schemas here: [tap.upstreams.NAME]"
    )
    upstream_refresh_s: float = Field(
        86400.0, gt=0, description="Seconds after which the tables of upstreams are read anew"
    )
    upstream_metadata_bytes: int = Field(64 * 2**20, ge=1024, description="Size of what an upstream says of itself")
    fetch_max_rows: int = Field(200_000, ge=1, description="Rows that are fetched from an archive to be joined here")
    fetch_max_bytes: int = Field(256 * 2**20, ge=1024, description="Bytes that are fetched so")
    fetch_max_keys: int = Field(500, ge=0, le=5000, description="Keys that are sent to an archive to narrow a join")
    archive_time_limit_s: float = Field(30.0, gt=0, description="Seconds that ivoa.obscore waits for an archive")
    archive_name: str = Field("here", description="The name of this service in the column archive of ivoa.obscore")

    full_registry: bool = Field(
        False, description="Whether the tables rr.* hold the whole VO Registry, which clients are then told"
    )

    @field_validator("upstreams")
    @classmethod
    def _can_be_schemas(cls, value: Mapping[str, UpstreamSettings]) -> Mapping[str, UpstreamSettings]:
        for name in value:
            if not _MOUNT_NAME.fullmatch(name) or name.upper() in RESERVED_WORDS or name in _OWN_SCHEMAS:
                raise ValueError(f"{name!r} cannot be a schema: take small letters, digits and _, no word of ADQL")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> TapSettings:
        if self.maxrec_default > self.maxrec_hard:
            raise ValueError("maxrec_default must not exceed maxrec_hard")
        return self
