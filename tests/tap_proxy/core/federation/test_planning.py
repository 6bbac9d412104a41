# ruff: noqa: E501  (a table reads best with a row on a line)

from __future__ import annotations

import pytest

from penstock.tables import Column, Schema, Table
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.core.federation.functions import forms
from tap_proxy.core.federation.plan import Fetch, Gather, Local, PassThrough, Plan, as_json, as_text
from tap_proxy.core.federation.planning import plan_query
from tap_proxy.translation import compiler
from tests.tap_proxy.core.federation.builders import OBSCORE, OLD, SOURCES, federation, mount

TWO = federation(
    mount("one", OBSCORE, SOURCES, ("odd.we ird", "id:long", "x y", "size:int")),
    mount("two", SOURCES, ("basic", "oid:long", "flux:float"), ability=OLD),
)
UNION = federation(mount("one", OBSCORE, in_obscore=True), mount("two", OBSCORE, ability=OLD, in_obscore=True))


def passed(text: str) -> PassThrough:
    plan = plan_query(text, TWO)
    assert isinstance(plan, PassThrough)
    return plan


def gathered(text: str, known=TWO) -> Gather:
    plan = plan_query(text, known)
    assert isinstance(plan, Gather)
    return plan


def fetches(text: str, known=TWO) -> dict[str, Fetch]:
    """Return the fetches of a plan by archive and table."""
    return {f"{fetch.archive}.{fetch.written}": fetch for fetch in gathered(text, known).fetches}


def test_a_query_on_our_own_tables_is_answered_here() -> None:
    assert plan_query("SELECT did FROM lake.files", TWO) == Local(tables=("lake.files",))


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("SELECT id FROM one.cat_sources", "SELECT id FROM cat.sources"),
        ("SELECT id FROM one.cat_sources AS s", "SELECT id FROM cat.sources AS s"),
        ("SELECT  s.id -- mine\nFROM ONE.Cat_Sources s", "SELECT  s.id -- mine\nFROM cat.sources s"),
        ("SELECT one.cat_sources.id FROM one.cat_sources", "SELECT cat_sources.id FROM cat.sources AS cat_sources"),
        ("SELECT one.cat_sources.* FROM one.cat_sources", "SELECT cat_sources.* FROM cat.sources AS cat_sources"),
        ("SELECT Odd_We_Ird.id FROM odd_we_ird", 'SELECT odd_we_ird.id FROM "odd.we ird" AS odd_we_ird'),
        ('SELECT "one"."cat_sources".id FROM "one"."cat_sources"', "SELECT cat_sources.id FROM cat.sources AS cat_sources"),
        ("SELECT One.Cat_Sources.* FROM one.CAT_SOURCES", "SELECT cat_sources.* FROM cat.sources AS cat_sources"),
        ("SELECT Cat_Sources.id FROM one.cat_sources AS Cat_Sources", "SELECT Cat_Sources.id FROM cat.sources AS Cat_Sources"),
        ("SELECT 'one.cat_sources' AS x FROM one.cat_sources", "SELECT 'one.cat_sources' AS x FROM cat.sources"),
        ('SELECT "x y" FROM one.odd_we_ird', 'SELECT "x y" FROM "odd.we ird"'),
        (
            "WITH a AS (SELECT id FROM one.cat_sources) SELECT id FROM a UNION SELECT id FROM one.cat_sources AS b",
            "WITH a AS (SELECT id FROM cat.sources AS cat_sources) SELECT id FROM a UNION SELECT id FROM cat.sources AS b",
        ),
        (
            "SELECT sources.id FROM one.odd_we_ird AS sources WHERE EXISTS (SELECT 1 AS n FROM one.cat_sources WHERE sources.id = ra)",
            'SELECT sources.id FROM "odd.we ird" AS sources WHERE EXISTS '
            "(SELECT 1 AS n FROM cat.sources AS cat_sources WHERE sources.id = ra)",
        ),
        ("SELECT ra FROM one.odd_we_ird AS sources, one.cat_sources", 'SELECT ra FROM "odd.we ird" AS sources, cat.sources AS cat_sources'),
        (
            "SELECT a.id FROM one.cat_sources AS a WHERE EXISTS (SELECT 1 AS n FROM one.cat_sources AS b WHERE b.id = a.id)",
            "SELECT a.id FROM cat.sources AS a WHERE EXISTS (SELECT 1 AS n FROM cat.sources AS b WHERE b.id = a.id)",
        ),
    ],
)  # fmt: skip
def test_a_query_on_one_upstream_is_edited_and_nothing_else(text: str, edited: str) -> None:
    plan = passed(text)
    assert (plan.archive, plan.text) == ("one", edited)


