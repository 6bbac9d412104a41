"""Queries on tables of other archives, which are real services on databases of their own."""

# ruff: noqa: E501  (queries read best on a line)

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.tap_proxy.upstream.sites import ask, csv, penstock, proxy, row, running
from tests.uws.waiting import eventually

ROWS = {
    "one": [row(n, "one", target_name=None if n % 7 == 0 else f"star {n % 5}", t_min=float(n)) for n in range(60)],
    "two": [
        *(row(n, "two", target_name=f"star {n % 9}", calib_level=n % 3, t_min=float(n % 20)) for n in range(40)),
        # observations that others have, too
        *(row(n, "one", obs_collection="copy", obs_id=f"two:{n}") for n in range(50, 58)),
        *(row(n, "home", obs_collection="copy", obs_id=f"two home:{n}") for n in range(3)),
    ],
    "home": [row(n, "home", target_name=f"star {n % 4}") for n in range(10)],
}


@dataclass(frozen=True, slots=True)
class World:
    """A proxy and the archives behind it."""

    base: str
    upstreams: dict[str, str]
    databases: dict[str, Path]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run two archives and a proxy, whose own database is of either engine."""
    folder = tmp_path_factory.mktemp("world")
    own: dict[str, Any] = {"archive_name": "home", "fetch_max_keys": 20}
    if request.param == "postgresql":
        from tests.support.postgres import fresh_database

        own["database_url"] = fresh_database()
    with (
        running(penstock(folder / "one", ROWS["one"])) as one,
        running(penstock(folder / "two", ROWS["two"])) as two,
    ):
        upstreams = {name: {"url": f"{base}/tap", "obscore": True} for name, base in (("one", one), ("two", two))}
        upstreams["relinked"] = {"url": f"{one}/tap", "dids_to_links": ["ivo://one.example/data?1"]}
        with proxy(folder / "home", upstreams, ROWS["home"], **own) as base:
            databases = {name: folder / name / "penstock.db" for name in ("one", "two")}
            yield World(base, {"one": one, "two": two}, databases)


def test_the_answer_of_an_upstream_passes_byte_for_byte(world: World) -> None:
    ours = ask(world.base, "SELECT obs_id, s_ra FROM one.ivoa_obscore WHERE s_ra < 3 ORDER BY obs_id")
    theirs = ask(world.upstreams["one"], "SELECT obs_id, s_ra FROM ivoa.obscore WHERE s_ra < 3 ORDER BY obs_id")
    for answer in (ours, theirs):
        assert answer.status_code == 200
    assert _without_dates(ours.text) == _without_dates(theirs.text)


def _without_dates(text: str) -> list[str]:
    return [line for line in text.splitlines() if "request_date" not in line]


@pytest.mark.parametrize(
    "form", ["votable", "votable/td", "votable/b2", "csv", "tsv", "json", "html", "fits", "parquet"]
)
def test_every_form_can_be_had(world: World, form: str) -> None:
    query = "SELECT obs_id, s_ra FROM one.ivoa_obscore WHERE s_ra < 3"
    response = ask(world.base, query, RESPONSEFORMAT=form)
    assert response.status_code == 200, response.text
    theirs = ask(world.upstreams["one"], query.replace("one.ivoa_obscore", "ivoa.obscore"), RESPONSEFORMAT=form)
    assert response.headers["Content-Type"] == theirs.headers["Content-Type"]
    assert len(response.content) > 20


def test_maxrec_goes_along_and_overflow_comes_back(world: World) -> None:
    query = "SELECT obs_id FROM one.ivoa_obscore"
    assert 'value="OVERFLOW"' in ask(world.base, query, MAXREC="5").text
    assert len(csv(world.base, query, MAXREC="5")) == 5
    assert 'value="OVERFLOW"' not in ask(world.base, query, MAXREC="60").text
    assert ask(world.base, query, MAXREC="5", RESPONSEFORMAT="json").json()["status"] == "OVERFLOW"
    assert 'name="obs_id"' in ask(world.base, query, MAXREC="0").text


def test_a_wrong_query_is_told_before_anybody_is_asked(world: World) -> None:
    response = ask(world.base, "SELECT obs_idd FROM one.ivoa_obscore")
    assert response.status_code == 400
    assert "Line 1, column 8" in response.text
    assert "did you mean obs_id" in response.text


def test_an_uploaded_table_goes_along(world: World) -> None:
    table = (
        '<VOTABLE version="1.4"><RESOURCE><TABLE><FIELD name="id" datatype="char" arraysize="*"/><DATA><TABLEDATA>'
        "<TR><TD>demo:3</TD></TR><TR><TD>demo:4</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    query = "SELECT o.obs_id FROM one.ivoa_obscore AS o JOIN TAP_UPLOAD.mine AS m ON o.obs_id = m.id ORDER BY o.obs_id"
    params = {"LANG": "ADQL", "QUERY": query, "UPLOAD": "mine,param:here", "RESPONSEFORMAT": "csv"}
    files = {"here": ("table.xml", table.encode())}
    response = requests.post(f"{world.base}/tap/sync", data=params, files=files, timeout=60)
    assert response.text.split() == ["obs_id", "demo:3", "demo:4"]
    plan = requests.post(f"{world.base}/tap/plan", data=params | {"RESPONSEFORMAT": "text"}, files=files, timeout=60)
    assert plan.text.startswith("PASS THROUGH to one")


QUERIES = (
    "SELECT a.obs_id, b.obs_id FROM one.ivoa_obscore AS a JOIN two.ivoa_obscore AS b ON a.target_name = b.target_name WHERE a.s_ra < 10 AND b.t_min > 3",
    "SELECT a.obs_id, b.obs_id FROM one.ivoa_obscore AS a LEFT JOIN two.ivoa_obscore AS b ON a.target_name = b.target_name AND b.t_min > 15 WHERE a.s_ra < 8",
    "SELECT a.obs_id FROM one.ivoa_obscore AS a LEFT JOIN two.ivoa_obscore AS b ON a.target_name = b.target_name AND b.t_min > 15 WHERE b.obs_id IS NULL",
    "SELECT a.obs_id, b.obs_id FROM one.ivoa_obscore AS a FULL JOIN two.ivoa_obscore AS b ON a.t_min = b.t_min AND a.calib_level = 2 AND b.calib_level = 1",
    "SELECT a.obs_id FROM one.ivoa_obscore AS a WHERE a.target_name NOT IN (SELECT b.target_name FROM two.ivoa_obscore AS b WHERE b.target_name IS NOT NULL AND b.t_min > 18)",
    "SELECT a.obs_id FROM one.ivoa_obscore AS a WHERE EXISTS (SELECT 1 AS n FROM two.ivoa_obscore AS b WHERE b.t_min = a.t_min AND b.calib_level > a.calib_level)",
    "SELECT target_name, COUNT(*) AS n FROM (SELECT target_name FROM one.ivoa_obscore WHERE s_ra > 5 UNION ALL SELECT target_name FROM two.ivoa_obscore WHERE t_min < 9) AS u GROUP BY target_name",
    "SELECT a.calib_level, MAX(b.t_min) AS t, COUNT(DISTINCT b.target_name) AS n FROM one.ivoa_obscore AS a, two.ivoa_obscore AS b WHERE a.obs_id = b.obs_id GROUP BY a.calib_level HAVING COUNT(*) > 1",
    "SELECT obs_id FROM one.ivoa_obscore WHERE t_min > 40 INTERSECT SELECT obs_id FROM one.ivoa_obscore WHERE t_min < 45 EXCEPT SELECT obs_id FROM two.ivoa_obscore",
    "SELECT a.obs_id, b.t_min FROM one.ivoa_obscore AS a JOIN two.ivoa_obscore AS b USING (obs_id) WHERE a.t_min BETWEEN 3 AND 9",
    "WITH c AS (SELECT target_name, MIN(t_min) AS t FROM two.ivoa_obscore GROUP BY target_name) SELECT a.obs_id, c.t FROM one.ivoa_obscore AS a JOIN c ON c.target_name = a.target_name WHERE a.s_dec < -22",
    "SELECT a.obs_id FROM one.ivoa_obscore AS a JOIN one.ivoa_obscore AS b ON a.t_min = b.t_min + 1 JOIN two.ivoa_obscore AS c ON c.obs_id = b.obs_id WHERE b.s_ra > 4 AND a.s_ra < 9",
)  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_spans_archives_is_answered_as_one_database_would(world: World, query: str) -> None:
    connection = sqlite3.connect(":memory:")
    for name, path in world.databases.items():
        connection.execute(f"ATTACH '{path}' AS {name}")
    expected = connection.execute(query.replace("ivoa_obscore", "ivoa__obscore")).fetchall()
    connection.close()
    assert expected
    found = csv(world.base, query, MAXREC="10000")
    assert _alike(found) == _alike(expected)


def _alike(rows: list[Any]) -> list[list[str]]:
    """Write numbers in one way, and rows in one order."""
    return sorted(
        [f"{value:g}" if isinstance(value, float) else str(value or "") for value in map(_value, row)] for row in rows
    )


def _value(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def test_rows_of_ours_join_those_of_an_archive(world: World) -> None:
    query = (
        "SELECT h.obs_id, a.obs_id FROM ivoa.obscore AS h JOIN one.ivoa_obscore AS a ON h.target_name = a.target_name"
        " WHERE h.archive = 'home' AND h.s_ra < 1 AND a.s_ra < 3"
    )
    assert sorted(csv(world.base, query)) == [["demo:0", "demo:5"], ["demo:1", "demo:1"]]


def test_observations_are_those_of_all_archives_without_copies(world: World) -> None:
    counted = csv(world.base, "SELECT archive, COUNT(*) AS n FROM ivoa.obscore GROUP BY archive ORDER BY archive")
    # Of those that two archives have, the one that comes first is shown; ours come before all.
    assert counted == [["home", "10"], ["one", "60"], ["two", "40"]]
    # An archive shows what no other shows among the rows that the query wants.
    assert csv(world.base, "SELECT COUNT(*) AS n FROM ivoa.obscore WHERE obs_collection = 'copy'") == [["8"]]


def test_order_and_limits_hold_over_all_archives(world: World) -> None:
    everything = [(row["s_ra"], row["obs_publisher_did"]) for name in ("home", "one", "two") for row in ROWS[name]]
    unique = {did: ra for ra, did in reversed(everything)}
    expected = sorted(((ra, did) for did, ra in unique.items()), reverse=True)[:7]
    query = "SELECT TOP 7 s_ra, obs_publisher_did FROM ivoa.obscore ORDER BY s_ra DESC, obs_publisher_did DESC"
    assert [(float(ra), did) for ra, did in csv(world.base, query)] == expected
    assert len(csv(world.base, "SELECT TOP 7 obs_id FROM ivoa.obscore")) == 7
    assert len(csv(world.base, "SELECT obs_id FROM ivoa.obscore", MAXREC="15")) == 15
    assert 'value="OVERFLOW"' in ask(world.base, "SELECT obs_id FROM ivoa.obscore", MAXREC="15").text


def test_columns_that_only_we_have_are_null_elsewhere(world: World) -> None:
    query = "SELECT archive, COUNT(lake_did) AS n FROM ivoa.obscore GROUP BY archive ORDER BY archive"
    assert csv(world.base, query)[0] == ["home", "10"]


def test_every_archive_says_what_it_gave(world: World) -> None:
    text = ask(world.base, "SELECT obs_id FROM ivoa.obscore WHERE s_ra < 3").text
    assert '<INFO name="archive_one" value="6 rows of ivoa.obscore"/>' in text
    infos = ask(world.base, "SELECT obs_id FROM ivoa.obscore WHERE archive = 'home'", RESPONSEFORMAT="json").json()[
        "infos"
    ]
    assert infos["archive_two"] == "not asked, the query rules it out"


def test_cone_searches_find_observations_of_all_archives(world: World) -> None:
    query = "SELECT DISTINCT archive FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(2, -24.6, 1)) ORDER BY archive"
    assert csv(world.base, query) == [["home"], ["one"], ["two"]]


def test_access_urls_lead_to_our_datalink_where_they_shall(world: World) -> None:
    query = "SELECT obs_publisher_did, access_url FROM relinked.ivoa_obscore WHERE obs_id IN ('demo:1', 'demo:2') ORDER BY obs_id"
    first, second = csv(world.base, query)
    assert first[1] == f"{world.base}/datalink/links?ID=ivo%3A%2F%2Fone.example%2Fdata%3F1"
    assert second[1] == f"{world.upstreams['one']}/datalink/links?ID=2"
    joined = query.replace("ORDER BY", "AND obs_id IN (SELECT obs_id FROM two.ivoa_obscore) ORDER BY")
    assert csv(world.base, joined) == [first, second]


def test_tables_name_their_upstream(world: World) -> None:
    described = csv(world.base, "SELECT description FROM tap_schema.schemas WHERE schema_name = 'two'")
    assert world.upstreams["two"] in described[0][0]
    document = requests.get(f"{world.base}/tap/tables/two.ivoa_obscore", timeout=60)
    assert document.status_code == 200
    assert "Table ivoa.obscore" in document.text


def test_a_plan_runs_nothing_and_is_shown_in_both_forms(world: World) -> None:
    params = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM ivoa.obscore"}
    text = requests.get(f"{world.base}/tap/plan", params=params, timeout=60)
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "one: SELECT obs_publisher_did FROM ivoa.obscore" in text.text
    plan = requests.post(f"{world.base}/tap/plan", data=params | {"RESPONSEFORMAT": "json"}, timeout=60).json()
    assert plan["kind"] == "gather"
    wrong = requests.get(f"{world.base}/tap/plan", params=params | {"QUERY": "SELECT"}, timeout=60)
    assert wrong.status_code == 400
    assert 'value="ERROR"' in wrong.text


def _post_job(base: str, query: str, **params: str) -> str:
    data = {"LANG": "ADQL", "QUERY": query, "PHASE": "RUN", **params}
    response = requests.post(f"{base}/tap/async", data=data, timeout=60, allow_redirects=False)
    assert response.status_code == 303
    return response.headers["Location"]


def _phase(job: str) -> str:
    return requests.get(f"{job}/phase", timeout=60).text


def _jobs(base: str) -> list[str]:
    text = requests.get(f"{base}/tap/async", timeout=60, headers={"Accept": "application/json"}).json()
    return [job["href"] for job in text["jobs"]]


def test_a_job_runs_as_a_job_there(world: World) -> None:
    before = set(_jobs(world.upstreams["one"]))
    job = _post_job(world.base, "SELECT obs_id FROM one.ivoa_obscore", MAXREC="5", RUNID="mine")
    asyncio.run(eventually(lambda: _phase(job) == "COMPLETED"))
    result = requests.get(f"{job}/results/result", timeout=60).text
    assert 'value="OVERFLOW"' in result
    (theirs,) = set(_jobs(world.upstreams["one"])) - before
    document = requests.get(theirs, timeout=60).text
    assert "mine" in document
    assert "one: COMPLETED" in requests.get(job, timeout=60).text


def test_the_error_of_a_job_there_is_that_of_ours(world: World) -> None:
    job = _post_job(world.base, "SELECT obs_id FROM one.ivoa_obscore WHERE calib_level = CAST(obs_id AS INTEGER)")
    asyncio.run(eventually(lambda: _phase(job) == "ERROR"))
    assert ">UsageError: one: " in requests.get(f"{job}/error", timeout=60).text


ENDLESS = (
    "SELECT COUNT(*) AS n FROM one.ivoa_obscore AS a, one.ivoa_obscore AS b, one.ivoa_obscore AS c,"
    " one.ivoa_obscore AS d, one.ivoa_obscore AS e, one.ivoa_obscore AS f WHERE a.s_ra + b.s_ra + c.s_ra + d.s_ra < -1"
)


def test_a_job_that_is_aborted_ends_there_too(world: World) -> None:
    before = set(_jobs(world.upstreams["one"]))
    job = _post_job(world.base, ENDLESS)
    asyncio.run(eventually(lambda: "one: EXECUTING" in requests.get(job, timeout=60).text))
    (theirs,) = set(_jobs(world.upstreams["one"])) - before
    requests.post(f"{job}/phase", data={"PHASE": "ABORT"}, timeout=60)
    asyncio.run(eventually(lambda: _phase(theirs) == "ABORTED"))
    assert _phase(job) == "ABORTED"


def test_a_job_that_spans_archives_is_gathered(world: World) -> None:
    job = _post_job(world.base, "SELECT COUNT(*) AS n FROM ivoa.obscore", RESPONSEFORMAT="csv")
    asyncio.run(eventually(lambda: _phase(job) == "COMPLETED"))
    assert requests.get(f"{job}/results/result", timeout=60).text.split() == ["n", "110"]
