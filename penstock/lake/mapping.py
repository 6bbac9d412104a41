"""How the metadata of files in a lake become ObsCore: rules of a TOML file, one for each column that has one.

A rule takes the first of its `keys` that a file has, and makes of it what the column holds: a number in the column's
unit (an energy or a frequency becomes a wavelength), an instant as MJD, a word by a table. `value` is for all files the
same, `template` is a text with ``{scope}``, ``{name}`` and keys in it. Values that do not fit are told, not guessed at.

::

    [columns]
    obs_id = { keys = ["obs_id"] }
    calib_level = { keys = ["data_level"], values = { DL0 = 1, DL3 = 2 } }
    em_max = { keys = ["energy_min"], unit = "TeV" }
    t_min = { keys = ["start"], time = "iso" }
    facility_name = { value = "CTAO" }
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from penstock.lake.obscore import MANDATORY, OPTIONAL, DataproductType
from penstock.lake.port import Did
from penstock.tables import Column

TimeForm = Literal["mjd", "jd", "unix", "iso", "mjd_s"]
Value = str | int | float

COLUMNS: Mapping[str, Column] = {column.name: column for column in (*MANDATORY, *OPTIONAL)}
GIVEN = frozenset({"obs_publisher_did", "access_url", "access_format", "access_estsize"})
"""Columns that the lake itself fills."""

NEEDED = tuple(name for name, column in COLUMNS.items() if not column.nullable and name not in GIVEN)
"""Columns that must have a value: a file that lacks one has no row in ivoa.obscore (ObsCore 1.1 App. C.1)."""

NEVER = datetime.max.replace(tzinfo=UTC, microsecond=0)
_RELEASE = "obs_release_date"
_PLACE = re.compile(r"\{([^{}]+)\}")
_DAY_S = 86400.0
_MJD_OF_UNIX = 40587.0
_JD_OF_MJD = 2400000.5
_LONGEST_TEXT = 4000
_LIMITS = {
    "s_ra": (0.0, 360.0),
    "s_dec": (-90.0, 90.0),
    "s_fov": (0.0, 360.0),
    "calib_level": (0, 4),
    "t_exptime": (0.0, math.inf),
    "em_min": (0.0, math.inf),
    "em_max": (0.0, math.inf),
}


class MappingError(Exception):
    """A mapping cannot be used; the message says why."""


class ColumnRule(BaseModel):
    """How one column is filled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[str, ...] = Field((), description="Keys of the metadata, of which the first that a file has is taken")
    value: Value | None = Field(None, description="The value of all files that have none of the keys")
    template: str | None = Field(None, description="A text with {scope}, {name} or {key} in it")
    unit: str | None = Field(None, description="The unit of the key's number, where it is not the column's")
    time: TimeForm | None = Field(None, description="How the key writes an instant")
    values: Mapping[str, Value] = Field(default_factory=dict, description="What each word of the key means")

    @field_validator("keys", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_something(self) -> ColumnRule:
        if not self.keys and self.value is None and self.template is None:
            raise ValueError("a rule needs keys, a value or a template")
        if self.unit is not None and self.time is not None:
            raise ValueError("a rule has a unit or a form of time, not both")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    columns: Mapping[str, ColumnRule]

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: Mapping[str, ColumnRule]) -> Mapping[str, ColumnRule]:
        for name, rule in columns.items():
            if name not in COLUMNS or name in GIVEN:
                raise ValueError(f"{name!r} is not a column of ivoa.obscore that metadata fill")
            _check_unit(name, rule)
        return columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a column has no value."""

    column: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The columns that a file's metadata give, all that there are, and what is wrong.

    `complete` tells whether nothing that must have a value lacks it.
    """

    row: Mapping[str, Value | None]
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Whether the file can stand in ivoa.obscore."""
        return all(self.row[name] is not None for name in NEEDED)


class ObsCoreMapping:
    """The rules of one file.

    Parameters
    ----------
    rules
        By column; a column without a rule is filled by the key of its own name.
    """

    def __init__(self, rules: Mapping[str, ColumnRule]) -> None:
        own = {name: ColumnRule.model_validate({"keys": name}) for name in COLUMNS if name not in GIVEN}
        self._rules = {name: _Rule(COLUMNS[name], rule) for name, rule in {**own, **rules}.items()}

    def released(self, did: Did, metadata: Mapping[str, Any]) -> datetime | None:
        """Return when a file becomes public, None if it is; never, where its metadata say what cannot be read."""
        try:
            return _instant(self._rules[_RELEASE].of(did, metadata))
        except ValueError:
            return NEVER

    def apply(self, did: Did, metadata: Mapping[str, Any]) -> Mapped:
        """Return the columns of ObsCore that the metadata of a file give."""
        row: dict[str, Value | None] = {}
        problems: list[Problem] = []
        for name, rule in self._rules.items():
            try:
                row[name] = rule.of(did, metadata)
            except ValueError as error:
                row[name] = None
                problems.append(Problem(column=name, reason=str(error)))
        told = {problem.column for problem in problems}
        problems += [
            Problem(column=name, reason=self._rules[name].missing())
            for name in NEEDED
            if row[name] is None and name not in told
        ]
        problems += _put_in_order(row)
        if _RELEASE not in told:
            try:
                released = _instant(row[_RELEASE])
                row[_RELEASE] = None if released is None else as_timestamp(released)
            except ValueError as error:
                row[_RELEASE] = None
                problems.append(Problem(column=_RELEASE, reason=str(error)))
        return Mapped(row=row, problems=tuple(problems))


def as_timestamp(instant: datetime) -> str:
    """Return an instant as the catalogue keeps it (DALI 1.2 s3.1.2)."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S")


