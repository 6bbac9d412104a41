"""Expressions and conditions at the edges of what databases agree on: NULL, division, rounding, patterns, casts."""

from __future__ import annotations

from itertools import product

UNKNOWNS = ("n_obs > 0", "mag IN (10, NULL)", "name = NULL", "NOT n_obs > 0")
CONDITIONS = (
    *(f"{a} AND {b}" for a, b in product(UNKNOWNS, UNKNOWNS)),
    *(f"{a} OR {b}" for a, b in product(UNKNOWNS, UNKNOWNS)),
    *(f"NOT ({a} OR NOT ({b}))" for a, b in product(UNKNOWNS, UNKNOWNS)),
    "n_obs NOT IN (1, NULL)",
    "NOT n_obs IN (1, NULL)",
    "n_obs NOT IN (SELECT n_obs FROM sources WHERE id < 10)",
    "n_obs NOT IN (SELECT n_obs FROM sources WHERE id > 1000)",
    "NULL IN (SELECT id FROM centres)",
    "n_obs BETWEEN NULL AND 1",
    "n_obs NOT BETWEEN 5 AND NULL",
    "NOT n_obs BETWEEN NULL AND -5",
    "name LIKE COALESCE(NULL, name)",
    "name NOT LIKE obs_id",
    "NOT name ILIKE obs_id",
    "variable = 1 OR variable = 0",
    "variable <> 1",
    "variable IN (0, 1)",
    "variable = variable",
    "0 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 30))",
    "NOT 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 30))",
    "NOT (1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 30)) AND mag > 11)",
    "1 = CONTAINS(POINT(ra, dec), CIRCLE(0, 90, 30))",
    "1 = CONTAINS(POINT(ra, dec), CIRCLE(0, -90, 0.5))",
    "1 = CONTAINS(POINT(ra, dec), CIRCLE(359.9, 1, 40))",
    "1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 1, 180))",
    "1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 1, 179.9))",
    "1 = CONTAINS(POINT(ra, dec), BOX(10, 89, 20, 20))",
    "1 = CONTAINS(POINT(ra, dec), BOX(0, 0, 179, 179))",
    "1 = CONTAINS(POINT(ra, dec), BOX(0, EXP(mag * 1000), 20, 20))",
    "1 = CONTAINS(POINT(ra, dec), BOX(-EXP(mag * 1000), 0, 20, 20))",
    "1 = CONTAINS(POINT(ra, dec), POLYGON(0, 60, 120, 60, 240, 60))",
    "1 = CONTAINS(POINT(ra, dec), POLYGON(240, 60, 120, 60, 0, 60))",
    "1 = CONTAINS(POINT(ra, dec), POLYGON(10, 20, 10, 20, 10, 20))",
    "1 = CONTAINS(POINT(ra, dec), POLYGON(350, -60, 30, -60, 30, 60, 350, 60))",
    "1 = CONTAINS(CIRCLE(ra, dec, 1), CIRCLE(0, 0, 170))",
    "1 = INTERSECTS(CIRCLE(ra, dec, 30), POLYGON(0, 60, 120, 60, 240, 60))",
    "1 = INTERSECTS(BOX(ra, dec, 30, 5), CIRCLE(0, 90, 20))",
    "DISTANCE(ra, dec, 180, 0) >= 90",
    "DISTANCE(ra, dec, MOD(ra + 180, 360), -dec) > 179.999999",
    "ABS(DISTANCE(POINT(ra, dec), POINT(0, 90)) - 90 + dec) < 1e-9",
    "AREA(CIRCLE(ra, dec, ABS(dec))) > 10000",
)

_CONSTANTS = """
7/2 -7/2 7/-2 -7/-2 (0-7)/2 7/2*2 7*2/4 1/2 1/2.0 1.0/2 2147483647+1 2147483647*2 9223372036854775807
9223372036854775806+1 -9223372036854775807-1 9223372036854775807+1 3000000000*3 3000000000*4000000000 1/0 0/0 1/0.0
1.0/0 MOD(7,3) MOD(-7,3) MOD(7,-3) MOD(-7,-3) MOD(7,0) MOD(7.5,2) MOD(-7.5,2) MOD(7.5,-2) MOD(1e18,7) MOD(0.3,0.1)
MOD(5,0.0) MOD(0,5) ROUND(1.5,300) ROUND(1.5,-300) ROUND(1e308,5) TRUNCATE(1e300,10) CEILING(-0.5) FLOOR(-0.5)
CEILING(1e20) FLOOR(2147483647.5) ABS(-9223372036854775807) POWER(2,10) POWER(2,-1) POWER(0,0) POWER(0,-1)
POWER(-8,1/3.) POWER(-8,3) POWER(1e200,2) POWER(10,-400) POWER(10,400) POWER(-10,401) LOG(0) LOG(-1) LOG10(0)
LOG10(-1) LOG(1e-320) SQRT(-1) SQRT(0) EXP(1000) EXP(-1000) EXP(709) ASIN(1.0000001) ACOS(-1) ACOS(-1.1) ATAN2(0,0)
ATAN2(0,-1) COT(0) COT(PI()) TAN(PI()/2) DEGREES(PI()) RADIANS(180) POWER(EXP(1000),2) LOG(EXP(1000)) -EXP(1000)
1/EXP(1000) SQRT(EXP(1000)) FLOOR(EXP(1000)) ROUND(EXP(1000),2) MOD(EXP(1000),3) MOD(3,EXP(1000)) 'a'||'b' ''||''
'a'||1.0||1e20||1e-7||0.1||100000||1e15||1e16||123456789012345678 'x'||(1/3.) 'x'||(-5)
"""

