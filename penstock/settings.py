"""Settings: one record for what all services share, one section for each service.

A value comes from the command line, else from the environment (``PENSTOCK_PORT``, ``PENSTOCK_TAP__MAXREC_DEFAULT``),
else from the TOML file (``port = 8080``, ``[tap]`` ``maxrec_default = 10000``), else from the default.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from penstock.auth.addresses import host_of, is_protected
from penstock.errors import SettingsError as SettingsError

S = TypeVar("S", bound="Section")
CONFIG_VARIABLE = "PENSTOCK_CONFIG"
DEFAULT_CONFIG = Path("penstock.toml")
FOR_JOBS = {"for": "jobs"}
"""The pydantic context in which settings are written for the processes of jobs, with the secrets that these need."""
_AUTHORITY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._~*'()!-]{2,}")
_ORIGIN = re.compile(r"\*|https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")  # as browsers spell it
_NETWORKS_WANTED = "networks between commas, such as 10.0.0.0/8,::1"
_ORIGINS_WANTED = (
    "origins between commas, such as https://portal.example.org, in small letters and without a path; or *"
)
_BASE_URL = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%-]+)*/*")


class Section(BaseModel):
    """The settings of one service: a subclass, with a default for every member."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Issuer(BaseModel):
    """An OpenID Connect issuer whose access tokens are believed; groups of all issuers share one space of names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="The issuer, exactly as its tokens spell it in `iss`")
    audiences: tuple[str, ...] = Field(
        min_length=1, description="A token is for this service if its `aud` holds one of these"
    )
    name: str = Field(
        "",
        validate_default=True,
        pattern=r"^[A-Za-z0-9.-]{0,80}$",
        description="What follows the @ in the names of its users, who lose their jobs if it changes; unset: its host",
    )
    groups_claims: tuple[str, ...] = Field(
        ("wlcg.groups", "groups"),
        description="Where a token tells groups, the first that it has: a claim, or a path of claims joined by dots",
    )
    admin_groups: tuple[str, ...] = Field((), description="Groups whose members may do everything")

    @field_validator("url")
    @classmethod
    def _protected_url(cls, value: str) -> str:
        if not is_protected(value) or "?" in value:
            raise ValueError("must be an https:// URL without query and fragment (http:// on this machine only)")
        return value

    @field_validator("name")
    @classmethod
    def _host_if_unset(cls, value: str, info: ValidationInfo) -> str:
        return value or host_of(info.data.get("url", ""))


class OidcSettings(Section):
    """Who may sign in, where `authenticator` is ``oidc``."""

    issuers: tuple[Issuer, ...] = Field(
        default=(), description="The OpenID Connect issuers whose access tokens are believed"
    )

    @field_validator("issuers")
    @classmethod
    def _distinct(cls, issuers: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        for kind in ("url", "name"):
            values = [getattr(issuer, kind) for issuer in issuers]
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"two issuers have the {kind} {twice!r}: give each its own")
        return issuers


class Settings(BaseSettings):
    """What all services share."""

    model_config = SettingsConfigDict(
        env_prefix="PENSTOCK_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on")
    processes: int = Field(1, ge=1, le=256, description="Processes that serve on the one port, on as many cores")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    base_url: str | None = Field(
        None, description="URL under which clients reach the host, when a proxy stands before it"
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="Networks whose X-Forwarded-* headers are believed, such as 10.0.0.0/8,::1"
    )
    browser_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose web pages may use the services, such as https://portal.example.org; * is any"
    )
    body_idle_s: float = Field(
        30.0, gt=0, description="Seconds without a byte after which a request's body is given up and answered 408"
    )
    data_dir: Path = Field(Path("penstock-data"), description="Directory of everything that must persist")
    database_url: str | None = Field(None, description="postgresql://... or sqlite:///...; unset: SQLite in data_dir")
    authority: str = Field(
        "penstock.example",
        description="IVOA naming authority of the deployment, the host part of its ivo:// identifiers",
    )
    allow_private_addresses: bool = Field(
        False, description="Whether what callers name may be fetched from this host and from private networks"
    )
    lake: str = Field("local", description="Which data lake, by the name of its plugin")
    local_staging_bytes: int = Field(
        10 * 2**30, ge=0, description="Most bytes that one caller may have staged in the local lake"
    )
    executor: str = Field("local", description="Who runs jobs, by the name of its plugin: here (local) or celery")
    broker_url: SecretStr | None = Field(
        None, description="Where Celery's messages go: redis://host/0 or amqp://user:password@host//"
    )
    authenticator: str = Field("anonymous", description="Who tells callers apart, by the name of its plugin")
    oidc: OidcSettings = OidcSettings()
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged"
    )

    @field_validator("authority")
    @classmethod
    def _naming_authority(cls, value: str) -> str:
        if not _AUTHORITY.fullmatch(value):
            raise ValueError(
                f"{value!r} is no IVOA naming authority: give a name such as vo.example.org, three or more letters, "
                "digits, dots or hyphens that begin with a letter or a digit"
            )
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        """Read networks, in the environment between commas or as JSON."""
        if isinstance(value, str):
            value = _listed(value, _NETWORKS_WANTED)
        return tuple(map(_network, value)) if isinstance(value, list | tuple) else value

    @field_validator("browser_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        """Read origins, in the environment between commas or as JSON."""
        value = _listed(value, _ORIGINS_WANTED) if isinstance(value, str) else value
        if isinstance(value, list | tuple) and not all(
            isinstance(one, str) and _ORIGIN.fullmatch(one) for one in value
        ):
            raise ValueError(f"must be {_ORIGINS_WANTED}")
        return value

    @field_validator("base_url")
    @classmethod
    def _plain_base_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        if not _BASE_URL.fullmatch(value):
            raise ValueError(
                "must be http:// or https://, a host, and perhaps a port and a path, such as https://x.org/vo"
            )
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the TOML file below the environment."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_file())

    def section(self, kind: type[S]) -> S:
        """Return the section of a service by its type."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, kind):
                return value
        raise SettingsError(f"no service with {kind.__name__} is installed")

    @property
    def own_url(self) -> str:
        """The base URL where no request says which one its client used: in jobs and on the terminal."""
        return self.base_url or f"http://{_url_host(self.host)}:{self.port}"

    @property
    def database(self) -> str:
        """The database's URL, whether given or the embedded default."""
        if self.database_url:
            return self.database_url
        from sqlalchemy.engine import URL  # who only reads settings does without

        url = URL.create("sqlite", database=str(self.data_dir.absolute() / "penstock.db"))
        return url.render_as_string()


