"""What the fuzzers try, a little of it in every run."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.queries import grammars, mutated
from tests.fuzz.seeds import queries, tables
from tests.fuzz.targets import query, votable

SEEDED = settings(max_examples=150, deadline=None)
CORPUS = [text.decode() for text in queries()]
TABLES = tables()
SEEDS = st.integers(0, 2**32)


@SEEDED
@given(SEEDS, st.booleans(), st.sampled_from([20, 60, 200]))
def test_any_query_of_the_grammar_is_translated_or_refused(seed: int, fitting: bool, size: int) -> None:
    query(grammars()[fitting].query(Random(seed), size))


@SEEDED
@given(SEEDS, st.sampled_from(CORPUS))
def test_any_query_that_is_nearly_right_is_translated_or_refused(seed: int, text: str) -> None:
    query(mutated(text, Random(seed)))


@SEEDED
@given(st.binary(max_size=300))
def test_any_bytes_are_read_as_a_table_or_refused(data: bytes) -> None:
    votable(data)
    votable(b"<VOTABLE>" + data + b"</VOTABLE>")


@settings(max_examples=300, deadline=None)
@given(SEEDS, st.sampled_from(TABLES))
def test_any_table_that_is_nearly_right_is_read_or_refused(seed: int, document: bytes) -> None:
    random = Random(seed)
    changed = bytearray(document)
    for _ in range(random.randint(1, 5)):
        place = random.randrange(len(changed))
        match random.randrange(4):
            case 0:
                changed[place] = random.randrange(256)
            case 1:
                del changed[place : place + random.randrange(40)]
            case 2:
                changed[place:place] = changed[place : place + random.randrange(40)]
            case _:
                other = random.choice(TABLES)
                changed[place : place + 20] = other[place : place + random.randrange(40)]
    votable(bytes(changed))


FOUND = (
    # HAVING without a group and without a set function
    "SELECT DISTINCT TOP 3 'x' FROM obscore HAVING NULL NOT BETWEEN NULL AND NULL ORDER BY NULL",
    # combined rows that are ordered by a column of one of the tables
    "SELECT id FROM sources s UNION SELECT id FROM centres ORDER BY s.id",
)


@pytest.mark.parametrize("text", FOUND)
def test_what_was_found_stays_mended(text: str) -> None:
    query(text)
