"""RegTAP 1.2: the tables of a relational registry, where a TAP service has them."""

from __future__ import annotations

from typing import Final

from conformance.bench import Bench
from conformance.checks.tap_sync import answered, query, rows_of
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

# The columns of the tables (RegTAP 1.2 s8.1 to s8.18).
TABLES: Final = {
    "resource": (
        "ivoid res_type created short_name res_title updated content_level res_description reference_url creator_seq"
        " content_type source_format source_value res_version region_of_regard waveband rights rights_uri"
    ),
    "res_role": "ivoid role_name role_ivoid street_address email telephone logo base_role",
    "res_subject": "ivoid res_subject",
    "capability": "ivoid cap_index cap_type cap_description standard_id",
    "res_schema": "ivoid schema_index schema_description schema_name schema_title schema_utype",
    "res_table": ("ivoid schema_index table_description table_name table_index table_title table_type table_utype"),
    "table_column": (
        "ivoid table_index name ucd unit utype std datatype extended_schema extended_type arraysize delim type_system"
        " flag column_description"
    ),
    "interface": (
        "ivoid cap_index intf_index intf_type intf_role std_version query_type result_type wsdl_url url_use access_url"
        " mirror_url authenticated_only"
    ),
    "intf_param": (
        "ivoid intf_index name ucd unit utype std datatype extended_schema extended_type arraysize delim param_use"
        " param_description"
    ),
    "relationship": "ivoid relationship_type related_id related_name",
    "validation": "ivoid validated_by val_level cap_index",
    "res_date": "ivoid date_value value_role",
    "res_detail": "ivoid cap_index detail_xpath detail_value",
    "alt_identifier": "ivoid alt_identifier",
    "stc_spatial": "ivoid coverage ref_system_name",
    "stc_temporal": "ivoid time_start time_end",
    "stc_spectral": "ivoid spectral_start spectral_end",
    "tap_table": "resid svcid table_name table_title table_description table_utype",
}
# Conditions that are true (RegTAP 1.2 s9.2).
FUNCTIONS: Final = (
    "1 = ivo_nocasematch('AbC', 'abc')",
    "1 = ivo_hasword('a spiral galaxy', 'Spiral')",
    "1 = ivo_hashlist_has('radio#optical', 'optical')",
    "1 = ivo_interval_overlaps(1, 3, 2, 4)",
)
LOWERED: Final = (("resource", "ivoid"), ("resource", "res_type"), ("capability", "standard_id"))
STRING_AGG: Final = "SELECT TOP 1 ivoid, ivo_string_agg(res_subject, ',') AS s FROM rr.res_subject GROUP BY ivoid"


async def _columns(bench: Bench) -> dict[str, set[str]]:
    """Return the columns of the tables of rr, in lower case."""
    found = await rows_of(bench, "SELECT table_name, column_name FROM TAP_SCHEMA.columns")
    columns: dict[str, set[str]] = {}
    for table, column in zip(found.column("table_name"), found.column("column_name"), strict=True):
        schema, _, name = table.lower().partition(".")
        if schema == "rr":
            columns.setdefault(name, set()).add(column.strip('"').lower())
    if "resource" not in columns:
        raise NotApplicable("the service has no table rr.resource")
    return columns


@check("regtap.columns", "8")
async def columns(bench: Bench) -> None:
    """The tables of rr are there with their columns (RegTAP 1.2 s8)."""
    there = await _columns(bench)
    for table, wanted in TABLES.items():
        missing = set(wanted.split()) - there.get(table, set())
        require(not missing, f"rr.{table} lacks {', '.join(sorted(missing))}")


@check("regtap.selectable", "8")
async def selectable(bench: Bench) -> None:
    """The tables of rr can be queried (RegTAP 1.2 s8)."""
    await _columns(bench)
    for table, wanted in TABLES.items():
        names = wanted.split()
        found = answered(await query(bench, f"SELECT TOP 1 {', '.join(names)} FROM rr.{table}"))  # noqa: S608  ADQL
        require([one.lower() for one in found.names()] == names, f"the fields of rr.{table} are {found.names()}")


@check("regtap.lower-case", "4.3")
async def lower_case(bench: Bench) -> None:
    """Identifiers and types are in lower case (RegTAP 1.2 s4.3)."""
    await _columns(bench)
    for table, column in LOWERED:
        adql = f"SELECT TOP 1 {column} FROM rr.{table} WHERE {column} <> LOWER({column})"  # noqa: S608  ADQL
        found = answered(await query(bench, adql))
        require(not found.rows, f"rr.{table}.{column} has the value {found.rows[:1]}")


@check("regtap.functions", "9.2")
async def functions(bench: Bench) -> None:
    """The functions that RegTAP asks for work (RegTAP 1.2 s9.2)."""
    await _columns(bench)
    for condition in FUNCTIONS:
        for adql, rows in ((condition, 1), (f"NOT ({condition})", 0)):
            found = answered(await query(bench, f"SELECT TOP 1 ivoid FROM rr.resource WHERE {adql}"))  # noqa: S608
            require(len(found.rows) == rows, f"{adql} gives {len(found.rows)} rows instead of {rows}")
    answered(await query(bench, STRING_AGG))


@check("regtap.links", "3", Level.SHOULD)
async def links(bench: Bench) -> None:
    """Capabilities and interfaces are those of resources that are listed (RegTAP 1.2 s3)."""
    await _columns(bench)
    for table in ("capability", "interface", "res_role"):
        adql = f"SELECT TOP 1 ivoid FROM rr.{table} WHERE ivoid NOT IN (SELECT ivoid FROM rr.resource)"  # noqa: S608
        found = answered(await query(bench, adql))
        require(not found.rows, f"rr.{table} has rows of {found.rows[:1]}, which is no resource")
