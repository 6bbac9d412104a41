"""Jobs as pages for people."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.uws.builders import NOW, make_job
from tests.uws.hosting import Tokens
from tests.uws.web.client import BROWSER, Client, client_of, create, finished, get, post
from uws.core.job import Phase
from uws.representations.describe import job_document
from uws.representations.job_page import job_page, readable_size

pytestmark = pytest.mark.asyncio(loop_scope="package")
URL = "https://penstock.example/uws/jobs/x"


async def test_a_page_for_people_escapes_what_people_wrote(client: Client) -> None:
    path = await create(client, "/async", X="<script>alert(1)</script>")
    _, media_type, text = await get(client, path, BROWSER)
    assert media_type == "text/html"
    assert "<script>alert" not in text
    assert 'name="PHASE"' in text


async def test_a_page_opened_by_another_host_name_has_forms_that_work(client: Client) -> None:
    path = await create(client, "/async")
    async with (
        aiohttp.ClientSession() as other,
        other.get(f"http://localhost:{client.port}{path}", headers={"Accept": BROWSER}) as answer,
    ):
        text, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert f'action="{path}/phase"' in text
    assert f"form-action 'self' http://127.0.0.1:{client.port}" in policy


BUTTONS = {
    Phase.PENDING: ["Run", "Abort", "Delete"],
    Phase.HELD: ["Run", "Abort", "Delete"],
    Phase.QUEUED: ["Abort", "Delete"],
    Phase.EXECUTING: ["Abort", "Delete"],
    Phase.SUSPENDED: ["Abort", "Delete"],
    Phase.UNKNOWN: ["Abort", "Delete"],
    Phase.COMPLETED: ["Delete"],
    Phase.ERROR: ["Delete"],
    Phase.ABORTED: ["Delete"],
    Phase.ARCHIVED: ["Delete"],
}


@pytest.mark.requirement("U-043")
@pytest.mark.parametrize("phase", list(Phase))
async def test_a_page_offers_what_is_possible_in_the_phase_and_nothing_else(phase: Phase) -> None:
    job = make_job(phase, info={"progress": 0.5, "message": "half"})
    text = job_page(job_document(job, URL, None), URL, name="Echo").text or ""
    actions = text[text.index('id="actions"') : text.index('id="results"')]
    assert re.findall(r"<button[^>]*>(\w+)</button>", actions) == BUTTONS[phase]
    assert ('action="/uws/jobs/x/parameters"' in text) == (phase is Phase.PENDING)
    assert ("<progress" in text) == (phase in (Phase.EXECUTING, Phase.SUSPENDED))
    assert ('http-equiv="refresh"' in text) == (phase not in BUTTONS or BUTTONS[phase] != ["Delete"])


async def test_a_progress_of_nought_is_shown() -> None:
    job = make_job(Phase.EXECUTING, info={"progress": 0.0})
    assert 'value="0.0"' in (job_page(job_document(job, URL, None), URL, name="Echo").text or "")


@pytest.mark.parametrize("more", [{"destruction": None}, {"execution_duration_s": 0, "quote": None}, {"attempt": 3}])
async def test_a_page_can_be_made_of_any_job(more: dict[str, object]) -> None:
    for phase in Phase:
        job = make_job(phase, owner="alice", run_id="r", **{"quote": NOW + timedelta(1), **more})
        assert "<h1>" in (job_page(job_document(job, URL, None), URL, name="Echo").text or "")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (3_000_960, "3.0 MB"),
        (2**63 - 1, "9223372.0 TB"),
    ],
)
async def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text


@pytest.mark.parametrize(
    "query", ["PHASE=&LAST=&AFTER=", "PHASE=PENDING&PHASE=QUEUED&LAST=5&AFTER=2020", "LAST=99999999999"]
)
async def test_a_list_is_filtered_by_a_form_whose_fields_may_be_blank(client: Client, query: str) -> None:
    path = await create(client)
    status, _, text = await get(client, f"/uws/jobs?{query}", BROWSER)
    assert status == 200
    assert f"{path}" in text


@pytest.mark.parametrize("query", ["PHASE=NO", "LAST=0", "AFTER=tomorrow"])
async def test_a_list_that_cannot_be_is_refused_on_a_page_too(client: Client, query: str) -> None:
    assert (await get(client, f"/uws/jobs?{query}", BROWSER))[:2] == (400, "text/html")


async def test_a_list_leads_to_more_and_keeps_its_filters(client: Client) -> None:
    for _ in range(3):
        await create(client, RUNID="a & b")
    _, _, text = await get(client, "/uws/jobs?LAST=2&PHASE=PENDING", BROWSER)
    assert "The 2 newest jobs" in text
    assert text.count('class="id"') == 2
    assert 'href="/uws/jobs?PHASE=PENDING&amp;LAST=100"' in text
    assert "PHASE=PENDING&amp;LAST=2&amp;RESPONSEFORMAT=json" in text
    assert "a &amp; b" in text


async def test_who_is_not_signed_in_is_told_why_the_list_is_empty(tmp_path: Path) -> None:
    async with client_of(tmp_path, authenticator=Tokens()) as (client, _):
        assert "You are not signed in." in (await get(client, "/uws/jobs", BROWSER))[2]
        assert "None yet." in (await get(client, "/uws/jobs", BROWSER, Authorization="Test bob"))[2]


async def test_no_answer_about_a_job_lets_its_address_out(client: Client) -> None:
    path = await create(client, JOBTYPE="echo", MESSAGE="x", PHASE="RUN")
    await finished(client, path)
    for resource in ("", "/phase", "/results", "/results/echo", "/parameters/MESSAGE", "/error", "/events"):
        for accept in (BROWSER, "*/*"):
            async with client.get(path + resource, headers={"Accept": accept}) as response:
                assert response.headers["Referrer-Policy"] == "no-referrer", resource


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/x-votable+xml", "unknown/unknown"])
async def test_an_upload_that_a_browser_would_run_has_no_rights(client: Client, media_type: str) -> None:
    form = aiohttp.FormData({"UPLOAD": "t,param:page"})
    form.add_field("page", b"<script>steal()</script>", filename="x.html", content_type=media_type)
    async with client.post("/async", data=form, allow_redirects=False) as response:
        path = response.headers["Location"].removeprefix(f"http://127.0.0.1:{client.port}")
    async with client.get(f"{path}/parameters/page") as response:
        assert response.content_type == media_type
        assert response.headers["Content-Security-Policy"] == "sandbox"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_form_of_another_site_cannot_know_a_job_but_may_make_one(client: Client) -> None:
    """Nothing is authenticated by a cookie, so a form that another site sends has no more rights than that site."""
    async with client.post(
        "/uws/jobs", data={"JOBTYPE": "echo"}, headers={"Origin": "https://evil.example"}, allow_redirects=False
    ) as response:
        assert response.status == 303
        assert "Set-Cookie" not in response.headers
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_the_error_of_a_job_is_a_page_in_a_browser(client: Client) -> None:
    path = await create(client, JOBTYPE="fail", MESSAGE="<b>no</b>", PHASE="RUN")
    await finished(client, path)
    status, media_type, text = await get(client, f"{path}/error", BROWSER)
    assert (status, media_type) == (200, "text/html")
    assert "<h1>Error</h1>" in text
    assert "UsageError: &lt;b&gt;no&lt;/b&gt;" in text
    assert await post(client, f"{path}/phase", PHASE="RUN") == 403
