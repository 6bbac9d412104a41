"""Says in words what is wrong where the parser stopped, and what to write instead.

The parser knows the token that it could not take and the terminals that it could have taken. Habits of other dialects
are recognised first (habits.py), then calls (calls.py) and clauses (clauses.py); whatever is left is told by what was
expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from lark import Token

from tap_proxy.adql.calls import call
from tap_proxy.adql.clauses import clause
from tap_proxy.adql.habits import habit, sign
from tap_proxy.adql.stop import MAX_SHOWN, Stop
from tap_proxy.adql.words import FOREIGN, LANGUAGE, RESERVED

COMPARISONS = frozenset({"EQ", "NE", "LT", "GT", "LE", "GE"})

_ILLEGAL = {
    "%": "there is no % operator: write MOD(a, b)",
    "!": "write <> or != for 'not equal', NOT before a condition",
    "`": 'names are quoted by " and not by a backtick',
    "[": 'names are quoted by " and there are no arrays: [ has no meaning',
    "]": 'names are quoted by " and there are no arrays: ] has no meaning',
    "’": "strings are quoted by the plain apostrophe '",
    "‘": "strings are quoted by the plain apostrophe '",
    "“": 'names are quoted by the plain double quote "',
    "”": 'names are quoted by the plain double quote "',
    "&": "there are no bitwise operators: use AND between conditions",
    "|": "write || to join strings, OR between conditions",
    "^": "there is no ^ operator: write POWER(a, b)",
    "~": "there are no pattern operators but LIKE and ILIKE",
    ":": "there is no :: and there are no parameters: write CAST(value AS TYPE)",
    "?": "there are no parameters: write the value itself",
    "@": "there are no variables: write the value itself",
    "$": "there are no parameters, and $ is no part of a name unless it is quoted by double quotes",
    "#": "a comment begins with -- and # has no meaning",
    "_": "a name begins with a letter, unless it is quoted by double quotes",
    "\\": "a backslash has no meaning: write '' for an apostrophe within a string",
    "'": "this string has no end",
    '"': "this quoted name is empty or has no end",
    "\0": "the query holds a NUL character",
    "\u00a0": "this is a non-breaking space: write a plain one",
}

_CAST_TYPES = (
    "CAST makes CHAR, CHAR(n), VARCHAR, VARCHAR(n), SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, TIMESTAMP, "
    "POINT, CIRCLE or POLYGON"
)
_SPELLING = {
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "DOT": "a point",
    "STAR": "*",
    "CONCAT": "||",
    "INTEGER": "a whole number without sign",
    "STRING": "a string in single quotes",
    "EXACTTYPE": "a type",
    "$END": "the end of the query",
}
_VALUE = frozenset({"STRING", "INTEGER", "NUMBER", "NAME"})
_OPERATORS = frozenset({"PLUS", "MINUS", "SLASH", "STAR", "CONCAT", "DOT"})
_HIDDEN = frozenset({"SEMICOLON", "DELIMITED", "NUMBER"})


def diagnose(text: str, tokens: Sequence[Token], index: int, expected: frozenset[str]) -> tuple[str, int]:
    """Return what to tell the author of a query that the parser gave up on at ``tokens[index]``, and of which token.

    `index` is ``len(tokens)`` where the query ended too soon.
    """
    stop = Stop(tokens, index, expected)
    if stop.type() == "ILLEGAL":
        return _illegal(text, tokens[index]), index
    if _lacks_parentheses(stop):
        return _as_name(stop, -1), index - 1
    for look in (habit, call, sign, clause, _by_place, _by_neighbours, _misspelt, _reserved):
        advice = look(stop)
        if advice is not None:
            return advice, index
    return f"{stop.shown()} was not expected here{_wanted(expected)}", index


def _illegal(text: str, illegal: Token) -> str:
    start = illegal.start_pos or 0
    if text.startswith("/*", start - 1) or text.startswith("/*", start):
        return "a comment begins with -- and goes to the end of its line; /* */ is not ADQL"
    if illegal.isdigit() or illegal == ".":
        if text[start : start + 2].lower() == "0x":
            return "there are no hexadecimal numbers in ADQL"
        return (
            'this number runs into what follows: a name that begins with a digit is written in double quotes ("2mass")'
        )
    if illegal == ":" and text[start - 1 : start].isdigit():
        return "positions and times are written as decimal numbers: 10.5 and not 10:30:00"
    if illegal in _ILLEGAL:
        return _ILLEGAL[str(illegal)]
    if "\ud800" <= illegal <= "\udfff":
        return "the query holds half a character (a lone surrogate)"
    return f"the character {str(illegal)!r} has no meaning outside of quotes"


def _lacks_parentheses(stop: Stop) -> bool:
    """Tell whether the word before was meant as a name, and is that of a function."""
    reserved = stop.word(-1) in RESERVED and stop.type(-1) not in _BEFORE_PARENTHESIS
    return reserved and stop.expected == {"LPAR"} and stop.type() != "STRING"


def _by_neighbours(stop: Stop) -> str | None:
    """Recognise faults by what stands side by side."""
    word, before, expected = stop.word(), stop.word(-1), stop.expected
    if stop.type() == "STRING" and expected <= _NAMING:
        return 'names are quoted by " and not by an apostrophe'
    if (before, word) == ("NOT", "NULL"):
        return "write IS NOT NULL"
    if word == "NULL" and expected >= _VALUE:
        return "NULL is a value by itself and takes no part in calculations, functions and patterns"
    if word in _CLAUSES and expected >= _VALUE and before not in {"SELECT", ","}:
        return f"a value is missing between {before} and {word}"
    if word in _COMPARISON_TEXTS and {"AND", "OR"} <= expected and not COMPARISONS & expected:
        if stop.word(-2) == "||":
            return "|| joins strings: write OR between conditions"
        return "a comparison has two sides: write a < b AND b < c, or b BETWEEN a AND c"
    if word == "," and "UNION" in expected:
        return "conditions are joined by AND and OR, not by a comma"
    if {"AND", "OR"} <= expected and stop.type() in _BEGINNING:
        return f"AND or OR is missing before {stop.shown()}"
    if before == "NOT" and expected == _NEGATED:
        return "NOT stands before BETWEEN, IN and LIKE, or before a whole condition; 'not equal' is written <>"
    return None


_NAMING = frozenset({"NAME", "DELIMITED", "LPAR"})
_BEGINNING = frozenset({"NAME", "DELIMITED", "INTEGER", "NUMBER", "NOT", "EXISTS", "RELATION", "DISTANCE"})
_NEGATED = frozenset({"BETWEEN", "IN", "LIKE", "ILIKE"})
_CLAUSES = frozenset({"FROM", "WHERE", "GROUP", "HAVING", "ORDER", "AND", "OR", "AS", "OFFSET", "UNION", "EXCEPT"})
_BEFORE_PARENTHESIS = frozenset({"AS", "IN", "EXISTS", "USING", "CAST"})


def _by_place(stop: Stop) -> str | None:
    """Recognise faults by what was expected."""
    word, before, expected = stop.word(), stop.word(-1), stop.expected
    checks: Sequence[tuple[Callable[[], bool], str]] = (
        (lambda: "EXACTTYPE" in expected, f"{stop.shown()} is no type of ADQL: {_CAST_TYPES}"),
        (lambda: expected == {"PRECISION"}, "the type is called DOUBLE PRECISION"),
        (lambda: word == "NOT" and before == "NOT", "NOT stands once: put what it negates in parentheses"),
        (lambda: word == "IS", "IS NULL takes a column, not an expression"),
        (lambda: "NULL" in expected and "NAME" not in expected, "after IS comes NULL or NOT NULL"),
        (lambda: _is_alone(stop) and word not in _OPERATOR_TEXTS, _alone(stop)),
        (
            lambda: word == "FROM" and (before in {",", "SELECT"} or stop.word(-2) == "TOP"),
            f"a column is missing between {before} and FROM",
        ),
        (
            lambda: (word in _COMPARISON_TEXTS or word in _PREDICATE_WORDS) and "FROM" in expected,
            "a condition is no value in ADQL: move it to WHERE",
        ),
        (
            lambda: word in {"DISTINCT", "ALL"} and before.isdigit(),
            f"{word} stands before TOP: SELECT {word} TOP n ...",
        ),
        (lambda: word == "WITH", "WITH stands at the start of the whole query only"),
        (
            lambda: "FROM" in expected and word in {"", "WHERE", ")", ";", "UNION", "GROUP", "ORDER"},
            "a query needs FROM and a table",
        ),
        (
            lambda: before == ")" and expected <= {"AS", "NAME", "DELIMITED"},
            "a subquery in FROM needs a name: (...) AS t",
        ),
        (
            lambda: word in {"+", "-", "*", "/", "||"},
            f"{word} does not go with what stands before it: strings join by ||, numbers calculate with + - * /; "
            "put a part in parentheses to make it a value of its own",
        ),
        (lambda: word == ")" and not stop.is_open(), "there is a ) too many"),
        (lambda: word == "" and stop.is_open(), "the query ends before its last parenthesis is closed"),
    )
    return next((advice for holds, advice in checks if holds()), None)


_OPERATOR_TEXTS = frozenset({"+", "-", "*", "/", "||", "."})
_COMPARISON_TEXTS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">="})
_PREDICATE_WORDS = frozenset({"LIKE", "ILIKE", "BETWEEN", "IN", "AND", "OR"})


_SHAPES = frozenset({"POINT", "CIRCLE", "BOX", "POLYGON", "REGION", "CENTROID"})


def _is_alone(stop: Stop) -> bool:
    """Tell whether a condition ended behind its first value."""
    return "BETWEEN" in stop.expected and bool(COMPARISONS & stop.expected)


def _alone(stop: Stop) -> str:
    function, (column, _) = stop.called_before(), stop.chain_before()
    problem = f"a condition is missing its comparison before {stop.shown()}: a value alone is none"
    if function:
        return f"{problem} (write 1 = {'CONTAINS' if function.upper() in _SHAPES else function}(...))"
    return f"{problem} (write {column} = 1 if it is true or false)" if column else problem


def _misspelt(stop: Stop) -> str | None:
    """Recognise a keyword that was taken for a name, here or just before."""
    for off in (0, -1):
        if stop.is_name(off) and 2 < len(stop.word(off)) <= MAX_SHOWN:
            near = get_close_matches(stop.word(off), stop.expected & RESERVED, n=1, cutoff=0.75)
            if near:
                return f"{stop.shown(off)} is no keyword; did you mean {near[0]}?"
    return None


def _reserved(stop: Stop) -> str | None:
    word = stop.word()
    if word not in RESERVED or (stop.type() != "RESERVED" and not {"NAME", "DELIMITED"} & stop.expected):
        return None
    if stop.word(1) != "(":
        return _as_name(stop, 0)
    return f"{_described(word)}; {FOREIGN.get(word, f'{word} is a reserved word')}"


def _as_name(stop: Stop, off: int) -> str:
    return f'{stop.word(off)} is a reserved word: to use it as a name, write "{stop.shown(off)}" in double quotes'


def _described(word: str) -> str:
    if word in LANGUAGE:
        return f"the function {word} cannot stand here"
    return f"there is no function {word} in ADQL"


def _wanted(expected: frozenset[str]) -> str:
    """Name what could have stood there."""
    if expected >= _VALUE:
        return "; a value was: a column, a number, a string, a function"
    words = expected - _HIDDEN
    if words - _OPERATORS - COMPARISONS:
        words -= _OPERATORS
    if words >= COMPARISONS:
        words = (words - COMPARISONS) | {"a comparison"}
    if "NAME" in words:
        words = (words - {"NAME"}) | {"a name"}
    names = sorted({_SPELLING.get(word, word) for word in words})
    if not names or len(names) > MAX_NAMED:
        return ""
    return "; expected: " + ", ".join(names)


MAX_NAMED = 12
