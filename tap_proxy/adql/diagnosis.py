"""Says in words what is wrong where the parser stopped, and what to write instead.

The parser knows the token that it could not take and the terminals that it could have taken. Habits of other dialects
are recognised first; whatever is left is told by what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from lark import Token

from tap_proxy.adql.words import LANGUAGE, RESERVED

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

_WORDS = {
    "LIMIT": "LIMIT is not ADQL: write SELECT TOP n ...",
    "CROSS": "CROSS JOIN is not ADQL: put a comma between the tables",
    "CASE": "CASE is not ADQL; COALESCE(a, b) gives the first value that is not NULL",
    "OVER": "window functions are not ADQL",
    "ESCAPE": "LIKE takes no ESCAPE in ADQL",
    "FETCH": "FETCH is not ADQL: write SELECT TOP n ...",
    "NULLS": "where NULL stands in the order cannot be chosen in ADQL",
    "CURRENT_TIMESTAMP": "ADQL knows no current time: write it as CAST('2020-01-01T00:00:00' AS TIMESTAMP)",
    "CURRENT_DATE": "ADQL knows no current time: write it as CAST('2020-01-01T00:00:00' AS TIMESTAMP)",
    "TRUE": "ADQL has no truth values: compare with 1 or 0, or with the column's own values",
    "FALSE": "ADQL has no truth values: compare with 1 or 0, or with the column's own values",
    "MINUS": "the operator is called EXCEPT in ADQL",
    "LATERAL": "LATERAL is not ADQL",
    "UNNEST": "UNNEST is not ADQL",
    "RECURSIVE": "WITH RECURSIVE is not ADQL",
    "REGEXP": "there are no regular expressions in ADQL: use LIKE or ILIKE",
    "RLIKE": "there are no regular expressions in ADQL: use LIKE or ILIKE",
}

_WRITING = "INSERT UPDATE DELETE DROP CREATE ALTER GRANT REVOKE COMMIT ROLLBACK EXECUTE SET DECLARE TRUNCATE EXEC"
_STATEMENTS = frozenset(_WRITING.split())
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

Tokens = Sequence[Token]


def diagnose(text: str, tokens: Tokens, index: int, expected: frozenset[str]) -> str:
    """Return what to tell the author of a query that the parser gave up on at ``tokens[index]``.

    `index` is ``len(tokens)`` where the query ended too soon.
    """
    if index < len(tokens) and tokens[index].type == "ILLEGAL":
        return _illegal(text, tokens[index])
    for look in (_habit, _sign, _by_place, _by_neighbours, _misspelt, _reserved):
        advice = look(tokens, index, expected)
        if advice is not None:
            return advice
    return f"{_named(tokens, index)} was not expected here{_wanted(expected)}"


def _illegal(text: str, illegal: Token) -> str:
    start = illegal.start_pos or 0
    if text.startswith("/*", start - 1) or text.startswith("/*", start):
        return "a comment begins with -- and goes to the end of its line; /* */ is not ADQL"
    if illegal.isdigit() or illegal == ".":
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


def _habit(tokens: Tokens, index: int, expected: frozenset[str]) -> str | None:
    """Recognise the ways of other dialects."""
    word, before = _upper(tokens, index), _upper(tokens, index - 1)
    if index == 0 and word in _STATEMENTS:
        return f"{word} is not ADQL, which only reads: a query begins with SELECT or WITH"
    for candidate in (word, before):
        if candidate in _WORDS and (candidate in RESERVED or candidate == word or _is_name(tokens, index - 1)):
            return _WORDS[candidate]
    if (word, before) == ("*", "/") or (word, _upper(tokens, index + 1)) == ("/", "*"):
        return "a comment begins with -- and goes to the end of its line; /* */ is not ADQL"
    if word in {"DATE", "TIME", "TIMESTAMP", "INTERVAL"} and _type(tokens, index + 1) == "STRING":
        return f"{word} '...' is not ADQL: points in time are written as CAST('...' AS TIMESTAMP)"
    if word in {"ANY", "SOME", "ALL"} and _upper(tokens, index + 1) == "(":
        return f"{word} before a subquery is not ADQL: use IN or EXISTS"
    if word == "SELECT" and "STRING" in expected and before != "SELECT":
        return "a subquery is no value in ADQL: use IN, EXISTS, or a subquery in FROM"
    if before == ";":
        return "one query at a time: nothing may follow the semicolon"
    return None


def _sign(tokens: Tokens, index: int, expected: frozenset[str]) -> str | None:
    """Recognise signs that other languages have."""
    word, before = _upper(tokens, index), _upper(tokens, index - 1)
    if word == "=" and before == "=":
        return "ADQL compares with a single ="
    if word == "*" and before == "*":
        return "there is no ** operator: write POWER(a, b)"
    if word == "," and _is_number(tokens, index - 1) and _is_number(tokens, index + 1):
        return "a comma does not belong here; if it is a decimal comma, write a point"
    if (before == "*" and word == "," and expected == {"FROM"}) or (before == "," and word == "*"):
        return "* stands alone: write t.*, which may stand beside others"
    if word in {"/", "-", "+", "*"} and _upper(tokens, index - 2) in {"FROM", "JOIN"}:
        return 'a name with other signs than letters, digits and _ is written in double quotes ("I/239/hip_main")'
    return None


def _by_neighbours(tokens: Tokens, index: int, expected: frozenset[str]) -> str | None:
    """Recognise faults by what stands side by side."""
    word, before = _upper(tokens, index), _upper(tokens, index - 1)
    if _type(tokens, index) == "STRING" and expected <= _NAMING:
        return 'names are quoted by " and not by an apostrophe'
    if (before, word) == ("NOT", "NULL"):
        return "write IS NOT NULL"
    if word == "NULL" and expected >= _VALUE:
        return "NULL is a value by itself and takes no part in calculations, functions and patterns"
    if word in _CLAUSES and expected >= _VALUE and before not in {"SELECT", ","}:
        return f"a value is missing between {before} and {word}"
    if word in _COMPARISON_TEXTS and {"AND", "OR"} <= expected and not COMPARISONS & expected:
        if _upper(tokens, index - 2) == "||":
            return "|| joins strings: write OR between conditions"
        return "a comparison has two sides: write a < b AND b < c, or b BETWEEN a AND c"
    if expected == {"LPAR"} and before in RESERVED and tokens[index - 1].type not in _BEFORE_PARENTHESIS:
        return f'{before} is a reserved word: to use it as a name, write "{tokens[index - 1]}" in double quotes'
    return None


_NAMING = frozenset({"NAME", "DELIMITED", "LPAR"})
_CLAUSES = frozenset({"FROM", "WHERE", "GROUP", "HAVING", "ORDER", "AND", "OR", "AS", "OFFSET", "UNION", "EXCEPT"})
_BEFORE_PARENTHESIS = frozenset({"AS", "IN", "EXISTS", "USING", "CAST"})


def _by_place(tokens: Tokens, index: int, expected: frozenset[str]) -> str | None:
    """Recognise faults by what was expected."""
    word, before = _upper(tokens, index), _upper(tokens, index - 1)
    checks: Sequence[tuple[Callable[[], bool], str]] = (
        (lambda: "EXACTTYPE" in expected, f"{_named(tokens, index)} is no type of ADQL: {_CAST_TYPES}"),
        (lambda: word == "NOT" and before == "NOT", "NOT stands once: put what it negates in parentheses"),
        (lambda: word == "IS", "IS NULL takes a column, not an expression"),
        (lambda: "NULL" in expected and "NAME" not in expected, "after IS comes NULL or NOT NULL"),
        (
            lambda: bool(COMPARISONS & expected) and "BETWEEN" in expected and word not in _OPERATOR_TEXTS,
            f"a condition is missing its comparison before {_named(tokens, index)}: a value alone is none "
            "(write 1 = CONTAINS(...))",
        ),
        (
            lambda: word == "FROM" and (before in {",", "SELECT"} or _upper(tokens, index - 2) == "TOP"),
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
        (lambda: word == "ORDER" and "$END" in expected, "ORDER BY stands before OFFSET"),
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
        (lambda: word == ")" and not _is_open(tokens, index), "there is a ) too many"),
        (lambda: word == "" and _is_open(tokens, index), "the query ends before its last parenthesis is closed"),
    )
    return next((advice for holds, advice in checks if holds()), None)


_OPERATOR_TEXTS = frozenset({"+", "-", "*", "/", "||", "."})
_COMPARISON_TEXTS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">="})
_PREDICATE_WORDS = frozenset({"LIKE", "ILIKE", "BETWEEN", "IN", "AND", "OR"})


def _misspelt(tokens: Tokens, index: int, expected: frozenset[str]) -> str | None:
    """Recognise a keyword that was taken for a name, here or just before."""
    for place in (index, index - 1):
        if _is_name(tokens, place) and 2 < len(tokens[place]) <= MAX_SHOWN:
            near = get_close_matches(tokens[place].upper(), expected & RESERVED, n=1, cutoff=0.75)
            if near:
                return f"{_named(tokens, place)} is no keyword; did you mean {near[0]}?"
    return None


def _reserved(tokens: Tokens, index: int, expected: frozenset[str]) -> str | None:
    word = _upper(tokens, index)
    if word in RESERVED and (tokens[index].type == "RESERVED" or {"NAME", "DELIMITED"} & expected):
        if _upper(tokens, index + 1) == "(":
            return f"{_described(word)}: {word} is a reserved word"
        return f'{word} is a reserved word: to use it as a name, write "{tokens[index]}" in double quotes'
    return None


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


def _named(tokens: Tokens, index: int) -> str:
    if index >= len(tokens):
        return "the end of the query"
    token = str(tokens[index])
    return token if len(token) <= MAX_SHOWN else token[:MAX_SHOWN] + "..."


MAX_SHOWN = 40


def _upper(tokens: Tokens, index: int) -> str:
    return tokens[index].upper() if 0 <= index < len(tokens) else ""


def _type(tokens: Tokens, index: int) -> str:
    return tokens[index].type if 0 <= index < len(tokens) else ""


def _is_name(tokens: Tokens, index: int) -> bool:
    return _type(tokens, index) == "NAME"


def _is_number(tokens: Tokens, index: int) -> bool:
    return _type(tokens, index) in {"INTEGER", "NUMBER"}


def _is_open(tokens: Tokens, index: int) -> bool:
    types = [token.type for token in tokens[:index]]
    return types.count("LPAR") > types.count("RPAR")
