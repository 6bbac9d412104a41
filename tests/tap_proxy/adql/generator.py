"""Makes random queries over the small sky: correct ADQL whose answer does not depend on the order of rows."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

NUMBERS = ("id", "ra", "dec", "mag", "n_obs", "quality", "pm_ra", "variable")
INTEGERS = ("id", "n_obs", "quality")
STRINGS = ("name", "obs_id")
FUNCTIONS = (
    "ABS",
    "CEILING",
    "FLOOR",
    "DEGREES",
    "RADIANS",
    "SIN",
    "COS",
    "ATAN",
    "SQRT",
    "LOG",
    "LOG10",
    "ASIN",
    "ACOS",
)
CASTS = ("DOUBLE PRECISION", "BIGINT", "INTEGER")
PATTERNS = ("a%", "%a%", "_lpha", "B%", "obs_", "%*", "[%", "%_x", "", "%")
LITERALS = ("'alpha'", "'Alpha'", "'obs3'", "''", "'b'", "'Z'")
SHAPES = (
    "CIRCLE(10, -5, 50)",
    "CIRCLE(359.9, 0, 30)",
    "CIRCLE(POINT(120, 88), 10)",
    "CIRCLE('ICRS', 0, -90, 60)",
    "POLYGON(0, 0, 90, 0, 90, 60, 0, 60)",
    "POLYGON(0, 0, 90, 0, 45, 30, 90, 60, 0, 60)",
    "POLYGON(0, 50, 90, 50, 180, 50, 270, 50)",
    "BOX(350, 10, 60, 40)",
    "REGION('CIRCLE ICRS 200 -40 70')",
)


class Generator:
    """Queries from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def query(self) -> str:
        kind = self.random.choice((self.plain, self.plain, self.joined, self.grouped, self.combined, self.nested))
        return kind()

    def pick(self, *makers: Callable[[], str]) -> str:
        return self.random.choice(makers)()

    def column(self, names: tuple[str, ...], alias: str) -> str:
        return f"{alias}.{self.random.choice(names)}"

    def number(self, alias: str, depth: int = 0) -> str:
        if depth > 2 or self.random.random() < 0.4:
            return self.pick(lambda: self.column(NUMBERS, alias), self.constant)
        inner = lambda: self.number(alias, depth + 1)  # noqa: E731
        return self.pick(
            lambda: f"({inner()} {self.random.choice('+-*/')} {inner()})",
            lambda: f"({inner()} {self.random.choice('+-')} {inner()} {self.random.choice('*/')} {inner()})",
            lambda: f"{self.random.choice(FUNCTIONS)}({inner()})",
            lambda: f"-{self.column(NUMBERS, alias)}",
            lambda: f"ROUND({inner()}, {self.random.randint(-2, 4)})",
            lambda: f"TRUNCATE({inner()}, {self.random.randint(0, 3)})",
            lambda: f"MOD({self.column(INTEGERS, alias)}, {self.random.randint(1, 7)})",
            lambda: f"COALESCE({self.column(NUMBERS[:-1], alias)}, {self.constant()})",
            lambda: f"CAST({self.column(INTEGERS, alias)} AS {self.random.choice(CASTS)})",
            lambda: f"IN_UNIT({alias}.ra, 'rad')",
            lambda: f"DISTANCE({alias}.ra, {alias}.dec, {self.random.randint(0, 359)}, {self.random.randint(-90, 90)})",
            lambda: f"CONTAINS(POINT({alias}.ra, {alias}.dec), {self.random.choice(SHAPES)})",
        )

    def constant(self) -> str:
        return self.random.choice(("0", "1", "2", "7", "2.5", "0.25", "1e1", "100", "3."))

    def string(self, alias: str) -> str:
        return self.pick(
            lambda: self.column(STRINGS, alias),
            lambda: self.random.choice(LITERALS),
            lambda: f"LOWER({self.column(STRINGS, alias)})",
            lambda: f"UPPER({self.column(STRINGS, alias)})",
            lambda: f"{self.column(STRINGS, alias)} || {self.random.choice(LITERALS)} || {alias}.id",
            lambda: f"COALESCE({self.column(STRINGS, alias)}, {self.random.choice(LITERALS)})",
            lambda: f"CAST({self.column(NUMBERS[:-1], alias)} AS VARCHAR)",
        )

    def condition(self, alias: str, depth: int = 0) -> str:
        inner = lambda: self.condition(alias, depth + 1)  # noqa: E731
        if depth < 2 and self.random.random() < 0.5:
            return self.pick(
                lambda: f"({inner()} AND {inner()})",
                lambda: f"({inner()} OR {inner()})",
                lambda: f"NOT ({inner()})",
            )
        negated = self.random.choice(("", "NOT "))
        compare = self.random.choice(("=", "<>", "!=", "<", ">", "<=", ">="))
        point = f"POINT({alias}.ra, {alias}.dec)"
        return self.pick(
            lambda: f"{self.number(alias, 1)} {compare} {self.number(alias, 1)}",
            lambda: f"{self.string(alias)} {compare} {self.string(alias)}",
            lambda: f"{self.number(alias, 2)} {negated}BETWEEN {self.constant()} AND {self.constant()}",
            lambda: f"{self.column(STRINGS, alias)} {negated}LIKE '{self.random.choice(PATTERNS)}'",
            lambda: f"{self.column(STRINGS, alias)} {negated}ILIKE '{self.random.choice(PATTERNS)}'",
            lambda: f"{self.column(STRINGS, alias)} {negated}IN ({', '.join(self.random.sample(LITERALS, 2))})",
            lambda: f"{self.column(INTEGERS, alias)} {negated}IN (SELECT id FROM sky.centres)",
            lambda: f"{self.column((*NUMBERS, *STRINGS), alias)} IS {negated}NULL",
            lambda: f"{self.random.choice('01')} = CONTAINS({point}, {self.random.choice(SHAPES)})",
            lambda: f"DISTANCE({point}, POINT(30, 40)) {self.random.choice(('<', '<=', '>', '>='))} 60.5",
            lambda: f"{negated}EXISTS (SELECT * FROM sky.centres AS e WHERE e.id = {alias}.n_obs)",
            lambda: f"{alias}.variable = {self.random.choice(('1', '0', chr(39) + 'true' + chr(39)))}",
        )

    def outputs(self, alias: str) -> str:
        columns = [
            self.pick(lambda: self.number(alias), lambda: self.string(alias)) for _ in range(self.random.randint(1, 3))
        ]
        return ", ".join([*columns, f"{alias}.id"])

    def where(self, alias: str) -> str:
        return f" WHERE {self.condition(alias)}" if self.random.random() < 0.8 else ""

    def plain(self) -> str:
        order = self.random.choice(("", " ORDER BY id", " ORDER BY s.name DESC, id", " ORDER BY mag, s.id DESC"))
        top = f"TOP {self.random.randint(0, 20)} " if order else ""
        offset = f" OFFSET {self.random.randint(0, 9)}" if order and self.random.random() < 0.4 else ""
        distinct = "DISTINCT " if order in {"", " ORDER BY id"} and self.random.random() < 0.3 else ""
        return f"SELECT {distinct}{top}{self.outputs('s')} FROM sky.sources AS s{self.where('s')}{order}{offset}"

    def joined(self) -> str:
        kind = self.random.choice(("JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN", "INNER JOIN"))
        on = self.random.choice(("ON s.id = c.id", "USING (id)", "ON s.n_obs = c.id"))
        if kind in {"JOIN", "LEFT JOIN"} and self.random.random() < 0.3:
            on = self.random.choice(
                (
                    "ON 1 = CONTAINS(POINT(s.ra, s.dec), CIRCLE(c.ra, c.dec, c.radius))",
                    "ON DISTANCE(s.ra, s.dec, c.ra, c.dec) < 30",
                    "ON 1 = INTERSECTS(CIRCLE(s.ra, s.dec, 5), CIRCLE(c.ra, c.dec, 20))",
                )
            )
        return (
            f"SELECT {self.outputs('s')}, c.label, c.id FROM sky.sources s {kind} sky.centres c {on}{self.where('s')}"
        )

    def grouped(self) -> str:
        key = self.random.choice(("n_obs", "quality", "name", "n_obs + quality", "LOWER(obs_id)"))
        values = self.random.sample(
            (
                "COUNT(*)",
                "COUNT(DISTINCT name)",
                "SUM(id)",
                "SUM(mag)",
                "AVG(n_obs)",
                "MIN(name)",
                "MAX(mag)",
                "MAX(ra) - MIN(ra)",
                "COUNT(mag)",
                "MIN(variable)",
            ),
            2,
        )
        having = self.random.choice(("", " HAVING COUNT(*) > 3", " HAVING MIN(mag) < 12 AND MAX(id) > 9"))
        return f"SELECT {key} AS k, {', '.join(values)} FROM sky.sources s{self.where('s')} GROUP BY {key}{having}"

    def combined(self) -> str:
        columns = self.random.choice(
            ("{0}.id, {0}.n_obs", "{0}.name, {0}.quality", "{0}.n_obs, {0}.mag", "{0}.quality, NULL")
        )
        queries = [
            f"SELECT {columns.format('s')} FROM sky.sources s{self.where('s')}",
            f"SELECT {columns.format('u')} FROM sky.sources u{self.where('u')}",
            f"(SELECT TOP 9 {columns.format('v')} FROM sky.sources v ORDER BY v.id)",
        ]
        operators = [f" {name}{keep} " for name in ("UNION", "EXCEPT", "INTERSECT") for keep in ("", " ALL")]
        first, second, third = self.random.sample(queries, 3)
        order = self.random.choice(("", " ORDER BY 1, 2", " ORDER BY 2 DESC, 1"))
        return f"{first}{self.random.choice(operators)}{second}{self.random.choice(operators)}{third}{order}"

    def nested(self) -> str:
        columns = ", ".join(f"s.{name}" for name in (*NUMBERS, *STRINGS))
        inner = f"SELECT {columns} FROM sky.sources s{self.where('s')}"
        if self.random.random() < 0.5:
            return f"WITH q AS ({inner}) SELECT {self.outputs('q')} FROM q{self.where('q')}"
        return f"SELECT {self.outputs('q')} FROM ({inner}) AS q{self.where('q')}"
