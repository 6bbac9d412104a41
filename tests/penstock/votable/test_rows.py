from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from penstock.dali.errors import InternalError
from penstock.votable.datatypes import fields_schema
from penstock.votable.rows import batch_from_rows
from tests.penstock.votable.builders import a_field, text_field

FIELDS = (a_field("int", name="a"), text_field("b"))


def test_rows_become_columns_of_the_fields_types():
    batch = batch_from_rows(FIELDS, iter([(1, "x"), [None, None]]))
    assert batch.schema == fields_schema(FIELDS)
    assert batch.to_pylist() == [{"a": 1, "b": "x"}, {"a": None, "b": None}]


def test_no_rows_keep_their_columns():
    assert batch_from_rows(FIELDS, []) == pa.RecordBatch.from_pylist([], schema=fields_schema(FIELDS))


@pytest.mark.parametrize("row", [(1,), (1, "x", 2), ("x", "x"), (2**31, "x"), (1, 2), (1.5, "x"), (1, object())])
def test_row_that_does_not_fit_is_an_error_of_ours(row):
    with pytest.raises(InternalError):
        batch_from_rows(FIELDS, [row])


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05.000"),  # the case without a zone
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T02:04:05.000"),
    ],
)
def test_times_are_written_in_utc(moment, expected):
    assert batch_from_rows((text_field(),), [(moment,)]).column(0).to_pylist() == [expected]
