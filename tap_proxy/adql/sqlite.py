"""SQL for SQLite 3.40 with its mathematical functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from penstock.tables import Column
from penstock.votable.model import Datatype, Field
from penstock.words import KEY, fts_query, fts_table
from tap_proxy.adql.bound import Call
from tap_proxy.adql.dialect import Dialect, Physical, joined_name, quoted
from tap_proxy.adql.kinds import Kind, is_integer, kind_of

BITS: Mapping[Datatype, int] = {"short": 16, "int": 32, "long": 64}

WHOLE = 1 << 52
"""Doubles from here on are whole numbers."""

_HASHLIST_HAS = "coalesce(instr({1}, '#') = 0 AND instr('#' || lower({0}) || '#', '#' || lower({1}) || '#') > 0, 0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLite(Dialect):
    """SQLite; parameters are ``?``."""

    physical: Physical = joined_name

    name: ClassVar[Literal["sqlite"]] = "sqlite"
    numbered: ClassVar[bool] = False
    counts_duplicates: ClassVar[bool] = False
    parser_depth: ClassVar[int] = 96
    functions: ClassVar[Mapping[str, str]] = {
        "NEGATE": "(-{0})",
        "ABS": "abs({0})",
        "CEILING": "ceil({0})",
        "CEILING_EXACT": "CAST({0} AS REAL)",
        "FLOOR": "floor({0})",
        "FLOOR_EXACT": "CAST({0} AS REAL)",
        "DEGREES": "degrees({0})",
        "RADIANS": "radians({0})",
        "EXP": "exp({0})",
        "LOG": "ln({0})",
        "LOG10": "log10({0})",
        "SQRT": "sqrt({0})",
        "SIN": "sin({0})",
        "COS": "cos({0})",
        "TAN": "tan({0})",
        "COT": "(1.0 / tan({0}))",
        "ASIN": "asin({0})",
        "ACOS": "acos({0})",
        "ATAN": "atan({0})",
        "ATAN2": "atan2({0}, {1})",
        "POWER": "pow({0}, {1})",
        "MOD": "mod({0}, {1})",
        "MOD_EXACT": "CAST({0} % {1} AS REAL)",
        "PI": "pi()",
        "RAND": "((random() & 9007199254740991) / 9007199254740992.0)",
        "LOWER": "lower({0})",
        "UPPER": "upper({0})",
        "CAST_TIMESTAMP": "{0}",
        "CAST_GEOMETRY": "{0}",
        "COORD": "penstock_coord({0}, {1})",
        "AREA": "penstock_area({0})",
        "CENTROID": "penstock_centroid({0})",
        "CONTAINS": "penstock_contains({0}, {1})",
        "INTERSECTS": "penstock_intersects({0}, {1})",
        "BOX": "penstock_box({0}, {1}, {2}, {3})",
        "MOC": "{0}",
        "MOC_CONTAINS": "penstock_moc_contains({0}, {1})",
        "MOC_INTERSECTS": "penstock_moc_intersects({0}, {1})",
        "ANGLE": "degrees(2 * asin(sqrt(min(1.0, {0}))))",
        "SQUARE": "pow({0}, 2)",
    }
    user_functions: ClassVar[Mapping[str, str]] = {
        "ivo_hasword": "penstock_hasword({0}, {1})",
        "ivo_nocasematch": "coalesce({0} LIKE {1}, 0)",
        "ivo_hashlist_has": _HASHLIST_HAS,
        "ivo_string_agg": "coalesce(group_concat({0}, {1}), '')",
        "ivo_interval_overlaps": "coalesce(max({0}, {1}) >= min({2}, {3}) AND max({2}, {3}) >= min({0}, {1}), 0)",
        "ivo_to_jd": "julianday({0})",
        "ivo_to_mjd": "(julianday({0}) - 2400000.5)",
    }

    def placeholder(self, number: int) -> str:
        """Return what stands for a parameter."""
        return "?"

    def text(self, marker: str) -> str:
        """Return a string parameter."""
        return marker

    def number(self, value: float) -> str:
        """Return a constant number."""
        return f"({value!r})" if value < 0 else repr(value)

    def cast(self, sql: str, field: Field, datatype: Datatype) -> str:
        """Return a value as a number of another type."""
        text = kind_of(field) is Kind.STRING
        if datatype == "float":
            return f"penstock_real({sql})"
        if datatype == "double":
            return f"penstock_double({sql})" if text else f"CAST({sql} AS REAL)"
        if not text and is_integer(field) and BITS.get(field.datatype, 8) <= BITS[datatype]:
            return sql
        return f"penstock_integer({sql}, {BITS[datatype]})"

    def widened(self, sql: str, field: Field, datatype: Datatype) -> str:
        """Return a number as one of a wider type."""
        exact = kind_of(field) is Kind.BOOLEAN or is_integer(field)
        return f"CAST({sql} AS REAL)" if datatype in ("float", "double") and exact else sql

    def to_text(self, sql: str, field: Field) -> str:
        """Return a value as text."""
        if kind_of(field) is Kind.NUMBER:
            return f"CAST({sql} AS TEXT)" if is_integer(field) else f"penstock_text({sql})"
        return f"CAST({sql} AS TEXT)" if kind_of(field) is Kind.BOOLEAN else sql

    def calculate(self, operands: Sequence[tuple[str, Field]], operators: Sequence[str]) -> str:
        """Return a chain of operators."""
        first, *others = (sql for sql, _ in operands)
        return "(" + first + "".join(f" {op} {sql}" for op, sql in zip(operators, others, strict=True)) + ")"

    def rounded(self, call: Call, sql: str) -> str:
        """Return ROUND or TRUNCATE."""
        function = "round" if call.name == "ROUND" else "trunc"
        digits = int(call.detail or 0)
        if digits == 0:
            return f"{function}(CAST({sql} AS REAL))"
        power = f"1e{abs(digits)}"
        if digits < 0:
            return f"({function}({sql} / {power}) * {power})"
        # Larger numbers are whole already, and would overflow.
        return f"iif(abs({sql}) < {WHOLE}, {function}({sql} * {power}) / {power}, CAST({sql} AS REAL))"

    def exact(self, sql: str) -> str:
        """Return a whole number that may not fit, as an error if it does not."""
        # SQLite goes on with a REAL; its abs() has an error for the one whole number that has no opposite.
        overflow = f"abs(-{(1 << 63) - 1} - (1 + ({sql} IS NULL)))"
        return f"iif(typeof({sql}) = 'real', {overflow}, {sql})"

    def pattern(self, constant: str, *, folded: bool) -> str:
        """Return the parameter for a constant pattern."""
        return constant if folded else glob_of(constant)

    def like(self, operand: str, pattern: str, *, constant: bool, folded: bool) -> str:
        """Return a LIKE or ILIKE."""
        # LIKE folds ASCII letters here and GLOB does not, so a pattern for LIKE becomes one for GLOB.
        if folded:
            return f"{operand} LIKE {pattern}"
        if not constant:
            for old, new in GLOB.items():
                pattern = f"replace({pattern}, '{old}', '{new}')"
        return f"{operand} GLOB {pattern}"

    def null(self, field: Field) -> str:
        """Return a NULL of a type."""
        return "NULL"

    def aggregate(self, name: str, argument: str, field: Field, *, distinct: bool) -> str:
        """Return a set function."""
        only = "DISTINCT " if distinct else ""
        return f"{name.lower()}({only}{argument})"

    def ordered(self, sql: str, field: Field, *, descending: bool, nullable: bool) -> str:
        """Return a key of ORDER BY."""
        nulls = (" NULLS FIRST" if descending else " NULLS LAST") if nullable else ""
        return f"{sql} {'DESC' if descending else 'ASC'}{nulls}"

    def collated(self, sql: str, field: Field) -> str:
        """Return a value that is compared by size."""
        return sql

    def matched(self, condition: str, left: str, right: str) -> str:
        """Return the condition of a FULL JOIN."""
        return condition

    def limited(self, limit: int | None, offset: int | None) -> str:
        """Return the end of a query that shortens it."""
        if offset is None:
            return "" if limit is None else f" LIMIT {limit}"
        return f" LIMIT {-1 if limit is None else limit} OFFSET {offset}"

    def integer(self, condition: str) -> str:
        """Return a condition as 1 or 0."""
        return f"({condition})"

    def words_text(self, column: Column, words: Iterable[str]) -> str:
        """Return the parameter for words."""
        return fts_query(column.name, words)

    def has_words(self, source: str, column: Column, parameter: str) -> str:
        """Return the condition that a column holds words."""
        index = quoted(fts_table(column.word_index or ""))
        return f"{source}.{KEY} IN (SELECT rowid FROM {index} WHERE {index} MATCH {parameter})"  # noqa: S608

    def moc_text(self, text: str) -> str:
        """Return the parameter for a MOC."""
        return text

    def moc(self, parameter: str) -> str:
        """Return a MOC."""
        return parameter

    def as_integer(self, sql: str, field: Field) -> str:
        """Return a truth value as 1 or 0."""
        return sql


GLOB = {"[": "[[]", "*": "[*]", "?": "[?]", "%": "*", "_": "?"}
"""What to write in GLOB for a character of a LIKE pattern; the order matters where it is done by replacing."""


def glob_of(pattern: str) -> str:
    """Return a GLOB pattern that fits what a LIKE pattern fits."""
    return "".join(GLOB.get(character, character) for character in pattern)
