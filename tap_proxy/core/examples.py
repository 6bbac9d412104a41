"""Queries to start from (TAP 1.1 s2.6); an example is shown where the tables that it reads are published."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.dali.examples import Example
from penstock.tables import Schema

_EXAMPLES = (
    Example(
        id="first-look",
        name="A first look",
        description="Ten observations, whatever they are.",
        query="SELECT TOP 10 obs_collection, target_name, s_ra, s_dec, instrument_name, access_url\nFROM ivoa.obscore",
        tables=("ivoa.obscore",),
    ),
    Example(
        id="cone",
        name="Observations around a position",
        description="Observations whose centre lies within five degrees of a position.",
        query=(
            "SELECT obs_publisher_did, target_name, s_ra, s_dec, t_min, access_url\n"
            "FROM ivoa.obscore\n"
            "WHERE 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 187.7, 12.4, 5))"
        ),
        tables=("ivoa.obscore",),
    ),
    Example(
        id="collections",
        name="What there is",
        description="How many observations each collection has, and when they begin and end.",
        query=(
            "SELECT obs_collection, COUNT(*) AS n, MIN(t_min) AS first_mjd, MAX(t_max) AS last_mjd\n"
            "FROM ivoa.obscore\n"
            "GROUP BY obs_collection\n"
            "ORDER BY obs_collection"
        ),
        tables=("ivoa.obscore",),
    ),
    Example(
        id="replicas",
        name="Files that several sites hold",
        description="Files with more than one copy that can be read now.",
        query=(
            "SELECT did, COUNT(*) AS copies\n"
            "FROM lake.replicas\n"
            "WHERE state = 'AVAILABLE'\n"
            "GROUP BY did\n"
            "HAVING COUNT(*) > 1"
        ),
        tables=("lake.replicas",),
    ),
    Example(
        id="services-on-a-subject",
        name="Services on a subject",
        description="TAP services of the registry that are about surveys, with their addresses.",
        query=(
            "SELECT ivoid, res_title, access_url\n"
            "FROM rr.resource\n"
            "NATURAL JOIN rr.capability\n"
            "NATURAL JOIN rr.interface\n"
            "NATURAL JOIN rr.res_subject\n"
            "WHERE standard_id = 'ivo://ivoa.net/std/tap' AND intf_role = 'std'\n"
            "AND res_subject LIKE '%survey%'"
        ),
        tables=("rr.resource", "rr.capability", "rr.interface", "rr.res_subject"),
    ),
    Example(
        id="columns-of-a-table",
        name="Columns with a unit of angle",
        description="The service describes itself: tables and columns are rows of TAP_SCHEMA.",
        query=(
            "SELECT table_name, column_name, unit, description\n"
            "FROM tap_schema.columns\n"
            "WHERE unit IN ('deg', 'arcsec')\n"
            "ORDER BY table_name, column_index"
        ),
        tables=("tap_schema.columns",),
    ),
)


def examples_for(schemas: Sequence[Schema]) -> tuple[Example, ...]:
    """Return the examples whose tables are all published."""
    published = {f"{schema.name}.{table.name}" for schema in schemas for table in schema.tables}
    return tuple(example for example in _EXAMPLES if published.issuperset(example.tables))
