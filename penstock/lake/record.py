"""What a scan learns of a file: its content, and the observation that its headers tell of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.lake.obscore import DataproductType
from penstock.lake.port import Did


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The columns of ObsCore that come from a file's headers, under their ObsCore names and in its units."""

    dataproduct_type: DataproductType | None = None
    calib_level: int = 1
    obs_id: str | None = None
    target_name: str | None = None
    s_ra: float | None = None
    s_dec: float | None = None
    s_fov: float | None = None
    s_region: str | None = None
    s_resolution: float | None = None
    s_xel1: int | None = None
    s_xel2: int | None = None
    t_min: float | None = None
    t_max: float | None = None
    t_exptime: float | None = None
    t_resolution: float | None = None
    t_xel: int | None = None
    em_min: float | None = None
    em_max: float | None = None
    em_res_power: float | None = None
    em_xel: int | None = None
    o_ucd: str | None = None
    pol_states: str | None = None
    pol_xel: int | None = None
    facility_name: str | None = None
    instrument_name: str | None = None
    obs_title: str | None = None
    obs_creator_name: str | None = None
    obs_release_date: str | None = None
    proposal_id: str | None = None
    s_pixel_scale: float | None = None
    em_ucd: str | None = None
    o_unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The bytes of a file: `adler32` and `md5` are lower-case hexadecimal."""

    size_bytes: int
    adler32: str
    md5: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file of a tree that may be FITS; `modified_ns` is its time of modification."""

    did: Did
    path: Path
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that was read; `doubts` are what its headers say of its place and cannot be, for people."""

    candidate: Candidate
    content: Content
    observation: Observation
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str
