"""Create the tables of the relational registry (RegTAP 1.2), with the indexes that its queries need."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from penstock.db import Namespace, physical_name
from penstock.migrations import create_index, create_table, drop_table, namespace
from penstock.words import create_statements

revision = "0002"
down_revision = "0001"

_SEARCHED = ("res_title", "res_description")
_INDEXES = {
    "res_role": ("role_name", "role_ivoid"),
    "res_subject": ("res_subject",),
    "capability": ("standard_id", "cap_type"),
    "interface": ("access_url", "intf_type"),
    "res_table": ("table_name", "table_utype"),
    "table_column": ("ucd", "utype", "name"),
    "relationship": ("related_id",),
    "res_detail": ("detail_xpath", "detail_value"),
    "alt_identifier": ("alt_identifier",),
}
_PAIRS = {  # the way of natural joins
    "capability": "cap_index",
    "interface": "cap_index",
    "intf_param": "intf_index",
    "res_schema": "schema_index",
    "res_table": "table_index",
    "table_column": "table_index",
}


def upgrade() -> None:
    """Create the tables, the view, and the note of how they were filled."""
    ns = namespace("rr")
    if ns.dialect == "postgresql":
        op.execute('CREATE SCHEMA IF NOT EXISTS "rr"')
    _create_resource(ns)
    for table, columns in _children().items():
        owner = sa.ForeignKey(ns.reference("resource", "ivoid"), ondelete="CASCADE")
        create_table(ns, table, sa.Column("ivoid", sa.Text, owner, nullable=False), *columns)
    _create_spatial(ns)
    _create_indexes(ns)
    _create_view(ns)
    create_table(
        namespace("registry"), "regtap", sa.Column("mapping", sa.Integer, primary_key=True, autoincrement=False)
    )


def downgrade() -> None:
    """Drop everything."""
    ns = namespace("rr")
    drop_table(namespace("registry"), "regtap")
    schema, view = physical_name(ns.dialect, "rr", "tap_table")
    op.execute(f"DROP VIEW {f'{schema}.' if schema else ''}{view}")
    if ns.dialect == "sqlite":
        op.execute("DROP TABLE rr__resource_words")
    for table in ("stc_spatial", *reversed(_children()), "resource"):
        drop_table(ns, table)


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text) for name in names]


def _whole(*names: str, null: bool = True) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer, nullable=null) for name in names]


def _real(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Double) for name in names]


def _create_resource(ns: Namespace) -> None:
    create_table(
        ns,
        "resource",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
        sa.Column("ivoid", sa.Text, nullable=False, unique=True),
        *_text("res_type", "created", "short_name", "res_title", "updated", "content_level", "res_description"),
        *_text("reference_url", "creator_seq", "content_type", "source_format", "source_value", "res_version"),
        *_real("region_of_regard"),
        *_text("waveband", "rights", "rights_uri"),
    )


def _described() -> list[sa.Column[Any]]:
    """Return what columns and parameters have in common."""
    types = _text("datatype", "extended_schema", "extended_type", "arraysize", "delim")
    return [*_text("name", "ucd", "unit", "utype"), *_whole("std"), *types]


def _children() -> dict[str, list[sa.Column[Any]]]:
    """Return the columns of the tables that hang on ``resource``, without the first."""
    return {
        "res_role": _text("role_name", "role_ivoid", "street_address", "email", "telephone", "logo", "base_role"),
        "res_subject": _text("res_subject"),
        "capability": [*_whole("cap_index", null=False), *_text("cap_type", "cap_description", "standard_id")],
        "interface": [
            *_whole("cap_index", "intf_index", null=False),
            *_text("intf_type", "intf_role", "std_version", "query_type", "result_type", "wsdl_url", "url_use"),
            *_text("access_url", "mirror_url"),
            *_whole("authenticated_only", null=False),
        ],
        "intf_param": [
            *_whole("intf_index", null=False),
            *_described(),
            *_text("param_use", "param_description"),
        ],
        "res_schema": [
            *_whole("schema_index", null=False),
            *_text("schema_description", "schema_name", "schema_title", "schema_utype"),
        ],
        "res_table": [
            *_whole("schema_index"),
            *_text("table_description", "table_name"),
            *_whole("table_index", null=False),
            *_text("table_title", "table_type", "table_utype"),
        ],
        "table_column": [
            *_whole("table_index", null=False),
            *_described(),
            *_text("type_system", "flag", "column_description"),
        ],
        "relationship": _text("relationship_type", "related_id", "related_name"),
        "validation": [*_text("validated_by"), *_whole("val_level", "cap_index")],
        "res_date": _text("date_value", "value_role"),
        "res_detail": [*_whole("cap_index"), *_text("detail_xpath", "detail_value")],
        "alt_identifier": _text("alt_identifier"),
        "stc_temporal": _real("time_start", "time_end"),
        "stc_spectral": _real("spectral_start", "spectral_end"),
    }


def _create_spatial(ns: Namespace) -> None:
    create_table(
        ns,
        "stc_spatial",
        sa.Column(
            "ivoid", sa.Text, sa.ForeignKey(ns.reference("resource", "ivoid"), ondelete="CASCADE"), nullable=False
        ),
        *_text("coverage", "ref_system_name"),
        sa.Column("coverage_bounds", sa.LargeBinary().with_variant(postgresql.INT8MULTIRANGE(), "postgresql")),
    )


def _create_indexes(ns: Namespace) -> None:
    for table in (*_children(), "stc_spatial"):
        second = [_PAIRS[table]] if table in _PAIRS else []
        create_index(ns, f"rr_{table}_ivoid", table, ["ivoid", *second])
    create_index(ns, "rr_stc_temporal_time", "stc_temporal", ["time_start", "time_end"])
    create_index(ns, "rr_stc_spectral_energy", "stc_spectral", ["spectral_start", "spectral_end"])
    for table, columns in _INDEXES.items():
        for column in columns:
            _create_text_index(ns, table, column)
    if ns.dialect == "postgresql":
        op.execute("CREATE INDEX rr_stc_spatial_bounds ON rr.stc_spatial USING gist (coverage_bounds)")
    for statement in create_statements(ns.dialect, "rr", "resource", _SEARCHED):
        op.execute(statement)


def _create_text_index(ns: Namespace, table: str, column: str) -> None:
    """Create an index for equality: in PostgreSQL others refuse a text of some thousand characters."""
    if ns.dialect == "postgresql":
        op.execute(f"CREATE INDEX rr_{table}_{column} ON rr.{table} USING hash ({column})")
    else:
        create_index(ns, f"rr_{table}_{column}", table, [column])


def _create_view(ns: Namespace) -> None:
    """Create ``tap_table``: tables of resources that a TAP service serves, then what only the service knows.

    A table that several resources describe is taken from the first of them (RegTAP 1.2 s8.18, App. C).
    """
    names = ("res_table", "capability", "relationship", "tap_table")
    placed = (physical_name(ns.dialect, "rr", name) for name in names)
    table, capability, relationship, view = (
        f'"{schema}"."{name}"' if schema else f'"{name}"' for schema, name in placed
    )
    op.execute(f"""
