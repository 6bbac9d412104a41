"""JSON, for programs without a VOTable reader. There is no standard for it; this is the shape::

    {"infos": {"QUERY": "SELECT ..."},
     "fields": [{"name": "s_ra", "datatype": "double", "unit": "deg", "ucd": "pos.eq.ra"}, ...],
     "rows": [[10.68, null, "M31"], ...],
     "status": "OK"}

`fields` has the attributes of VOTable FIELDs, absent where unknown. A row has one value per field, in order: null,
true or false, a number, a string, or an array of these. NaN and the infinities, which JSON lacks, are null.
`status` is ``OK``, ``OVERFLOW`` (rows were left out because of a limit) or ``ERROR``, then with a `message`;
a document without `status` was cut short.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar

import orjson
import pyarrow as pa

from penstock.votable.conform import conform
from penstock.votable.model import Field
from tap_proxy.core.formats.model import Outcome, ResultHead

_FIELD_MEMBERS = tuple(name for name in Field.__dataclass_fields__ if name != "id")


class JsonWriter:
    """Writes the shape that this module describes."""

    tells_failure: ClassVar[bool] = True

    def __init__(self, head: ResultHead) -> None:
        self._head = head
        self._first = True

    def begin(self) -> bytes:
        """Return the members before the rows, and the opening of those."""
        fields = [_describe(field) for field in self._head.fields]
        head = orjson.dumps({"infos": dict(self._head.infos), "fields": fields})
        return head[:-1] + b',"rows":['

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return the rows of a batch, with a comma before them where rows precede."""
        if batch.num_rows == 0:
            return b""
        columns = [conform(array, field) for array, field in zip(batch.columns, self._head.fields, strict=True)]
        rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
        comma = b"" if self._first else b",\n"
        self._first = False
        return comma + orjson.dumps(rows)[1:-1]

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return the closing of the rows and the status."""
        tail = {"status": outcome.status.value}
        if outcome.message is not None:
            tail["message"] = outcome.message
        return (b"]," + orjson.dumps(tail)[1:] + b"\n",)


def _describe(field: Field) -> dict[str, str]:
    members = asdict(field)
    return {name: members[name] for name in _FIELD_MEMBERS if members[name] is not None}
