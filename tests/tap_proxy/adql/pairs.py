"""Every place where two values meet, with values of every two kinds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tests.tap_proxy.adql.catalogues import KINDS

_NAMES = [column.name for column in KINDS.columns]
_OTHERS = [f"b.{name}" for name in _NAMES] + ["NULL", "1", "'1'"]
_MEETINGS = (
    "SELECT a.whole FROM kinds a, kinds b WHERE a.{x} = {y} OR {y} <> a.{x}",
    "SELECT a.whole FROM kinds a, kinds b WHERE a.{x} < {y} OR {y} >= a.{x}",
    "SELECT a.whole FROM kinds a, kinds b WHERE a.{x} BETWEEN {y} AND a.{x}",
    "SELECT a.whole FROM kinds a, kinds b WHERE a.{x} IN ({y}, a.{x}) OR {y} NOT IN (a.{x})",
    "SELECT a.whole FROM kinds a WHERE a.{x} IN (SELECT {y} FROM kinds b)",
    "SELECT b.whole FROM kinds b WHERE {y} NOT IN (SELECT a.{x} FROM kinds a)",
    "SELECT a.{x} AS v FROM kinds a UNION SELECT {y} FROM kinds b",
    "SELECT {y} AS v FROM kinds b EXCEPT ALL SELECT a.{x} FROM kinds a",
    "SELECT a.whole, b.whole FROM kinds a FULL JOIN kinds b ON a.{x} >= {y}",
    "SELECT COALESCE(a.{x}, {y}) AS v, COUNT(*) FROM kinds a, kinds b GROUP BY v",
    "SELECT a.{x} + {y}, {y} / a.{x}, MOD(a.{x}, {y}) FROM kinds a, kinds b",
    "SELECT a.{x} || {y} FROM kinds a, kinds b WHERE a.{x} LIKE {y} OR {y} ILIKE a.{x}",
    "SELECT a.{x} || {y} FROM kinds a, kinds b",
    "SELECT CONTAINS(a.{x}, {y}), INTERSECTS({y}, a.{x}) FROM kinds a, kinds b",
    "SELECT CIRCLE(a.{x}, {y}), DISTANCE(POINT(1, 2), a.{x}) FROM kinds a, kinds b",
    "SELECT ivo_hasword(a.{x}, {y}), ivo_string_agg(a.{x}, ',') FROM kinds a, kinds b GROUP BY {y}, a.{x}",
    "SELECT ivo_interval_overlaps(a.{x}, {y}, {y}, a.{x}) FROM kinds a, kinds b",
)


def meetings() -> Iterator[str]:
    """Return the queries, of which many do not fit their types."""
    for meeting, name, other in product(_MEETINGS, _NAMES, _OTHERS):
        yield meeting.format(x=name, y=other)
