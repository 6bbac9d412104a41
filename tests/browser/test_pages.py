"""Every page of the host opens in a real browser and its console stays silent."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page
from tests.support.server import Server

PAGES = (
    "/",
    "/uws",
    "/uws/jobs",
    "/uws/jobtypes",
    "/uws/jobtypes/sleep",
    "/tap",
    "/tap/async",
    "/tap/examples",
    "/datalink",
    "/datalink/terms",
    "/datalink/soda",
    "/hips",
    "/basket",
    "/registry",
    "/execplanner",
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_and_nothing_complains(server: Server, page: Page, path: str) -> None:
    answer = page.goto(server.base + path)
    assert answer
    assert answer.status == 200
    expect(page.locator("h1, h2").first).to_be_visible()


@pytest.mark.parametrize("path", ["/uws/jobs/none", "/uws/jobs?LAST=x", "/nothing"])
def test_what_is_wrong_is_told_on_a_page(server: Server, browser: Browser, path: str) -> None:
    with open_page(browser, complaints=True) as page:
        answer = page.goto(server.base + path)
        assert answer
        assert answer.status in (400, 404)
        expect(page.locator(".failure p")).to_be_visible()


@pytest.mark.requirement("U-043")
def test_every_page_can_be_reached_from_the_front_page(server: Server, page: Page) -> None:
    page.goto(server.base)
    page.get_by_role("link", name="Universal Worker Service").click()
    page.get_by_role("link", name="/uws/jobtypes").click()
    page.get_by_role("link", name="echo").click()
    page.get_by_label("MESSAGE").fill("from the form")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#status .badge")).to_have_text("COMPLETED")
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator("tbody tr").first).to_contain_text("echo")


def test_no_page_tells_the_next_server_where_its_reader_came_from(server: Server) -> None:
    job = requests.post(f"{server.base}/uws/jobs", data={"JOBTYPE": "echo"}, timeout=30).url
    for url in (job, f"{job}/phase", f"{job}/parameters", f"{job}/results/none", f"{server.base}/uws/jobs"):
        headers = {"Accept": "text/html,application/xhtml+xml"}
        answer = requests.get(url, headers=headers, timeout=30)
        assert answer.headers["Referrer-Policy"] == "no-referrer", url


@pytest.mark.parametrize(
    "content",
    [
        "<script>undefined.x</script>",
        "<script>console.error(1)</script>",
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><style>p { color: red }</style>",
    ],
)
def test_a_page_that_complains_would_be_noticed(browser: Browser, content: str) -> None:
    with pytest.raises(AssertionError), open_page(browser) as page:
        page.set_content(content)
