"""What is said of a resource before it becomes XML, and which resources a deployment has.

The registry publishes one record for each service, one for itself and one for the naming authority that it manages:
a harvester refuses a registry that leaves one of them out (RegistryInterface 1.1 s3.1.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.regext import Capability
from penstock.tables import Schema

AUTHORITY_TYPE = "vg:Authority"
REGISTRY_TYPE = "vg:Registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """Who answers for the records; `title` is the name of the deployment."""

    title: str
    publisher: str
    contact_name: str
    contact_email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A resource (VOResource 1.1 s2); `type` is an xsi:type with one of the prefixes of `penstock.regext`."""

    ivoid: str
    type: str
    title: str
    text: str
    subjects: tuple[str, ...]
    reference_url: str
    content_type: str = "Other"
    short_name: str | None = None
    capabilities: tuple[Capability, ...] = ()
    tables: tuple[Schema, ...] = ()
    managed_authorities: tuple[str, ...] = ()
