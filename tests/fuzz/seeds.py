"""What fuzzing begins with: queries of the corpus, tables in every serialisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.votable.document import Serialization
from penstock.votable.model import Field
from tests.penstock.votable.builders import written
from tests.tap_proxy.adql.corpus import all_judged

FIELDS = (
    Field(name="n", datatype="int"),
    Field(name="x", datatype="double", unit="deg"),
    Field(name="b", datatype="boolean"),
    Field(name="bits", datatype="bit", arraysize="*"),
    Field(name="s", datatype="char", arraysize="*"),
    Field(name="u", datatype="unicodeChar", arraysize="9*"),
    Field(name="v", datatype="short", arraysize="3"),
    Field(name="t", datatype="char", arraysize="*", xtype="timestamp"),
)
ROWS: tuple[tuple[object, ...], ...] = (
    (1, 1.5, True, [True, False], "a<b", "é", [1, 2, 3], "2020-01-01T00:00:00"),
    (None, None, None, None, None, None, None, None),
    (-7, float("inf"), False, [], "", "", [0, 0, 0], ""),
)


def queries() -> Sequence[bytes]:
    """Return the queries of the corpus, right and wrong."""
    return [case.query.encode() for case in all_judged()]


def tables() -> Sequence[bytes]:
    """Return a table in every serialisation."""
    return [written(serialization, FIELDS, ROWS) for serialization in Serialization]


SEEDS: Mapping[str, Callable[[], Sequence[bytes]]] = {"adql": queries, "votable": tables}