def test_a_common_table_is_not_taken_for_one_at_the_upstream() -> None:
    known = federation(mount("three", ("basic", "oid:long"), SOURCES))
    text = "WITH basic AS (SELECT id FROM three.cat_sources) SELECT b.oid FROM three.basic AS b, basic AS c"
    assert "a common table has the name of one at three" in as_text(plan_query(text, known))
    assert isinstance(plan_query(text.replace("basic AS (", "c AS (").replace("basic AS c", "c"), known), PassThrough)


def test_a_table_keeps_its_own_name_where_no_other_has_it() -> None:
    assert passed("SELECT oid FROM two.basic").text == "SELECT oid FROM basic"
    assert passed("SELECT oid FROM basic").text == "SELECT oid FROM basic"
    assert passed("SELECT Two.Basic.oid FROM two.basic").text == "SELECT basic.oid FROM basic"
    # Both upstreams have cat.sources, so that its own name means neither.
    with pytest.raises(AdqlSemanticError):
        plan_query("SELECT id FROM cat.sources", TWO)


def test_our_tables_hide_those_of_upstreams() -> None:
    assert plan_query("SELECT s_ra FROM ivoa.obscore", TWO) == Local(tables=("ivoa.obscore",))
    assert plan_query("SELECT s_ra FROM obscore", TWO) == Local(tables=("ivoa.obscore",))


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("SELECT id FROM two.cat_sources WHERE LOWER(name) = 'x'", "LOWER"),
        ("SELECT id FROM two.cat_sources WHERE name ILIKE 'x'", "ILIKE"),
        ("SELECT id FROM two.cat_sources WHERE DISTANCE(ra, ra, 1, 2) < 3", "ADQL 2.1"),
        ("SELECT id FROM two.cat_sources WHERE 1 = CONTAINS(POINT(ra, ra), CIRCLE('', 1, 2, 3))", "ADQL 2.1"),
        ("SELECT id FROM two.cat_sources WHERE ivo_hasword(name, 'x') = 1", "IVO_HASWORD"),
        ("SELECT CAST(id AS CHAR(3)) AS c FROM two.cat_sources", "CAST"),
        ("WITH a AS (SELECT id FROM two.cat_sources) SELECT id FROM a", "WITH"),
        ("SELECT id FROM two.cat_sources UNION SELECT oid FROM two.basic", "UNION"),
        ("SELECT id FROM two.cat_sources ORDER BY id OFFSET 3", "OFFSET"),
    ],
)
def test_what_an_upstream_does_not_declare_is_done_here(text: str, lacking: str) -> None:
    plan = gathered(text)
    assert lacking in plan.why
    for fetch in plan.fetches:
        assert lacking.split()[-1] not in fetch.text()


def test_what_an_upstream_declares_goes_to_it() -> None:
    text = "SELECT id FROM two.cat_sources WHERE 1 = CONTAINS(POINT('ICRS', ra, ra), CIRCLE('ICRS', 1, 2, 3))"
    assert passed(text).text.startswith("SELECT id FROM cat.sources WHERE 1 = CONTAINS(")


def test_conditions_and_columns_go_where_the_rows_are() -> None:
    found = fetches(
        "SELECT a.name FROM one.cat_sources AS a JOIN two.cat_sources AS b ON a.id = b.id AND b.mag < 3"
        " WHERE a.ra > 1 AND (a.mag < 2 OR a.mag IS NULL) AND a.mag < b.mag AND b.ra / 2 > 1"
    )
    assert found["one.cat.sources"].text() == (
        "SELECT id, name, ra, mag FROM cat.sources WHERE (ra > 1) AND ((mag < 2 OR mag IS NULL))"
    )
    assert found["two.cat.sources"].text() == "SELECT id, ra, mag FROM cat.sources WHERE (mag < 3)"


