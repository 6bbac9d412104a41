from __future__ import annotations

import pytest

from penstock.tables import Column, Schema, Table
from penstock.votable.model import Field
from tap_proxy.adql import AdqlSemanticError, Catalogue, SQLite, analyse, compile_query, parse
from tests.tap_proxy.adql.catalogues import SCHEMAS, catalogue

ACCEPTED = (
    "SELECT S_RA, s_dec FROM IVOA.ObsCore",
    'SELECT "s_ra" FROM "ivoa"."obscore"',
    "SELECT obscore.s_ra, ivoa.obscore.s_dec FROM obscore",
    "SELECT o.s_ra FROM obscore AS o, sky.sources AS s WHERE o.obs_id = s.obs_id",
    'SELECT table_name, "size" FROM tap_schema.columns',
    'SELECT "Odd Name" FROM sources',
    "SELECT obs_id FROM obscore JOIN sources USING (obs_id)",
    "SELECT obs_id, o.obs_id, s.obs_id FROM obscore o JOIN sources s USING (obs_id)",
    "SELECT id FROM sources NATURAL JOIN (SELECT id FROM centres) AS c",
    "SELECT s.id FROM sources s WHERE EXISTS (SELECT 1 FROM centres c WHERE c.id = s.id AND label = name)",
    "SELECT a.id FROM sources a JOIN (SELECT id AS i FROM sources) b ON a.id = b.i",
    "WITH x AS (SELECT id AS n FROM centres), y AS (SELECT n FROM x) SELECT x.n FROM x JOIN y ON x.n = y.n",
    "WITH sources AS (SELECT label FROM centres) SELECT label FROM sources",
    "SELECT id AS x FROM sources ORDER BY x",
    "SELECT id AS mag FROM sources ORDER BY mag, 1, id + n_obs, sources.dec",
    "SELECT COUNT(*) FROM sources",
    "SELECT n_obs + 1, COUNT(*) + MAX(id) FROM sources GROUP BY n_obs + 1 ORDER BY COUNT(*), MIN(mag)",
    "SELECT s.n_obs AS n, 'x', 3 FROM sources s GROUP BY n_obs HAVING MAX(mag) > n_obs",
    "SELECT n_obs AS k, COUNT(*) FROM sources GROUP BY k",
    "SELECT name, (SUM(mag) / COUNT(*)) FROM sources GROUP BY name",
    "SELECT DISTINCT name, mag FROM sources ORDER BY mag * 2, name",
    "SELECT id FROM sources UNION SELECT mag FROM sources ORDER BY id",
    "SELECT id, NULL FROM sources UNION SELECT NULL, name FROM sources",
    "SELECT id FROM sources WHERE n_obs = '2' OR variable = 'true' OR variable = 1 OR mag = NULL",
    "SELECT obs_id FROM obscore WHERE obs_release_date > '2020-01-01' AND s_region <> ''",
    "SELECT obs_id FROM obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), s_region) AND AREA(obs_id) > 1",
    "SELECT CIRCLE(pos, 1), COORD1(pos), DISTANCE(pos, pos), POLYGON(pos, pos, pos) FROM sources",
    "SELECT IVO_HasWord(name, 'x') FROM sources",
    "SELECT a.b.c.id FROM sources AS x",
)[:-1]


@pytest.mark.parametrize("query", ACCEPTED)
def test_a_query_that_fits_is_accepted(query: str) -> None:
    analyse(parse(query), catalogue())


