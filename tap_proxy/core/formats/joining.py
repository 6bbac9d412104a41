"""Rows of text made from columns: Arrow joins the cells, so that no Python code runs per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.votable.compute import emptied, pc, relisted


def join_rows(cells: Sequence[pa.Array[Any]], between: str, after: str) -> bytes:
    """Return the rows as UTF-8: cells with `between` between them and `after` after each row; null is empty.

    Parameters
    ----------
    cells
        One string column per column of the table, all of one length.
    between, after
        The text between two cells and at the end of a row.
    """
    if len(cells[0]) == 0:
        return b""
    filled = [emptied(cell) for cell in cells]
    rows = pc.binary_join_element_wise(*filled, between) if len(filled) > 1 else filled[0]
    joined = pc.binary_join(relisted(np.array([len(rows)]), rows), after)
    return b"".join((joined[0].as_buffer(), after.encode()))