CREATE VIEW {view} AS
WITH served AS (
  SELECT min(t.ivoid) AS resid, r.related_id AS svcid, t.table_name
  FROM {table} AS t
  JOIN {relationship} AS r ON r.ivoid = t.ivoid AND r.relationship_type = 'isservedby'
  WHERE coalesce(t.table_type, '') <> 'output'
    AND EXISTS (SELECT 1 FROM {capability} AS a WHERE a.ivoid = t.ivoid AND a.standard_id = 'ivo://ivoa.net/std/tap#aux')
    AND EXISTS (SELECT 1 FROM {capability} AS s WHERE s.ivoid = r.related_id AND s.standard_id = 'ivo://ivoa.net/std/tap')
  GROUP BY r.related_id, t.table_name
), found AS (
  SELECT resid, svcid, table_name FROM served
  UNION ALL
  SELECT DISTINCT t.ivoid, t.ivoid, t.table_name
  FROM {table} AS t
  WHERE coalesce(t.table_type, '') <> 'output'
    AND EXISTS (SELECT 1 FROM {capability} AS c WHERE c.ivoid = t.ivoid AND c.standard_id = 'ivo://ivoa.net/std/tap')
    AND NOT EXISTS (SELECT 1 FROM served WHERE served.svcid = t.ivoid AND served.table_name = t.table_name)
)
SELECT f.resid, f.svcid, f.table_name, t.table_title, t.table_description, t.table_utype
FROM found AS f
JOIN {table} AS t ON t.ivoid = f.resid AND t.table_name = f.table_name
WHERE t.table_index = (
  SELECT min(first.table_index) FROM {table} AS first
  WHERE first.ivoid = f.resid AND first.table_name = f.table_name AND coalesce(first.table_type, '') <> 'output'
)
""")  # noqa: S608  # names of ours
