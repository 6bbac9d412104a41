"""Settings: one record for what all services share, one section for each service.

A value comes from the command line, else from the environment (``PENSTOCK_PORT``, ``PENSTOCK_TAP__MAXREC_DEFAULT``),
else from the TOML file (``port = 8080``, ``[tap]`` ``maxrec_default = 10000``), else from the default.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

S = TypeVar("S", bound="Section")
CONFIG_VARIABLE = "PENSTOCK_CONFIG"
DEFAULT_CONFIG = Path("penstock.toml")


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line for the operator."""


class Section(BaseModel):
    """The settings of one service: a subclass, with a default for every member."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(BaseSettings):
    """What all services share."""

    model_config = SettingsConfigDict(
        env_prefix="PENSTOCK_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    base_url: str | None = Field(
        None, description="URL under which clients reach the host, when a proxy stands before it"
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks whose X-Forwarded-* headers are believed"
    )
    data_dir: Path = Field(Path("penstock-data"), description="Directory of everything that must persist")
    database_url: str | None = Field(None, description="postgresql://... or sqlite:///...; unset: SQLite in data_dir")
    authority: str = Field(
        "penstock.example",
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._~*'()!-]{2,}$",
        description="IVOA naming authority of the deployment, the host part of its ivo:// identifiers",
    )
    lake: str = Field("local", description="Which data lake, by the name of its plugin")
    executor: str = Field("local", description="Who runs jobs, by the name of its plugin")
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged"
    )

    @field_validator("base_url")
    @classmethod
    def _plain_base_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/") if value else None

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
    def database(self) -> str:
        """The database's URL, whether given or the embedded default."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'penstock.db'}"


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
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {name}: {first['msg'].removeprefix('Value error, ')}") from error
    except ValueError as error:
        raise SettingsError(f"{path or 'settings'}: {error}") from error


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
