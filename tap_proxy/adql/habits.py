"""Recognises what other dialects of SQL have and ADQL has not, and says what to write instead."""

from __future__ import annotations

from tap_proxy.adql.stop import Stop
from tap_proxy.adql.words import RESERVED

_NO_TIME = "ADQL knows no current time: write it as CAST('2020-01-01T00:00:00' AS TIMESTAMP)"
_NO_TRUTH = "ADQL has no truth values: compare with 1 or 0, or with the column's own values"
_NO_EXPRESSIONS = "there are no regular expressions in ADQL: use LIKE or ILIKE"

_WORDS = {
    "LIMIT": "LIMIT is not ADQL: write SELECT TOP n ...",
    "CROSS": "CROSS JOIN is not ADQL: put a comma between the tables",
    "CASE": "CASE is not ADQL; COALESCE(a, b) gives the first value that is not NULL",
    "OVER": "window functions are not ADQL",
    "ESCAPE": "LIKE takes no ESCAPE in ADQL",
    "FETCH": "FETCH is not ADQL: write SELECT TOP n ...",
    "NULLS": "where NULL stands in the order cannot be chosen in ADQL",
    "CURRENT_TIMESTAMP": _NO_TIME,
    "CURRENT_DATE": _NO_TIME,
    "TRUE": _NO_TRUTH,
    "FALSE": _NO_TRUTH,
    "MINUS": "the operator is called EXCEPT in ADQL",
    "LATERAL": "LATERAL is not ADQL",
    "UNNEST": "UNNEST is not ADQL",
    "RECURSIVE": "WITH RECURSIVE is not ADQL",
    "REGEXP": _NO_EXPRESSIONS,
    "RLIKE": _NO_EXPRESSIONS,
    "SIMILAR": _NO_EXPRESSIONS,
    "WITHIN": "write 1 = CONTAINS(POINT(...), CIRCLE(...))",
    "COLLATE": "COLLATE is not ADQL",
    "INTO": "INTO is not ADQL, which only reads",
}

_WRITING = """
INSERT UPDATE DELETE DROP CREATE ALTER GRANT REVOKE COMMIT ROLLBACK EXECUTE SET DECLARE TRUNCATE EXEC MERGE COPY
"""
_ASKING = "EXPLAIN SHOW DESCRIBE DESC TABLE VALUES USE PRAGMA ANALYZE"
_STATEMENTS = frozenset(_WRITING.split())
_OTHERS = frozenset(_ASKING.split())
_SHAPES = frozenset({"CIRCLE", "BOX", "POLYGON", "REGION"})
_SWAPPED = {("=", ">"): ">=", ("=", "<"): "<=", (">", "<"): "<>"}


def habit(stop: Stop) -> str | None:
    """Recognise words."""
    word, before = stop.word(), stop.word(-1)
    if stop.index == 0 and word in _STATEMENTS:
        return f"{word} is not ADQL, which only reads: a query begins with SELECT or WITH"
    if stop.index == 0 and word in _OTHERS:
        return f"{word} is not ADQL: a query begins with SELECT or WITH"
    for candidate in (word, before):
        if candidate in _WORDS and (candidate in RESERVED or candidate == word or stop.is_name(-1)):
            return _WORDS[candidate]
    if word in {"DATE", "TIME", "TIMESTAMP", "INTERVAL"} and stop.type(1) == "STRING":
        return f"{word} '...' is not ADQL: points in time are written as CAST('...' AS TIMESTAMP)"
    if word in {"ANY", "SOME", "ALL"} and stop.word(1) == "(":
        return f"{word} before a subquery is not ADQL: use IN or EXISTS"
    if word == "SELECT" and "STRING" in stop.expected and before != "SELECT":
        return "a subquery is no value in ADQL: use IN, EXISTS, or a subquery in FROM"
    if before == ";":
        return "one query at a time: nothing may follow the semicolon"
    return _idiom(word, before, stop)


def _idiom(word: str, before: str, stop: Stop) -> str | None:
    """Recognise words that belong together."""
    match before, word:
        case "DISTINCT", "ON":
            return "DISTINCT ON is not ADQL: DISTINCT heeds all columns"
        case "UNION" | "EXCEPT" | "INTERSECT", "DISTINCT":
            return f"{before} alone leaves out what is there twice: no DISTINCT follows it"
        case "SELECT", "FIRST":
            return "write SELECT TOP n ..."
        case "IN", _ if word in _SHAPES:
            return f"write 1 = CONTAINS(POINT(...), {word}(...))"
        case _, "MOD" | "DIV" if "BETWEEN" in stop.expected:
            return "there is no such operator: write MOD(a, b), and a / b, which of whole numbers is a whole one"
        case _, "ROW" | "ROWS" if stop.word(-2) == "OFFSET":
            return "OFFSET takes a number and nothing behind it"
        case _, "OUTER":
            return "OUTER stands behind LEFT, RIGHT or FULL"
    return None


def sign(stop: Stop) -> str | None:
    """Recognise signs that other languages have."""
    word, before = stop.word(), stop.word(-1)
    if "/*" in {before + word, word + stop.word(1)}:
        return "a comment begins with -- and goes to the end of its line; /* */ is not ADQL"
    if word == "=" and before == "=":
        return "ADQL compares with a single ="
    if (before, word) in _SWAPPED:
        return f"write {_SWAPPED[before, word]}"
    if word == "*" and before == "*":
        return "there is no ** operator: write POWER(a, b)"
    if stop.type() == stop.type(-1) == "STRING":
        return "strings are joined by ||"
    if word == "," and stop.is_number(-1) and stop.is_number(1):
        if stop.word(-2) == "BETWEEN":
            return "AND stands between the bounds: BETWEEN a AND b"
        return "a comma does not belong here; if it is a decimal comma, write a point"
    if (before == "*" and word == "," and stop.expected == {"FROM"}) or (before == "," and word == "*"):
        return "* stands alone: write t.*, which may stand beside others"
    if word in {"/", "-", "+", "*"} and (stop.word(-2) in {"FROM", "JOIN"} or _is_alias(stop)):
        return 'a name with other signs than letters, digits and _ is written in double quotes ("I/239/hip_main")'
    return None


def _is_alias(stop: Stop) -> bool:
    """Tell whether the name of a column of the result ends before the place."""
    return stop.is_name(-1) and stop.word(-2) == "AS"
