"""Reads ADQL 2.1: text in, tree out, or an error that says where and what to do."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, UnexpectedToken

from tap_proxy.adql import ast
from tap_proxy.adql.builder import builder
from tap_proxy.adql.diagnosis import diagnose
from tap_proxy.adql.errors import AdqlSyntaxError
from tap_proxy.adql.lexer import TokenSource, end_of, span_of, tokenize

MAX_LENGTH = 1_000_000
"""Characters of a query."""
_GRAMMAR = Path(__file__).with_name("grammar.lark")


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
        index = len(tokens) if error.token.type == "$END" else _index(tokens, error.token)
        problem, place = diagnose(text, tokens, index, _accepted(error))
        span = span_of(tokens[place]) if place < len(tokens) else end_of(text)
        raise AdqlSyntaxError(problem, span) from None
    span = span_of(tokens[0]).to(span_of(tokens[-1]))
    return ast.Query(text, tuple(common_tables or ()), expression, span)


def _accepted(error: UnexpectedToken) -> frozenset[str]:
    """Return the terminals that the parser could have gone on with: fewer than those that its state looks out for."""
    parser = cast("Any", error.interactive_parser)
    return frozenset(parser.accepts())


def _index(tokens: list[Token], token: Token) -> int:
    return next(index for index, other in enumerate(tokens) if other is token)


@cache
def _parser() -> Lark:
    """Return the parser; its tables are kept beside the bytecode, if that is: who may write there is believed."""
    kept = Path(cache_from_source(str(_GRAMMAR))).with_suffix(_GRAMMAR.suffix)
    return make_parser(None if sys.dont_write_bytecode or not kept.parent.is_dir() else kept)


def make_parser(kept: Path | None) -> Lark:
    """Return a new parser; its tables take a third of a second to build, so they are kept in a file if one is given.

    Lark keeps them as a pickle, with a digest of all that they come from, and builds them anew if they do not fit.
    """
    return Lark(
        _GRAMMAR.read_text("utf-8"),
        parser="lalr",
        lexer=cast("Any", TokenSource),
        transformer=builder(),
        maybe_placeholders=True,
        cache=str(kept) if kept else False,
    )
