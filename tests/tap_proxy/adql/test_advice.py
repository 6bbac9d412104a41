"""The mistakes that astronomers make most: each error says where it is and what to write instead."""

from __future__ import annotations

import pytest

from tap_proxy.adql import AdqlError, analyse, parse
from tests.tap_proxy.adql.catalogues import catalogue

CATALOGUE = catalogue()
MISTAKES = (
    ("SELECT id FROM sources LIMIT 10", "10", "TOP n"),
    ("SELECT TOP 10 FROM sources", "FROM", "a column is missing"),
    ("SELECT id, FROM sources", "FROM", "a column is missing"),
    ("SELECT *, id FROM sources", ", id", "write t.*"),
    ("SELECT id, * FROM sources", "* FROM", "write t.*"),
    ("SELECT count FROM sources", "FROM", '"count"'),
    ("SELECT id AS 'x' FROM sources", "'x'", 'quoted by "'),
    ("SELECT ABS(NULL) FROM sources", "NULL", "a value by itself"),
    ("SELECT id FROM sources WHERE 1 < ra < 2", "< 2", "BETWEEN"),
    ("SELECT id FROM sources WHERE ra > 1 || dec > 1", "> 1", "OR between conditions"),
    ("SELECT id FROM sources WHERE ra NOT NULL", "NULL", "IS NOT NULL"),
    ("SELECT id FROM sources WHERE ra > AND dec > 1", "AND", "between > and AND"),
    ("SELECT id FROM sources WHERE ra = ANY (SELECT ra FROM centres)", "ANY", "use IN or EXISTS"),
    ("SELECT any FROM sources", "any", '"any"'),
    ("SELECT interval FROM sources", "interval", '"interval"'),
    ("SELECT obs_id FROM obscore WHERE obs_release_date > 'now'", "'now'", "YYYY-MM-DD"),
    ("SELECT obs_id FROM obscore WHERE obs_release_date > NOW()", "NOW", "knows no current time"),
    ("SELECT obs_id FROM obscore WHERE obs_release_date > DATE '2020-01-01'", "DATE", "CAST('...' AS TIMESTAMP)"),
    ("SELECT COORD1(CIRCLE(1, 2, 3)) FROM sources", "CIRCLE", "cannot stand here"),
    ("SELECT AREA('CIRCLE ICRS 1 2 3') FROM sources", "'CIRCLE", "REGION(...)"),
    ("SELECT UPPER(mag) FROM sources", "mag", "CAST(... AS VARCHAR)"),
    ('SELECT id FROM sources WHERE name = "Alpha"', '"Alpha"', "'Alpha'"),
    ("SELECT id FROM sources WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))", "", "1 = CONTAINS"),
    ("SELECT id FROM sources WHERE variable = TRUE", "TRUE", "1 or 0"),
    ("SELECT size FROM sources", "size", '"size"'),
    ("SELECT id FROM source", "source", "did you mean sky.sources?"),
    ("SELECT id FROM sources WHERE rra > 5", "rra", "did you mean ra?"),
    ("SELECT s.id FROM sources", "s.id", "there are: sources"),
    ("SELECT id FROM sources s JOIN centres c ON s.id = c.id", "id", "ambiguous"),
    ("SELECT name, AVG(mag) FROM sources", "name", "GROUP BY"),
    ("SELECT id FROM sources WHERE MAX(mag) > 5", "MAX(mag)", "cannot stand in WHERE"),
    ("SELECT id FROM sources WHERE mag == 5", "= 5", "single ="),
    ("SELECT id FROM sources WHERE id % 2 = 0", "% 2", "MOD(a, b)"),
    ("SELECT mag^2 FROM sources", "^", "POWER(a, b)"),
    ("SELECT mag**2 FROM sources", "*2", "POWER(a, b)"),
    ("SELECT CEIL(mag) FROM sources", "CEIL", "CEILING"),
    ("SELECT LN(mag) FROM sources", "LN", "called LOG"),
    ("SELECT NVL(mag, 0) FROM sources", "NVL", "COALESCE"),
    ("SELECT CONCAT(name, 'x') FROM sources", "CONCAT", "||"),
    ("SELECT LENGTH(name) FROM sources", "LENGTH", "LIKE"),
    ("SELECT STDDEV(mag) FROM sources", "STDDEV", "SQRT(AVG"),
    ("SELECT DISTNACE(ra, dec, 1, 2) FROM sources", "DISTNACE", "did you mean DISTANCE?"),
    ("SELECT id AS x FROM sources WHERE x > 1", "x > 1", "column of the result"),
    ("SELECT id AS x, ra AS x FROM sources ORDER BY x", "x", "several columns"),
    ("SELECT id FROM sources WHERE name LIKE 'a%' ESCAPE '!'", "ESCAPE", "no ESCAPE"),
    ("SELECT id FROM sources CROSS JOIN centres", "CROSS", "comma"),
    ("SELECT * FROM sources UNION SELECT * FROM centres", "SELECT * FROM centres", "14 and 5 columns"),
    ("SELECT id FROM (SELECT id FROM sources)", "", "needs a name"),
    ("SELECT id FROM sources WHERE id = (SELECT MAX(id) FROM centres)", "SELECT MAX", "a subquery is no value"),
    ("SELECT CAST(id AS FLOAT) FROM sources", "FLOAT", "REAL, DOUBLE PRECISION"),
    ("SELECT POINT(ra) FROM sources", "POINT", "POINT(longitude, latitude)"),
    ("SELECT id FROM sources WHERE ra > 10:30:00", ":30", "decimal"),
    ("SELECT id FROM sources WHERE ra > 10,5", ",5", "write a point"),
    ("SELECT id FROM 2mass.psc", "2", "double quotes"),
    ("SELECT id FROM I/239/hip_main", "/239", '"I/239/hip_main"'),
    ("SELECT id FROM sources WHERE name = 'Alpha", "'Alpha", "no end"),
    ("SELECT id FROM sources WHERE name = ‘Alpha’", "‘", "plain apostrophe"),
    ("select id form sources", "sources", "did you mean FROM?"),
    ("SELEC id FROM sources", "SELEC", "did you mean SELECT?"),
    ("SELECT id FROM sources WERE ra > 1", "ra > 1", "did you mean WHERE?"),
    ("SELECT obs_id FROM obscore WHERE t_min > '2020-01-01'", "t_min", "ivo_to_mjd"),
    ("SELECT id FROM sources WHERE name = 5", "name", "a string cannot be compared with a number"),
    ("SELECT IN_UNIT(ra, 'hours') FROM sources", "IN_UNIT", "hours is not known"),
    ("SELECT DISTINCT name FROM sources ORDER BY mag", "mag", "columns that are selected"),
    ("SELECT id FROM sources; SELECT id FROM centres", "SELECT id FROM centres", "one query at a time"),
)


@pytest.mark.parametrize(("query", "place", "advice"), MISTAKES, ids=[query for query, _, _ in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_its_cure(query: str, place: str, advice: str) -> None:
    with pytest.raises(AdqlError) as caught:
        analyse(parse(query), CATALOGUE)
    assert advice in caught.value.problem
    assert query[caught.value.offset :].startswith(place)
