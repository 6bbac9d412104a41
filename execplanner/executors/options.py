"""Options of executors, as the record of a facility gives them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from penstock.dali.errors import ServiceUnavailable
from penstock.settings import Settings, SettingsError


class Options(BaseModel):
    """What every executor takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read the options.

        Raises
        ------
        SettingsError
            Some are missing, unknown or malformed; the message names all of them.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("; ".join(cls._told(one) for one in error.errors())) from error

    @classmethod
    def _told(cls, error: ErrorDetails) -> str:
        name = ".".join(str(part) for part in error["loc"])
        match error["type"]:
            case "extra_forbidden":
                return f"there is no option {name} (options: {', '.join(cls.model_fields)})"
            case "missing":
                return f"the option {name} is missing"
            case _:
                return f"the option {name}: {error['msg']}"

    @classmethod
    def read_in(cls, settings: Settings, given: Mapping[str, Any]) -> Self:
        """Read the options in a deployment, whose settings count where the options say nothing; raises as `read`."""
        return cls.read(given)


class Fetching(Options):
    """Options of executors that fetch what owners name."""

    allow_private_addresses: bool = False
    max_program_bytes: int = Field(16 * 2**20, ge=1)

    @classmethod
    def read_in(cls, settings: Settings, given: Mapping[str, Any]) -> Self:
        """Read the options; private addresses are allowed where the deployment allows them."""
        return cls.read({"allow_private_addresses": settings.allow_private_addresses, **given})


class Endpoint(Options):
    """Options of executors that talk to a service of the operator's choice over HTTP.

    `ca_file` are the authorities that are trusted in place of the system's.
    """

    url: str = Field(pattern=r"^https?://[^\s@?#]+$")
    token_file: Path | None = None
    ca_file: Path | None = None
    timeout_s: float = Field(30.0, gt=0)

    def token(self) -> str | None:
        """Return the present token: the file is read each time, since tokens are renewed."""
        if self.token_file is None:
            return None
        try:
            return self.token_file.read_text().strip()
        except OSError as error:
            raise ServiceUnavailable(f"The token for {self.url} cannot be read: {error.strerror}.") from error
