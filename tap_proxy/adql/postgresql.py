"""SQL for PostgreSQL 15 and later; pg_sphere is not needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from penstock.moc import parse_moc, to_multirange
from penstock.tables import Column
from penstock.votable.model import Datatype, Field
from penstock.words import words_sql
from tap_proxy.adql.bound import Call
from tap_proxy.adql.dialect import Dialect, Physical, is_text, quoted, schema_table
from tap_proxy.adql.kinds import Kind, is_integer, kind_of

TYPES: Mapping[Datatype, str] = {
    "bit": "smallint",
    "unsignedByte": "smallint",
    "short": "smallint",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "float8",
}

_FOLDED = 'lower(({{{}}}) COLLATE "C")'
_HASHLIST_HAS = (
    "coalesce((position('#' IN {1}) = 0 AND "
    f"position('#' || {_FOLDED.format(1)} || '#' IN '#' || {_FOLDED.format(0)} || '#') > 0)::int, 0)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL(Dialect):
    """PostgreSQL; parameters are ``$1``, ``$2``, ..."""

    physical: Physical = schema_table

    name: ClassVar[Literal["postgresql"]] = "postgresql"
    numbered: ClassVar[bool] = True
    counts_duplicates: ClassVar[bool] = True
    parser_depth: ClassVar[int] = 0
    functions: ClassVar[Mapping[str, str]] = {
        "NEGATE": "(0 - ({0}))",
        "ABS": "abs({0})",
        "CEILING": "ceil(({0})::float8)",
        "CEILING_EXACT": "({0})::float8",
        "FLOOR": "floor(({0})::float8)",
        "FLOOR_EXACT": "({0})::float8",
        "DEGREES": "degrees(({0})::float8)",
        "RADIANS": "radians(({0})::float8)",
        "EXP": "penstock_exp({0})",
        "LOG": "penstock_ln({0})",
        "LOG10": "penstock_log10({0})",
        "SQRT": "penstock_sqrt({0})",
        "SIN": "sin(({0})::float8)",
        "COS": "cos(({0})::float8)",
        "TAN": "tan(({0})::float8)",
        "COT": "(1::float8 / nullif(tan(({0})::float8), 0))",
        "ASIN": "penstock_asin({0})",
        "ACOS": "penstock_acos({0})",
        "ATAN": "atan(({0})::float8)",
        "ATAN2": "atan2(({0})::float8, ({1})::float8)",
        "POWER": "penstock_power({0}, {1})",
        "MOD": "penstock_mod({0}, {1})",
        "MOD_EXACT": "(({0})::bigint % nullif(({1})::bigint, 0))::float8",
        "PI": "pi()",
        "RAND": "random()",
        "LOWER": 'lower(({0}) COLLATE "C")',
        "UPPER": 'upper(({0}) COLLATE "C")',
        "CAST_TIMESTAMP": "{0}",
        "CAST_GEOMETRY": "{0}",
        "COORD": "penstock_coord({0}, {1})",
        "AREA": "penstock_area({0})",
        "CENTROID": "penstock_centroid({0})",
        "CONTAINS": "penstock_contains({0}, {1})",
        "INTERSECTS": "penstock_intersects({0}, {1})",
        "BOX": "penstock_box({0}, {1}, {2}, {3})",
        "MOC": "penstock_moc({0})",
        "MOC_CONTAINS": "({0} <@ {1})",
        "MOC_INTERSECTS": "({0} && {1})",
        "ANGLE": "penstock_angle({0})",
        "SQUARE": "power({0}, 2)",
    }
    user_functions: ClassVar[Mapping[str, str]] = {
        "ivo_hasword": "penstock_hasword({0}, {1})",
        "ivo_nocasematch": "coalesce((({0}) COLLATE \"C\" ILIKE {1} ESCAPE '')::int, 0)",
        "ivo_hashlist_has": _HASHLIST_HAS,
        "ivo_string_agg": "coalesce(string_agg({0}, {1}), '')",
        "ivo_interval_overlaps": (
            "coalesce((greatest({0}, {1}) >= least({2}, {3}) AND greatest({2}, {3}) >= least({0}, {1})"
            " AND ({0} + {1} + {2} + {3}) IS NOT NULL)::int, 0)"
        ),
        "ivo_to_jd": "(extract(epoch FROM ({0})::timestamp)::float8 / 86400 + 2440587.5)",
        "ivo_to_mjd": "(extract(epoch FROM ({0})::timestamp)::float8 / 86400 + 40587)",
    }

    def placeholder(self, number: int) -> str:
        """Return what stands for a parameter."""
        return f"${number}"

    def text(self, marker: str) -> str:
        """Return a string parameter."""
        return f"{marker}::text"

    def number(self, value: float) -> str:
        """Return a constant number."""
        written = str(value) if isinstance(value, int) else f"{value!r}::float8"
        return f"({written})" if value < 0 else written

    def cast(self, sql: str, field: Field, datatype: Datatype) -> str:
        """Return a value as a number of another type."""
        if kind_of(field) is Kind.NUMBER and not is_integer(field) and datatype in ("short", "int", "long"):
            sql = f"trunc(({sql})::float8)"
        if kind_of(field) is Kind.BOOLEAN:
            sql = f"({sql})::int"
        return f"({sql})::{TYPES[datatype]}"

    def widened(self, sql: str, field: Field, datatype: Datatype) -> str:
        """Return a number as one of a wider type."""
        if kind_of(field) is Kind.BOOLEAN:
            return f"({sql})::int::{TYPES[datatype]}"
        return sql if field.datatype == datatype else f"({sql})::{TYPES[datatype]}"

    def to_text(self, sql: str, field: Field) -> str:
        """Return a value as text."""
        if kind_of(field) is Kind.BOOLEAN:
            return f"({sql})::int::text"
        exact = kind_of(field) is not Kind.NUMBER or is_integer(field)
        return f"({sql})::text" if exact else f"({sql})::float8::text"

    def calculate(self, operands: Sequence[tuple[str, Field]], operators: Sequence[str]) -> str:
        """Return a chain of operators."""
        (sql, field), *others = operands
        exact = is_integer(field)
        for operator, (other, other_field) in zip(operators, others, strict=True):
            both = exact and is_integer(other_field)
            type_ = "bigint" if both else "float8"
            right = f"({other})::{type_}"
            if operator == "/":
                right = f"nullif({right}, 0)"
            sql, exact = f"(({sql})::{type_} {operator} {right})", both
        return sql

    def rounded(self, call: Call, sql: str) -> str:
        """Return ROUND or TRUNCATE."""
        function = "penstock_round" if call.name == "ROUND" else "trunc"
        digits = int(call.detail or 0)
        if digits == 0:
            return f"{function}(({sql})::float8)"
        power = f"1e{abs(digits)}::float8"
        if digits < 0:
            return f"({function}(({sql})::float8 / {power}) * {power})"
        return f"penstock_{call.name.lower()}_to({sql}, {power})"

    def exact(self, sql: str) -> str:
        """Return a whole number that may not fit: PostgreSQL has an error for it."""
        return sql

    def pattern(self, constant: str, *, folded: bool) -> str:
        """Return the parameter for a constant pattern."""
        return constant

    def like(self, operand: str, pattern: str, *, constant: bool, folded: bool) -> str:
        """Return a LIKE or ILIKE."""
        if folded:
            return f"({operand}) COLLATE \"C\" ILIKE {pattern} ESCAPE ''"
        return f"{operand} LIKE {pattern} ESCAPE ''"

    def null(self, field: Field) -> str:
        """Return a NULL of a type."""
        match kind_of(field):
            case Kind.BOOLEAN:
                return "NULL::boolean"
            case Kind.NUMBER:
                return f"NULL::{TYPES[field.datatype]}"
            case _:
                return "NULL::text"

    def aggregate(self, name: str, argument: str, field: Field, *, distinct: bool) -> str:
        """Return a set function."""
        only = "DISTINCT " if distinct else ""
        match name:
            case "COUNT":
                return f"count({only}{argument})"
            case "AVG":
                return f"avg({only}({argument})::float8)"
            case "SUM" if is_integer(field):
                return f"sum({only}({argument})::bigint)::bigint"
            case "SUM":
                return f"sum({only}({argument})::float8)"
            case _:
                return f"{name.lower()}({self.collated(argument, field)})"

    def ordered(self, sql: str, field: Field, *, descending: bool, nullable: bool) -> str:
        """Return a key of ORDER BY."""
        return f"{self.collated(sql, field)} {'DESC' if descending else 'ASC'}"

    def collated(self, sql: str, field: Field) -> str:
        """Return a value that is compared by size."""
        return f'(({sql}) COLLATE "C")' if is_text(field) else sql

    def matched(self, condition: str, left: str, right: str) -> str:
        """Return the condition of a FULL JOIN, which needs an equation to hash by: one that always holds."""
        return f"num_nulls({left}) * 0 = num_nulls({right}) * 0 AND {condition}"

    def limited(self, limit: int | None, offset: int | None) -> str:
        """Return the end of a query that shortens it."""
        written = "" if limit is None else f" LIMIT {limit}"
        return written if offset is None else f"{written} OFFSET {offset}"

    def integer(self, condition: str) -> str:
        """Return a condition as 1 or 0."""
        return f"({condition})::int"

    def words_text(self, column: Column, words: Iterable[str]) -> str:
        """Return the parameter for words."""
        return " ".join(sorted(words))

    def has_words(self, source: str, column: Column, parameter: str) -> str:
        """Return the condition that a column holds words."""
        return f"{words_sql(f'{source}.{quoted(column.name)}')} @> string_to_array({parameter}, ' ')"

    def moc_text(self, text: str) -> str:
        """Return the parameter for a MOC."""
        return to_multirange(parse_moc(text))

    def moc(self, parameter: str) -> str:
        """Return a MOC; a subquery, so that it is read once and not for every row."""
        return f"(SELECT ({parameter})::int8multirange)"

    def as_integer(self, sql: str, field: Field) -> str:
        """Return a truth value as 1 or 0."""
        return f"({sql})::int" if kind_of(field) is Kind.BOOLEAN else sql
