"""Which schema stands for which namespace, and for which official file.

Several versions of one standard share a namespace: VOResource 1.0 to 1.2, VODataService 1.1 and 1.2, TAPRegExt 1.0
and 1.1, VOTable 1.3 to 1.5, UWS 1.0 and 1.1. A set of schemas can hold one of them, so the sets are named: an
`Edition`. Two are needed because VOResource 1.2 admits one `securityMethod` in an interface, while a TAP 1.1 service
lists every method at the one interface that it has (TAP 1.1 s2.4): capabilities are judged by VOResource 1.1,
records of a registry by VOResource 1.2. The third edition is for services that describe themselves by the draft of
TAPRegExt 1.1.

No schema says where the schemas that it imports are. The edition decides that, and nothing can point at the network.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

SCHEMAS = Path(__file__).parent / "schemas"

# Only one version of these can be in a set.
_ENDPOINT = ("voresource-1.1", "tapregext-1.0")
_RECORD = ("voresource-1.2", "tapregext-1.0")
_DRAFT = ("voresource-1.1", "tapregext-1.1")
_CHOSEN = frozenset({"voresource-1.1", "voresource-1.2", "tapregext-1.0", "tapregext-1.1"})
_OLD_VOTABLE = frozenset({"votable-1.3", "votable-1.4"})


class Edition(StrEnum):
    """A set of schemas with one version of each namespace."""

    ENDPOINT = "endpoint"
    RECORD = "record"
    DRAFT = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaEntry:
    """A schema of ours, or one that a dependency ships, and the official file whose verdicts it shares.

    `official_sha256` is the digest of the official file, None where that is a draft whose text still moves. `prefix`
    is the customary one of the namespace.
    """

    namespace: str
    version: str
    file: Path
    official_url: str
    official_sha256: str | None
    prefix: str


@cache
def catalogue() -> Mapping[str, SchemaEntry]:
    """Return every schema by its name, such as `uws-1.1`."""
    with (SCHEMAS / "catalogue.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, dialect=csv.excel_tab))
    return MappingProxyType({row["name"]: _entry(row) for row in rows})


@cache
def entries(edition: Edition) -> tuple[SchemaEntry, ...]:
    """Return the schemas of an edition, imported ones before those that import them."""
    match edition:
        case Edition.ENDPOINT:
            chosen = _ENDPOINT
        case Edition.RECORD:
            chosen = _RECORD
        case Edition.DRAFT:
            chosen = _DRAFT
    first = ("xml-1.0", "xlink-1.0", "stc-1.30", chosen[0])
    names = [name for name in catalogue() if name not in _CHOSEN | _OLD_VOTABLE or name in chosen]
    return tuple(catalogue()[name] for name in (*first, *(name for name in names if name not in first)))


@cache
def prefixes() -> Mapping[str, str]:
    """Return the customary prefix of each namespace."""
    return MappingProxyType({entry.namespace: entry.prefix for entry in catalogue().values()})


def _entry(row: Mapping[str, str]) -> SchemaEntry:
    return SchemaEntry(
        namespace=row["namespace"],
        version=row["name"].rpartition("-")[2],
        file=_located(row["file"]),
        official_url=row["official_url"],
        official_sha256=row["official_sha256"] or None,
        prefix=row["prefix"],
    )


def _located(file: str) -> Path:
    """Find a schema: beside this module, or in the data of astropy, which is found without importing it."""
    name = file.removeprefix("astropy:")
    if name == file:
        return SCHEMAS / file
    spec = find_spec("astropy")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("astropy, whose VOTable schemas are used, is not installed", name="astropy")
    return Path(spec.submodule_search_locations[0]) / "io" / "votable" / "data" / name