VALUES = (
    *_CONSTANTS.split(),
    "'x' || CAST(0.1 AS REAL)",
    "LOWER('ÄÖÜ-ÉÇ')",
    "UPPER('äöüéçßı')",
    "LOWER('İΑΣ')",
    "CAST(0.1 AS VARCHAR)",
    "CAST(-1.5e-10 AS VARCHAR)",
    "CAST('abc' AS CHAR(2))",
    "CAST('äöü' AS VARCHAR(2))",
    "CAST('a😀b' AS VARCHAR(2))",
    "CAST('abc' AS VARCHAR(0))",
    "CAST(12345 AS CHAR(3))",
    "CAST(2.5 AS INTEGER)",
    "CAST(-2.5 AS INTEGER)",
    "CAST(2.999999999 AS INTEGER)",
    "CAST('  12 ' AS INTEGER)",
    "CAST('+12' AS INTEGER)",
    "CAST('1e3' AS REAL)",
    "CAST('-Infinity' AS DOUBLE PRECISION)",
    "CAST(1e300 AS REAL)",
    "CAST(16777217 AS REAL)",
    "CAST(9007199254740993 AS DOUBLE PRECISION)",
    "CAST(1e18 AS BIGINT)",
    "CAST(-32768 AS SMALLINT)",
    *(
        f"{function}({number}, {digits})"
        for function, number, digits in product(
            ("ROUND", "TRUNCATE"),
            ("2.5", "-2.5", "1.005", "2.675", "155", "-155", "12345.6789", "-0.05", "5e15", "4503599627370497.5"),
            (-3, -2, -1, 0, 1, 2, 5, 10),
        )
    ),
)

ROWS = (
    "CAST(mag * 1e5 AS INTEGER)",
    "CAST(mag * 1e9 AS INTEGER)",
    "CAST(big AS INTEGER)",
    "CAST(name AS INTEGER)",
    "CAST(name AS REAL)",
    "CAST(id * 1000 AS SMALLINT)",
    "CAST(ra * 1e300 AS REAL)",
    "CAST(variable AS VARCHAR) || variable || 'x' || n_obs",
    "name || obs_id",
    "CAST(ra AS REAL) || ''",
    "CAST(ra AS REAL) + 1",
    "CAST(n_obs AS REAL) / 3",
    "big * big",
    "-(big * 3000000000 - 1)",
    "big * n_obs * quality",
    "SUM(big)",
    "SUM(big * 1000000000)",
    "AVG(big)",
    "id * 9223372036854775807",
    "ABS(big) + big",
    "COALESCE(variable, 0)",
    "COALESCE(variable, 1.5)",
    "COALESCE(1.5, variable)",
    "variable + 1",
    "variable / 2",
    "MOD(variable, 2)",
    "ROUND(variable)",
)

PATTERNS = (
    "a\\%",
    "\\%",
    "100%",
    "_",
    "%",
    "_%",
    "[a]",
    "[",
    "]",
    "*",
    "?",
    "^a",
    "\\",
    "%é%",
    "É",
    "%\n%",
    "%''%",
    "",
)
TEXTS = ("a%", "a_b", "100%", "", "[a]", "[", "*", "?", "^a", "a\\", "\\", "é", "É", "x\ny", "abc", "it''s")