@pytest.mark.parametrize(
    ("join", "one", "two"),
    [
        ("a LEFT JOIN {} b ON a.id = b.id AND a.ra > 1 AND b.ra > 2 WHERE a.mag > 3 AND b.mag IS NULL", "mag > 3", "ra > 2"),
        ("a RIGHT JOIN {} b ON a.id = b.id AND a.ra > 1 AND b.ra > 2 WHERE a.mag > 3 AND b.mag > 4", "ra > 1", "mag > 4"),
        ("a FULL JOIN {} b ON a.id = b.id AND a.ra > 1 AND b.ra > 2 WHERE a.mag > 3 AND b.mag > 4", "", ""),
        ("a INNER JOIN {} b ON a.id = b.id AND a.ra > 1 WHERE b.mag > 4", "ra > 1", "mag > 4"),
        ("a, {} b WHERE a.id = b.id OR b.mag > 4", "", ""),
    ],
)  # fmt: skip
def test_no_condition_is_judged_there_that_could_lose_a_row(join: str, one: str, two: str) -> None:
    found = fetches(f"SELECT a.id FROM one.cat_sources {join.format('two.cat_sources')}")
    assert found["one.cat.sources"].conditions == tuple(filter(None, [one]))
    assert found["two.cat.sources"].conditions == tuple(filter(None, [two]))


@pytest.mark.parametrize(
    "condition",
    [
        "a.id IN (SELECT oid FROM two.basic)",
        "NOT EXISTS (SELECT 1 AS n FROM two.basic AS b WHERE b.oid = a.id)",
        "RAND() < 0.5",
        "a.ra / a.mag > 2",
        "CAST(a.id AS VARCHAR) = '1'",
    ],
)
def test_conditions_that_others_may_judge_differently_stay_here(condition: str) -> None:
    found = fetches(f"SELECT a.id FROM one.cat_sources AS a, two.basic AS c WHERE {condition}")
    assert found["one.cat.sources"].conditions == ()


def test_rows_of_a_table_serve_all_its_mentions() -> None:
    text = "SELECT id FROM one.cat_sources WHERE ra > {} UNION ALL SELECT id FROM one.cat_sources WHERE {}"
    both = fetches(text.format(1, "mag < 2") + " UNION ALL SELECT oid FROM two.basic")
    assert both["one.cat.sources"].conditions == ("((ra > 1)) OR ((mag < 2))",)
    whole = fetches(text.format(1, "mag / 2 < 2") + " UNION ALL SELECT oid FROM two.basic")
    assert whole["one.cat.sources"].conditions == ()


def test_rows_that_are_only_counted_have_a_column() -> None:
    assert fetches("SELECT COUNT(*) AS n FROM one.cat_sources, two.basic")["one.cat.sources"].columns == ("id",)


def test_reserved_and_odd_columns_are_quoted() -> None:
    found = fetches('SELECT a."size", a."x y" FROM one.odd_we_ird AS a, two.basic AS b WHERE a."x y" = \'z\'')
    assert found['one."odd.we ird"'].text() == ('SELECT "x y", "size" FROM "odd.we ird" WHERE ("x y" = \'z\')')


def test_keys_of_our_rows_narrow_a_join() -> None:
    (fetch,) = gathered(
        "SELECT s.name FROM lake.files AS f JOIN one.cat_sources AS s ON s.name = f.name WHERE f.scope = 'x'"
    ).fetches
    (keys,) = fetch.keys
    assert (keys.column, keys.fetched) == ("name", False)
    assert keys.query == "SELECT DISTINCT name FROM lake.files WHERE (scope = 'x')"


def test_keys_of_rows_that_were_fetched_narrow_the_next_step() -> None:
    plan = gathered("SELECT a.name FROM two.cat_sources AS b JOIN one.cat_sources AS a ON a.id = b.id WHERE a.ra > 5")
    first, second = plan.steps
    assert [fetch.archive for fetch in first] == ["one"]
    assert [(fetch.archive, fetch.keys[0].column, fetch.keys[0].fetched) for fetch in second] == [("two", "id", True)]


@pytest.mark.parametrize(
    "join",
    [
        "lake.files AS f RIGHT JOIN one.cat_sources AS s ON s.name = f.name",
        "lake.files AS f FULL JOIN one.cat_sources AS s ON s.name = f.name",
        "lake.files AS f JOIN one.cat_sources AS s ON s.name <> f.name",
        "lake.files AS f JOIN one.cat_sources AS s ON s.name = f.name OR s.id = 1",
    ],
)
def test_no_keys_narrow_what_is_wanted_without_a_partner(join: str) -> None:
    (fetch,) = gathered(f"SELECT s.name FROM {join}").fetches
    assert fetch.keys == ()


def test_names_that_join_without_being_written_narrow_too() -> None:
    (fetch,) = gathered("SELECT one.cat_sources.id FROM lake.files JOIN one.cat_sources USING (name)").fetches
    assert [keys.column for keys in fetch.keys] == ["name"]


