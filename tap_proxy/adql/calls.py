"""Says how a function, or another word before a parenthesis, is used where the parser gave up within or beside it."""

from __future__ import annotations

from tap_proxy.adql.stop import Stop
from tap_proxy.adql.words import ONE_ARGUMENT, TWO_ARGUMENTS

_WHOLE = "n a whole number"
_FORMS = {
    **{name: f"{name}(x)" for name in ONE_ARGUMENT | {"LOWER", "UPPER", "AVG", "MIN", "MAX", "SUM"}},
    **{name: f"{name}(x, y)" for name in TWO_ARGUMENTS},
    "ROUND": f"ROUND(x) or ROUND(x, n), {_WHOLE}",
    "TRUNCATE": f"TRUNCATE(x) or TRUNCATE(x, n), {_WHOLE}",
    "PI": "PI()",
    "RAND": f"RAND() or RAND(n), {_WHOLE}",
    "COUNT": "COUNT(*) or COUNT(x)",
    "CAST": "CAST(x AS type)",
    "CHAR": f"CHAR or CHAR(n), {_WHOLE}",
    "VARCHAR": f"VARCHAR or VARCHAR(n), {_WHOLE}",
    "IN_UNIT": "IN_UNIT(x, 'unit')",
    "AREA": "AREA(geometry)",
    "CENTROID": "CENTROID(geometry)",
    "COORDSYS": "COORDSYS(geometry)",
    "COORD1": "COORD1(point)",
    "COORD2": "COORD2(point)",
    "REGION": "REGION('...')",
    "CONTAINS": "CONTAINS(POINT(...), CIRCLE(...))",
    "INTERSECTS": "INTERSECTS(CIRCLE(...), POLYGON(...))",
}
_CLOSING = frozenset({"COMMA", "RPAR", "INTEGER", "STRING", "PLUS", "MINUS", "SLASH", "STAR", "CONCAT", "DOT", "AS"})
_MISPLACED = frozenset({"COMMA", "RPAR", "NAME", "DELIMITED", "INTEGER", "NUMBER", "STRING", "STAR", "DISTINCT"})


def call(stop: Stop) -> str | None:
    """Recognise what is wrong with a call."""
    if stop.word() == "(":
        return _parenthesis(stop)
    caller = stop.caller()
    if caller in _FORMS and stop.type() in _MISPLACED and (stop.expected <= _CLOSING or stop.word(-1) == "("):
        return f"{caller} is used as {_FORMS[caller]}"
    return _list(stop, caller)


def _parenthesis(stop: Stop) -> str | None:
    """Recognise a call where none can stand."""
    chain, off = stop.chain_before()
    if not off:
        return None
    if stop.expected == {"AS"}:
        return "a name in WITH has no list of columns: name them by AS within its query"
    if stop.word(off - 1) in {"FROM", "JOIN"} or (stop.word(off - 1) == "," and "JOIN" in stop.expected):
        return "a function gives no table in ADQL"
    if "." in stop.tokens[stop.index + off : stop.index]:
        return f"a function has no schema before its name: write {stop.shown(-1)}(...)"
    return "the name of a function is not quoted" if chain.startswith('"') else None


def _list(stop: Stop, caller: str) -> str | None:
    """Recognise what is wrong with a list in parentheses."""
    word, before = stop.word(), stop.word(-1)
    if before in {"IN", "USING"} and stop.expected == {"LPAR"}:
        return f"{before} takes a list in parentheses"
    if caller == "IN" and before == "(" and word == ")":
        return "the list after IN has one value or more"
    if caller == "USING" and word == ".":
        return "USING takes the names of columns without their tables"
    if word == "," and "BETWEEN" in stop.expected and stop.is_open():
        return "there are no rows of values in ADQL: compare one value with another"
    return None
