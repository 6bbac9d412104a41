"""The table ``ivoa.obsplan``: what ObsLocTAP 1.0 asks for, of the observations that the lake holds.

A lake holds what was observed, so that every row is ``Performed``: clients that look across observatories find here
when a place was observed beside what others plan. It is a view of ``ivoa.obscore``: the first file of each observation
stands for it, and observations whose time or telescope is unknown are left out, since ObsLocTAP demands them
(ObsLocTAP 1.0 s3.2). When an observation was planned, what for and how it was tracked is not known of a file: it is
taken to have been planned by its start, and the rest has the standard's least specific values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from penstock.lake.obscore import OBSCORE
from penstock.tables import Column, Table
from penstock.votable.model import Datatype

UTYPE = "ivo://ivoa.net/std/obsloctap#table-1.0"
_SAME = (
    *("target_name", "obs_id", "obs_collection", "s_ra", "s_dec", "s_fov", "s_region", "s_resolution"),
    *("t_min", "t_max", "t_exptime", "t_resolution", "em_min", "em_max", "em_res_power", "o_ucd"),
    *("pol_states", "pol_xel", "facility_name", "instrument_name", "obs_release_date"),
)
_NEEDED = ("t_min", "t_max", "t_exptime", "facility_name")

EXPRESSIONS: Mapping[str, str] = {
    "t_planning": "o.t_min",
    **{name: f"o.{name}" for name in _SAME},
    "t_plan_exptime": "o.t_exptime",
    "category": "'Other'",
    "priority": "0",
    "execution_status": "'Performed'",
    "tracking_type": "'Sidereal'",
}
"""Every column in the words of SQL; ``o`` is the file that stands for the observation."""


def definition(obscore: str) -> str:
    """Return the query that is the view, on the table of that SQL name."""
    columns = ", ".join(f"{expression} AS {name}" for name, expression in EXPRESSIONS.items())
    known = " AND ".join(f"o.{name} IS NOT NULL" for name in _NEEDED)
    same = "p.obs_collection = o.obs_collection AND p.obs_id = o.obs_id AND p.lake_did < o.lake_did"
    return (
        f"SELECT {columns} FROM {obscore} AS o"  # noqa: S608  # our own names
        f" WHERE {known} AND NOT EXISTS (SELECT 1 FROM {obscore} AS p WHERE {same})"
    )


def _own(name: str, datatype: Datatype, description: str, unit: str | None = None) -> Column:
    """Return a column that ObsLocTAP adds, for which it has no UCD (ObsLocTAP 1.0 s3.4)."""
    arraysize = "*" if datatype == "char" else None
    return Column(
        name=name,
        datatype=datatype,
        arraysize=arraysize,
        description=description,
        unit=unit,
        std=True,
        nullable=False,
    )


_OBSCORE = {column.name: column for column in OBSCORE.columns}


def _same(name: str) -> Column:
    """Return the column of ObsCore as ObsLocTAP describes it: utypes without their model."""
    column = _OBSCORE[name]
    utype = (column.utype or "").removeprefix("obscore:")
    return replace(column, utype=utype, nullable=column.nullable and name not in _NEEDED)


OBSPLAN = Table(
    name="obsplan",
    columns=(
        _own("t_planning", "double", "When the observation was planned or changed, MJD; here its start", "d"),
        *map(_same, _SAME),
        replace(_same("t_exptime"), name="t_plan_exptime", description="Planned exposure time; here the real one"),
        _own("category", "char", "Fixed, Coordinated, Window or Other"),
        _own("priority", "int", "Priority, 0 to 2"),
        _own("execution_status", "char", "Planned, Scheduled, Unscheduled, Performed or Aborted; here Performed"),
        _own("tracking_type", "char", "Sidereal, Solar-system-object-tracking or Fixed-az-el-transit"),
    ),
    description="Observations in the data lake as ObsLocTAP 1.0 lists them, one row for each",
    utype=UTYPE,
    table_type="view",
)
