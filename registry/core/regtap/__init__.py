"""The relational registry: VOResource records as rows of tables (RegTAP 1.2).

`rows_of` makes the rows of one record; each module makes those of some tables. Records that were harvested keep to no
schema, so nothing here raises for an odd one: what cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lxml import etree

from registry.core.regtap.capabilities import capability_rows
from registry.core.regtap.coverage import coverage_rows
from registry.core.regtap.details import detail_rows
from registry.core.regtap.resource import resource_rows
from registry.core.regtap.tableset import tableset_rows
from registry.core.regtap.values import Row

__all__ = ["MAPPING", "Row", "rows_of"]

MAPPING = 1
"""The number of the way in which records become rows; another number makes stores fill their tables anew."""

_GROUPS: tuple[Callable[[etree._Element], Iterable[tuple[str, Row]]], ...] = (
    resource_rows,
    capability_rows,
    tableset_rows,
    detail_rows,
    coverage_rows,
)


def rows_of(identifier: str, record: etree._Element) -> Mapping[str, list[Row]]:
    """Return the rows of a ``ri:Resource``, by table; there are none of a record that is not active (RegTAP 1.2 s8.1).

    Parameters
    ----------
    identifier
        The IVOA identifier, which becomes ``ivoid`` in lower case.
    record
        The record, which is not changed.
    """
    if record.get("status", "active") != "active":
        return {}
    ivoid = identifier.lower()
    rows: dict[str, list[Row]] = {}
    for group in _GROUPS:
        for table, row in group(record):
            rows.setdefault(table, []).append({"ivoid": ivoid, **row})
    return rows
