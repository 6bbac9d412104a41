"""Where facility records come from: YAML files of the operator, a table, or this host itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from execplanner.core.columns import FacilityTable
from execplanner.core.facility import (
    DEFAULT_BANDWIDTH,
    LINUX,
    Access,
    Capacity,
    Closed,
    ExecutorChoice,
    Facility,
    Kind,
    Policy,
    Rate,
)
from execplanner.core.kinds import read_kind
from execplanner.core.quantity import parse_duration, parse_size
from execplanner.core.reading import read_values, texts_of
from execplanner.keeping import Keeper
from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.settings import SettingsError
from uws.ports import JobType

UWS_TYPE = "ivo://ivoa.net/std/UWS#rest-1.1"
HOST_PLUGIN = "process"
_HOST_KINDS = {"python-program": "Python programs", "jupyter-notebook": "Jupyter notebooks"}
JUPYTER = Path(sys.prefix) / "bin" / "jupyter-execute"
log = structlog.get_logger(__name__)


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


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_Size = Annotated[int, BeforeValidator(_size)]
_Duration = Annotated[float, BeforeValidator(_duration)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Policy(_Part):
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    digest_required: bool = False
    platforms: tuple[str, ...] = (LINUX,)


class _Kind(_Part):
    title: str = ""
    languages: tuple[str, ...] = ()
    policy: _Policy = Field(default_factory=_Policy)
    executor: str | None = None


class _Interface(_Part):
    servicetype: str
    endpoint: str = Field(pattern=r"^https?://\S+$")


class _Executor(_Part):
    plugin: str
    options: dict[str, Any] = Field(default_factory=dict)
    estimates: bool = True


class _Capacity(_Part):
    cores: int | None = Field(None, ge=1)
    memory: _Size | None = None
    store: _Size | None = None
    gpus: int = Field(0, ge=0)
    gpu_models: tuple[str, ...] = ()
    duration: _Duration | None = None
    startup: _Duration = 0.0


class _Most(_Part):
    cores: int | None = Field(None, ge=1)
    memory: _Size | None = None
    store: _Size | None = None
    gpus: int | None = Field(None, ge=0)
    duration: _Duration | None = None


class _Coordinates(_Part):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=360)


class _Closed(_Part):
    start: datetime
    end: datetime
    reason: str = ""


class _Rate(_Part):
    fixed: float = Field(0.0, ge=0)
    core_hour: float = Field(0.0, ge=0)
    gpu_hour: float = Field(0.0, ge=0)
    gib_hour: float = Field(0.0, ge=0)
    gib_moved: float = Field(0.0, ge=0)


class _Bounds(_Part):
    min: float | None = None
    max: float | None = None


class _Identity(_Part):
    """What nearly every facility has for itself."""

    id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    site: str | None = None
    coordinates: _Coordinates | None = None
    storage_sites: tuple[str, ...] = ()

    def members(self) -> dict[str, Any]:
        """Return it as members of a `Facility`."""
        return {
            "id": self.id,
            "title": self.title,
            "site": self.site,
            "latitude_deg": self.coordinates.latitude if self.coordinates else None,
            "longitude_deg": self.coordinates.longitude if self.coordinates else None,
            "storage_sites": self.storage_sites,
        }


class _Record(_Identity):
    interfaces: tuple[_Interface, ...] = ()
    executors: dict[str, _Executor] = Field(default_factory=dict)
    kinds: dict[str, _Kind] = Field(min_length=1)
    capacity: _Capacity = Field(default_factory=lambda: _Capacity.model_validate({}))
    most: _Most = Field(default_factory=lambda: _Most.model_validate({}))
    closed: tuple[_Closed, ...] = ()
    groups: frozenset[str] = frozenset()
    costs: dict[str, _Rate] = Field(default_factory=dict)
    metrics: dict[str, _Bounds] = Field(default_factory=dict)
    bandwidth: _Size = int(DEFAULT_BANDWIDTH)
    links: dict[str, _Size] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> _Record:
        if not self.interfaces and not self.executors:
            raise ValueError("a facility needs interfaces, or executors, or both")
        for name, kind in self.kinds.items():
            if kind.executor is not None and kind.executor not in self.executors:
                raise ValueError(f"the kind {name} names an executor that is not there: {kind.executor}")
        return self

    def facility(self) -> Facility:
        """Return the record as the core knows it."""
        there, most = self.capacity, self.most
        return Facility(
            **self.members(),
            interfaces=tuple(Access(servicetype=one.servicetype, endpoint=one.endpoint) for one in self.interfaces),
            executors={
                name: ExecutorChoice(plugin=one.plugin, options=one.options, estimates=one.estimates)
                for name, one in self.executors.items()
            },
            kinds={read_kind(name, "executable"): _kind(kind) for name, kind in self.kinds.items()},
            capacity=Capacity(
                cores=there.cores,
                memory_bytes=there.memory,
                store_bytes=there.store,
                gpus=there.gpus,
                gpu_models=there.gpu_models,
                duration_s=there.duration,
                startup_s=there.startup,
            ),
            most=Capacity(
                cores=most.cores,
                memory_bytes=most.memory,
                store_bytes=most.store,
                gpus=most.gpus,
                duration_s=most.duration,
            ),
            closed=tuple(Closed(start=_utc(one.start), end=_utc(one.end), reason=one.reason) for one in self.closed),
            groups=self.groups,
            costs={name: Rate(**one.model_dump()) for name, one in self.costs.items()},
            metrics={name: (one.min, one.max) for name, one in self.metrics.items()},
            bandwidth=float(self.bandwidth),
            links={name: float(value) for name, value in self.links.items()},
        )


def _kind(kind: _Kind) -> Kind:
    policy = Policy(**kind.policy.model_dump())
    return Kind(title=kind.title, languages=kind.languages, policy=policy, executor=kind.executor)


class RecordReader:
    """Reads records; what is the same in many of them is checked and made once, and shared."""

    def __init__(self) -> None:
        self._alike: dict[str, Facility] = {}

    def read_file(self, path: Path) -> Facility:
        """Read the record of a facility.

        Raises
        ------
        SettingsError
            The file cannot be read or is no such record; the message says where.
        """
        try:
            return self.read(path.read_bytes(), f"the facility record {path}")
        except OSError as error:
            raise SettingsError(f"the facility record {path} cannot be read: {error.strerror}") from error

    def read(self, body: bytes, what: str) -> Facility:
        """Read a record from YAML or JSON; `what` begins the message of an error.

        Raises
        ------
        SettingsError
            It is none.
        """
        try:
            return self._facility(_values(body))
        except UsageError as error:
            raise SettingsError(f"{what}: {error.message}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SettingsError(f"{what}, {where}: {first['msg']}") from error

    def _facility(self, values: dict[str, Any]) -> Facility:
        own = {name: texts_of(values.pop(name)) for name in _Identity.model_fields if name in values}
        key = repr(values)
        known = self._alike.get(key)
        if known is not None:
            return replace(known, **_Identity.model_validate(own).members())
        typed = {name: values.pop(name) for name in ("executors",) if name in values}  # only they know of their options
        made = self._alike[key] = _Record.model_validate(
            {**own, **{name: texts_of(one) for name, one in values.items()}, **typed}
        ).facility()
        return made


def _values(body: bytes) -> dict[str, Any]:
    """Return the values of a record; in YAML only those of executors have types."""
    is_json = body.lstrip()[:1] == b"{"
    values, _ = read_values(body, "application/json" if is_json else "application/yaml")
    if not isinstance(values, dict):
        raise UsageError("The document is not a group of named values at its top.")
    if "executors" in values and not is_json:
        values["executors"] = yaml.load(body, Loader=yaml.CSafeLoader)["executors"]
    return values


def this_host(
    authority: str,
    jobs_url: str,
    job_types: Mapping[str, JobType],
    *,
    max_duration_s: int | None,
    plugins: Sequence[str] = (),
    jupyter: Path = JUPYTER,
) -> Facility:
    """Return the record of the process's own host, which runs jobs of the types that are installed, and sessions.

    Sessions are of Python programs, and of notebooks where Jupyter is installed beside Penstock.

    Parameters
    ----------
    authority
        The naming authority of the deployment.
    jobs_url
        Where its UWS takes jobs; a path of the host.
    job_types
        By name.
    max_duration_s
        How long a job may run, None without limit.
    plugins
        The executors that are installed.
    jupyter
        The command that runs notebooks, if there is one.
    """
    runs, options = HOST_PLUGIN in plugins, _notebook_options(jupyter)
    known = {name: title for name, title in _HOST_KINDS.items() if options or name != "jupyter-notebook"}
    sessions = {name: Kind(title=title, executor=HOST_PLUGIN) for name, title in known.items()} if runs else {}
    # An executor that no facility has: job types are handed over to UWS, not made sessions of.
    jobs = {name: Kind(title=job_type.title, executor="uws") for name, job_type in sorted(job_types.items())}
    return Facility(
        id=f"ivo://{authority}/facility",
        title=f"The host of {authority}",
        interfaces=(Access(servicetype=UWS_TYPE, endpoint=jobs_url),),
        kinds=jobs | sessions,
        executors={HOST_PLUGIN: ExecutorChoice(plugin=HOST_PLUGIN, options=options)} if runs else {},
        capacity=Capacity(cores=os.cpu_count(), memory_bytes=_memory_bytes(), duration_s=max_duration_s),
    )


def _notebook_options(jupyter: Path) -> dict[str, Any]:
    """Return the options by which the executor of this host runs notebooks, none where Jupyter is not installed."""
    if not jupyter.exists():
        return {}
    return {"jupyter_execute": str(jupyter), "read_only": sorted({sys.prefix, sys.base_prefix} - {"/usr"})}


def _memory_bytes() -> int | None:
    """Return the memory of the machine in whole megabytes, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6 * 10**6
    except (ValueError, OSError, AttributeError):
        return None


