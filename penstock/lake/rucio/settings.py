"""Settings of the Rucio lake."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, SecretStr, SerializationInfo, field_serializer, field_validator

from penstock.auth.addresses import is_protected
from penstock.lake.port import Did
from penstock.settings import FOR_JOBS, Section


class RucioSettings(Section):
    """``PENSTOCK_RUCIO__...``, ``[rucio]``; they matter where `lake` is ``rucio``."""

    url: str = Field("", description="Rucio's REST server, such as https://rucio.example.org")
    auth_url: str = Field("", description="Where Rucio signs in, if not at url")
    account: str = Field("", description="The account of this service in Rucio")
    username: str = Field("", description="Its name, for signing in with a password")
    password: SecretStr = Field(SecretStr(""), description="Its password")
    token_file: Path | None = Field(
        None,
        description="A file with a token for the account, kept fresh by others; instead of a password",
    )
    ca_file: Path | None = Field(None, description="Certificates to trust besides the system's, as a PEM file")
    timeout_s: float = Field(30.0, gt=0, description="Seconds that one call of Rucio may take")
    connections: int = Field(8, ge=1, description="Most calls of Rucio at once by one process")
    cache_s: float = Field(60.0, ge=0, description="Seconds for which what Rucio said of replicas is believed")
    cache_entries: int = Field(200_000, ge=0, description="Most files of which that is kept by one process")
    sites_cache_s: float = Field(600.0, ge=0, description="Seconds for which what Rucio said of sites is believed")
    schemes: tuple[str, ...] = Field(
        ("https", "davs", "http", "root"), description="Protocols of replicas that are shown, the best first"
    )
    paths: dict[str, Path] = Field(
        default_factory=dict,
        description="Where this host has sites mounted: the beginning of URLs and the folder that it stands for",
    )
    scope_pattern: str = Field(
        r"[a-zA-Z0-9_.-]{1,25}", description="What scopes look like, as a regular expression: Rucio's schema has it"
    )
    name_pattern: str = Field(
        r"[/A-Za-z0-9][/A-Za-z0-9._-]{0,249}", description="What names of files and datasets look like, likewise"
    )
    public_scopes: tuple[str, ...] = Field(
        (), description="Scopes that everybody may see, * and ? standing for any letters; none unless set"
    )
    member_scopes: tuple[str, ...] = Field(
        (), description="Scopes that known callers may see besides, in jobs and where Rucio does not know them"
    )
    anonymous_staging: bool = Field(False, description="Whether callers who are not known may stage what they may see")
    stage_scope: str = Field(
        "", description="Scope for the datasets of staging requests with several IDs; unset: user.<account>"
    )
    mapping: str = Field(
        "obscore", description="How metadata become ObsCore: a mapping that comes with Penstock, or a TOML file"
    )

    @field_serializer("password", when_used="json")
    def _hide(self, value: SecretStr, info: SerializationInfo) -> str:
        """Write the password only for the process of a job, which signs in, too."""
        return value.get_secret_value() if info.context == FOR_JOBS else str(value)

    @field_validator("scope_pattern", "name_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from error
        return value

    @field_validator("url", "auth_url")
    @classmethod
    def _protected(cls, value: str) -> str:
        if value and not is_protected(value):
            raise ValueError("must be an https:// URL (http:// on this machine only): tokens are sent there")
        return value.rstrip("/")

    def takes(self, did: Did) -> bool:
        """Tell whether Rucio takes a DID: it fails at a thousand if one of them is not as its schema has it."""
        return bool(re.fullmatch(self.scope_pattern, did.scope) and re.fullmatch(self.name_pattern, did.name))
