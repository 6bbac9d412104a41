"""Where the parser gave up, and what stands around that place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lark import Token

MAX_SHOWN = 40
"""Characters of a token that a message shows."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The token that the parser could not take, and the terminals that it could have taken.

    `index` is ``len(tokens)`` where the query ended too soon. Places around it are told by how far off they are.
    """

    tokens: Sequence[Token]
    index: int
    expected: frozenset[str]

    def word(self, off: int = 0) -> str:
        """Return a token in upper case, an empty string outside of the query."""
        return str(self._token(off)).upper()

    def type(self, off: int = 0) -> str:
        """Return the terminal of a token, an empty string outside of the query."""
        token = self._token(off)
        return token.type if isinstance(token, Token) else ""

    def is_name(self, off: int = 0) -> bool:
        """Tell whether a token is a regular identifier."""
        return self.type(off) == "NAME"

    def is_number(self, off: int = 0) -> bool:
        """Tell whether a token is a number."""
        return self.type(off) in {"INTEGER", "NUMBER"}

    def is_open(self) -> bool:
        """Tell whether a parenthesis before the place is still open."""
        return self._opening(self.index) is not None

    def shown(self, off: int = 0) -> str:
        """Return a token as a message shows it."""
        token = self._token(off)
        if not token:
            return "the end of the query"
        return token if len(token) <= MAX_SHOWN else token[:MAX_SHOWN] + "..."

    def caller(self) -> str:
        """Return in upper case the word before the parenthesis that the place is in, an empty string if in none."""
        opening = self._opening(self.index)
        return "" if opening is None else self.word(opening - 1 - self.index)

    def called_before(self) -> str:
        """Return the name of the function whose call ends before the place, an empty string if none does."""
        if self.type(-1) != "RPAR":
            return ""
        opening = self._opening(self.index - 1)
        off = -1 if opening is None else opening - 1 - self.index
        return self.shown(off) if self.type(off) not in _NO_CALLER else ""

    def chain_before(self) -> tuple[str, int]:
        """Return the name of one or more parts that ends before the place, and how far off it begins: 0 for none."""
        off = -1 if self.type(-1) in _NAMES else 0
        while off and self.type(off - 1) == "DOT" and self.type(off - 2) in _NAMES:
            off -= 2
        return "".join(self.tokens[self.index + off : self.index]), off

    def _token(self, off: int) -> str:
        place = self.index + off
        return self.tokens[place] if 0 <= place < len(self.tokens) else ""

    def _opening(self, end: int) -> int | None:
        """Return the place of the innermost parenthesis that is open at a place."""
        closed = 0
        for place in range(end - 1, -1, -1):
            match self.tokens[place].type:
                case "RPAR":
                    closed += 1
                case "LPAR" if closed == 0:
                    return place
                case "LPAR":
                    closed -= 1
        return None


_NAMES = frozenset({"NAME", "DELIMITED"})
_NO_CALLER = frozenset({"", "WHERE", "AND", "OR", "NOT", "ON", "HAVING", "LPAR", "COMMA", "IN", "BETWEEN"})