def _listed(text: str, wanted: str) -> Any:
    if not text.strip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be {wanted}") from error


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value)
    except ValueError as error:
        raise ValueError(f"{error}: give {_NETWORKS_WANTED}") from error


def _url_host(host: str) -> str:
    """Return the host part of a URL for an address that is listened on; a wildcard is not one that a client can use."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def config_file() -> Path | None:
    """Return the TOML file that is read: the one that PENSTOCK_CONFIG names, else penstock.toml if it is there."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None


def settings_type(sections: Mapping[str, type[Section]]) -> type[Settings]:
    """Return `Settings` with one member per service."""
    members: dict[str, Any] = {name: (kind, Field(default_factory=kind)) for name, kind in sections.items()}
    return create_model("PenstockSettings", __base__=Settings, **members)


def load_settings(sections: Mapping[str, type[Section]], **given: Any) -> Settings:
    """Read all settings; `given` (from the command line) wins, None in it means not given.

    Raises
    ------
    SettingsError
        A value is wrong, a name unknown, or the file cannot be read; the message says which and why.
    """
    path = config_file()
    if path is not None and not path.is_file():
        raise SettingsError(f"{CONFIG_VARIABLE} names {path}, which is not a file")
    kind = settings_type(sections)
    unknown = sorted(set(_unknown_variables(kind)))
    if unknown:
        raise SettingsError(f"{unknown[0]} in the environment is not a setting; `penstock settings` lists them all")
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_explain(kind, error)) from error
    except SourceError as error:
        raise SettingsError(f"{error}: a list or a group in the environment is written as JSON") from error
    except ValueError as error:
        raise SettingsError(f"{path or 'settings'}: {error}") from error


def _explain(kind: type[Settings], error: ValidationError) -> str:
    """Say in one line which setting is wrong and why."""
    errors = error.errors()
    # A misspelt member is the cause of one that is missing.
    first = next((told for told in errors if told["type"] == "extra_forbidden"), errors[0])
    # The arm of a union that refused is no part of the name.
    name = ".".join(str(part) for part in first["loc"] if "[" not in str(part))
    if first["type"] == "extra_forbidden":
        return f"{_origin(kind, name)}: {name} is not a setting; `penstock settings` lists them all"
    return f"setting {name}: {first['msg'].removeprefix('Value error, ')}"


def _origin(kind: type[Settings], name: str) -> str:
    """Return the variable whose JSON holds a name, else the file."""
    given = {variable.upper() for variable in os.environ}
    holders = (variable for variable, _, known in list_settings(kind) if name.startswith(f"{known}."))
    return next((variable for variable in holders if variable in given), str(config_file() or "settings"))


def _unknown_variables(kind: type[Settings]) -> Iterator[str]:
    """Yield PENSTOCK_ variables that no setting has: a misspelt one must not pass in silence."""
    known = {variable for variable, _, _ in list_settings(kind)} | {CONFIG_VARIABLE}
    for variable in os.environ:
        if variable.upper().startswith("PENSTOCK_") and variable.upper() not in known:
            yield variable


def list_settings(kind: type[Settings]) -> Iterator[tuple[str, FieldInfo, str]]:
    """Yield (environment variable, field, name in TOML) of every setting."""
    for name, field in kind.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            for inner, inner_field in section.model_fields.items():
                yield f"PENSTOCK_{name}__{inner}".upper(), inner_field, f"{name}.{inner}"
        else:
            yield f"PENSTOCK_{name}".upper(), field, name
