"""Makes the records of a deployment from what its services say of themselves and from what its lake holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.ivoid import resource_ivoid
from penstock.regext import Capability, Interface
from penstock.service import Description
from registry.core.curation import CurationFile, Particular
from registry.core.record import (
    AUTHORITY_TYPE,
    COLLECTION_TYPE,
    REGISTRY_TYPE,
    STANDARD_TYPE,
    Coverage,
    Endorsed,
    Record,
    Relationship,
)
from registry.core.standards import STANDARDS, OwnStandard

TAP = "tap"
TAP_AUXILIARY = "ivo://ivoa.net/std/TAP#aux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A service: its name, its path on the host, and what it says of itself at that path."""

    name: str
    path: str
    description: Description


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection of the lake: its name and what is known of it from its files."""

    name: str
    files: int
    coverage: Coverage
    facilities: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()


class RecordMaker:
    """Makes records of one deployment.

    Parameters
    ----------
    authority
        The naming authority.
    curation
        What people know.
    """

    def __init__(self, authority: str, curation: CurationFile) -> None:
        self._authority = authority
        self._curation = curation

    def of_deployment(self, services: Iterable[Described]) -> tuple[Record, ...]:
        """Return the records of the authority, of each service, and of the standards of our own that they speak.

        A registry must publish the authority that it manages, and itself (RegistryInterface 1.1 s3.1.4).
        """
        published = [one for one in services if self._said_of(one).publish]
        names = {one.name for one in published}
        standards = [standard for standard in STANDARDS if standard.service in names]
        return (
            self._authority_record(),
            *map(self._service_record, published),
            *map(self._standard_record, standards),
        )

    def of_lake(self, collections: Iterable[Collection], tap_path: str) -> tuple[Record, ...]:
        """Return a record of the lake and of each of its collections, all served by the TAP service at a path.

        Publisher identifiers of files begin with the identifier of the lake, which must be a resource
        (IVOA Identifiers 2.0 s4.1).
        """
        held = tuple(collections)
        if not held:
            return ()
        published = [one for one in held if self._said_of_collection(one.name).publish]
        return (self._lake_record(held, tap_path), *(self._collection_record(one, tap_path) for one in published))

    def _said_of(self, service: Described) -> Particular:
        said = self._curation.services.get(service.name, Particular())
        # A registry without a record of itself is refused by every harvester.
        return said.model_copy(update={"publish": True}) if _is_registry(service) else said

    def _said_of_collection(self, name: str) -> Particular:
        return self._curation.collections.get(name, Particular())

    def _authority_record(self) -> Record:
        title = self._curation.title
        return Record(
            ivoid=f"ivo://{self._authority}",
            type=AUTHORITY_TYPE,
            title=f"{title} naming authority",
            text=f"The naming authority of {title}: identifiers that begin with ivo://{self._authority}.",
            subjects=("virtual-observatories",),
            reference_url="/",
            curation=self._curation.curation(self._authority),
        )

    def _service_record(self, service: Described) -> Record:
        description, said = service.description, self._said_of(service)
        record = Record(
            ivoid=resource_ivoid(self._authority, service.name),
            type=description.resource_type,
            title=f"{self._curation.title} {description.title}",
            short_name=service.name[:16],
            text=description.text,
            subjects=description.subjects,
            reference_url=f"{service.path}/",
            curation=self._curation.curation(self._authority, said),
            content_type="Registry" if _is_registry(service) else "Other",
            capabilities=description.capabilities,
            tables=description.tables,
            managed_authorities=(self._authority,) if _is_registry(service) else (),
        )
        return self._curation.curate(record, said)

    def _standard_record(self, standard: OwnStandard) -> Record:
        return Record(
            ivoid=resource_ivoid(self._authority, standard.path),
            type=STANDARD_TYPE,
            title=standard.title,
            text=standard.text,
            subjects=standard.subjects,
            reference_url="/openapi.json",
            curation=self._curation.curation(self._authority),
            endorsed=Endorsed(version=standard.version, keys=standard.keys),
        )

    def _lake_record(self, held: tuple[Collection, ...], tap_path: str) -> Record:
        names = ", ".join(one.name for one in held[:20])
        more = f" and {len(held) - 20} more" if len(held) > 20 else ""
        return Record(
            ivoid=self._lake_ivoid(),
            type=COLLECTION_TYPE,
            title=f"{self._curation.title} data lake",
            text=f"All files of the data lake, with their replicas, in these collections: {names}{more}.",
            subjects=self._curation.subjects or ("observational-astronomy",),
            reference_url="/",
            curation=self._curation.curation(self._authority),
            content_type="Archive",
            relationships=(self._served_by_tap(),),
            capabilities=(_auxiliary(tap_path),),
            coverage=self._curation.coverage.over(Coverage()),
        )

    def _collection_record(self, collection: Collection, tap_path: str) -> Record:
        said = self._said_of_collection(collection.name)
        record = Record(
            ivoid=f"{self._lake_ivoid()}/{collection.name}",
            type=COLLECTION_TYPE,
            title=f"{self._curation.title} collection {collection.name}",
            short_name=collection.name[:16],
            text=f"Files of the collection {collection.name} of the data lake: obs_collection in ivoa.obscore.",
            subjects=self._curation.subjects or ("observational-astronomy",),
            reference_url="/",
            curation=self._curation.curation(self._authority, said),
            content_type="Archive",
            relationships=(
                Relationship(type="IsPartOf", related=((f"{self._curation.title} data lake", self._lake_ivoid()),)),
                self._served_by_tap(),
            ),
            capabilities=(_auxiliary(tap_path),),
            facilities=collection.facilities,
            instruments=collection.instruments,
            coverage=collection.coverage,
        )
        return self._curation.curate(record, said)

    def _lake_ivoid(self) -> str:
        return resource_ivoid(self._authority, "lake")

    def _served_by_tap(self) -> Relationship:
        title = self._curation.services.get(TAP, Particular()).title or f"{self._curation.title} TAP"
        return Relationship(type="IsServedBy", related=((title, resource_ivoid(self._authority, TAP)),))


def _is_registry(service: Described) -> bool:
    return service.description.resource_type == REGISTRY_TYPE


def _auxiliary(tap_path: str) -> Capability:
    """Return the capability of a collection that is one of many in a TAP service (Discovering Data Collections s3)."""
    interface = Interface(access_url=tap_path, use="base", role="std", version="1.1")
    return Capability(standard_id=TAP_AUXILIARY, interfaces=(interface,))
