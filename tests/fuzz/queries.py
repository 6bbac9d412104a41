"""Queries made from our own grammar: right in form, with names and types that fit by chance."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, cast

from lark import Lark

from tap_proxy.adql.lexer import TokenSource
from tap_proxy.adql.words import TERMINALS

NAMES = [
    "id",
    "ra",
    "dec",
    "mag",
    "n_obs",
    "name",
    "obs_id",
    "variable",
    "pos",
    "big",
    "pm_ra",
    "label",
    "radius",
    "s",
    "c",
    "sources",
    "centres",
    "obscore",
    "sky",
    "x",
    "MOC",
]
STRINGS = ("'x'", "''", "'1'", "'it''s'", "'deg'", "'ICRS'", "'CIRCLE 1 2 3'", "'2020-01-01'", "'%a_'", "'é;--'")
NUMBERS = ("0", "1", "2", "7", "90", "32768", "2147483648", "9223372036854775807", "99999999999999999999")
DOUBLES = ("1.5", ".5", "1e300", "1e-300", "0.0", "359.9", "1E5")
_SIGNS = {
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "DOT": ".",
    "STAR": "*",
    "SLASH": "/",
    "PLUS": "+",
    "MINUS": "-",
    "CONCAT": "||",
    "SEMICOLON": ";",
    "EQ": "=",
    "NE": "<>",
    "LT": "<",
    "GT": ">",
    "LE": "<=",
    "GE": ">=",
}
_DRAWN = {
    "NAME": NAMES,
    "DELIMITED": ('"id"', '"Odd Name"', '"a""b"', '"select"', '"é"'),
    "STRING": STRINGS,
    "INTEGER": NUMBERS,
    "NUMBER": DOUBLES,
}


# What the grammar leaves to later checks, said so that most queries pass them: symbols between bars, words as they are.
_FITTING = {
    "set_limit": "TOP 3/TOP 0",
    "offset_clause": "OFFSET 2",
    "chain": "id/ra/dec/mag/n_obs/name/s.id/s.ra/c.label/c.id/variable/pos",
    "table_primary": "sources s/sources s/centres c/obscore o/|subquery| AS q/(|joined_table|)",
    "joined_table": "sources s |join_tail|/centres c |join_tail| |join_tail|",
    "join_tail": "|join_kind| JOIN |table_primary| ON |search_condition|/NATURAL JOIN centres/JOIN obscore USING (id)",
    "join_kind": "INNER/LEFT OUTER/RIGHT/FULL",
    "subquery": "(|select_expression|)",
    "point": "POINT(|numeric_expression|, |numeric_expression|)/POINT('ICRS', ra, dec)",
    "geometry_constructor": (
        "|point|/|centroid|/CIRCLE(|numeric_expression|, 2, |numeric_expression|)/CIRCLE(|point|, 3)"
        "/BOX(|point|, 10, 20)/POLYGON(10, 10, 20, 10, |numeric_expression|, |numeric_expression|)"
        "/REGION('CIRCLE 1 2 3')"
    ),
    "user_defined_function": "ivo_hasword(|value_expression|, |value_expression|)/MOC(3, |geometry|)/nobody(1)",
}


def _expansions(name: str) -> list[list[str]]:
    """Return the fitting expansions of a symbol; words get a mark in front."""
    pieces = [re.split(r"\|(\w+)\|", choice) for choice in _FITTING[name].split("/")]
    return [["=" + piece if i % 2 == 0 else piece for i, piece in enumerate(each) if piece] for each in pieces]


class Grammar:
    """The grammar's productions, expanded by chance; if `fitting`, those that most likely make sense."""

    def __init__(self, *, fitting: bool) -> None:
        text = files("tap_proxy.adql").joinpath("grammar.lark").read_text("utf-8")
        rules = Lark(text, parser="lalr", lexer=cast("Any", TokenSource)).rules
        self.rules: dict[str, list[list[str]]] = defaultdict(list)
        for rule in rules:
            expansion = [str(symbol.name) for symbol in rule.expansion]
            if fitting and expansion[:1] == ["DISTANCE"]:
                expansion = ["DISTANCE", "LPAR", *("numeric_expression COMMA " * 4).split()[:-1], "RPAR"]
            self.rules[str(rule.origin.name)].append(expansion)
        if fitting:
            self.rules |= {name: _expansions(name) for name in _FITTING}
        self.depths = self._depths()

    def query(self, random: Random, most: int = 60) -> str:
        """Return a query; once it has so many words, every production is ended the shortest way."""
        words: list[str] = []
        symbols = ["start"]
        while symbols:
            symbol = symbols.pop()
            if symbol not in self.rules:
                words.append(self._word(symbol, random))
                continue
            choices = self.rules[symbol]
            if len(words) + len(symbols) > most:
                shortest = min(map(self._depth, choices))
                choices = [choice for choice in choices if self._depth(choice) == shortest]
            symbols += reversed(random.choice(choices))
        return " ".join(words)

    def _word(self, name: str, random: Random) -> str:
        if name.startswith("="):
            return name[1:]
        if name in _SIGNS:
            return _SIGNS[name]
        words = _DRAWN.get(name) or sorted(word for word, terminal in TERMINALS.items() if terminal == name)
        return random.choice(words)

    def _depth(self, symbols: list[str]) -> float:
        return max((self.depths.get(symbol, 0) for symbol in symbols), default=0)

    def _depths(self) -> dict[str, float]:
        """Return how many productions a symbol needs at least, one within the other."""
        self.depths = dict.fromkeys(self.rules, math.inf)
        for _ in self.rules:
            for symbol, choices in self.rules.items():
                self.depths[symbol] = 1 + min(map(self._depth, choices))
        return self.depths


@cache
def grammars() -> tuple[Grammar, Grammar]:
    """Return the grammar as it is and with what most likely makes sense, read once."""
    return Grammar(fitting=False), Grammar(fitting=True)


def mutated(text: str, random: Random) -> str:
    """Return a text with a few words taken out, doubled, swapped or replaced."""
    words = re.findall(r"\w+|\s+|.", text, re.DOTALL) or [""]
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(words))
        words[place] = random.choice(
            (
                "",
                words[place] * 2,
                random.choice(words),
                random.choice(sorted(TERMINALS)),
                random.choice(list(_SIGNS.values())),
                chr(random.choice((random.randrange(32, 127), random.randrange(0x110000)))),
            )
        )
    return "".join(words)
