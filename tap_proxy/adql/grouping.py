"""Whether every column of a grouped query has one value per group (SQL-92 s7.9)."""

from __future__ import annotations

from collections.abc import Collection

from tap_proxy.adql.ast import Span
from tap_proxy.adql.bound import Bound, ColumnValue, is_aggregate, parts
from tap_proxy.adql.errors import AdqlSemanticError


def check_grouped(value: Bound, keys: Collection[Bound], local: Collection[str], span: Span) -> None:
    """Check a value that is calculated once per group.

    Parameters
    ----------
    keys
        The terms of GROUP BY.
    local
        Aliases of the query's own tables; columns of a query around it are constants here.

    Raises
    ------
    AdqlSemanticError
        A column is neither grouped by nor within a set function.
    """
    if value in keys or is_aggregate(value):
        return
    if isinstance(value, ColumnValue) and value.source in local:
        problem = f"the column {value.name} must stand in GROUP BY or within a set function such as MIN"
        raise AdqlSemanticError(problem, span)
    for part in parts(value):
        check_grouped(part, keys, local, span)
