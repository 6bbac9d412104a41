from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.dali.errors import UsageError
from tap_proxy.adql import AdqlSyntaxError, ast, parse
from tap_proxy.adql.words import ADQL_RESERVED, RESERVED, SQL_RESERVED
from tests.tap_proxy.adql.probes import ACCEPTED, REFUSED


@pytest.mark.parametrize("query", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_feature_of_the_standard_is_read(query: str) -> None:
    parse(query)


@pytest.mark.parametrize("query", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_adql_is_refused(query: str) -> None:
    with pytest.raises(AdqlSyntaxError):
        parse(query)


def test_all_probes_are_there() -> None:
    assert (len(ACCEPTED), len(REFUSED)) == (49, 18)


def test_words_are_reserved_as_the_standard_counts_them() -> None:
    assert (len(ADQL_RESERVED), len(SQL_RESERVED), len(RESERVED)) == (41, 226, 267)


@pytest.mark.parametrize("word", sorted(RESERVED - {"END-EXEC"}))
def test_a_reserved_word_is_a_name_in_quotes_only(word: str) -> None:
    parse(f'SELECT "{word}" AS "{word.lower()}" FROM "{word}"')
    for query in (f"SELECT t.{word} FROM t", f"SELECT a AS {word} FROM t", f"SELECT a FROM {word}"):
        with pytest.raises(AdqlSyntaxError):
            parse(query)


READ = (
    # the letter of the grammar
    "SELECT a FROM t WHERE a IN (1)",
    "SELECT a FROM t WHERE a IN ((SELECT b FROM u) UNION (SELECT c FROM v))",
    "SELECT a FROM t WHERE a IN ((b + 1), (c))",
    "SELECT a FROM t WHERE EXISTS (a NATURAL JOIN b)",
    "SELECT a FROM (b JOIN c USING (x)) AS q",
    "SELECT a FROM ((b JOIN c USING (x)) JOIN d ON 1 = 1)",
    "SELECT a FROM ((SELECT b FROM c) UNION SELECT d FROM e) AS q",
    "SELECT a FROM (((SELECT b FROM c))) q",
    "((SELECT a FROM t))",
    "(SELECT a FROM t) ORDER BY a OFFSET 3",
    "SELECT a FROM b JOIN c",
    "SELECT a FROM b JOIN c JOIN d ON c.x = d.x ON b.x = c.x",
    "SELECT a FROM b LEFT JOIN c NATURAL JOIN d ON b.x = c.x",
    "SELECT 'it''s', '' FROM t",
    "SELECT '1' + 2, (a || b) + 1, -(-a), +a FROM t",
    "SELECT a FROM t WHERE NULL = a AND 'x' LIKE NULLABLE",
    "SELECT a FROM t WHERE ((a + b) * 2 > c) AND (((a = 1)))",
    "SELECT a FROM t WHERE NOT EXISTS (SELECT * FROM u) OR NOT a IN (1, 2)",
    "SELECT a FROM t HAVING COUNT(*) > 1",
    "SELECT a FROM t OFFSET 0",
    "select A from T where b Is nOt nUlL",
    "SELECT\ta\r\nFROM\rt",
    "SELECT a.b.c.d FROM t",
    "SELECT POLYGON(a, b, c), POLYGON(a, b, c, d), POLYGON('ICRS', a, b, c, d, e, f) FROM t",
    "SELECT CIRCLE(f(x), 1), CIRCLE('', p, 1), CIRCLE('', 1, 2, 3), POINT('1', '2') FROM t",
    "SELECT limit, rank, moc, text FROM t",
    "SELECT a FROM t WHERE 1=CONTAINS(a, b) AND AREA((a)) > 1 AND COORD1(f(x)) < 2",
    "SELECT COALESCE(CONTAINS(a, b), 0) + 1 FROM t",
    "SELECT a--\nFROM t",
    "SELECT a FROM t--",
    'SELECT "é" AS "a b" FROM "x;y"',
    "SELECT 'é–中' FROM t",
    "SELECT t . a FROM s . t",
    "SELECT COUNT(NULL), MAX(POINT(1, 2)) FROM t",
    "SELECT CAST(NULL AS VARCHAR(3)) FROM t",
    "SELECT a FROM t ORDER BY POINT(1, 2), NULL, 'x'",
)

NOT_READ = (
    "",
    "   -- nothing",
    ";",
    "SELECT",
    "SELECT a FROM t;;",
    "SELECT a FROM t WHERE",
    "SELECT *, a FROM t",
    "SELECT a, FROM t",
    "SELECT a FROM t,",
    "SELECT a b c FROM t",
    "SELECT a FROM (t)",
    "SELECT a FROM (SELECT b FROM u)",
    "SELECT a FROM (b JOIN c) JOIN",
    "SELECT a FROM b CROSS JOIN c",
    "SELECT a FROM b OUTER JOIN c ON x = y",
    "SELECT a FROM b INNER OUTER JOIN c ON x = y",
    "SELECT a FROM b JOIN c ON x = y ON y = z",
    "SELECT a FROM b JOIN c USING (b.x)",
    "SELECT a FROM t WHERE a IN ()",
    "SELECT a FROM t WHERE a",
    "SELECT a FROM t WHERE (a, b) = (1, 2)",
    "SELECT a FROM t WHERE a == 1",
    "SELECT a FROM t WHERE a = 1 = 2",
    "SELECT a FROM t WHERE NOT NOT a = 1",
    "SELECT a FROM t WHERE a + 1 IS NULL",
    "SELECT a FROM t WHERE (a) IS NULL",
    "SELECT a FROM t WHERE a IS TRUE",
    "SELECT a FROM t WHERE a LIKE 'x' ESCAPE '!'",
    "SELECT a FROM t WHERE ABS(a) LIKE 'x'",
    "SELECT a FROM t WHERE a + 1 LIKE 'x'",
    "SELECT a FROM t WHERE a = (SELECT MAX(b) FROM u)",
    "SELECT (SELECT MAX(b) FROM u) FROM t",
    "SELECT a FROM t WHERE a = ANY (SELECT b FROM u)",
    "SELECT a FROM t WHERE EXISTS u",
    "SELECT a || b + 1 FROM t",
    "SELECT 1 + a || b FROM t",
    "SELECT -'x' || a FROM t",
    "SELECT --a FROM t",
    "SELECT - -a FROM t",
    "SELECT ABS(NULL) FROM t",
    "SELECT NULL + 1 FROM t",
    "SELECT ABS(a, b), ABS() FROM t",
    "SELECT ATAN2(a) FROM t",
    "SELECT ROUND(a, b) FROM t",
    "SELECT ROUND(a, 1.5) FROM t",
    "SELECT RAND(a) FROM t",
    "SELECT PI FROM t",
    "SELECT COUNT() FROM t",
    "SELECT SUM(*) FROM t",
    "SELECT COUNT(DISTINCT *) FROM t",
    "SELECT ivo_f(DISTINCT a) FROM t",
    "SELECT s.f(a) FROM t",
    'SELECT "f"(a) FROM t',
    "SELECT LOWER(a + 1) FROM t",
    "SELECT IN_UNIT(a, b) FROM t",
    "SELECT REGION(a) FROM t",
    "SELECT AREA(1 + 2) FROM t",
    "SELECT CONTAINS(a) FROM t",
    "SELECT CONTAINS(ABS(a), b) FROM t",
    "SELECT COORD1(1) FROM t",
    "SELECT COORD1(CIRCLE(1, 2, 3)) FROM t",
    "SELECT POINT(1), POINT(1, 2, 3) FROM t",
    "SELECT POINT(a, 1, 2) FROM t",
    "SELECT POINT(POINT(1, 2), 3) FROM t",
    "SELECT CIRCLE(1, 2) FROM t",
    "SELECT CIRCLE(POINT(1, 2), POINT(1, 2)) FROM t",
    "SELECT CIRCLE(CIRCLE(1, 2, 3), 3) FROM t",
    "SELECT BOX(1, 2, 3) FROM t",
    "SELECT POLYGON(1, 2, 3, 4, 5) FROM t",
    "SELECT POLYGON(POINT(1, 2), POINT(3, 4)) FROM t",
    "SELECT POLYGON(POINT(1, 2), 3, 4, 5, 6) FROM t",
    "SELECT DISTANCE(1, 2) FROM t",
    "SELECT DISTANCE(POINT(1, 2), 3, 4) FROM t",
    "SELECT POINT(1, 2) + 1 FROM t",
    "SELECT CAST(a AS INT), CAST(a AS VARCHAR(*)) FROM t",
    "SELECT CAST(a AS DOUBLE) FROM t",
    "SELECT CAST(a AS VARCHAR(-1)) FROM t",
    "SELECT SUBSTRING(a, 1, 2) FROM t",
    "SELECT TOP 3 DISTINCT a FROM t",
    "SELECT TOP -1 a FROM t",
    "SELECT TOP 1.5 a FROM t",
    "SELECT a FROM t OFFSET 1 ORDER BY a",
    "SELECT a FROM t ORDER BY a UNION SELECT b FROM u",
    "SELECT a FROM t ORDER BY a ASC DESC",
    "SELECT a FROM t ORDER BY a NULLS FIRST",
    "SELECT a FROM t UNION DISTINCT SELECT b FROM u",
    "SELECT a FROM t MINUS SELECT b FROM u",
    "SELECT a FROM t GROUP a",
    "WITH a SELECT b FROM c",
    "WITH RECURSIVE a AS (SELECT b FROM c) SELECT b FROM a",
    "WITH a (x) AS (SELECT b FROM c) SELECT x FROM a",
    "(WITH a AS (SELECT b FROM c) SELECT b FROM a)",
    "SELECT a.b.c.d.e FROM t",
    "SELECT a FROM a.b.c.d",
    'SELECT "" FROM t',
    "SELECT 'a FROM t",
    'SELECT "a FROM t',
    "SELECT 'a' 'b' FROM t",
    "SELECT 1a FROM t",
    "SELECT 1.2.3 FROM t",
    "SELECT 0x1F FROM t",
    "SELECT 1e FROM t",
    "SELECT a % 2 FROM t",
    "SELECT a & b FROM t",
    "SELECT é FROM t",
    "SELECT a\u00a0FROM t",
    "SELECT 'a\0b' FROM t",
    "SELECT '\ud800' FROM t",
    "SELECT $1 FROM t",
    "SELECT ? FROM t",
    "SELECT [a] FROM t",
    "SELECT a FROM t WHERE a = TRUE",
    "SELECT CURRENT_TIMESTAMP FROM t",
    "EXPLAIN SELECT a FROM t",
    "SELECT a INTO b FROM t",
    "VALUES (1)",
    "TABLE t",
)


@pytest.mark.parametrize("query", READ)
def test_the_letter_of_the_grammar_is_read(query: str) -> None:
    parse(query)


@pytest.mark.parametrize("query", NOT_READ)
def test_what_the_grammar_has_not_is_refused(query: str) -> None:
    with pytest.raises(AdqlSyntaxError):
        parse(query)


ADVICE = (
    ("SELECT a FROM t LIMIT 10", 23, "TOP n"),
    ("SELECT a FROM t WHERE x == 3", 26, "single ="),
    ("SELECT a", 9, "needs FROM"),
    ("SELECT a = b FROM t", 10, "WHERE"),
    ("SELECT a, size FROM t", 11, '"size"'),
    ("SELECT a FROM t WHERE CONTAINS(p, c)", 37, "1 = CONTAINS"),
    ("SELECT a FROM t WHERE a = (SELECT b FROM u)", 28, "EXISTS"),
    ("SELECT a FROM t CROSS JOIN u", 17, "comma"),
    ("SELECT a FROM (SELECT b FROM t)", 32, "needs a name"),
    ("SELECT CASE WHEN a THEN b END FROM t", 8, "COALESCE"),
    ("SELECT TOP 3 DISTINCT a FROM t", 14, "before TOP"),
    ("INSERT INTO t VALUES (1)", 1, "only reads"),
    ("SELECT a FROM t; DROP TABLE t", 18, "one query"),
    ("SELECT CAST(a AS FLOAT) FROM t", 18, "DOUBLE PRECISION"),
    ("SELECT a::int FROM t", 9, "CAST"),
    ("SELECT /* x */ a FROM t", 8, "--"),
    ("SELECT _a FROM t", 8, "letter"),
    ("SELECT a FROM t WHERE a + 1 IS NULL", 29, "takes a column"),
    ("SELECT POLYGON(1,2,3,4) FROM t", 8, "three or more"),
    ("SELECT rank() OVER (ORDER BY a) FROM t", 20, "window"),
    ("SELECT a FROM t WHERE a > 1 AND", 32, "end of the query"),
    ("SELECT 'abc FROM t", 8, "no end"),
    ("SELECT a FROM t WHERE b % 2 = 0", 25, "MOD"),
    ("SELECT ABS(a FROM t", 14, "expected: )"),
    ("SELECT a FROM t)", 16, ") too many"),
    ("SELECT abs FROM t", 8, '"abs"'),
    ("SELECT a FROM t GROUP a", 23, "BY"),
    ("SELECT a FROM t OFFSET 3 ORDER BY a", 26, "before OFFSET"),
    ("SELECT a FROM t WHERE a IS TRUE", 28, "truth"),
    ("SELECT SUBSTRING(a, 1) FROM t", 8, "no function SUBSTRING"),
)


@pytest.mark.parametrize(("query", "column", "advice"), ADVICE, ids=[query for query, _, _ in ADVICE])
def test_an_error_says_where_and_what_to_do(query: str, column: int, advice: str) -> None:
    with pytest.raises(AdqlSyntaxError) as caught:
        parse(query)
    assert (caught.value.line, caught.value.column) == (1, column)
    assert advice in caught.value.message
    assert caught.value.message.startswith(f"Line 1, column {column}: ")


def test_lines_are_counted_through_comments_and_strings() -> None:
    with pytest.raises(AdqlSyntaxError) as caught:
        parse("SELECT 'a\nb', -- c\r\n  \"d\ne\" FROM\rt WHERE size = 1")
    assert (caught.value.line, caught.value.column, caught.value.length) == (5, 9, 4)


def test_an_error_is_the_callers() -> None:
    assert issubclass(AdqlSyntaxError, UsageError)
    assert AdqlSyntaxError.status_hint == 400


def test_parts_know_where_they_stand() -> None:
    text = "SELECT DISTINCT TOP 3 a FROM s.t AS x WHERE (a = 1)"
    select = parse(text).expression.body
    assert isinstance(select, ast.Select)
    assert select.top_span is not None
    (table,) = select.tables
    assert isinstance(table, ast.TableName)
    spans = (select.span, select.head_span, select.top_span, table.name_span, table.span)
    assert [text[span.start : span.end] for span in spans] == [text, text[:21], "TOP 3", "s.t", "s.t AS x"]


def test_a_chain_is_one_node() -> None:
    select = parse("SELECT a FROM t WHERE a = 1 AND b = 2 AND c = 3").expression.body
    assert isinstance(select, ast.Select)
    assert isinstance(select.where, ast.Logical)
    assert len(select.where.operands) == 3


def test_intersect_binds_tighter() -> None:
    body = parse("SELECT a FROM t UNION SELECT b FROM u INTERSECT SELECT c FROM v").expression.body
    assert isinstance(body, ast.SetOperation)
    assert [operator.name for operator in body.operators] == ["UNION"]
    assert isinstance(body.operands[1], ast.SetOperation)


def test_a_specification_belongs_to_the_last_join_without() -> None:
    select = parse("SELECT * FROM a JOIN b JOIN c ON b.x = c.x ON a.x = b.x").expression.body
    assert isinstance(select, ast.Select)
    (join,) = select.tables
    assert isinstance(join, ast.Join)
    assert isinstance(join.left, ast.TableName)
    assert isinstance(join.right, ast.Join)


def test_joins_that_no_specification_is_left_for_go_without_from_the_left() -> None:
    select = parse("SELECT * FROM a JOIN b JOIN c JOIN d ON c.x = d.x ON b.x = c.x").expression.body
    assert isinstance(select, ast.Select)
    (join,) = select.tables
    assert isinstance(join, ast.Join)
    assert isinstance(join.left, ast.Join)
    assert isinstance(join.right, ast.Join)
    assert join.left.on is None
    assert join.right.on is not None
    assert join.on is not None


@pytest.mark.parametrize("depth", [50, 99, 101, 5000])
def test_deep_nesting_is_read_or_refused(depth: int) -> None:
    for opening, closing in (("(", ")"), ("ABS(", ")"), ("-(", ")"), ("COALESCE(1, ", ")")):
        query = f"SELECT {opening * depth}1{closing * depth} FROM t"
        if depth <= 99:
            parse(query)
        else:
            with pytest.raises(AdqlSyntaxError, match="nest deeper"):
                parse(query)


def test_a_query_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(AdqlSyntaxError, match="no more than"):
        parse("SELECT a FROM t WHERE b = '" + "x" * 1_000_000 + "'")


def test_a_message_about_a_long_name_is_short() -> None:
    with pytest.raises(AdqlSyntaxError) as caught:
        parse("SELECT " + "x" * 500_000 + " FORM " + "y" * 400_000)
    assert len(caught.value.message) < 1100


def test_a_query_of_too_many_words_is_refused_unread() -> None:
    with pytest.raises(AdqlSyntaxError, match="upload"):
        parse("SELECT a FROM t WHERE " + " AND ".join(["a>0"] * 30_000))


def test_a_long_query_is_read() -> None:
    parse("SELECT a FROM t WHERE a IN (" + ", ".join(map(str, range(5000))) + ")")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(AdqlSyntaxError):
        parse(text)


_WORDS = (
    "SELECT FROM WHERE ( ) , * . a t 1 'x' \"q\" AND OR NOT IN = < || + - / JOIN ON USING NATURAL LEFT UNION ALL ORDER "
    "BY GROUP HAVING TOP OFFSET WITH AS POINT( CIRCLE( POLYGON( CONTAINS( COUNT( CAST( INTEGER LIKE BETWEEN IS NULL "
    "EXISTS COALESCE( ABS( f( ; -- \n ' % DISTINCT 1.5e3 LIMIT CASE size"
)
_PIECES = st.sampled_from(_WORDS.split(" "))


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECES, max_size=30))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    with suppress(AdqlSyntaxError):
        parse(" ".join(words))