@pytest.mark.parametrize(
    ("text", "tolerant"),
    [
        ("SELECT s_ra FROM ivoa.obscore WHERE s_ra > 3", True),
        ("SELECT TOP 3 s_ra FROM ivoa.obscore", True),
        ("SELECT COUNT(*) AS n FROM ivoa.obscore", False),
        ("SELECT DISTINCT s_ra FROM ivoa.obscore", False),
        ("SELECT s_ra FROM ivoa.obscore ORDER BY s_ra", False),
        ("SELECT s_ra FROM ivoa.obscore GROUP BY s_ra", False),
        ("SELECT s_ra FROM ivoa.obscore EXCEPT SELECT s_dec FROM ivoa.obscore", False),
        ("SELECT a.s_ra FROM ivoa.obscore AS a LEFT JOIN ivoa.obscore AS b ON a.s_ra = b.s_dec", False),
        ("SELECT a.s_ra FROM ivoa.obscore AS a JOIN ivoa.obscore AS b ON a.s_ra = b.s_dec", True),
        ("SELECT did FROM lake.files WHERE did NOT IN (SELECT target_name FROM ivoa.obscore)", False),
        ("SELECT s_ra FROM ivoa.obscore ORDER BY s_ra OFFSET 3", False),
    ],
)
def test_missing_rows_are_told_where_the_others_are_right_and_refused_elsewhere(text: str, tolerant: bool) -> None:
    assert gathered(text, UNION).tolerant is tolerant


def test_observations_come_from_all_archives() -> None:
    plan = gathered("SELECT TOP 5 target_name, archive, obs_id FROM ivoa.obscore WHERE s_ra > 10", UNION)
    (step,) = plan.steps
    assert [fetch.archive for fetch in step] == ["one", "two"]
    for fetch in step:
        assert fetch.text() == "SELECT obs_publisher_did, s_ra, target_name FROM ivoa.obscore WHERE (s_ra > 10)"
        assert (fetch.limit, fetch.absent) == (5, ("obs_id",))


def test_a_limit_goes_along_only_where_all_is_judged_there() -> None:
    for text in (
        "SELECT TOP 5 s_ra FROM ivoa.obscore WHERE obs_id = 'x'",  # a column that these archives have not
        "SELECT TOP 5 s_ra FROM ivoa.obscore ORDER BY s_ra",
        "SELECT TOP 5 s_ra FROM ivoa.obscore WHERE s_ra / 2 > 3",
        "SELECT TOP 5 DISTINCT s_ra FROM ivoa.obscore".replace("TOP 5 DISTINCT", "DISTINCT TOP 5"),
        "SELECT TOP 5 a.s_ra FROM ivoa.obscore AS a, lake.files AS f",
    ):
        assert [fetch.limit for fetch in gathered(text, UNION).fetches] == [None, None], text


@pytest.mark.parametrize(
    "condition",
    [
        "archive = 'one'", "'one' = archive", "archive IN ('one', 'here')",
        "archive <> 'two'", "'two' != archive", "archive NOT IN ('two', 'here')",
    ],
)  # fmt: skip
def test_archives_that_a_query_rules_out_are_not_asked(condition: str) -> None:
    plan = gathered(f"SELECT s_ra FROM ivoa.obscore WHERE {condition}", UNION)
    assert [fetch.archive for fetch in plan.fetches] == ["one"]
    assert plan.skipped == ("two",)


@pytest.mark.parametrize(
    "condition", ["archive <> 'here'", "archive NOT IN ('here', target_name)", "archive = 'one' OR s_ra > 3"]
)
def test_archives_that_a_query_may_want_are_asked(condition: str) -> None:
    assert len(gathered(f"SELECT s_ra FROM ivoa.obscore WHERE {condition}", UNION).fetches) == 2


def test_uploads_go_along_where_they_are_taken() -> None:
    upload = Schema(name="TAP_UPLOAD", tables=(Table(name="mine", columns=(Column(name="id", datatype="long"),)),))
    catalogue = TWO.catalogue.extended([upload])
    text = "SELECT m.id FROM TAP_UPLOAD.mine AS m JOIN {}.cat_sources AS s ON m.id = s.id"
    there = plan_query(text.format("one"), TWO, catalogue)
    assert isinstance(there, PassThrough)
    assert "TAP_UPLOAD.mine AS m JOIN cat.sources AS s" in there.text
    here = plan_query(text.format("two"), TWO, catalogue)
    assert isinstance(here, Gather)
    assert here.fetches[0].keys[0].query == "SELECT DISTINCT id FROM TAP_UPLOAD.mine"


