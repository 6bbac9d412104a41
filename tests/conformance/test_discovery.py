"""What is found at a URL, and what is learnt there that a profile need not say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from conformance.client import Limits
from conformance.model import Standard, Verdict
from conformance.profile import Profile
from conformance.runner import Options, judge, open_trial
from tests.conformance.good import searches
from tests.conformance.good.jobs import JobList

LIMITS = Limits(timeout_s=5, per_second=2000)
TYPES = {"jobTypes": [{"name": "echo"}, {"name": "sleep"}, {"name": "fail"}]}
CONE = """<capability standardID="ivo://ivoa.net/std/ConeSearch"><interface><accessURL>BASE/scs</accessURL></interface>
<testQuery><ra>10</ra><dec>{}</dec><sr>0.5</sr></testQuery></capability>"""
CAPABILITIES = '<c:capabilities xmlns:c="http://www.ivoa.net/xml/VOSICapabilities/v1.0">{}</c:capabilities>'


def job_list(types: object) -> web.Application:
    """Return a job list that needs a JOBTYPE, and what is beside it."""

    async def job_types(request: web.Request) -> web.Response:
        return web.json_response(types)

    def work(form: dict[str, str]) -> tuple[bool, bytes]:
        return form.get("JOBTYPE") == "echo", b"done"

    app = web.Application()
    app.add_routes([*JobList("/uws/jobs", work).routes(), web.get("/uws/jobtypes", job_types)])
    return app


async def test_job_types_say_how_jobs_succeed_and_fail(aiohttp_server) -> None:
    url = str((await aiohttp_server(job_list(TYPES))).make_url("/uws/jobs"))
    report = await judge(url, Options(only=("uws.completes", "uws.failed-job"), limits=LIMITS))
    assert {one.check.id: one.verdict for one in report.findings} == {
        "uws.completes": Verdict.PASS,
        "uws.failed-job": Verdict.PASS,
    }


async def test_a_profile_says_more_than_job_types(aiohttp_server) -> None:
    url = str((await aiohttp_server(job_list(TYPES))).make_url("/uws/jobs"))
    async with open_trial(url, Options(profile=Profile(succeed={"A": "1"}), limits=LIMITS)) as trial:
        (subject,) = trial.subjects
    assert subject.profile.succeed == {"A": "1"}


@pytest.mark.parametrize("types", [None, [], {}, {"jobTypes": None}, {"jobTypes": [1]}, {"jobTypes": [{"name": "x"}]}])
async def test_other_job_types_say_nothing(aiohttp_server, types: object) -> None:
    url = str((await aiohttp_server(job_list(types))).make_url("/uws/jobs"))
    async with open_trial(url, Options(limits=LIMITS)) as trial:
        (subject,) = trial.subjects
    assert subject.profile == Profile()


@pytest.mark.parametrize(("dec", "cone"), [("20", (10.0, 20.0, 0.5)), ("north", None), ("", None)])
async def test_the_cone_is_that_of_the_test_query(aiohttp_server, dec: str, cone: object) -> None:
    async def capabilities(request: web.Request) -> web.Response:
        text = CAPABILITIES.format(CONE.format(dec)).replace("BASE", str(request.url.origin()))
        return web.Response(text=text, content_type="text/xml")

    app = web.Application()
    app.router.add_get("/capabilities", capabilities)
    url = str((await aiohttp_server(app)).make_url("/"))
    async with open_trial(url, Options(limits=LIMITS)) as trial:
        found = {subject.standard: subject for subject in trial.subjects}
    assert set(found) == {Standard.VOSI, Standard.AUTH, Standard.SCS}
    assert found[Standard.SCS].profile.cone == cone


async def test_the_jobs_of_cutouts_are_judged_as_jobs_too(aiohttp_server) -> None:
    async def described(request: web.Request) -> web.Response:
        listed = "".join(
            f'<capability standardID="ivo://ivoa.net/std/SODA#{name}-1.0"><interface>'
            f"<accessURL>{request.url.origin()}/soda/{name}</accessURL></interface></capability>"
            for name in ("sync", "async")
        )
        return web.Response(text=CAPABILITIES.format(listed), content_type="text/xml")

    app = web.Application()
    app.add_routes([*searches.routes(), web.get("/soda/capabilities", described)])
    url = str((await aiohttp_server(app)).make_url("/soda"))
    options = Options(
        profile=Profile(soda=replace(searches.SODA, jobs="")), limits=LIMITS, only=("soda.*", "uws.comp*")
    )
    report = await judge(url, options)
    assert {one.check.id: one.message for one in report.findings if one.verdict is not Verdict.PASS} == {}
    assert {"soda.async-combinations", "uws.completes"} <= {one.check.id for one in report.findings}
