"""What can be wrong with a query: its form, or what it says of the tables.

Both are the caller's to mend, and both say where: `line` and `column` count from 1, `offset` and `length` count
characters of the query's text from 0.
"""

from __future__ import annotations

from penstock.dali.errors import UsageError
from tap_proxy.adql.ast import Span

MAX_PROBLEM = 1000
"""Characters of a message; a query may hold names a thousand times as long."""


class AdqlError(UsageError):
    """A query that cannot be answered as it stands.

    Parameters
    ----------
    problem
        What is wrong and what to do, without the position.
    span
        Where in the query's text.
    """

    def __init__(self, problem: str, span: Span) -> None:
        problem = problem if len(problem) <= MAX_PROBLEM else f"{problem[:MAX_PROBLEM]}..."
        super().__init__(f"Line {span.line}, column {span.column}: {problem}")
        self.problem = problem
        self.span = span

    @property
    def line(self) -> int:
        """The line of the fault, from 1."""
        return self.span.line

    @property
    def column(self) -> int:
        """The column of the fault within its line, from 1."""
        return self.span.column

    @property
    def offset(self) -> int:
        """The first character of the fault, from 0."""
        return self.span.start

    @property
    def length(self) -> int:
        """How many characters the fault covers."""
        return self.span.end - self.span.start


class AdqlSyntaxError(AdqlError):
    """The text is not ADQL 2.1 (ADQL 2.1 appendix A)."""


class AdqlSemanticError(AdqlError):
    """The text is ADQL, but names, types or groups in it do not fit the tables or one another."""