class FacilityBook:
    """The facilities of a deployment, read again when their records have changed.

    Parameters
    ----------
    file, folder
        A record, and a directory of records.
    keeper
        Has the table of records.
    fallback
        What there is without any record.
    """

    def __init__(
        self, file: Path | None, folder: Path | None, keeper: Keeper, fallback: Sequence[Facility] = ()
    ) -> None:
        self._file = file
        self._folder = folder
        self._keeper = keeper
        self._fallback = tuple(fallback)
        self._signature: int | None = None
        self._table = FacilityTable(self._fallback)

    def table(self) -> FacilityTable:
        """Return the facilities as they were read last."""
        return self._table

    async def read(self) -> None:
        """Read the records, if any has changed.

        Raises
        ------
        SettingsError
            One is wrong; what was read before stays.
        """
        files = await asyncio.to_thread(self._files)
        rows = await self._keeper.facility_records()
        signature = hash((files, tuple(rows)))  # not the records themselves: they are large
        if signature == self._signature:
            return
        found = await asyncio.to_thread(_read_all, [path for path, *_ in files], rows)
        self._table = FacilityTable(found or self._fallback)
        self._signature = signature

    def _files(self) -> tuple[tuple[Path, int, int], ...]:
        paths = [] if self._file is None else [self._file]
        if self._folder is not None:
            if not self._folder.is_dir():
                raise SettingsError(f"setting execplanner.facility_dir: there is no directory {self._folder}")
            paths += sorted(one for one in self._folder.iterdir() if one.suffix in (".yaml", ".yml", ".json"))
        return tuple((path, *_stamp(path)) for path in paths)

    async def keep_reading(self, every_s: float, changed: Callable[[Sequence[Facility]], Awaitable[None]]) -> None:
        """Read the records again and again, and say what has changed; a wrong one is logged and changes nothing."""
        while True:
            await asyncio.sleep(every_s)
            try:
                before = self._table
                await self.read()
                if self._table is not before:
                    await changed(self._table.facilities)
            except (SettingsError, ServiceUnavailable) as error:
                log.warning("facilities_not_read", reason=str(error))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _read_all(paths: Sequence[Path], rows: Sequence[tuple[str, str]]) -> list[Facility]:
    reader = RecordReader()
    found = [reader.read_file(path) for path in paths]
    found += [reader.read(record.encode(), f"the facility record {name} of the table") for name, record in rows]
    seen: set[str] = set()
    for facility in found:
        if facility.id in seen:
            raise SettingsError(f"two facility records have the id {facility.id}")
        seen.add(facility.id)
    return found
