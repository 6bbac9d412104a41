"""What is said of a resource before it becomes XML.

A record is what a service says of itself, or what is known of a collection, together with its curation: who answers
for it, what it is about, what it covers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.regext import Capability
from penstock.tables import Schema

AUTHORITY_TYPE = "vg:Authority"
REGISTRY_TYPE = "vg:Registry"
STANDARD_TYPE = "vstd:ServiceStandard"
COLLECTION_TYPE = "vs:CatalogResource"
WITH_COVERAGE = frozenset({"vs:DataResource", "vs:DataService", "vs:CatalogResource", "vs:CatalogService"})
"""Types that have facility, instrument and coverage (VODataService 1.2 s3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A person or an organisation (VOResource 1.1 s3.1.2); which members are written depends on its role."""

    name: str
    ivoid: str | None = None
    logo: str | None = None
    address: str | None = None
    email: str | None = None
    telephone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What may be done with a resource, and the URI of a licence (VOResource 1.1 s3.2.1)."""

    text: str
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """Who answers for a resource (VOResource 1.1 s3.1.2)."""

    publisher: Agent
    contacts: tuple[Agent, ...]
    creators: tuple[Agent, ...] = ()
    contributors: tuple[Agent, ...] = ()
    rights: tuple[Rights, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a resource covers (VODataService 1.2 s3.2).

    `spatial` is a MOC as text, `temporal` are intervals in MJD (TDB), `spectral` intervals of energy in joule.
    """

    spatial: str | None = None
    temporal: tuple[tuple[float, float], ...] = ()
    spectral: tuple[tuple[float, float], ...] = ()
    wavebands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """How a resource relates to others, each (title, ivoid); `type` is a term of the IVOA (VOResource 1.1 s3.1.3)."""

    type: str
    related: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsed:
    """What is particular to a standard (StandardsRegExt 1.0 s2): its version, and (name, description) of its keys."""

    version: str
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A resource (VOResource 1.1 s2); `type` is an xsi:type with one of the prefixes of `voresource.NAMESPACES`.

    URLs that begin with a slash are paths of the host: whoever hands the record out puts the base URL before them.
    """

    ivoid: str
    type: str
    title: str
    text: str
    subjects: tuple[str, ...]
    reference_url: str
    curation: Curation
    content_type: str = "Other"
    short_name: str | None = None
    relationships: tuple[Relationship, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    facilities: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    tables: tuple[Schema, ...] = ()
    managed_authorities: tuple[str, ...] = ()
    endorsed: Endorsed | None = None
