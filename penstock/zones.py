"""Zones of declination: an index on them and on the right ascension finds the rows round a position.

An index that begins with the declination leaves a whole band of the sky to be read, since a B-tree goes by a range of
its first column only. A zone is the number of a band of half a degree, so that for each zone of a cone the index goes
to its range of right ascensions. It is computed, not stored: the index is on the expression, which a query must repeat
as it is written here.
"""

from __future__ import annotations

import math
from typing import Literal

PER_DEGREE = 2
_LAST = 180 * PER_DEGREE


def zone_sql(dialect: Literal["sqlite", "postgresql"], column: str) -> str:
    """Return the zone of a declination in degrees: the very expression that the index is on."""
    counted = f"({column} + 90) * {PER_DEGREE}"
    # Not a whole number on PostgreSQL, where a declination that is NaN could not be turned into one.
    return f"CAST({counted} AS INTEGER)" if dialect == "sqlite" else f"floor({counted})"


def zones_between(south: float, north: float) -> range:
    """Return the zones of a band of declinations in degrees."""
    first, last = (math.floor((dec + 90) * PER_DEGREE) for dec in (south, north))
    return range(max(first, 0), min(last, _LAST) + 1)


def index_statement(dialect: Literal["sqlite", "postgresql"], index: str, table: str, ra: str, dec: str) -> str:
    """Return the statement that makes the index; all names are quoted where they must be.

    The declination follows, so that rows beside a circle are left out before they are read.
    """
    return f"CREATE INDEX {index} ON {table} (({zone_sql(dialect, dec)}), {ra}, {dec})"
