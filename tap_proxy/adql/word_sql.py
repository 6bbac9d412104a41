"""Writes ``1 = ivo_hasword(column, 'words')`` so that an index of the column's words serves it (`penstock.words`)."""

from __future__ import annotations

from penstock.tables import Column
from penstock.words import is_indexed, words_of
from tap_proxy.adql.bound import Bound, ColumnValue, UserCall, Value
from tap_proxy.adql.geometry_sql import is_truth
from tap_proxy.adql.writer import Writer


def indexed(writer: Writer, left: Bound, right: Bound) -> str | None:
    """Return the condition that one value is 1 and the other finds words, None where no index can serve it."""
    call, truth = (right, left) if isinstance(right, UserCall) else (left, right)
    if not isinstance(call, UserCall) or call.function.name != "ivo_hasword" or is_truth(truth) is not True:
        return None
    match call.arguments:
        case ColumnValue(field=Column(word_index=str()) as column, source=source), Value(value=str(needle)):
            words = words_of(needle)
            if not is_indexed(words):
                return None
            parameter = writer.parameter(writer.dialect.words_text(column, words)) if words else None
            return writer.dialect.has_words(source, column, parameter) if parameter else "1 = 0"
        case _:
            return None