def _instant(value: Value | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"{_RELEASE}={_short(value)} is no instant in ISO 8601") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _put_in_order(row: dict[str, Value | None]) -> list[Problem]:
    """Put the ends of the spectral interval in order, which change places where energies become wavelengths."""
    low, high = row["em_min"], row["em_max"]
    if low is not None and high is not None and float(low) > float(high):
        row["em_min"], row["em_max"] = high, low
    begin, end = row["t_min"], row["t_max"]
    if begin is not None and end is not None and float(begin) > float(end):
        row["t_min"] = row["t_max"] = None
        reason = f"t_min={begin} is later than t_max={end}"
        return [Problem(column=name, reason=reason) for name in ("t_min", "t_max")]
    return []


class _Rule:
    """A rule for a column, ready to be used."""

    def __init__(self, column: Column, rule: ColumnRule) -> None:
        self._column = column
        self._rule = rule

    def of(self, did: Did, metadata: Mapping[str, Any]) -> Value | None:
        """Return the value; raises `ValueError` where it does not fit."""
        for key in self._rule.keys:
            if (value := metadata.get(key)) is not None and value != "":
                return self._fitting(self._translated(key, value), f"{key}={_short(value)}")
        if self._rule.template is not None:
            text = _filled(self._rule.template, did, metadata)
            return None if text is None else self._fitting(text, _short(text))
        return None if self._rule.value is None else self._fitting(self._rule.value, _short(self._rule.value))

    def missing(self) -> str:
        """Say what a file lacks."""
        if self._rule.keys:
            return f"none of its metadata is called {' or '.join(self._rule.keys)}"
        return f"what {self._rule.template} needs is not among its metadata"

    def _translated(self, key: str, value: Any) -> Any:
        if self._rule.values:
            word = str(value)
            if word not in self._rule.values:
                raise ValueError(f"{key}={_short(value)} is none of {', '.join(self._rule.values)}")
            return self._rule.values[word]
        if self._rule.time is not None:
            return _mjd(self._rule.time, value, key)
        return value

    def _fitting(self, value: Any, shown: str) -> Value:
        if self._column.datatype in ("char", "unicodeChar"):
            return self._text(value, shown)
        number = _number(value, shown)
        if self._rule.unit is not None:
            number = self._converted(number, shown)
        low, high = _LIMITS.get(self._column.name, (-math.inf, math.inf))
        if not low <= number <= high:
            raise ValueError(f"{shown} is not between {low:g} and {high:g}")
        if self._column.datatype == "double":
            return number
        if number != int(number) or abs(number) >= 2**63:
            raise ValueError(f"{shown} is not an integer")
        return int(number)

    def _text(self, value: Any, shown: str) -> str:
        if isinstance(value, Mapping | list):
            raise ValueError(f"{shown} is not a text")  # noqa: TRY004  # all that does not fit is told in one way
        text = " ".join(str(value).split())
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            raise ValueError(f"{shown} is no text of at most {_LONGEST_TEXT} printable characters")
        if self._column.datatype == "char" and not text.isascii():
            raise ValueError(f"{shown} has other letters than those of ASCII")
        if self._column.name == "dataproduct_type" and text not in _PRODUCT_TYPES:
            raise ValueError(f"{shown} is none of {', '.join(sorted(_PRODUCT_TYPES))}")
        return text

    @cached_property
    def _units(self) -> tuple[Any, Any, Any]:
        from astropy import units  # here, since astropy takes most of a second to load

        return units.Unit(self._rule.unit), units.Unit(self._column.unit), units.spectral()

    def _converted(self, number: float, shown: str) -> float:
        source, target, spectral = self._units
        if number == 0 and not source.is_equivalent(target):  # a frequency or energy of nothing has no wavelength
            raise ValueError(f"{shown} {source} has no value in {target}")
        return float(source.to(target, number, equivalencies=spectral))


