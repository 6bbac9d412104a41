"""Full-text indexes: they find the rows that hold a word without reading them all.

A word is a run of ASCII letters and digits and of characters beyond ASCII; ASCII letters count whatever their case. On
SQLite an index is an FTS5 table beside its table, which triggers keep in step: the tokenizer ``ascii`` makes these very
words, and rows are known by an INTEGER PRIMARY KEY called `KEY`, which the table must have. On PostgreSQL it is an
index on an array of the words; it leaves out what is too long for an entry, for which `is_indexed` is false.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

KEY = "id"
MAX_WORD = 200
_WORD = re.compile(r"[A-Za-z0-9\u0080-\U0010ffff]+")
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_BREAKS = r"\u0001-\u002f\u003a-\u0060\u007b-\u007f"
_SHADOWS = ("", "_config", "_data", "_docsize", "_idx")


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(_WORD.findall(text.translate(_FOLD)))


def is_indexed(words: Iterable[str]) -> bool:
    """Tell whether an index can find all of these words."""
    return all(len(word) <= MAX_WORD for word in words)


def fts_table(table: str) -> str:
    """Return the name that the index of a table, ``schema.table``, has on SQLite."""
    return f"{table.replace('.', '__')}_words"


def fts_tables(table: str) -> tuple[str, ...]:
    """Return the names of all tables that SQLite reads when it uses the index of a table, ``schema.table``."""
    return tuple(f"{fts_table(table)}{shadow}" for shadow in _SHADOWS)


def fts_query(column: str, words: Iterable[str]) -> str:
    """Return what the index on SQLite is to MATCH, for rows whose column holds all of some words."""
    wanted = " AND ".join(f'"{word}"' for word in sorted(words))
    return f'"{column}" : ({wanted})'


def words_sql(column: str) -> str:
    """Return the words of a column as an array in PostgreSQL: the very expression that the index is on."""
    folded = f'lower({column} COLLATE "C")'
    return (
        f"regexp_split_to_array(regexp_replace({folded}, '[^{_BREAKS}]{{{MAX_WORD + 1},}}', ' ', 'g'), '[{_BREAKS}]+')"
    )


def create_statements(
    dialect: Literal["sqlite", "postgresql"], schema: str, table: str, columns: Sequence[str]
) -> tuple[str, ...]:
    """Return the statements that make the index of some columns of a table."""
    if dialect == "postgresql":
        return tuple(
            f'CREATE INDEX "{schema}_{table}_{column}_words" ON "{schema}"."{table}" USING gin (({words_sql(column)}))'
            for column in columns
        )
    name, index = f"{schema}__{table}", fts_table(f"{schema}.{table}")
    listed = ", ".join(columns)
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("old", "new"))
    forget = f"INSERT INTO {index} ({index}, rowid, {listed}) VALUES ('delete', old.{KEY}, {old});"  # noqa: S608  # names of ours
    learn = f"INSERT INTO {index} (rowid, {listed}) VALUES (new.{KEY}, {new});"  # noqa: S608
    options = f"content='{name}', content_rowid='{KEY}', tokenize='ascii', detail='column'"
    return (
        f"CREATE VIRTUAL TABLE {index} USING fts5 ({listed}, {options})",
        f"CREATE TRIGGER {index}_insert AFTER INSERT ON {name} BEGIN {learn} END",
        f"CREATE TRIGGER {index}_delete AFTER DELETE ON {name} BEGIN {forget} END",
        f"CREATE TRIGGER {index}_update AFTER UPDATE ON {name} BEGIN {forget} {learn} END",
    )
