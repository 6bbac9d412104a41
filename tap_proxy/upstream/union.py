"""``ivoa.obscore`` as the union of our table and of rows that were fetched from other archives, in SQL.

An observation that we have ourselves is not shown a second time. Our rows stay where they are, so that conditions on
the union still find them by their indexes.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.db import Dialect
from tap_proxy.adql.dialect import joined_name, quoted, schema_table
from tap_proxy.core.federation.batches import DID
from tap_proxy.core.federation.catalogue import ARCHIVE, OBSCORE
from tap_proxy.ports import UploadedTable, elsewhere, marked


def with_union(sql: str, engine: Dialect, here: str, columns: Sequence[str], fetched: UploadedTable | None) -> str:
    """Return SQL with the union in the place of its mark.

    Parameters
    ----------
    here
        What the column ``archive`` says of our own rows.
    columns
        The columns of the union, without that one.
    fetched
        Rows of other archives, None if none were asked.
    """
    mark = marked(elsewhere(*OBSCORE))
    if mark not in sql:
        return sql
    ours = (joined_name if engine == "sqlite" else schema_table)(*OBSCORE)
    listed = ", ".join(map(quoted, columns))
    name = "'" + here.replace("'", "''") + "'"
    rows = f"SELECT {listed}, {name} AS {quoted(ARCHIVE.name)} FROM {ours}"  # noqa: S608  # names that we publish
    if fetched is not None:
        known = f"SELECT 1 FROM {ours} AS o WHERE o.{quoted(DID)} = f.{quoted(DID)}"  # noqa: S608
        rows += (
            f" UNION ALL SELECT {listed}, {quoted(ARCHIVE.name)} FROM {marked(fetched.name)} AS f"  # noqa: S608
            f" WHERE NOT EXISTS ({known})"
        )
    return sql.replace(mark, f"({rows})")