REFUSED = (
    ("SELECT s_raa FROM obscore", 8, "did you mean s_ra?"),
    ("SELECT siz FROM TAP_SCHEMA.columns", 8, 'did you mean "size"?'),
    ("SELECT a FROM obscor", 15, "did you mean ivoa.obscore?"),
    ("SELECT a FROM wrong.obscore", 15, "there is no table wrong.obscore"),
    ("SELECT a FROM cat.ivoa.obscore", 15, "there is no table"),
    ('SELECT "S_RA" FROM obscore', 8, "no column"),
    ("SELECT o.s_ra FROM obscore", 8, "no table of this query is called o"),
    ("SELECT obscore.s_ra FROM obscore AS o", 8, "alias"),
    ("SELECT x.nothing FROM sources x", 8, "in the table x"),
    ("SELECT obs_id FROM obscore, sources", 8, "ambiguous"),
    ("SELECT id FROM sources a, sources a", 35, "two tables"),
    ("SELECT ra FROM sources, sky.sources", 25, "two tables"),
    ("SELECT x.* FROM sources", 8, "no table of this FROM"),
    ("SELECT id FROM (SELECT id, id FROM sources) AS q", 8, "ambiguous"),
    ("SELECT id FROM sources JOIN obscore USING (id)", 44, "on the right"),
    ("SELECT s.id FROM sources s, obscore o JOIN centres c ON c.id = s.id", 64, "no table of this query"),
    ("SELECT id FROM sources WHERE COUNT(*) > 1", 30, "cannot stand in WHERE"),
    ("SELECT SUM(MAX(id)) FROM sources", 12, "cannot stand in another set function"),
    ("SELECT id FROM sources GROUP BY COUNT(*)", 33, "GROUP BY"),
    ("SELECT name, COUNT(*) FROM sources", 8, "GROUP BY"),
    ("SELECT name, mag FROM sources GROUP BY name", 14, "mag"),
    ("SELECT * FROM sources GROUP BY name", 8, "GROUP BY"),
    ("SELECT name FROM sources GROUP BY name ORDER BY mag", 49, "mag"),
    ("SELECT name FROM sources GROUP BY name HAVING mag > 1", 47, "mag"),
    ("SELECT DISTINCT name FROM sources ORDER BY mag", 44, "DISTINCT"),
    ("SELECT id FROM sources ORDER BY 2", 33, "no column 2"),
    ("SELECT id FROM sources ORDER BY POINT(ra, dec)", 33, "no order"),
    ("SELECT id FROM sources UNION SELECT id, ra FROM sources", 30, "1 and 2 columns"),
    ("SELECT id FROM sources UNION SELECT name FROM sources", 30, "a number in one query and a string"),
    ("SELECT id FROM sources UNION SELECT id FROM centres ORDER BY label", 62, "label"),
    ("SELECT id FROM sources WHERE id IN (SELECT id, ra FROM centres)", 36, "one column"),
    ("SELECT id FROM sources WHERE name IN (SELECT id FROM centres)", 30, "cannot be compared"),
    ("SELECT id FROM sources WHERE id = 'x'", 30, "a number cannot be compared with a string"),
    ("SELECT id FROM sources WHERE id = name", 30, "cannot be compared"),
    ("SELECT id FROM sources WHERE pos = 3", 30, "cannot be compared"),
    ("SELECT id FROM sources WHERE POINT(1, 2) = POINT(1, 2)", 30, "CONTAINS"),
    ("SELECT id FROM sources WHERE mag LIKE 'x'", 30, "write CAST(... AS VARCHAR)"),
    ("SELECT name + 1 FROM sources", 8, "a number is wanted"),
    ("SELECT ABS(name) FROM sources", 12, "a number is wanted"),
    ("SELECT AVG(name) FROM sources", 12, "a number is wanted"),
    ("SELECT COALESCE(id, 'x') FROM sources", 21, "one type"),
    ("SELECT CAST(id AS TIMESTAMP) FROM sources", 8, "cannot become TIMESTAMP"),
    ("SELECT CAST('x' AS TIMESTAMP) FROM sources", 13, "no timestamp"),
    ("SELECT CAST('1 2' AS CIRCLE) FROM sources", 13, "no CIRCLE"),
    ("SELECT POINT(name, 1) FROM sources", 14, "a number is wanted"),
    ("SELECT POINT(1, 91) FROM sources", 8, "latitude"),
    ("SELECT CIRCLE(1, 2, -3) FROM sources", 8, "radius"),
    ("SELECT COORD1(name) FROM sources", 15, "a point is wanted"),
    ("SELECT AREA(id) FROM sources", 13, "a geometry is wanted"),
    ("SELECT REGION('nonsense') FROM sources", 15, "REGION cannot read"),
    ("SELECT REGION('CIRCLE GALACTIC 1 2 3') FROM sources", 15, "GALACTIC"),
    ("SELECT IN_UNIT(ra, 'kg') FROM sources", 8, "different things"),
    ("SELECT IN_UNIT(ra, 'foo') FROM sources", 8, "no unit"),
    ("SELECT IN_UNIT(ra, '') FROM sources", 8, "empty"),
    ("SELECT IN_UNIT(n_obs, 'deg') FROM sources", 8, "no unit"),
    ("SELECT IN_UNIT(42, 'kg') FROM sources", 8, "no unit"),
    ("SELECT ivo_hasword(name) FROM sources", 8, "ivo_hasword(haystack"),
    ("SELECT ivo_hasword(name, 3) FROM sources", 26, "a string is wanted"),
    ("SELECT ivo_haswrd(name, 'x') FROM sources", 8, "did you mean ivo_hasword?"),
    ("SELECT MOC(30, POINT(1, 2)) FROM sources", 12, "from 0 to 29"),
    ("SELECT MOC(6.5, POINT(1, 2)) FROM sources", 12, "whole number"),
    ("SELECT MOC(29, CIRCLE(1, 2, 3)) FROM sources", 8, "too fine"),
    ("SELECT MOC(6, POINT(ra, 2)) FROM sources", 15, "the same for every row"),
    ("SELECT MOC(6, name) FROM sources", 15, "geometry made of numbers"),
    ("SELECT MOC('6/1-99999999') FROM sources", 12, "order 6 has cells"),
    ("SELECT MOC(1, 2, 3) FROM sources", 8, "MOC is called as"),
    ("SELECT AREA(coverage) FROM stc_spatial", 13, "CONTAINS and INTERSECTS"),
    ("SELECT ivoid FROM stc_spatial, sources WHERE 1 = CONTAINS(POINT(ra, dec), coverage)", 59, "for every row"),
    ("SELECT id FROM sources WHERE ivo_string_agg(name, ',') = ''", 30, "cannot stand in WHERE"),
    ("WITH a AS (SELECT id FROM a) SELECT id FROM a", 27, "no table a"),
    ("WITH a AS (SELECT id FROM sources), a AS (SELECT id FROM sources) SELECT id FROM a", 37, "two common tables"),
    ("SELECT id FROM sources WHERE id = 1" + "0" * 400, 35, "larger"),
)