_PRODUCT_TYPES = frozenset(DataproductType)


def _check_unit(name: str, rule: ColumnRule) -> None:
    if rule.unit is None:
        return
    from astropy import units  # here, since astropy takes most of a second to load

    wanted = COLUMNS[name].unit
    try:
        fits = wanted is not None and units.Unit(rule.unit).is_equivalent(wanted, equivalencies=units.spectral())
    except ValueError as error:
        raise ValueError(f"{name}: {rule.unit!r} is no unit") from error
    if not fits:
        raise ValueError(f"{name}: {rule.unit} cannot become {wanted or 'a number without unit'}")


def _number(value: Any, shown: str) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{shown} is not a finite number")
    return number


def _mjd(form: TimeForm, value: Any, key: str) -> float:
    shown = f"{key}={_short(value)}"
    match form:
        case "mjd":
            return _number(value, shown)
        case "jd":
            return _number(value, shown) - _JD_OF_MJD
        case "unix":
            return _number(value, shown) / _DAY_S + _MJD_OF_UNIX
        case "mjd_s":
            return _number(value, shown) / _DAY_S
        case "iso":
            from astropy.time import Time  # here, since astropy takes most of a second to load

            try:
                return float(Time(str(value).strip().removesuffix("Z"), scale="utc").mjd)
            except ValueError as error:
                raise ValueError(f"{shown} is no instant in ISO 8601") from error


def _filled(template: str, did: Did, metadata: Mapping[str, Any]) -> str | None:
    """Return a template with its places filled, None where something is not there."""
    known = {**metadata, "scope": did.scope, "name": did.name}
    found = [known.get(place) for place in _PLACE.findall(template)]
    if any(value is None for value in found):
        return None
    return _PLACE.sub(lambda match: str(known[match[1]]), template)


def _short(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "...") if isinstance(value, str) else text[:60]


def shipped() -> tuple[str, ...]:
    """Return the names of the mappings that come with Penstock."""
    folder = files("penstock.lake").joinpath("mappings")
    return tuple(sorted(Path(one.name).stem for one in folder.iterdir() if one.name.endswith(".toml")))


def load_mapping(name: str) -> ObsCoreMapping:
    """Read a mapping: one that comes with Penstock by its name, any other by its path.

    Raises
    ------
    MappingError
        It cannot be read, or a rule is wrong.
    """
    try:
        if name in shipped():
            text = files("penstock.lake").joinpath("mappings", f"{name}.toml").read_text()
        else:
            text = Path(name).read_text(encoding="utf-8")
        return ObsCoreMapping(_File.model_validate(tomllib.loads(text)).columns)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(shipped())
        raise MappingError(f"mapping {name!r} cannot be read ({error}); those that come along: {known}") from error
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"mapping {name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MappingError(f"mapping {name}: {place}: {first['msg'].removeprefix('Value error, ')}") from error
