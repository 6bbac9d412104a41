"""The names that a query may use where tables of other archives are mounted.

Our own tables come first, then those of mounts by their names here (``cadc.ivoa_obscore``), then by the names that they
have where they come from (``caom2.Observation``), if just one table has it. So no mount can take the name of a table of
ours, or make it ambiguous.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.tables import Column, Schema
from tap_proxy.adql import FUNCTIONS, Catalogue, Function
from tap_proxy.adql.ast import Identifier
from tap_proxy.adql.catalogue import CatalogueTable
from tap_proxy.core.federation.functions import by_name, functions_of
from tap_proxy.core.federation.mount import Mount, RemoteTable

OBSCORE = ("ivoa", "obscore")
ARCHIVE = Column(
    name="archive",
    datatype="char",
    arraysize="*",
    ucd="meta.id;meta.dataset",
    description="Where the row comes from: the name of an archive as in TAP_SCHEMA, or that of this service",
    principal=True,
    nullable=False,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table of a query is: at a mount."""

    mount: Mount
    remote: RemoteTable


class Federation:
    """The mounts of a service with the names of their tables.

    Parameters
    ----------
    schemas
        What the service publishes of its own.
    mounts
        The upstreams.
    here
        The name of this service among the archives of ``ivoa.obscore``.

    Attributes
    ----------
    functions
        The functions that only archives have.
    archives_by_function
        Which archives have them, by lower-case name.
    """

    def __init__(self, schemas: Sequence[Schema], mounts: Sequence[Mount], *, here: str) -> None:
        self.mounts = tuple(mounts)
        self.here = here
        self.archives = tuple(mount for mount in mounts if mount.in_obscore and mount.obscore() is not None)
        self.own = tuple(map(_with_archive, schemas)) if self.archives else tuple(schemas)
        self.schemas = (*self.own, *(mount.schema() for mount in mounts))
        self._places: dict[tuple[str, str], Place] = {
            (mount.name, remote.table.name): Place(mount, remote)
            for mount in mounts
            for remote in mount.metadata.tables
        }
        aliases = _aliases(self.own, mounts)
        self._places |= aliases
        self.functions = functions_of(mounts)
        self.archives_by_function = by_name(self.functions)
        self.catalogue = LayeredCatalogue(
            Catalogue(self.own),
            Catalogue(mount.schema() for mount in mounts),
            Catalogue(_schemas_of(aliases)),
            functions=(*FUNCTIONS, *(each.function for each in self.functions)),
        )

    def place(self, schema: str, table: str) -> Place | None:
        """Return where a table of a query is, None where it is here."""
        return self._places.get((schema, table))

    def is_union(self, schema: str, table: str) -> bool:
        """Tell whether a table is ours and that of other archives together."""
        return bool(self.archives) and (schema, table) == OBSCORE

    def is_elsewhere(self, schema: str, table: str) -> bool:
        """Tell whether rows of a table come from elsewhere."""
        return (schema, table) in self._places or self.is_union(schema, table)


class LayeredCatalogue(Catalogue):
    """Catalogues of which the first that knows a name decides."""

    def __init__(self, *layers: Catalogue, functions: Iterable[Function]) -> None:
        super().__init__((), functions=functions)
        self._layers = layers

    def extended(self, schemas: Iterable[Schema]) -> Catalogue:
        """Return a catalogue with more tables, such as those uploaded with a query (TAP 1.1 s2.7.6)."""
        first, *others = self._layers
        return LayeredCatalogue(first.extended(schemas), *others, functions=self.functions())

    def find(self, names: Sequence[Identifier]) -> Sequence[CatalogueTable]:
        """Return the tables that a name of one or two parts may mean."""
        for layer in self._layers:
            if found := layer.find(names):
                return found
        return ()

    def suggest_table(self, name: Identifier) -> str | None:
        """Return the published table whose name is nearest to a misspelt one, query-ready."""
        return next((near for layer in self._layers if (near := layer.suggest_table(name))), None)


def _with_archive(schema: Schema) -> Schema:
    """Return a schema whose ObsCore table tells where its rows come from."""
    if schema.name != OBSCORE[0]:
        return schema
    tables = (
        replace(table, columns=(*table.columns, ARCHIVE)) if table.name == OBSCORE[1] else table
        for table in schema.tables
    )
    return replace(schema, tables=tuple(tables))


def _aliases(own: Sequence[Schema], mounts: Sequence[Mount]) -> dict[tuple[str, str], Place]:
    """Return the tables of mounts that can be told by the names that they have at home."""
    taken = {(schema.name.lower(), table.name.lower()) for schema in own for table in schema.tables}
    taken |= {(mount.name.lower(), remote.table.name.lower()) for mount in mounts for remote in mount.metadata.tables}
    found = [(remote.own, Place(mount, remote)) for mount in mounts for remote in mount.metadata.tables if remote.own]
    times = Counter(_folded(name) for name, _ in found)
    return {name: place for name, place in found if times[_folded(name)] == 1 and _folded(name) not in taken}


def _folded(name: tuple[str, str]) -> tuple[str, str]:
    return name[0].lower(), name[1].lower()


def _schemas_of(aliases: Mapping[tuple[str, str], Place]) -> Iterable[Schema]:
    return (
        Schema(name=schema, tables=(replace(place.remote.table, name=table),))
        for (schema, table), place in aliases.items()
    )
