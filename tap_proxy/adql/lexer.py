"""Cuts a query's text into tokens (ADQL 2.1 s2.1; SQL-92 s5.2).

A word's terminal does not depend on where it stands, so the whole text is cut before parsing. What is no token ends the
list as an ILLEGAL one: the parser stops there at the latest, and an earlier fault is reported first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias, cast

from lark import Token
from lark.lexer import Lexer, LexerState

from tap_proxy.adql.ast import Span
from tap_proxy.adql.errors import AdqlSyntaxError
from tap_proxy.adql.words import TERMINALS

MAX_NESTING = 100
"""Parentheses within parentheses; no tool or person was seen to come near it."""

MAX_TOKENS = 100_000
"""Words and signs of a query; reading so many takes a second or two."""

_TOKEN = re.compile(
    r"""
    (?P<SPACE>[ \t\r\n\f\v]+)
  | (?P<WORD>[A-Za-z][A-Za-z0-9_]*)
  | (?P<COMMENT>--[^\r\n]*)
  | (?P<NUMERIC>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))
  | (?P<STRING>'(?:[^'\0\ud800-\udfff]|'')*')
  | (?P<DELIMITED>"(?:[^"\0\ud800-\udfff]|"")+")
  | (?P<SYMBOL><>|!=|<=|>=|\|\||[(),.*/+\-;=<>])
  | (?P<ILLEGAL>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_SYMBOLS = {
    "(": "LPAR",
    ")": "RPAR",
    ",": "COMMA",
    ".": "DOT",
    "*": "STAR",
    "/": "SLASH",
    "+": "PLUS",
    "-": "MINUS",
    "||": "CONCAT",
    ";": "SEMICOLON",
    "=": "EQ",
    "<>": "NE",
    "!=": "NE",
    "<": "LT",
    ">": "GT",
    "<=": "LE",
    ">=": "GE",
}

_BETWEEN = frozenset({"SPACE", "COMMENT"})
_MULTILINE = frozenset({"SPACE", "STRING", "DELIMITED"})
_DEEPER = {"LPAR": 1, "RPAR": -1}
_NEWLINE = re.compile(r"\r\n|\n|\r")

Match: TypeAlias = "re.Match[str]"


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a query.

    Raises
    ------
    AdqlSyntaxError
        Parentheses nest deeper than MAX_NESTING, or there are more than MAX_TOKENS tokens.
    """
    tokens: list[Token] = []
    line, line_start, depth = 1, 0, 0
    for match in _TOKEN.finditer(text):
        kind, start = match.lastgroup, match.start()
        if kind not in _BETWEEN:
            type_ = _terminal(match)
            tokens.append(Token(type_, match[0], start, line, start - line_start + 1, None, None, match.end()))
            depth += _DEEPER.get(type_, 0)
            if depth > MAX_NESTING or len(tokens) > MAX_TOKENS or type_ == "ILLEGAL":
                break
        if kind in _MULTILINE:
            breaks = _breaks(match[0])
            if breaks:
                line, line_start = line + len(breaks), start + breaks[-1]
    if depth > MAX_NESTING:
        raise AdqlSyntaxError(f"parentheses nest deeper than {MAX_NESTING} levels", span_of(tokens[-1]))
    if len(tokens) > MAX_TOKENS:
        problem = f"the query has more than {MAX_TOKENS} words and signs: upload long lists as a table"
        raise AdqlSyntaxError(problem, span_of(tokens[-1]))
    return tokens


def span_of(token: Token) -> Span:
    """Return where a token stands."""
    return Span(token.start_pos or 0, token.end_pos or 0, token.line or 1, token.column or 1)


def _terminal(match: Match) -> str:
    text = match[0]
    match match.lastgroup:
        case "WORD":
            return TERMINALS.get(text.upper(), "NAME")
        case "SYMBOL":
            return _SYMBOLS[text]
        case "NUMERIC":
            return "INTEGER" if text.isdigit() else "NUMBER"
        case group:
            return group or "ILLEGAL"


def _breaks(text: str) -> list[int]:
    """Return where lines begin within a text, as offsets into it."""
    if "\n" not in text and "\r" not in text:
        return []
    return [found.end() for found in _NEWLINE.finditer(text)]


def end_of(text: str) -> Span:
    """Return the place behind the last character."""
    breaks = _breaks(text)
    start = breaks[-1] if breaks else 0
    return Span(len(text), len(text), len(breaks) + 1, len(text) - start + 1)


class TokenSource(Lexer):
    """What lark calls a lexer: hands on the tokens that were cut before."""

    def __init__(self, _conf: Any) -> None:
        pass

    __future_interface__ = 1

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[Token]:
        """Return the tokens one by one."""
        return iter(cast("list[Token]", lexer_state.text))
