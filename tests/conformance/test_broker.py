"""The checks of the Execution Broker run nothing without leave, and take back what they were offered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from conformance.brokering import duration, interval, yaml_document
from conformance.client import Reply
from conformance.model import Standard, Verdict, Violation
from conformance.profile import Brokering, Profile
from conformance.runner import Options, Report, judge
from tests.conformance.faults import Fault, known, service, status
from tests.conformance.good.broker import BROKER, Broker
from tests.conformance.test_checks import CREDENTIALS, LIMITS

CAPABILITIES = """<c:capabilities xmlns:c="http://www.ivoa.net/xml/VOSICapabilities/v1.0">
<capability standardID="ivo://a.example/std/broker#requests-1.0"><interface>
<accessURL>{}/broker/requests</accessURL></interface></capability></c:capabilities>"""


class Recorded(Broker):
    """Remembers to which phases sessions were set."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def update(self, request: web.Request) -> web.Response:
        self.asked.append(await request.text())
        return await super().update(request)


async def judged(aiohttp_server, broker: Broker, own: Brokering, *only: str) -> Report:
    async def capabilities(request: web.Request) -> web.Response:
        return web.Response(text=CAPABILITIES.format(request.url.origin()), content_type="text/xml")

    app = web.Application(middlewares=[known])
    app.add_routes([*broker.routes(), web.get("/capabilities", capabilities)])
    url = str((await aiohttp_server(app)).make_url("/"))
    return await judge(url, Options(only=only or ("broker.*",), profile=Profile(broker=own), limits=LIMITS))


async def test_a_broker_is_found_by_its_capabilities_and_everything_is_taken_back(aiohttp_server) -> None:
    broker = Broker()
    report = await judged(aiohttp_server, broker, BROKER)
    assert {one.subject.standard for one in report.findings} == {Standard.BROKER}
    assert [one.check.id for one in report.findings if one.verdict is Verdict.SKIPPED] == ["broker.others"]
    assert report.passed
    assert {one["phase"] for one in broker.sessions.values()} == {"REJECTED", "CANCELLED"}


async def test_nothing_is_accepted_without_leave(aiohttp_server) -> None:
    broker = Recorded()
    report = await judged(aiohttp_server, broker, replace(BROKER, accept=False))
    assert not any("ACCEPTED" in text for text in broker.asked)
    assert {one["phase"] for one in broker.sessions.values()} == {"REJECTED"}
    skipped = {one.check.id: one.message for one in report.findings if one.verdict is Verdict.SKIPPED}
    assert "allow it in the profile" in skipped["broker.accept"]
    assert "allow it in the profile" in skipped["broker.rejected-stays"]


async def test_a_broker_may_answer_by_the_offers_themselves(aiohttp_server) -> None:
    server = await aiohttp_server(service(Fault("/broker/requests", status(200))))
    options = Options(standard=Standard.BROKER, profile=Profile(broker=BROKER), limits=LIMITS, credentials=CREDENTIALS)
    report = await judge(str(server.make_url("/broker")), replace(options, skip=("broker.malformed", "broker.uns*")))
    assert {one.check.id: one.message for one in report.findings if one.verdict is not Verdict.PASS} == {
        "broker.redirect-body": "a request is answered by 200"
    }


async def test_checks_of_offers_are_skipped_where_there_are_none(aiohttp_server) -> None:
    asked = {"executable": {"kind": "https://example.org/other"}}
    report = await judged(aiohttp_server, Broker(), Brokering(request=asked), "broker.minima", "broker.result")
    found = {one.check.id: (one.verdict, one.message) for one in report.findings}
    assert found["broker.result"] == (Verdict.PASS, "")
    assert found["broker.minima"][0] is Verdict.SKIPPED
    assert "give another in the profile" in found["broker.minima"][1]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT0S", 0), ("PT1.5S", 1.5), ("PT1H1M", 3660), ("P1D", 86400), ("P1W", 604800), ("P1DT1S", 86401)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "P1H", "PT1D", "-PT1S", "P1Y", "P1M", "1H"])
def test_what_is_no_duration_is_said(text: str) -> None:
    with pytest.raises(Violation, match="is not an ISO 8601 duration"):
        duration(text)


def test_intervals_end_at_a_time_after_a_duration_or_at_once() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hour = start + timedelta(hours=1)
    assert interval("2026-01-01T00:00:00Z/2026-01-01T01:00:00Z") == (start, hour)
    assert interval("2026-01-01T00:00:00Z/PT1H") == (start, hour)
    assert interval("2026-01-01T00:00:00Z") == (start, start)


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: [", "- 1", "a: &a [*a]\nb: *c", "\x00", "? [a]: {b}\n: c: d"], ids=range(6)
)
def test_yaml_that_is_none_is_said(text: str) -> None:
    headers = web.Response(content_type="application/yaml").headers
    reply = Reply(url="http://a.example/", status=200, headers=headers, body=text.encode(), seconds=0)  # type: ignore[arg-type]
    with pytest.raises(Violation, match="is no YAML"):
        yaml_document(reply)
