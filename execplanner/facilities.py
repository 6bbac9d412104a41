"""Where facility records come from: a YAML file of the operator, or this host itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from execplanner.core.facility import Access, Capacity, Facility, Kind
from execplanner.core.quantity import parse_duration, parse_size
from execplanner.core.reading import read_object
from penstock.dali.errors import UsageError
from penstock.settings import SettingsError
from uws.ports import JobType

UWS_TYPE = "ivo://ivoa.net/std/UWS#rest-1.1"


def _size(value: object) -> int:
    try:
        return parse_size("size", str(value))
    except UsageError as error:
        raise ValueError(error.message) from error


def _duration(value: object) -> float:
    try:
        return parse_duration("duration", str(value))
    except UsageError as error:
        raise ValueError(error.message) from error


_Size = Annotated[int, BeforeValidator(_size)]
_Duration = Annotated[float, BeforeValidator(_duration)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Kind(_Part):
    title: str = ""
    languages: tuple[str, ...] = ()


class _Interface(_Part):
    servicetype: str
    endpoint: str = Field(pattern=r"^https?://\S+$")


class _Capacity(_Part):
    cores: int | None = Field(None, ge=1)
    memory: _Size | None = None
    store: _Size | None = None
    duration: _Duration | None = None
    startup: _Duration = 0.0


class _Record(_Part):
    id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    site: str | None = None
    interfaces: tuple[_Interface, ...] = Field(min_length=1)
    kinds: dict[str, _Kind] = Field(min_length=1)
    capacity: _Capacity = Field(default_factory=lambda: _Capacity.model_validate({}))

    def facility(self) -> Facility:
        """Return the record as the core knows it."""
        return Facility(
            id=self.id,
            title=self.title,
            site=self.site,
            interfaces=tuple(Access(servicetype=one.servicetype, endpoint=one.endpoint) for one in self.interfaces),
            kinds={name: Kind(title=kind.title, languages=kind.languages) for name, kind in self.kinds.items()},
            capacity=Capacity(
                cores=self.capacity.cores,
                memory_bytes=self.capacity.memory,
                store_bytes=self.capacity.store,
                duration_s=self.capacity.duration,
                startup_s=self.capacity.startup,
            ),
        )


def read_facility(path: Path) -> Facility:
    """Read the record of a facility.

    Raises
    ------
    SettingsError
        The file cannot be read or is no such record; the message says where.
    """
    try:
        return _Record.model_validate(read_object(path.read_bytes(), "application/yaml")).facility()
    except OSError as error:
        raise SettingsError(f"the facility record {path} cannot be read: {error.strerror}") from error
    except UsageError as error:
        raise SettingsError(f"the facility record {path}: {error.message}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"the facility record {path}, {where}: {first['msg']}") from error


def this_host(
    authority: str, jobs_url: str, job_types: Mapping[str, JobType], *, max_duration_s: int | None
) -> Facility:
    """Return the record of the process's own host, which runs jobs of the types that are installed.

    Parameters
    ----------
    authority
        The naming authority of the deployment.
    jobs_url
        Where its UWS takes jobs.
    job_types
        By name.
    max_duration_s
        How long a job may run, None without limit.
    """
    return Facility(
        id=f"ivo://{authority}/facility",
        title=f"The host of {authority}",
        interfaces=(Access(servicetype=UWS_TYPE, endpoint=jobs_url),),
        kinds={name: Kind(title=job_type.title) for name, job_type in sorted(job_types.items())},
        capacity=Capacity(cores=os.cpu_count(), memory_bytes=_memory_bytes(), duration_s=max_duration_s),
    )


def _memory_bytes() -> int | None:
    """Return the memory of the machine in whole megabytes, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6 * 10**6
    except (ValueError, OSError, AttributeError):
        return None
