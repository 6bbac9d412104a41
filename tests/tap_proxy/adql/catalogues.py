"""A small sky: tables as services publish them, and rows for both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from penstock.tables import Column, Schema, Table
from tap_proxy.adql import Catalogue
from tap_proxy.adql.dialect import joined_name, schema_table
from tap_proxy.adql.sqlite_functions import SQLITE_FUNCTIONS

OBSCORE = Table(
    name="obscore",
    columns=(
        Column(name="dataproduct_type", datatype="char", arraysize="*", ucd="meta.code.class"),
        Column(name="calib_level", datatype="int", ucd="meta.code;obs.calib", nullable=False),
        Column(name="obs_collection", datatype="char", arraysize="*", ucd="meta.id"),
        Column(
            name="obs_id",
            datatype="char",
            arraysize="*",
            ucd="meta.id",
            utype="obscore:DataID.observationID",
            description="Observation",
            nullable=False,
        ),
        Column(name="obs_publisher_did", datatype="char", arraysize="*", ucd="meta.ref.ivoid"),
        Column(name="access_estsize", datatype="long", unit="kbyte", ucd="phys.size;meta.file"),
        Column(name="s_ra", datatype="double", unit="deg", ucd="pos.eq.ra"),
        Column(name="s_dec", datatype="double", unit="deg", ucd="pos.eq.dec"),
        Column(name="s_fov", datatype="double", unit="deg"),
        Column(name="s_region", datatype="char", arraysize="*", xtype="adql:REGION"),
        Column(name="t_min", datatype="double", unit="d"),
        Column(name="t_exptime", datatype="double", unit="s"),
        Column(name="em_min", datatype="double", unit="m"),
        Column(name="em_max", datatype="double", unit="m"),
        Column(name="target_name", datatype="char", arraysize="*"),
        Column(name="obs_release_date", datatype="char", arraysize="*", xtype="timestamp"),
        Column(name="instrument_name", datatype="char", arraysize="*"),
    ),
)

SOURCES = Table(
    name="sources",
    columns=(
        Column(name="id", datatype="int", nullable=False),
        Column(name="obs_id", datatype="char", arraysize="*"),
        Column(name="ra", datatype="double", unit="deg"),
        Column(name="dec", datatype="double", unit="deg"),
        Column(name="mag", datatype="double", unit="mag"),
        Column(name="n_obs", datatype="int"),
        Column(name="quality", datatype="short"),
        Column(name="big", datatype="long"),
        Column(name="name", datatype="char", arraysize="*"),
        Column(name="variable", datatype="boolean"),
        Column(name="pos", datatype="double", arraysize="2", xtype="point"),
        Column(name="pm_ra", datatype="double", unit="mas/yr"),
        Column(name="Odd Name", datatype="int"),
        Column(name="size", datatype="int"),
    ),
)

CENTRES = Table(
    name="centres",
    columns=(
        Column(name="id", datatype="int", nullable=False),
        Column(name="ra", datatype="double", unit="deg"),
        Column(name="dec", datatype="double", unit="deg"),
        Column(name="radius", datatype="double", unit="deg"),
        Column(name="label", datatype="char", arraysize="*"),
    ),
)

KINDS = Table(
    name="kinds",
    columns=(
        Column(name="whole", datatype="int"),
        Column(name="real_", datatype="double", unit="deg"),
        Column(name="word", datatype="char", arraysize="*"),
        Column(name="moment", datatype="char", arraysize="*", xtype="timestamp"),
        Column(name="truth", datatype="boolean"),
        Column(name="place", datatype="double", arraysize="2", xtype="point"),
        Column(name="field", datatype="char", arraysize="*", xtype="adql:REGION"),
        Column(name="flux", datatype="double", arraysize="*"),
    ),
)

TAP_COLUMNS = Table(
    name="columns",
    columns=(
        Column(name="table_name", datatype="char", arraysize="*"),
        Column(name="column_name", datatype="char", arraysize="*"),
        Column(name="size", datatype="int"),
    ),
)

RESOURCE = Table(
    name="resource",
    columns=tuple(
        Column(name=name, datatype="char", arraysize="*")
        for name in [
            "ivoid",
            "res_type",
            "short_name",
            "res_title",
            "content_level",
            "res_description",
            "reference_url",
            "creator_seq",
            "created",
            "updated",
            "content_type",
            "source_format",
            "source_value",
            "region_of_regard",
            "waveband",
            "rights",
        ]
    ),
)


def _strings(name: str, columns: str, numbers: str = "") -> Table:
    return Table(
        name=name,
        columns=(
            *(Column(name=column, datatype="char", arraysize="*") for column in columns.split()),
            *(Column(name=column, datatype="int") for column in numbers.split()),
        ),
    )


REGISTRY = Schema(
    name="rr",
    tables=(
        RESOURCE,
        _strings("capability", "ivoid cap_type cap_description standard_id", "cap_index"),
        _strings(
            "interface",
            "ivoid intf_type intf_role std_version query_type result_type url_use access_url mirror_url",
            "cap_index intf_index authenticated_only",
        ),
        _strings("res_subject", "ivoid res_subject"),
        _strings("res_role", "ivoid role_name role_ivoid base_role"),
        _strings("res_detail", "ivoid detail_xpath detail_value", "cap_index"),
        _strings("res_table", "ivoid table_name table_utype table_description", "table_index"),
        _strings("table_column", "ivoid name ucd unit", "table_index"),
        Table(
            name="stc_spatial",
            columns=(
                Column(name="ivoid", datatype="char", arraysize="*"),
                Column(name="coverage", datatype="char", arraysize="*", xtype="moc"),
            ),
        ),
        Table(
            name="stc_temporal",
            columns=(
                Column(name="ivoid", datatype="char", arraysize="*"),
                Column(name="time_start", datatype="double", unit="d"),
                Column(name="time_end", datatype="double", unit="d"),
            ),
        ),
    ),
)

SCHEMAS = (
    Schema(name="ivoa", tables=(OBSCORE,)),
    Schema(name="sky", tables=(SOURCES, CENTRES, KINDS)),
    Schema(name="TAP_SCHEMA", tables=(TAP_COLUMNS,)),
    REGISTRY,
)


def catalogue() -> Catalogue:
    return Catalogue(SCHEMAS)


def _source(i: int) -> tuple[Any, ...]:
    ra, dec = (i * 37.25) % 360.0, (i * 23.5) % 180.0 - 90.0
    nothing = i % 7 == 3
    return (
        i,
        None if i % 5 == 4 else f"obs{i % 6}",
        None if nothing else ra,
        None if i % 11 == 5 else dec,
        None if i % 6 == 2 else 10.0 + (i % 9) * 0.75,
        None if i % 8 == 1 else i % 5 - 2,
        i % 3,
        (i % 4) * 10_000_000_000 - 3,
        None if i % 10 == 9 else ["Alpha", "alpha", "beta_x", "B%ta", "[gamma]*", "Ωmega", ""][i % 7],
        None if i % 9 == 8 else i % 2 == 0,
        None if nothing else f"{ra!r} {dec!r}",
        (i % 13) * 1.5 - 9.0,
        i * 2,
        None if i % 4 == 0 else i % 6,
    )


def _observation(i: int) -> tuple[Any, ...]:
    ra, dec = (i * 51.0 + 0.25) % 360.0, (i * 17.0) % 160.0 - 80.0
    region = [
        f"CIRCLE ICRS {ra!r} {dec!r} 2.5",
        f"POLYGON ICRS {ra!r} {dec!r} {ra + 3!r} {dec!r} {ra + 3!r} {dec + 3!r} {ra!r} {dec + 3!r}",
        None,
        f"circle {ra!r} {dec!r} 40",
    ][i % 4]
    return (
        ["image", "spectrum", None, "cube"][i % 4],
        i % 5,
        f"coll{i % 3}",
        f"obs{i}",
        f"ivo://penstock.example/obs?{i}",
        None if i % 6 == 5 else i * 1000,
        ra,
        dec,
        0.5 * (i % 4),
        region,
        58000.0 + i * 0.125,
        None if i % 5 == 2 else 30.0 * i,
        1e-7 * (i + 1),
        2e-7 * (i + 1),
        None if i % 3 == 1 else f"M{i}",
        f"20{10 + i % 10}-0{1 + i % 9}-01T00:00:00",
        ["ACIS", "acis", "MUSE"][i % 3],
    )


ROWS: dict[tuple[str, str], list[tuple[Any, ...]]] = {
    ("ivoa", "obscore"): [_observation(i) for i in range(12)],
    ("sky", "sources"): [_source(i) for i in range(60)],
    ("sky", "centres"): [
        (0, 37.25, -66.5, 1.0, "a"),
        (1, 0.0, 89.0, 30.0, "b"),
        (2, 359.5, 0.0, 25.0, "c"),
        (3, 180.0, -90.0, 15.0, "d"),
        (4, 10.0, 10.0, None, "e"),
        (5, 74.5, -43.0, 0.0, None),
        (6, 200.0, 20.0, 180.0, "A"),
    ],
    ("sky", "kinds"): [
        (1, 1.0, "1", "2020-01-01T00:00:00", True, "10.0 20.0", "CIRCLE ICRS 10 20 1", "1 2 3"),
        (None,) * 8,
        (0, -2.5, "abc", "1999-12-31", False, "359.5 -89.0", "POLYGON ICRS 1 1 2 1 2 2", "4"),
    ],
    ("TAP_SCHEMA", "columns"): [("ivoa.obscore", "s_ra", None), ("ivoa.obscore", "obs_id", 12)],
    ("rr", "resource"): [
        (
            f"ivo://x/{i}",
            "vs:catalogservice",
            f"s{i}",
            f"Title of Quasars {i}",
            None,
            "a Survey of spiral-arms"[: 8 + 3 * i],
        )
        + (None,) * 8
        + (["optical#infrared", "radio", None, "Infrared"][i % 4], None)
        for i in range(6)
    ],
    ("rr", "capability"): [(f"ivo://x/{i}", "t", None, ["ivo://ivoa.net/std/tap", None][i % 2], i) for i in range(5)],
    ("rr", "interface"): [
        (f"ivo://x/{i}", "vs:paramhttp", "std", None, None, None, None, f"http://example.org/{i}", None, i, j, 0)
        for i in range(4)
        for j in range(2)
    ],
    ("rr", "res_subject"): [(f"ivo://x/{i}", subject) for i in range(6) for subject in ("Galaxies", "quasars")],
    ("rr", "res_role"): [(f"ivo://x/{i}", "Smith, J", None, "creator") for i in range(3)],
    ("rr", "stc_spatial"): [
        ("ivo://x/0", "0/0-11"),
        ("ivo://x/1", "6/19863 5/4943 4954\n 6/"),
        ("ivo://x/2", "s3/0,1,2 4/60-63"),
        ("ivo://x/3", None),
        ("ivo://x/4", "no MOC"),
        ("ivo://x/5", "29/0"),
        ("ivo://x/6", "1/"),
    ],
    ("rr", "stc_temporal"): [(f"ivo://x/{i}", 55000.0 + i * 100, 55050.0 + i * 100) for i in range(4)],
}

_SQLITE_TYPES = {"char": "TEXT", "int": "INTEGER", "short": "INTEGER", "long": "INTEGER", "double": "REAL"}
_POSTGRES_TYPES = {
    "char": "text",
    "int": "integer",
    "short": "smallint",
    "long": "bigint",
    "double": "float8",
    "boolean": "boolean",
}


def tables() -> Iterable[tuple[str, Table]]:
    return ((schema.name, table) for schema in SCHEMAS for table in schema.tables)


def _definition(column: Column, types: dict[str, str], text: str) -> str:
    type_ = text if column.arraysize not in (None, "1") else types.get(column.datatype, "INTEGER")
    return '"' + column.name + '" ' + type_


def open_sqlite() -> sqlite3.Connection:
    """Return a database in memory with all tables, rows and helper functions."""
    connection = sqlite3.connect(":memory:")
    for name, (arguments, function) in SQLITE_FUNCTIONS.items():
        connection.create_function(name, arguments, function, deterministic=True)
    for schema, table in tables():
        columns = ", ".join(_definition(column, _SQLITE_TYPES, "TEXT") for column in table.columns)
        connection.execute(f"CREATE TABLE {joined_name(schema, table.name)} ({columns})")
        marks = ", ".join("?" * len(table.columns))
        rows = ROWS.get((schema, table.name), [])
        connection.executemany(f"INSERT INTO {joined_name(schema, table.name)} VALUES ({marks})", rows)
    return connection


def postgres_statements() -> list[tuple[str, Sequence[tuple[Any, ...]]]]:
    """Return what makes the same tables in PostgreSQL: statements, each with the rows to run it for."""
    statements: list[tuple[str, Sequence[tuple[Any, ...]]]] = []
    for schema in SCHEMAS:
        statements.append((f'CREATE SCHEMA "{schema.name}"', ()))
        for table in schema.tables:
            name = schema_table(schema.name, table.name)
            columns = ", ".join(_definition(column, _POSTGRES_TYPES, "text") for column in table.columns)
            statements.append((f"CREATE TABLE {name} ({columns})", ()))
            marks = ", ".join(f"${i + 1}" for i in range(len(table.columns)))
            statements.append((f"INSERT INTO {name} VALUES ({marks})", ROWS.get((schema.name, table.name), [])))
    return statements
