from __future__ import annotations

import sqlite3

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.words import MAX_WORD, create_statements, fts_query, fts_table, is_indexed, words_of, words_sql

TEXTS = [
    "Spiral-arms, (all)",
    "ÜBER über",
    "M31's x²",
    "a" * MAX_WORD,
    "b" * (MAX_WORD + 1),
    "",
    "--",
    "naïve 5e-7",
    "天文学",
]


def index() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE demo__texts (id INTEGER PRIMARY KEY, title TEXT, body TEXT)")
    for statement in create_statements("sqlite", "demo", "texts", ("title", "body")):
        connection.execute(statement)
    return connection


def found(connection: sqlite3.Connection, column: str, text: str) -> list[int]:
    table = fts_table("demo.texts")
    query = f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rowid"
    return [rowid for (rowid,) in connection.execute(query, (fts_query(column, words_of(text)),))]


def test_words_are_folded_and_cut_at_what_is_no_letter_or_digit() -> None:
    assert words_of("Spiral-arms, M31's x²") == {"spiral", "arms", "m31", "s", "x²"}


def test_rows_are_found_by_all_words_of_one_column() -> None:
    connection = index()
    rows = [(1, "Spiral arms", "of galaxies"), (2, "galaxies", "spiral"), (3, None, "SPIRAL GALAXIES")]
    connection.executemany("INSERT INTO demo__texts VALUES (?, ?, ?)", rows)
    assert found(connection, "title", "spiral") == [1]
    assert found(connection, "body", "galaxies spiral") == [3]
    assert found(connection, "body", "galax") == []


def test_the_index_follows_its_table() -> None:
    connection = index()
    connection.execute("INSERT INTO demo__texts VALUES (1, 'old', 'same')")
    connection.execute("UPDATE demo__texts SET title = 'new' WHERE id = 1")
    assert (found(connection, "title", "old"), found(connection, "title", "new")) == ([], [1])
    connection.execute("DELETE FROM demo__texts")
    assert found(connection, "body", "same") == []
    connection.execute("INSERT INTO demo__texts_words (demo__texts_words) VALUES ('integrity-check')")


@settings(max_examples=60)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_sqlite_sees_the_very_words(text: str) -> None:
    connection = index()
    connection.execute("INSERT INTO demo__texts VALUES (1, ?, '')", (text,))
    connection.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(demo__texts_words, 'row')")
    assert {term for (term,) in connection.execute("SELECT term FROM terms")} == words_of(text)
    connection.close()


@pytest.mark.parametrize("word", ['"', 'x" OR body:y', "NEAR(a b)", "*", "a*", "^a", "title : b", "AND", "NOT"])
def test_operators_of_the_index_are_words_like_others(word: str) -> None:
    connection = index()
    connection.execute("INSERT INTO demo__texts VALUES (1, 'a b and not near or body title x y', '')")
    wanted = words_of(word)
    if wanted:
        assert found(connection, "title", word) == [1]


async def test_postgresql_sees_the_very_words(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE SCHEMA demo")
    await connection.execute("CREATE TABLE demo.texts (body text)")
    for statement in create_statements("postgresql", "demo", "texts", ("body",)):
        await connection.execute(statement)
    await connection.executemany("INSERT INTO demo.texts VALUES ($1)", [(text,) for text in [*TEXTS, "天" * 5000]])
    for text in TEXTS:
        seen = await connection.fetchval(f"SELECT {words_sql('$1::text')}", text)
        assert set(seen) - {""} == {word for word in words_of(text) if is_indexed([word])}
    await connection.close()
