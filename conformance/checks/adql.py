"""ADQL 2.1: what every service must understand, and the features that a service declares.

Each probe is a condition that is true. It is tried on a table that every service has, in a query that the other
probes do not need: with the condition there is a row, with its opposite there is none. A feature is tried if the
capabilities declare it (TAPRegExt 1.0 s2.3); the probes of the core use no feature that is optional.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from conformance.bench import Bench
from conformance.checks.tap_service import tap_capability
from conformance.checks.tap_sync import answered, query
from conformance.documents import VOTable, child_text
from conformance.model import NotApplicable, Violation, require
from conformance.registry import check

SOME: Final = "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables"
# The core (ADQL 2.1 s2.1.8, s2.1.10, s2.2, s2.3).
CONDITIONS: Final = (
    "1 + 2 * 3 = 7",
    "8 - 4 - 2 = 2",
    "1.5e1 = 15 AND .5 < 1.",
    "'it''s' <> 'its'",
    "1 = 1 -- a comment with 'a quote\n",
    "NOT 1 = 2 AND 1 = 1 OR 1 = 2",
    "3 NOT BETWEEN 4 AND 2",
    "table_name LIKE '%'",
    "7 BETWEEN 1 AND 10",
    "3 IN (1, 2, 3)",
    "table_name IS NOT NULL",
    "EXISTS (SELECT schema_name FROM TAP_SCHEMA.schemas)",
    "table_name IN (SELECT table_name FROM TAP_SCHEMA.columns)",
)
FUNCTIONS: Final = (
    "ABS(-2) = 2",
    "CEILING(1.2) = 2",
    "FLOOR(1.8) = 1",
    "ROUND(1.26, 1) BETWEEN 1.29 AND 1.31",
    "TRUNCATE(1.29, 1) BETWEEN 1.19 AND 1.21",
    "MOD(7, 4) = 3",
    "MOD(-7, 4) = -3",
    "TRUNCATE(-1.29, 1) BETWEEN -1.21 AND -1.19",
    "ROUND(154, -1) BETWEEN 149 AND 151",
    "POWER(2, 3) = 8",
    "SQRT(16) = 4",
    "EXP(0) = 1",
    "LOG(1) = 0",
    "LOG10(100) = 2",
    "DEGREES(PI()) BETWEEN 179.9 AND 180.1",
    "RADIANS(180) BETWEEN 3.141 AND 3.142",
    "SIN(0) = 0",
    "COS(0) = 1",
    "TAN(0) = 0",
    "ASIN(0) = 0",
    "ACOS(1) = 0",
    "ATAN(0) = 0",
    "ATAN2(0, 1) = 0",
)
AGGREGATES: Final = (
    "SELECT COUNT(*) AS n, MIN(table_name) AS a, MAX(table_name) AS z FROM TAP_SCHEMA.tables",
    "SELECT TOP 1 schema_name, COUNT(*) AS n FROM TAP_SCHEMA.tables GROUP BY schema_name HAVING COUNT(*) > 0",
    "SELECT TOP 1 t.table_name FROM TAP_SCHEMA.tables AS t JOIN TAP_SCHEMA.schemas AS s"
    " ON t.schema_name = s.schema_name ORDER BY t.table_name DESC",
    "SELECT TOP 1 s.n FROM (SELECT schema_name AS n FROM TAP_SCHEMA.schemas) AS s",
)
# type of the features: the forms, and for each a condition
GEOMETRY: Final = {
    "CONTAINS": "1 = CONTAINS(POINT({}10, 10), CIRCLE({}10, 10, 1))",
    "CIRCLE": "0 = CONTAINS(POINT({}20, 10), CIRCLE({}10, 10, 1))",
    "INTERSECTS": "1 = INTERSECTS(CIRCLE({}10, 10, 1), CIRCLE({}11, 10, 1))",
    "POLYGON": "1 = CONTAINS(POINT({}10, 10), POLYGON({}9, 9, 11, 9, 11, 11, 9, 11))",
    "BOX": "1 = CONTAINS(POINT({}10, 10), BOX({}10, 10, 2, 2))",
    "DISTANCE": "DISTANCE(POINT({}10, 10), POINT({}10, 11)) BETWEEN 0.99 AND 1.01",
    "AREA": "AREA(CIRCLE({}10, 10, 1)) BETWEEN 3.1 AND 3.2",
    "COORD1": "COORD1(POINT({}10, 20)) BETWEEN 9.9 AND 10.1",
    "COORD2": "COORD2(POINT({}10, 20)) BETWEEN 19.9 AND 20.1",
}
STRINGS: Final = {"LOWER": "LOWER('AbC') = 'abc'", "UPPER": "UPPER('AbC') = 'ABC'", "ILIKE": "'AbC' ILIKE 'a%'"}
TYPES: Final = {"CAST": "CAST('12' AS INTEGER) = 12"}
CONDITIONAL: Final = {"COALESCE": "COALESCE(NULL, 3) = 3"}
# a whole query for each form; both arms of a set are the same table, which decides how many rows there are
SETS: Final = {
    "UNION": "SELECT schema_name FROM TAP_SCHEMA.schemas UNION SELECT schema_name FROM TAP_SCHEMA.schemas",
    "EXCEPT": "SELECT schema_name FROM TAP_SCHEMA.schemas EXCEPT SELECT schema_name FROM TAP_SCHEMA.schemas",
    "INTERSECT": "SELECT schema_name FROM TAP_SCHEMA.schemas INTERSECT SELECT schema_name FROM TAP_SCHEMA.schemas",
}
# INTERSECT binds tighter than UNION (ADQL 2.1 s4.6.6): the answer is all schemas, and from the left it would be none.
PRECEDENCE: Final = (
    "SELECT schema_name FROM TAP_SCHEMA.schemas UNION SELECT schema_name FROM TAP_SCHEMA.schemas INTERSECT "
    "SELECT schema_name FROM TAP_SCHEMA.schemas WHERE 1 = 0"
)
WITH: Final = "WITH conf_all AS (SELECT schema_name FROM TAP_SCHEMA.schemas) SELECT schema_name FROM conf_all"
ORDERED: Final = "SELECT schema_name FROM TAP_SCHEMA.schemas ORDER BY schema_name"
SCHEMAS: Final = "SELECT schema_name FROM TAP_SCHEMA.schemas"


async def declared(bench: Bench, kind: str) -> set[str]:
    """Return the forms that the capabilities declare of a type of features, in upper case.

    Raises
    ------
    NotApplicable
        If there are none.
    """
    found = await tap_capability(bench)
    forms = {
        (child_text(one, "form") or "").upper()
        for features in found.element.iterfind("{*}language/{*}languageFeatures")
        if features.get("type", "").lower().endswith(f"#features-{kind}")
        for one in features.iterfind("{*}feature")
    }
    if not forms:
        raise NotApplicable(f"no features-{kind} are declared")
    return forms


async def holds(bench: Bench, conditions: Iterable[str]) -> None:
    """Require that each condition is true, and that the opposite of all is not."""
    tried = tuple(conditions)
    for condition in tried:
        await _count(bench, f"{SOME} WHERE {condition}", 1)
    await _count(bench, f"{SOME} WHERE NOT ({' AND '.join(tried)})", 0)


async def _count(bench: Bench, adql: str, wanted: int) -> None:
    rows = len((await _answer(bench, adql)).rows)
    require(rows == wanted, f"{adql} gives {rows} rows instead of {wanted}")


async def _answer(bench: Bench, adql: str) -> VOTable:
    try:
        return answered(await query(bench, adql))
    except Violation as error:
        raise Violation(f"{adql}: {error.message}", error.advice) from error


@check("adql.conditions", "2.2")
async def conditions(bench: Bench) -> None:
    """Arithmetic and the predicates of the core are understood (ADQL 2.1 s2.2)."""
    await holds(bench, CONDITIONS)


@check("adql.functions", "2.3")
async def functions(bench: Bench) -> None:
    """The mathematical functions of the core are understood (ADQL 2.1 s2.3)."""
    await holds(bench, FUNCTIONS)


@check("adql.aggregates", "2.2")
async def aggregates(bench: Bench) -> None:
    """Aggregates, groups, joins and tables made by a query are understood (ADQL 2.1 s2.2)."""
    for adql in AGGREGATES:
        await _count(bench, adql, 1)


@check("adql.names", "2.1.7")
async def names(bench: Bench) -> None:
    """Keywords and ordinary names are read in any case, and names can stand in quotes (ADQL 2.1 s2.1.6, s2.1.7)."""
    for adql in (
        "select top 1 TABLE_NAME from tap_schema.TABLES",
        'SELECT TOP 1 "table_name" AS "An odd Name" FROM TAP_SCHEMA.tables',
    ):
        await _count(bench, adql, 1)


@check("adql.geometry", "4.2")
async def geometry(bench: Bench) -> None:
    """The geometrical functions that are declared work (ADQL 2.1 s4.2)."""
    forms = await declared(bench, "adqlgeo")
    told = {one.text for one in (await tap_capability(bench)).element.iterfind("{*}language/{*}version")}
    system = "" if "2.1" in told else "'ICRS', "  # what 2.1 deprecates, 2.0 asks for
    await _tried(bench, forms, {name: text.replace("{}", system) for name, text in GEOMETRY.items()})


@check("adql.strings", "4.4")
async def strings(bench: Bench) -> None:
    """The functions on strings that are declared work (ADQL 2.1 s4.4)."""
    await _tried(bench, await declared(bench, "adql-string"), STRINGS)


@check("adql.cast", "4.7")
async def cast(bench: Bench) -> None:
    """CAST works where it is declared (ADQL 2.1 s4.7)."""
    await _tried(bench, await declared(bench, "adql-type"), TYPES)


@check("adql.conditional", "4.8")
async def conditional(bench: Bench) -> None:
    """COALESCE works where it is declared (ADQL 2.1 s4.8)."""
    await _tried(bench, await declared(bench, "adql-conditional"), CONDITIONAL)


async def _tried(bench: Bench, forms: set[str], probes: dict[str, str]) -> None:
    known = [text for name, text in probes.items() if any(form.startswith(name) for form in forms)]
    if not known:
        raise NotApplicable(f"there is no probe for {', '.join(sorted(forms))}")
    await holds(bench, known)


@check("adql.sets", "4.6")
async def sets(bench: Bench) -> None:
    """The operations on sets that are declared give what they mean (ADQL 2.1 s4.6)."""
    forms = await declared(bench, "adql-sets")
    there = len((await _answer(bench, SCHEMAS)).rows)
    for name, adql in SETS.items():
        if name in forms:
            await _count(bench, adql, 0 if name == "EXCEPT" else there)
    if {"UNION", "INTERSECT"} <= forms:
        await _count(bench, PRECEDENCE, there)


@check("adql.common-table", "4.5")
async def common_table(bench: Bench) -> None:
    """WITH works where it is declared (ADQL 2.1 s4.5)."""
    await declared(bench, "adql-common-table")
    await _count(bench, WITH, len((await _answer(bench, SCHEMAS)).rows))


@check("adql.offset", "4.10")
async def offset(bench: Bench) -> None:
    """OFFSET leaves out the first rows where it is declared (ADQL 2.1 s4.10)."""
    await declared(bench, "adql-offset")
    everything = (await _answer(bench, ORDERED)).rows
    later = (await _answer(bench, f"{ORDERED} OFFSET 1")).rows
    require(later == everything[1:], f"OFFSET 1 of {len(everything)} rows gives {len(later)}, or others")
