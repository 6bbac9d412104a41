"""Reads ADQL 2.1: text in, tree out, or an error that says where and what to do."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, cast

from lark import Lark, Token, UnexpectedToken

from tap_proxy.adql import ast
from tap_proxy.adql.builder import builder
from tap_proxy.adql.diagnosis import diagnose
from tap_proxy.adql.errors import AdqlSyntaxError
from tap_proxy.adql.lexer import TokenSource, end_of, span_of, tokenize

MAX_LENGTH = 1_000_000
"""Characters of a query."""


def parse(text: str, *, max_length: int = MAX_LENGTH) -> ast.Query:
    """Return the tree of a query.

    Raises
    ------
    AdqlSyntaxError
        The text is not ADQL 2.1, or longer than `max_length` characters.
    """
    if len(text) > max_length:
        problem = f"the query has {len(text)} characters, and no more than {max_length} are read"
        raise AdqlSyntaxError(problem, ast.Span(max_length, len(text), 1, 1))
    tokens = tokenize(text)
    if not tokens:
        raise AdqlSyntaxError("the query is empty", end_of(text))
    try:
        common_tables, expression, _ = cast("list[Any]", _parser().parse(cast("str", tokens)))
    except UnexpectedToken as error:
        token = error.token
        index = len(tokens) if token.type == "$END" else _index(tokens, token)
        span = end_of(text) if token.type == "$END" else span_of(token)
        raise AdqlSyntaxError(diagnose(text, tokens, index, frozenset(error.expected)), span) from None
    span = span_of(tokens[0]).to(span_of(tokens[-1]))
    return ast.Query(text, tuple(common_tables or ()), expression, span)


def _index(tokens: list[Token], token: Token) -> int:
    return next(index for index, other in enumerate(tokens) if other is token)


@cache
def _parser() -> Lark:
    """Build the parser's tables, once: it takes a third of a second."""
    grammar = files("tap_proxy.adql").joinpath("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer=cast("Any", TokenSource), transformer=builder(), maybe_placeholders=True)