PLANS = (
    "SELECT did FROM lake.files",
    "SELECT id FROM one.cat_sources",
    "SELECT s.name FROM lake.files AS f JOIN one.cat_sources AS s ON s.name = f.name WHERE s.ra > 3",
)


@pytest.mark.parametrize("text", PLANS)
def test_a_plan_can_be_read(text: str) -> None:
    plan: Plan = plan_query(text, TWO)
    assert as_json(plan)["kind"] in ("local", "pass-through", "gather")
    assert as_text(plan).split(":")[0].split()[0] in ("LOCAL", "PASS", "GATHER")


def test_a_plan_tells_what_is_sent() -> None:
    shown = as_text(plan_query(PLANS[2], TWO))
    assert "one: SELECT name, ra FROM cat.sources WHERE (ra > 3)" in shown
    assert "name among those of our lake.files.name" in shown


BOTH_HAVE = ("twice(a INTEGER) -> INTEGER", "twice(a INTEGER, b INTEGER) -> INTEGER")
ABLE_TO = federation(
    mount("one", SOURCES, ("plain", "n:int"), functions=[*BOTH_HAVE, "near(a POINT, b POINT) -> DOUBLE PRECISION"]),
    mount("two", SOURCES, functions=BOTH_HAVE),
    mount("three", SOURCES, ability=OLD),
)


@pytest.mark.parametrize("call", ["TWICE(id) > 4", "twice(id, 3) * 2 > 4", "near(POINT(ra, ra), POINT(1, 2)) < 0.5"])
def test_a_function_of_an_archive_goes_to_it_with_the_whole_query(call: str) -> None:
    plan = plan_query(f"SELECT name FROM one.cat_sources WHERE {call}", ABLE_TO)
    assert plan == PassThrough(
        archive="one",
        url="https://one.example/tap",
        text=f"SELECT name FROM cat.sources WHERE {call}",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "SELECT twice(s_ra) AS x FROM ivoa.obscore",
            "column 8: twice is a function of the archives one and two and runs only there",
        ),
        (
            "SELECT near(ra, ra) AS x FROM two.cat_sources",
            "a function of the archive one and runs only there, .*: two does not declare NEAR",
        ),
        ("SELECT twice(a.id) AS x FROM one.cat_sources AS a, two.cat_sources AS b", "the tables are at one and two"),
        (
            "SELECT a.id FROM one.cat_sources AS a, lake.files AS f WHERE twice(a.id) = 2",
            "the tables are at one and this service",
        ),
        ("SELECT twice(id) AS x FROM three.cat_sources", "three does not declare TWICE"),
        ("WITH a AS (SELECT id FROM two.cat_sources) SELECT near(id, id) AS x FROM a", "two does not declare NEAR"),
        ("SELECT twice(id, 1, 2) AS x FROM one.cat_sources", r"twice is called as twice\(a INTEGER\) -> INTEGER"),
        ("SELECT twic(id) AS x FROM one.cat_sources", "did you mean twice"),
    ],
)
def test_a_function_of_an_archive_runs_nowhere_else(text: str, problem: str) -> None:
    with pytest.raises(AdqlSemanticError, match=problem):
        plan_query(text, ABLE_TO)


def test_a_query_that_nobody_runs_here_is_not_translated() -> None:
    compile_query = compiler((), "sqlite", ABLE_TO)
    statement = compile_query("SELECT twice(id) AS x, name FROM one.cat_sources", 10)
    assert (statement.sql, statement.elsewhere) == ("", True)
    assert [(field.name, field.datatype) for field in statement.fields] == [("x", "int"), ("name", "char")]
    with pytest.raises(AdqlSemanticError, match="runs only there"):
        compile_query("SELECT twice(s_ra) AS x FROM ivoa.obscore", 10)


def test_functions_are_told_once_with_the_archives_that_have_them() -> None:
    assert list(forms(ABLE_TO.functions)) == [
        (BOTH_HAVE[0], "Only where the whole query is on tables of one or of two."),
        (BOTH_HAVE[1], "Only where the whole query is on tables of one or of two."),
        ("near(a POINT, b POINT) -> DOUBLE PRECISION", "Only where the whole query is on tables of one."),
    ]
