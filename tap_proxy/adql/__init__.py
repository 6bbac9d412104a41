"""ADQL 2.1: reads, checks and translates astronomical queries; does no I/O.

::

    text -- parse --> ast.Query -- analyse(catalogue) --> bound.Analysed -- translate(dialect) --> Translation

`parse` judges the form, `analyse` the names and types; `translate` refuses only what nests too deep for the database.
Nothing is cached but the parser's tables, which the first query loads or builds.
"""

from __future__ import annotations

from tap_proxy.adql.analyse import analyse
from tap_proxy.adql.bound import Analysed
from tap_proxy.adql.catalogue import Catalogue
from tap_proxy.adql.dialect import Dialect
from tap_proxy.adql.errors import AdqlError, AdqlSemanticError, AdqlSyntaxError
from tap_proxy.adql.functions import FUNCTIONS, Function, Parameter
from tap_proxy.adql.parser import parse
from tap_proxy.adql.postgresql import PostgreSQL
from tap_proxy.adql.sql import Translation
from tap_proxy.adql.sqlite import SQLite
from tap_proxy.adql.translate import translate

__all__ = [
    "FUNCTIONS",
    "AdqlError",
    "AdqlSemanticError",
    "AdqlSyntaxError",
    "Analysed",
    "Catalogue",
    "Dialect",
    "Function",
    "Parameter",
    "PostgreSQL",
    "SQLite",
    "Translation",
    "analyse",
    "compile_query",
    "parse",
    "translate",
]


def compile_query(text: str, catalogue: Catalogue, dialect: Dialect, *, row_limit: int | None = None) -> Translation:
    """Return the SQL of a query, its parameters and the columns of its result.

    Parameters
    ----------
    row_limit
        Rows beyond which none are wanted, such as MAXREC and one.

    Raises
    ------
    AdqlSyntaxError
        The text is not ADQL 2.1.
    AdqlSemanticError
        The query does not fit the catalogue.
    """
    return translate(analyse(parse(text), catalogue), dialect, row_limit=row_limit)
