"""The rows that a file makes in the tables of the lake."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from penstock.dali.formats import DATALINK_TYPE
from penstock.ivoid import publisher_did
from penstock.lake.names import as_text
from penstock.lake.obscore import access_path
from penstock.lake.port import Did, ReplicaState
from penstock.lake.record import Found

FITS_TYPE = "application/fits"  # compressed ones too: readers of FITS look for themselves
SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz", ".fits.fz", ".fz")
UNREAD_SUFFIXES = (".fits.bz2", ".fits.xz", ".fits.z", ".fits.zst")  # FITS too, and reported as what is not read
_KBYTE = 1000

Row = dict[str, Any]


def identity(authority: str, did: Did) -> Row:
    """Return the columns of ObsCore that depend on the deployment's authority."""
    publisher = publisher_did(authority, did)
    return {"obs_publisher_did": publisher, "access_url": access_path(publisher)}


def obscore_row(found: Found, authority: str) -> Row:
    """Return the row of ``ivoa.obscore``."""
    did, observation = found.candidate.did, asdict(found.observation)
    return observation | {
        **identity(authority, did),
        "lake_did": str(did),
        "obs_collection": did.scope,
        "obs_id": found.observation.obs_id or without_suffix(did.name),
        "access_format": DATALINK_TYPE,
        "access_estsize": math.ceil(found.content.size_bytes / _KBYTE),
    }


def file_row(found: Found) -> Row:
    """Return the row of ``lake.files``."""
    did = found.candidate.did
    return {
        "did": str(did),
        "scope": did.scope,
        "name": did.name,
        "size_bytes": found.content.size_bytes,
        "adler32": found.content.adler32,
        "md5": found.content.md5,
        "media_type": FITS_TYPE,
        "public_from": found.observation.obs_release_date,
    }


def replica_row(found: Found, site: str) -> Row:
    """Return the row of ``lake.replicas``."""
    return {
        "did": str(found.candidate.did),
        "site": site,
        "state": ReplicaState.AVAILABLE.value,
        "url": None,
        "path": as_text(str(found.candidate.path)),
        "modified_ns": found.candidate.modified_ns,
    }


def without_suffix(name: str) -> str:
    """Return a name without the suffixes that say that it is FITS."""
    lowered = name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if lowered.endswith(suffix) and PurePath(name).name.lower() != suffix:
            return name[: -len(suffix)]
    return name
