"""What the service says it can do (TAPRegExt 1.0, TAP 1.1 s2.4); nothing that it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.dali.formats import FormatTable
from penstock.regext import DataLimits, Interface, Language, LanguageFeatures, OutputFormat, TableAccess, TimeLimits
from penstock.tables import Schema
from penstock.vosi import Capability, vosi_capabilities
from tap_proxy.adql import FUNCTIONS
from tap_proxy.core.formats import TAP_FORMATS
from tap_proxy.core.request import TAP_STANDARD_ID, RowLimits

EXAMPLES_STANDARD_ID = "ivo://ivoa.net/std/DALI#examples"
REGEXT = "ivo://ivoa.net/std/TAPRegExt"

_VERSIONS = (("2.1", "ivo://ivoa.net/std/ADQL#v2.1"), ("2.0", "ivo://ivoa.net/std/ADQL#v2.0"))
_VOTABLE_IDS = {"TABLEDATA": f"{REGEXT}#output-votable-td", "BINARY2": f"{REGEXT}#output-votable-binary2"}
# COALESCE works too; its key (features-adql-conditional) is not told, since validators in use know an older list.
_FEATURES = {
    "adqlgeo": "POINT CIRCLE POLYGON BOX REGION CONTAINS INTERSECTS DISTANCE AREA CENTROID COORD1 COORD2 COORDSYS",
    "adql-string": "LOWER UPPER ILIKE",
    "adql-sets": "UNION EXCEPT INTERSECT",
    "adql-common-table": "WITH",
    "adql-type": "CAST",
    "adql-unit": "IN_UNIT",
    "adql-offset": "OFFSET",
}
_DATA_MODELS = {"ivoa.obscore": (("ObsCore-1.1", "ivo://ivoa.net/std/ObsCore#core-1.1"),)}
_WHOLE_REGISTRY = (
    ("Registry 1.2", "ivo://ivoa.net/std/regtap#1.2"),
    ("Registry 1.1", "ivo://ivoa.net/std/RegTAP#1.1"),
)
_MOC = LanguageFeatures(
    # By this name, of a server that had it first, clients know whether they may send MOC.
    type="ivo://org.gavo.dc/std/exts#extra-adql-keywords",
    features=(("MOC", "MOC(order, geometry) or MOC('order/cells ...'), to compare with columns of coverages"),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What the operator promises: limits of results, of jobs and of uploads, and whether this is a full registry.

    A service whose tables ``rr.*`` do not hold the whole VO Registry must not declare their data model (RegTAP 1.2 s7).
    """

    rows: RowLimits
    duration: TimeLimits
    retention: TimeLimits
    upload_bytes: int
    full_registry: bool = False


def tap_capabilities(
    base_url: str,
    *,
    schemas: Sequence[Schema],
    promises: Promises,
    security_methods: tuple[str | None, ...] = (),
    functions: Iterable[tuple[str, str]] = (),
    has_coverages: bool = False,
) -> tuple[Capability, ...]:
    """Return all capabilities of the service at `base_url`.

    `functions` are signatures and descriptions of functions that are not ours. `has_coverages` tells that there are
    coverages, with which MOCs can be compared.
    """
    access = TableAccess(
        data_models=(*_data_models(schemas), *(_WHOLE_REGISTRY if promises.full_registry else ())),
        languages=(
            Language(
                name="ADQL",
                versions=_VERSIONS,
                description="ADQL 2.1; the constructs that it took over from 2.0 are accepted too",
                features=_features(functions, has_coverages=has_coverages),
            ),
        ),
        output_formats=tuple(_output_formats(TAP_FORMATS)),
        upload_methods=tuple(f"{REGEXT}#upload-{way}" for way in ("inline", "http", "https")),
        upload_limit=DataLimits(unit="byte", default=promises.upload_bytes, hard=promises.upload_bytes),
        retention_period=promises.retention,
        execution_duration=promises.duration,
        output_limit=DataLimits(unit="row", default=promises.rows.default, hard=promises.rows.hard),
    )
    tap = Capability(
        standard_id=TAP_STANDARD_ID,
        interfaces=(
            Interface(access_url=base_url, use="base", role="std", version="1.1", security_methods=security_methods),
        ),
        extension=access,
    )
    examples = Capability(
        standard_id=EXAMPLES_STANDARD_ID,
        interfaces=(Interface(access_url=f"{base_url}/examples", type="vr:WebBrowser", use="full"),),
    )
    return (tap, *vosi_capabilities(base_url, tables=True), examples)


def _features(functions: Iterable[tuple[str, str]], *, has_coverages: bool) -> tuple[LanguageFeatures, ...]:
    """Return the optional parts of the language (TAPRegExt 1.0 s2.4, ADQL 2.1 s4)."""
    own = [(each.signature, each.description) for each in FUNCTIONS]
    optional = [
        LanguageFeatures(type=f"{REGEXT}#features-{kind}", features=tuple((form, None) for form in forms.split()))
        for kind, forms in _FEATURES.items()
    ]
    mocs = (_MOC,) if has_coverages else ()
    return (LanguageFeatures(type=f"{REGEXT}#features-udf", features=(*own, *functions)), *optional, *mocs)


def _data_models(schemas: Sequence[Schema]) -> Iterable[tuple[str, str]]:
    published = {f"{schema.name}.{table.name}".lower() for schema in schemas for table in schema.tables}
    for table, models in _DATA_MODELS.items():
        if table in published:
            yield from models


def _output_formats(formats: FormatTable) -> Iterable[OutputFormat]:
    for row in formats:
        ivo_id = _VOTABLE_IDS.get(row.format.serialization) if row.format.serialization else None
        yield OutputFormat(mime=row.format.media_type, aliases=row.aliases, ivo_id=ivo_id)
