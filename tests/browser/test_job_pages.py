"""Jobs in a real browser: what people see and press."""

from __future__ import annotations

import shlex
import subprocess

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PATIENCE_MS, open_page
from tests.support.server import Server

expect.set_options(timeout=PATIENCE_MS)
PHONE = {"width": 360, "height": 740}


def create(server: Server, path: str = "/uws/jobs", **fields: str) -> str:
    """Create a job and return its URL."""
    data = {"JOBTYPE": "sleep", **fields} if path == "/uws/jobs" else fields
    response = requests.post(server.base + path, data=data, allow_redirects=False, timeout=30)
    assert response.status_code == 303, response.text
    return response.headers["Location"]


def finished(url: str) -> str:
    """Return the URL when the job is over."""
    while requests.get(f"{url}/phase", timeout=30).text in ("QUEUED", "EXECUTING"):
        requests.get(f"{url}?WAIT=20", timeout=60)
    return url


def phase(page: Page) -> str:
    return page.locator("#status .badge").inner_text()


def test_a_job_is_followed_to_its_end_without_a_reload(server: Server, page: Page) -> None:
    page.goto(create(server, DURATION="3"))
    page.evaluate("window.marked = true")
    assert phase(page) == "PENDING"
    requests.post(f"{page.url}/phase", data={"PHASE": "RUN"}, timeout=30)
    expect(page.locator("#status .badge")).to_have_text("EXECUTING")
    expect(page.locator("#message")).to_contain_text("to go")
    expect(page.get_by_role("progressbar")).to_have_js_property("max", 1)
    expect(page.locator("#status .badge")).to_have_text("COMPLETED")
    expect(page.get_by_role("button", name="Abort")).to_have_count(0)
    expect(page.locator("#facts")).to_contain_text("Ran for")
    assert page.evaluate("window.marked") is True
    assert "COMPLETED" in page.title()


@pytest.mark.requirement("U-043")
def test_a_job_is_run_aborted_and_deleted_by_buttons(server: Server, page: Page) -> None:
    page.goto(create(server, DURATION="600"))
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#status .badge")).to_have_text("EXECUTING")
    page.get_by_role("button", name="Abort").click()
    expect(page.locator("#status .badge")).to_have_text("ABORTED")
    url = page.url
    questions: list[str] = []
    page.once("dialog", lambda dialog: (questions.append(dialog.message), dialog.accept()))
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{server.base}/uws/jobs")
    assert questions == ["Delete this job and its results?"]
    assert requests.get(url, timeout=30).status_code == 404


@pytest.mark.requirement("U-043")
def test_parameters_and_limits_are_changed_in_forms(server: Server, page: Page) -> None:
    page.goto(create(server, DURATION="1"))
    page.get_by_text("Change them").click()
    page.get_by_label("DURATION").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#parameters td")).to_have_text("7")
    page.get_by_text("Time limits").click()
    page.get_by_label("May run for").fill("90")
    page.get_by_role("button", name="Set").first.click()
    expect(page.locator("#facts")).to_contain_text("90 s")


def test_a_page_tells_when_its_job_is_deleted_elsewhere(server: Server, page: Page) -> None:
    page.goto(create(server))
    requests.delete(page.url, allow_redirects=False, timeout=30)
    expect(page.locator("#status")).to_contain_text("has been deleted")
    expect(page.get_by_role("button", name="Run")).to_have_count(0)


def test_a_failed_job_says_why_and_leads_to_the_whole_error(server: Server, page: Page) -> None:
    page.goto(finished(create(server, JOBTYPE="fail", MESSAGE="No <b>plate</b>", PHASE="RUN")))
    expect(page.locator("#status")).to_contain_text("UsageError: No <b>plate</b>")
    page.get_by_role("link", name="The whole error").click()
    expect(page.locator("main")).to_contain_text("No <b>plate</b>")


def test_a_result_is_one_click_away(server: Server, page: Page) -> None:
    page.goto(finished(create(server, JOBTYPE="echo", MESSAGE="hello", PHASE="RUN")))
    expect(page.locator("#results")).to_contain_text("5 bytes")
    page.get_by_role("link", name="echo").click()
    assert page.locator("body").inner_text() == "hello"