QUERIES = (
    "SELECT n_obs FROM sources ORDER BY n_obs, id",
    "SELECT n_obs FROM sources ORDER BY n_obs DESC, id",
    "SELECT -n_obs FROM sources ORDER BY -n_obs",
    "SELECT LOWER(name) FROM sources ORDER BY 1 DESC",
    "SELECT DISTINCT n_obs, name FROM sources ORDER BY name, n_obs DESC",
    "SELECT n_obs FROM sources INTERSECT ALL SELECT n_obs FROM sources WHERE id < 30",
    "SELECT n_obs, name FROM sources EXCEPT ALL SELECT n_obs, name FROM sources WHERE id < 30",
    "SELECT NULL, NULL FROM sources UNION SELECT NULL, NULL FROM centres",
    "SELECT n_obs FROM sources INTERSECT SELECT NULL FROM centres",
    "SELECT variable FROM sources ORDER BY variable, id",
    "SELECT variable, COUNT(*) FROM sources GROUP BY variable ORDER BY variable",
    "SELECT quality FROM sources UNION SELECT variable FROM sources ORDER BY 1",
    "SELECT variable FROM sources UNION SELECT quality FROM sources ORDER BY 1",
    "SELECT variable FROM sources UNION SELECT mag FROM sources ORDER BY 1",
    "SELECT SUM(variable), AVG(variable), MIN(variable), COUNT(DISTINCT variable) FROM sources",
    "SELECT n_obs / 2, COUNT(*) FROM sources GROUP BY n_obs / 2",
    "SELECT FLOOR(mag / 2) * 2, COUNT(*), AVG(mag), SUM(mag) FROM sources GROUP BY FLOOR(mag / 2) * 2 ORDER BY 1",
    "SELECT ROUND(ra, -2), COUNT(*) FROM sources GROUP BY ROUND(ra, -2)",
    "SELECT name || 'x', 'x' FROM sources GROUP BY name, 'x'",
    "SELECT COUNT(*), SUM(n_obs), AVG(n_obs), MIN(name), MAX(mag), COUNT(DISTINCT name) FROM sources WHERE 1 = 0",
    "SELECT COUNT(*) FROM sources WHERE 1 = 0 GROUP BY n_obs",
    "SELECT COUNT(*) FROM sources WHERE 1 = 0 HAVING COUNT(*) = 0",
    "SELECT CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 90)) AS c, COUNT(*) FROM sources GROUP BY c",
    "SELECT MIN(obs_release_date), MAX(obs_release_date) FROM obscore WHERE obs_id = 'x'",
    "SELECT ivo_to_mjd(obs_release_date), ivo_to_jd(obs_release_date) FROM obscore",
    *(
        f"SELECT obs_id FROM obscore WHERE obs_release_date {test}"
        for test in (
            "> '2015'",
            "> '2015-03-01'",
            "= '2015-06-01'",
            "= '2015-06-01T00:00:00Z'",
            "BETWEEN '2012-01-01' AND '2013-12-31T23:59:59'",
            "> CAST('2015-06-01 00:00:00' AS TIMESTAMP)",
            "IN ('2015-06-01', '2016-07-01T00:00:00')",
        )
    ),
)


INJECTED = (
    "'; DROP TABLE sky.sources; --",
    '"; DROP TABLE sky.sources; --',
    "' OR '1'='1",
    "\\'; SELECT 1; --",
    "$1 ? :a @b {0} %s %(x)s",
    "/* */ ; -- \n 1",
    "é\u2028\u200b\x01",
    "'||(SELECT 1)||'",
)
_SLOTS = (
    "SELECT '{text}' FROM centres WHERE id = 0",
    'SELECT id AS "{name}" FROM centres WHERE id = 0',
    'SELECT "{name}".id FROM centres AS "{name}" ORDER BY "{name}".id',
    'SELECT q."{name}" FROM (SELECT id AS "{name}" FROM centres) AS q GROUP BY q."{name}"',
    'WITH "{name}" AS (SELECT id FROM centres) SELECT id FROM "{name}"',
    'SELECT "{name}" FROM (SELECT id AS "{name}" FROM centres) a NATURAL JOIN (SELECT id AS "{name}" FROM sources) b',
    "SELECT id FROM sources WHERE name = '{text}' OR name <> '{text}' OR name IN ('{text}', 'x')",
    "SELECT id FROM sources WHERE name LIKE '{text}' OR name ILIKE '%{text}%' OR name || '{text}' LIKE name",
    "SELECT CAST('{text}' AS VARCHAR(9)), UPPER('{text}'), COALESCE(NULL, '{text}') FROM centres WHERE id = 0",
    "SELECT COORDSYS(POINT('{text}', 1, 2)), CONTAINS(CIRCLE('{text}', 1, 2, 3), CIRCLE(1, 2, 3)) FROM centres",
    "SELECT ivo_hasword('{text}', name), ivo_nocasematch(name, '{text}'), ivo_hashlist_has('{text}', 'x') FROM sources",
    "SELECT ivo_string_agg(label, '{text}') FROM centres WHERE id < 1",
    "SELECT AREA(t), CENTROID(t) FROM (SELECT '{text}' AS t FROM centres WHERE id = 0) AS q",
)


def injections() -> list[str]:
    """Return queries with hostile texts wherever a string or a name of one's own can stand."""
    return [
        slot.format(text=text.replace("'", "''"), name=text.replace('"', '""')) for text in INJECTED for slot in _SLOTS
    ]


def edges() -> list[str]:
    """Return all queries."""
    made = [f"SELECT id FROM sources WHERE {condition}" for condition in CONDITIONS]
    made += [f"SELECT {value} FROM centres WHERE id = 0" for value in VALUES]
    made += [f"SELECT {value} FROM sources" for value in ROWS]
    made += [
        f"SELECT id FROM centres WHERE '{text}' LIKE '{pattern}' OR (id = 0 AND '{text}' ILIKE '{pattern}') "
        f"OR (id = 1 AND '{text}' LIKE COALESCE('{pattern}', label))"
        for pattern, text in product(PATTERNS, TEXTS)
    ]
    return [*made, *QUERIES]
