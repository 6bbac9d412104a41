from __future__ import annotations

import io

from hypothesis import given, settings

from penstock.votable.document import Serialization
from penstock.votable.reader import read
from tests.penstock.votable import strategies
from tests.penstock.votable.builders import rows_of, written


@settings(deadline=None)
@given(strategies.tables())
def test_binary2_comes_back_as_it_was_written(table):
    fields, rows = table
    document = written(Serialization.BINARY2, fields, rows)
    assert read(io.BytesIO(document)).fields == fields
    assert strategies.exact([list(row) for row in rows_of(document)]) == strategies.exact(rows)


@settings(deadline=None)
@given(strategies.tables())
def test_tabledata_comes_back_with_null_for_what_is_empty(table):
    fields, rows = table
    document = written(Serialization.TABLEDATA, fields, rows)
    expected = [[None if cell in ("", []) else cell for cell in row] for row in rows]
    assert read(io.BytesIO(document)).fields == fields
    assert strategies.exact([list(row) for row in rows_of(document)]) == strategies.exact(expected)