@pytest.mark.parametrize("run", [False, True])
def test_what_a_page_offers_to_paste_runs(server: Server, page: Page, tmp_path, run: bool) -> None:
    url = create(server, JOBTYPE="echo", MESSAGE="hello", **({"PHASE": "RUN"} if run else {}))
    page.goto(finished(url))
    python, shell = page.locator("pre[data-copy]").all_inner_texts()
    said: list[tuple[object, ...]] = []
    exec(python, {"print": lambda *words: said.append(words)})
    assert said == [("COMPLETED", f"{url}/results/echo")]
    if run:
        done = subprocess.run(shlex.split(shell), cwd=tmp_path, capture_output=True, check=True, timeout=60)
        assert (tmp_path / "echo").read_text() == "hello"
    else:
        other = create(server, JOBTYPE="echo", MESSAGE="hello")
        command = shlex.split(shell.replace(url, other))
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        assert b"<uws:jobId>" in done.stdout


def test_the_table_of_a_query_is_pasted_too(server: Server, page: Page) -> None:
    query = {"LANG": "ADQL", "QUERY": "SELECT TOP 2 target_name\nFROM ivoa.obscore", "PHASE": "RUN"}
    page.goto(finished(create(server, "/tap/async", **query)))
    expect(page.locator("#parameters pre")).to_have_text(query["QUERY"])
    said: list[object] = []
    exec(page.locator("pre[data-copy]").first.inner_text(), {"print": said.append})
    assert len(said[0]) == 2  # type: ignore[arg-type]


def test_pages_work_without_scripts(server: Server, browser: Browser) -> None:
    with open_page(browser, java_script_enabled=False) as page:
        page.goto(create(server, DURATION="600"))
        page.get_by_role("button", name="Run").click()
        page.wait_for_load_state()
        assert 'http-equiv="refresh"' in page.content()
        page.get_by_role("button", name="Abort").click()
        expect(page.locator("#status .badge")).to_have_text("ABORTED")
        page.get_by_role("button", name="Delete").click()
        page.wait_for_url(f"{server.base}/uws/jobs")


def test_what_people_write_stays_text(server: Server, page: Page) -> None:
    evil = "</title></script><img src=x onerror=alert(1)>"
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.goto(create(server, JOBTYPE="echo", MESSAGE=evil * 3, RUNID=evil))
    expect(page.get_by_role("heading", level=1)).to_contain_text(evil)
    expect(page.locator("#parameters")).to_contain_text(evil)


@pytest.mark.parametrize("path", ["/uws/jobs", "/uws/jobtypes/sleep", "/", "job"])
def test_pages_fit_a_phone_and_label_their_fields(server: Server, browser: Browser, path: str) -> None:
    with open_page(browser, viewport=PHONE, color_scheme="dark") as page:
        page.goto(create(server, RUNID="x" * 64) if path == "job" else server.base + path)
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for field in page.locator("input:not([type=hidden]), select, textarea").all():
            assert field.evaluate("field => field.labels.length > 0 || field.hasAttribute('aria-label')")


def test_a_list_of_a_thousand_jobs_can_be_used(server: Server, page: Page) -> None:
    with requests.Session() as session:
        for number in range(1000):
            data = {"JOBTYPE": "echo", "RUNID": f"no. {number}"}
            session.post(f"{server.base}/uws/jobs", data=data, allow_redirects=False, timeout=30)
    page.goto(f"{server.base}/uws/jobs")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(100)
    expect(rows.first).to_contain_text("no. 999")
    page.get_by_role("link", name="Show more").click()
    expect(rows).to_have_count(1000)
    page.get_by_text("Choose which jobs to show").click()
    page.get_by_label("ABORTED").check()
    page.get_by_label("Created after").fill("2000")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("ABORTED")).to_be_checked()
    assert set(page.locator("tbody .badge").all_inner_texts()) <= {"ABORTED"}
    page.goto(f"{server.base}/uws/jobs")
    page.get_by_role("link", name="Newer ones only").click()
    expect(page.locator("main")).to_contain_text("No job is like that.")