@pytest.mark.parametrize(("query", "column", "advice"), REFUSED, ids=[query[:70] for query, _, _ in REFUSED])
def test_a_query_that_does_not_fit_is_refused_with_its_place(query: str, column: int, advice: str) -> None:
    with pytest.raises(AdqlSemanticError) as caught:
        analyse(parse(query), catalogue())
    assert advice in caught.value.message
    assert (caught.value.line, caught.value.column) == (1, column)


def columns_of(query: str) -> tuple[Field, ...]:
    return compile_query(query, catalogue(), SQLite()).fields


def test_a_column_keeps_its_description_under_its_alias() -> None:
    (field,) = columns_of("SELECT q.o AS x FROM (SELECT obs_id AS o FROM obscore) AS q")
    assert field == Field(
        name="x",
        datatype="char",
        arraysize="*",
        ucd="meta.id",
        utype="obscore:DataID.observationID",
        description="Observation",
    )


TYPES = (
    ("COUNT(*)", "long", None, None, None),
    ("COUNT(DISTINCT name)", "long", None, None, None),
    ("AVG(n_obs)", "double", None, None, None),
    ("SUM(quality)", "long", None, None, None),
    ("SUM(mag)", "double", None, None, "mag"),
    ("MIN(quality)", "short", None, None, None),
    ("MAX(ra)", "double", None, None, "deg"),
    ("MIN(name)", "char", "*", None, None),
)
ROW_TYPES = (
    ("n_obs + quality", "long", None, None, None),
    ("n_obs + mag", "double", None, None, None),
    ("ra + dec", "double", None, None, "deg"),
    ("ra * 2", "double", None, None, "deg"),
    ("ra * dec", "double", None, None, "deg**2"),
    ("n_obs / 2", "long", None, None, None),
    ("-quality", "long", None, None, None),
    ("7", "int", None, None, None),
    ("3000000000", "long", None, None, None),
    ("1.5", "double", None, None, None),
    ("'x' || name", "char", "*", None, None),
    ("LOWER(name)", "char", "*", None, None),
    ("CAST(mag AS SMALLINT)", "short", None, None, "mag"),
    ("CAST(mag AS REAL)", "float", None, None, "mag"),
    ("CAST(mag AS VARCHAR(5))", "char", "5*", None, None),
    ("CAST(mag AS CHAR(5))", "char", "5", None, None),
    ("CAST('2020-01-01' AS TIMESTAMP)", "char", "*", "timestamp", None),
    ("CAST('1 2' AS POINT)", "double", "2", "point", "deg"),
    ("COALESCE(quality, mag)", "double", None, None, None),
    ("COALESCE(NULL, name)", "char", "*", None, None),
    ("IN_UNIT(ra, 'arcsec')", "double", None, None, "arcsec"),
    ("SQRT(n_obs)", "double", None, None, None),
    ("ROUND(ra, 1)", "double", None, None, "deg"),
    ("ABS(quality)", "short", None, None, None),
    ("MOD(id, 2)", "double", None, None, None),
    ("DISTANCE(ra, dec, 1, 2)", "double", None, None, "deg"),
    ("CONTAINS(pos, CIRCLE(1, 2, 3))", "int", None, None, None),
    ("POINT(ra, dec)", "double", "2", "point", "deg"),
    ("CIRCLE(ra, dec, 1)", "double", "3", "circle", "deg"),
    ("POLYGON(ra, dec, 1, 2, 3, 4)", "double", "*", "polygon", "deg"),
    ("BOX(ra, dec, 1, 2)", "double", "*", "polygon", "deg"),
    ("CENTROID(CIRCLE(1, 2, 3))", "double", "2", "point", "deg"),
    ("AREA(CIRCLE(ra, dec, 3))", "double", None, None, "deg**2"),
    ("COORD2(pos)", "double", None, None, "deg"),
    ("COORDSYS(pos)", "char", "*", None, None),
    ("NULL", "char", "*", None, None),
    ("ivo_hasword(name, 'x')", "int", None, None, None),
)


