"""Small archives to plan for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from penstock.lake.catalogue import SCHEMAS
from penstock.tables import Column, Table
from tap_proxy.core.federation.ability import Ability, OfferedFormat
from tap_proxy.core.federation.catalogue import Federation
from tap_proxy.core.federation.mount import Metadata, Mount, OfferedFunction, mounted

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
GEOMETRY = frozenset({"CONTAINS", "POINT", "CIRCLE", "INTERSECTS", "POLYGON", "BOX", "DISTANCE"})
OLD = Ability(constructs=GEOMETRY)
ABLE = Ability(
    version="1.1",
    adql_2_1=True,
    constructs=GEOMETRY | {"WITH", "UNION", "EXCEPT", "OFFSET", "LOWER", "ILIKE", "IVO_HASWORD"},
    formats=(
        OfferedFormat(mime="application/x-votable+xml", ivo_id="ivo://ivoa.net/std/TAPRegExt#output-votable-td"),
        OfferedFormat(
            mime="application/x-votable+xml;serialization=BINARY2",
            ivo_id="ivo://ivoa.net/std/TAPRegExt#output-votable-binary2",
        ),
        OfferedFormat(mime="text/csv;header=present", aliases=("csv",)),
    ),
    upload_methods=frozenset({"inline"}),
)


def table(name: str, *columns: str) -> tuple[str, str, Table]:
    """Return a table as an upstream tells it; columns are ``name`` for text, ``name:datatype`` else."""
    described = []
    for column in columns:
        label, _, datatype = column.partition(":")
        described.append(
            Column(name=label, datatype=datatype or "char", arraysize=None if datatype else "*")  # type: ignore[arg-type]
        )
    return name.rpartition(".")[0], name, Table(name=name, columns=tuple(described))


OBSCORE = ("ivoa.obscore", "obs_publisher_did", "s_ra:double", "s_dec:double", "target_name", "access_url")
SOURCES = ("cat.sources", "id:long", "name", "ra:double", "mag:float")


def mount(
    name: str,
    *tables: tuple[str, ...],
    ability: Ability = ABLE,
    in_obscore: bool = False,
    functions: Sequence[str] = (),
) -> Mount:
    """Return an upstream; `functions` are signatures."""
    described = mounted([table(*each) for each in tables])
    names = {signature.partition("(")[0].upper() for signature in functions}
    offered = tuple(OfferedFunction(form=signature, description=None) for signature in functions)
    return Mount(
        name=name,
        url=f"https://{name}.example/tap",
        metadata=Metadata(
            tables=described, ability=replace(ability, constructs=ability.constructs | names), functions=offered
        ),
        harvested=NOW,
        in_obscore=in_obscore,
    )


def federation(*mounts: Mount) -> Federation:
    """Return our own tables with upstreams."""
    return Federation(SCHEMAS, mounts, here="here")
