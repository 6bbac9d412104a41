"""An upstream that misbehaves costs an error that says so, within the time limit, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.tap_proxy.upstream.sites import ask, proxy, running
from tests.tap_proxy.upstream.stub import Stub, bomb
from tests.uws.waiting import eventually

TIME_LIMIT_S = 5.0
TABLE = "hostile.stub_things"


@pytest.fixture(scope="module")
def stub() -> Stub:
    bomb()  # takes a while, and the stub has other things to do then
    return Stub()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, stub: Stub) -> Iterator[str]:
    settings = {"idle_s": 3.0, "connect_s": 3.0, "token": "open-sesame"}
    folder = tmp_path_factory.mktemp("proxy")
    with (
        running(stub.serving) as upstream,
        proxy(
            folder,
            {"hostile": {"url": f"{upstream}/tap", "dids_to_links": ["ivo://x/"], **settings}},
            query_time_limit_s=TIME_LIMIT_S,
            fetch_max_bytes=1 << 20,
        ) as served,
    ):
        yield served


def joined(behaviour: str) -> str:
    """Return a query that is answered here, from rows that are fetched there."""
    return f"SELECT x.{behaviour} FROM {TABLE} AS x, tap_schema.schemas AS s WHERE s.schema_name = 'ivoa'"


def test_a_good_answer_passes_unchanged(base: str) -> None:
    response = ask(base, f"SELECT good FROM {TABLE}")
    assert response.status_code == 200
    assert response.text.startswith("<VOTABLE version=")
    assert "<TR><TD>1</TD></TR>" in response.text


@pytest.mark.parametrize(
    ("method", "comment", "there"),
    [("GET", "+ % & ; 'é'", "GET"), ("GET", "long " * 500, "POST"), ("POST", "", "POST")],
)
def test_an_answer_comes_from_a_cache_only_where_the_caller_would_take_one(
    base: str, stub: Stub, method: str, comment: str, there: str
) -> None:
    query = f"SELECT good FROM {TABLE} AS t -- {comment}"
    given = {"params" if method == "GET" else "data": {"LANG": "ADQL", "QUERY": query, "RUNID": "a&b"}}
    assert requests.request(method, f"{base}/tap/sync", timeout=60, **given).status_code == 200
    assert stub.methods[-1] == there
    assert stub.asked[-1]["QUERY"] == f"SELECT good FROM stub.things AS t -- {comment}"
    assert stub.asked[-1]["RUNID"] == "a&b"


@pytest.mark.parametrize("ask_by", [requests.get, requests.post])
def test_a_query_is_asked_again_where_a_kept_connection_is_closed(
    base: str, ask_by: Callable[..., requests.Response]
) -> None:
    for behaviour in ("good", "weary"):
        params = {"LANG": "ADQL", "QUERY": f"SELECT {behaviour} FROM {TABLE}"}
        assert ask_by(f"{base}/tap/sync", params=params, timeout=60).status_code == 200


def test_functions_of_an_upstream_are_offered_and_run_there(base: str, stub: Stub) -> None:
    offered = requests.get(f"{base}/tap/capabilities", timeout=60).text
    for form in ("stub_twice(a INTEGER) -&gt; INTEGER", "stub_twice(a INTEGER, b INTEGER) -&gt; INTEGER"):
        assert offered.count(f"<form>{form}</form>") == 1
    assert "Twice a. (Only where the whole query is on tables of hostile.)" in offered
    assert offered.count("<form>ivo_hasword(") == 1
    assert "signature?" not in offered
    for call in ("stub_twice(good)", "stub_twice(good, 2)"):
        assert ask(base, f"SELECT good, {call} AS x FROM {TABLE}").status_code == 200
        assert call in stub.asked[-1]["QUERY"]
    assert 'name="x"' in ask(base, f"SELECT good, stub_twice(good) AS x FROM {TABLE}", MAXREC="0").text
    refused = ask(base, f"SELECT stub_twice(x.good) AS y FROM {TABLE} AS x, tap_schema.schemas AS s")
    assert refused.status_code == 400
    assert "stub_twice is a function of the archive hostile and runs only there" in refused.text


def test_a_long_comment_is_no_fault(base: str) -> None:
    assert ask(base, f"SELECT comments FROM {TABLE}").status_code == 200


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [
        ("garbage", 502, "no VOTable"),
        ("html", 502, "no VOTable"),
        ("hangup", 502, "cannot be reached, or its answer broke off"),
        ("loop", 502, "redirects more than"),
        ("inward", 502, "not public"),
        ("refused", 400, "hostile: no such thing"),
        ("refused_with_200", 400, "hostile: too complicated"),
        ("busy", 502, "hostile: come back later"),
        ("cut", 502, "hostile: "),
    ],
)
@pytest.mark.parametrize("form", ["votable", "json"])
def test_what_fails_before_the_first_row_is_an_error_document(
    base: str, behaviour: str, status: int, words: str, form: str
) -> None:
    response = ask(base, f"SELECT {behaviour} FROM {TABLE}", RESPONSEFORMAT=form)
    assert response.status_code == status
    assert 'name="QUERY_STATUS" value="ERROR"' in response.text
    assert words in response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    ("behaviour", "form", "status", "words"),
    [
        ("html", "csv", 502, "a page where rows were asked for: Welcome to our archive"),
        ("good", "csv", 502, "a page where rows were asked for"),
        ("refused_with_200", "csv", 400, "hostile: too complicated"),
        ("garbage", "fits", 502, "not of the form that was asked for"),
        ("html", "fits", 502, "a page where rows were asked for"),
    ],
)
def test_what_is_not_of_the_form_that_was_asked_for_is_not_passed_on(
    base: str, behaviour: str, form: str, status: int, words: str
) -> None:
    response = ask(base, f"SELECT {behaviour} FROM {TABLE}", RESPONSEFORMAT=form)
    assert response.status_code == status
    assert 'name="QUERY_STATUS" value="ERROR"' in response.text
    assert words in response.text


def test_silence_ends(base: str) -> None:
    response = ask(base, f"SELECT silent FROM {TABLE}")
    assert response.status_code == 504
    assert "hostile does not answer in time" in response.text


@pytest.mark.parametrize("behaviour", ["endless", "slow", "bomb"])
def test_what_fails_after_the_first_row_breaks_the_connection(base: str, behaviour: str) -> None:
    with pytest.raises(requests.RequestException):
        received = 0
        with requests.post(
            f"{base}/tap/sync",
            data={"LANG": "ADQL", "QUERY": f"SELECT {behaviour} FROM {TABLE}"},
            stream=True,
            timeout=60,
        ) as response:
            for chunk in response.iter_content(1 << 16):
                received += len(chunk)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("garbage", "no VOTable"),
        ("cut", "hostile: its answer ends early"),
        ("endless", "hostile"),  # too large or too slow, whatever is first
        ("slow", "does not answer in time"),
        ("bomb", "hostile"),
        ("broken_inside", "is int, not 'one'"),
        ("wrong_columns", "2 columns where 1 were asked for"),
        ("huge_number", "holds what is not int"),
        ("late_error", "disk is full"),
        ("refused", "hostile: no such thing"),
    ],
)
def test_rows_that_cannot_be_had_fail_the_join(base: str, behaviour: str, words: str) -> None:
    response = ask(base, joined(behaviour))
    assert response.status_code >= 400
    assert 'name="QUERY_STATUS" value="ERROR"' in response.text
    assert words in response.text.replace("&#39;", "'")


def test_text_is_longer_than_the_archive_says(base: str) -> None:
    assert "<TD>long text</TD>" in ask(base, joined("long_text")).text


@pytest.mark.parametrize("more", ["", ", tap_schema.schemas AS s WHERE s.schema_name = 'ivoa'"])
@pytest.mark.parametrize("form", ["votable/b2", "votable/td", "json"])
def test_an_access_url_that_leads_here_has_room(base: str, more: str, form: str) -> None:
    query = f"SELECT x.access_url, x.obs_publisher_did FROM {TABLE} AS x{more}"
    response = ask(base, query.replace("x.access_url", "access_url"), RESPONSEFORMAT=form)
    assert response.status_code == 200, response.text
    if form != "votable/b2":
        assert f"{base}/datalink/links?ID=ivo%3A%2F%2Fx%2F1" in response.text


def test_an_overflow_there_is_one_here(base: str) -> None:
    assert 'value="OVERFLOW"' in ask(base, f"SELECT overflow FROM {TABLE}", RESPONSEFORMAT="votable/b2").text
    assert 'value="OVERFLOW"' in ask(base, joined("overflow")).text
    # It has no LOWER: what the query needs is fetched, and the archive has a lower limit than the query.
    assert 'value="OVERFLOW"' in ask(base, f"SELECT overflow, LOWER('A') AS a FROM {TABLE}").text


def test_a_count_of_rows_that_are_not_whole_is_refused(base: str) -> None:
    response = ask(base, f"SELECT COUNT(x.overflow) AS n FROM {TABLE} AS x, tap_schema.schemas AS s")
    assert response.status_code == 400
    assert "no more are fetched" in response.text or "no\n" in response.text
    assert "result would be wrong" in response.text


def test_the_connection_is_closed_when_the_client_leaves(base: str, stub: Stub) -> None:
    before = stub.gone
    query = {"LANG": "ADQL", "QUERY": f"SELECT endless FROM {TABLE}"}
    with requests.post(f"{base}/tap/sync", data=query, stream=True, timeout=60) as response:
        next(response.iter_content(1000))
    asyncio.run(eventually(lambda: stub.gone > before))


def test_the_token_goes_to_the_upstream_in_a_header_and_nowhere_else(base: str, stub: Stub) -> None:
    response = ask(base, f"SELECT good FROM {TABLE}")
    assert all(headers.get("Authorization") == "Bearer open-sesame" for headers in stub.headers)
    for page in (response.text, *(requests.get(f"{base}/tap/{each}", timeout=60).text for each in ("tables", "plan"))):
        assert "open-sesame" not in page


def test_nothing_that_is_not_declared_is_sent(base: str, stub: Stub) -> None:
    response = ask(base, f"SELECT good FROM {TABLE} WHERE LOWER('A') = 'a' ORDER BY good OFFSET 0")
    assert response.status_code == 200
    assert stub.asked[-1]["QUERY"] == "SELECT good FROM stub.things"
