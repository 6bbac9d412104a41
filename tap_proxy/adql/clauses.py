"""Recognises clauses in the wrong order, and what is missing between them."""

from __future__ import annotations

from tap_proxy.adql.stop import Stop

_ORDER = "SELECT, FROM, WHERE, GROUP BY, HAVING, ORDER BY, OFFSET"
_LATER = {"WHERE": "WHERE", "GROUP": "GROUP BY", "HAVING": "HAVING", "ORDER": "ORDER BY"}
_SETS = frozenset({"UNION", "EXCEPT", "INTERSECT"})


def clause(stop: Stop) -> str | None:
    """Recognise a clause that stands where it may not."""
    word, before = stop.word(), stop.word(-1)
    ended = bool({"$END", "RPAR"} & stop.expected) and "FROM" not in stop.expected
    if word == "TOP" and "INTEGER" not in stop.expected:
        return "TOP stands behind SELECT: SELECT TOP n ..."
    if word == "SELECT" and ended:
        return "a second query begins here: put UNION between them, or one of them in parentheses"
    if word == "ORDER" and ended:
        return "ORDER BY stands before OFFSET"
    if word in _LATER and ended:
        return f"{_LATER[word]} does not belong here: the order is {_ORDER}, and each stands once"
    if word in _SETS and ended:
        return f"ORDER BY and OFFSET stand behind the last query; put this one in parentheses to order it before {word}"
    return _with(stop, word, before)


def _with(stop: Stop, word: str, before: str) -> str | None:
    """Recognise what is wrong with WITH."""
    if word == "SELECT" and stop.expected == {"LPAR"} and before == "AS":
        return "a query of WITH stands in parentheses: WITH name AS (SELECT ...)"
    if not word and before == ")" and {"SELECT", "COMMA"} <= stop.expected:
        return "WITH needs a query that uses it: WITH name AS (...) SELECT ..."
    if word == "SELECT" and before == "," and "NAME" in stop.expected and "LPAR" not in stop.expected:
        return "the comma before SELECT is too many"
    return None
