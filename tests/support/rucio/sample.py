"""What the sample lake holds: sites, and files whose bytes and metadata follow from their number.

Imported by the tests and by programs in Rucio's own environment: the standard library only.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from dataclasses import dataclass
from typing import Any

SCOPE = "ska"
DATASETS = 100
FILES_PER_DATASET = 30
SURVEY = "survey-1"  # a container of the first ten datasets
ROOT = ("root", "ddmlab", "secret")
SERVICE = ("penstock", "penstock", "penstock-secret")
ALICE = ("alice", "alice", "alice-secret")
ACCOUNTS = (SERVICE, ALICE)  # account, name, password
SCOPES = {SCOPE: "root", "cta": "root", "user.penstock": "penstock", "user.alice": "alice", "attached": "penstock"}
_CARD, _BLOCK = 80, 2880


@dataclass(frozen=True)
class RseSpec:
    name: str
    share: str
    site: str
    country: str
    latitude: float
    longitude: float
    tape: bool


RSES = (
    RseSpec("STFC_UK", "uk", "STFC", "GB", 51.57, -1.31, tape=False),
    RseSpec("CSIC_ES", "es", "CSIC", "ES", 37.16, -3.59, tape=False),
    RseSpec("PAWSEY_AU", "au", "PAWSEY", "AU", -31.95, 115.86, tape=True),
)
ARCHIVE = RseSpec("ARCHIVE_IT", "archive", "INAF", "IT", 45.65, 13.77, tape=False)
"""An observatory's own storage, empty: what is there has paths of its own (deterministic=False)."""

DISTANCES = {
    ("STFC_UK", "CSIC_ES"): 1,
    ("CSIC_ES", "STFC_UK"): 1,
    ("STFC_UK", "PAWSEY_AU"): 7,
    ("PAWSEY_AU", "STFC_UK"): 7,
    ("CSIC_ES", "PAWSEY_AU"): 9,
    ("PAWSEY_AU", "CSIC_ES"): 9,
}
LIMITS = {  # bytes; None is no limit
    ("penstock", "STFC_UK"): 10**12,
    ("penstock", "CSIC_ES"): 10**12,
    ("penstock", "PAWSEY_AU"): 1000,
    ("alice", "CSIC_ES"): 50_000,
}


def dataset_name(dataset: int) -> str:
    return f"obs-{dataset:04d}"


def file_name(dataset: int, number: int) -> str:
    return f"obs-{dataset:04d}_{number:03d}.fits"


def sites_of(dataset: int) -> tuple[RseSpec, ...]:
    """Return where the files of a dataset are: every second has two copies, every third is on tape only or first."""
    first = RSES[dataset % 3]
    return (first, RSES[(dataset + 1) % 3]) if dataset % 2 else (first,)


def content(dataset: int, number: int) -> bytes:
    """Return the bytes of a file: a small image with celestial coordinates."""
    ra, dec = position(dataset, number)
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
        "NAXIS1  =                   32",
        "NAXIS2  =                   32",
        f"OBJECT  = '{f'T{dataset:03d}':8}'",
        "CTYPE1  = 'RA---TAN'",
        "CTYPE2  = 'DEC--TAN'",
        f"CRVAL1  = {ra:20.8f}",
        f"CRVAL2  = {dec:20.8f}",
        "CRPIX1  =                 16.5",
        "CRPIX2  =                 16.5",
        "CDELT1  =               -0.001",
        "CDELT2  =                0.001",
        "END",
    ]
    header = "".join(card.ljust(_CARD) for card in cards).ljust(_BLOCK).encode()
    seed = hashlib.sha256(f"{dataset}/{number}".encode()).digest()
    return header + (seed * 32).ljust(_BLOCK, b"\0")


def position(dataset: int, number: int) -> tuple[float, float]:
    """Return right ascension and declination in degrees."""
    ra = (dataset * 137.50776 + number * 0.01) % 360
    dec = math.degrees(math.asin(((dataset * 0.61803) % 1) * 1.9 - 0.95))
    return ra, dec


def obscore(dataset: int, number: int) -> dict[str, Any]:
    """Return the metadata of a file, under the names of ObsCore; every hundredth file lacks what is mandatory."""
    ra, dec = position(dataset, number)
    start = 60000 + dataset + number / 100
    found: dict[str, Any] = {
        "obs_id": dataset_name(dataset),
        "obs_collection": "SKA-SDP1",
        "dataproduct_type": ("image", "cube", "visibility")[number % 3],
        "calib_level": 1 + number % 3,
        "target_name": f"T{dataset:03d}",
        "s_ra": ra,
        "s_dec": dec,
        "s_fov": 0.05,
        "s_resolution": 2.0,
        "s_region": f"CIRCLE ICRS {ra:.5f} {dec:.5f} 0.025",
        "t_min": start,
        "t_max": start + 0.3,
        "t_exptime": 25920.0,
        "em_min": 0.2,
        "em_max": 0.3,
        "facility_name": "SKA-Mid",
        "instrument_name": "Band2",
        "pol_states": "/I/Q/U/V/",
        "access_format": "application/fits",
    }
    if (dataset, number) == (0, 1):
        found["obs_release_date"] = "2999-01-01T00:00:00"
    if number == 29 and dataset % 10 == 0:
        del found["calib_level"]
    return found


def described(dataset: int, number: int) -> dict[str, Any]:
    """Return size and checksums of a file."""
    data = content(dataset, number)
    return {
        "bytes": len(data),
        "adler32": f"{zlib.adler32(data):08x}",
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }


def storage_path(scope: str, name: str) -> str:
    """Return where a file lies below a site, as Rucio's algorithm "hash" has it."""
    digest = hashlib.md5(f"{scope}:{name}".encode(), usedforsecurity=False).hexdigest()
    return f"rucio/{scope.replace('.', '/')}/{digest[:2]}/{digest[2:4]}/{name}"