@pytest.mark.parametrize("case", TYPES + ROW_TYPES, ids=[case[0] for case in TYPES + ROW_TYPES])
def test_an_expression_has_a_type(case: tuple[str, str, str | None, str | None, str | None]) -> None:
    (field,) = columns_of(f"SELECT {case[0]} FROM sources")
    assert (field.datatype, field.arraysize, field.xtype, field.unit) == case[1:]


def test_names_are_unique_and_identifiers() -> None:
    fields = columns_of(
        "SELECT a.id, b.id, a.id + 1, COUNT(*), MAX(a.id), 'x', a.id AS \"Id\" "
        "FROM sources a, centres b GROUP BY a.id, b.id"
    )
    assert [field.name for field in fields] == ["id", "id_2", "column_3", "count_4", "max_5", "column_6", "Id_3"]


def test_an_asterisk_lists_merged_columns_first() -> None:
    fields = columns_of(
        "SELECT * FROM (SELECT mag, id FROM sources) AS a NATURAL JOIN (SELECT label, id FROM centres) AS b"
    )
    assert [field.name for field in fields] == ["id", "mag", "label"]


def test_a_set_operation_is_described_by_its_left_query() -> None:
    (field,) = columns_of("SELECT n_obs AS n FROM sources UNION SELECT ra FROM sources")
    assert (field.name, field.datatype, field.unit) == ("n", "double", None)


def test_old_constructs_work_and_are_noted() -> None:
    query = "SELECT COORDSYS(pos) FROM sources WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), BOX('FK5', 1, 2, 3, 4))"
    notes = compile_query(query, catalogue(), SQLite()).deprecations
    assert len(notes) == 4
    assert any(note.startswith("Line 1, column 60") for note in notes)


def test_names_that_differ_in_case_are_told_apart_by_quotes() -> None:
    table = Table(name="t", columns=(Column(name="Mag", datatype="float"), Column(name="mag", datatype="double")))
    own = Catalogue([Schema(name="s", tables=(table,))])
    fields = compile_query('SELECT "Mag", "mag", mag FROM t', own, SQLite()).fields
    assert [field.datatype for field in fields] == ["float", "double", "double"]
    with pytest.raises(AdqlSemanticError, match="ambiguous"):
        compile_query("SELECT MAG FROM t", own, SQLite())


def test_a_table_of_two_schemas_needs_its_schema() -> None:
    table = Table(name="sources", columns=(Column(name="x", datatype="int"),))
    both = Catalogue(SCHEMAS).extended([Schema(name="TAP_UPLOAD", tables=(table,))])
    with pytest.raises(AdqlSemanticError, match=r"sky\.sources, TAP_UPLOAD\.sources"):
        compile_query("SELECT x FROM sources", both, SQLite())
    assert compile_query("SELECT sources.x FROM tap_upload.sources", both, SQLite()).tables == (
        ("TAP_UPLOAD", "sources"),
    )
    with pytest.raises(AdqlSemanticError, match="no table"):
        compile_query("SELECT x FROM tap_upload.sources", catalogue(), SQLite())


def test_more_columns_than_databases_have_are_refused() -> None:
    columns_of(f"SELECT {', '.join(['id'] * 1600)} FROM sources")
    with pytest.raises(AdqlSemanticError, match="more than 1600 columns"):
        columns_of(f"SELECT {', '.join(['id'] * 1601)} FROM sources")
    with pytest.raises(AdqlSemanticError, match="more than 1600 columns"):
        columns_of(f"SELECT {', '.join(['s.*'] * 115)} FROM sources s")
