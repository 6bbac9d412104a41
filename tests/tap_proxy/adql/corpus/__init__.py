"""Queries with verdicts, written from the text and the grammar of ADQL 2.1 and not from ours.

Each `.txt` beside this file holds one query a line behind its verdict; lexis.txt explains the marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

CHAPTERS = ("lexis", "queries", "conditions", "values", "geometry", "wholes", "archives")
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\f": "\f", "\\\\": "\\"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A query and whether it is right: ``+``, ``~`` (ADQL that does not fit the catalogue) or ``-`` (no ADQL)."""

    verdict: str
    query: str
    reason: str
    place: str


def judged(chapter: str) -> list[Judged]:
    """Return the queries of a chapter."""
    found, clause = [], ""
    text = files(__package__).joinpath(f"{chapter}.txt").read_text("utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("["):
            clause = line.strip("[]")
        elif line[:1] in {"+", "~", "-"}:
            written, _, reason = line[2:].partition(" ## ")
            query = re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], written)
            place = f"{chapter}:{number}"
            found.append(Judged(verdict=line[0], query=query, reason=reason or clause, place=place))
    return found


def all_judged() -> list[Judged]:
    """Return the queries of all chapters."""
    return [query for chapter in CHAPTERS for query in judged(chapter)]
