"""Every check passes on a good service and notices its faults: a check that cannot fail is impossible."""

from __future__ import annotations

import re

import pytest

from conformance.client import Limits
from conformance.credentials import Credentials
from conformance.model import CHECKED, Level, Standard, Verdict
from conformance.profile import Profile
from conformance.registry import all_checks
from conformance.runner import Options, Report, judge
from tests.conformance.cases_auth import CASES as AUTH
from tests.conformance.cases_broker import CASES as BROKER_CASES
from tests.conformance.cases_others import DATALINK, OAI
from tests.conformance.cases_searches import CASES as SEARCHES
from tests.conformance.cases_tables import CASES as TABLES
from tests.conformance.cases_tap import CASES as TAP
from tests.conformance.cases_uws import CASES as UWS
from tests.conformance.faults import service
from tests.conformance.good.broker import BROKER
from tests.conformance.good.links import KNOWN
from tests.conformance.good.searches import CONE, SODA, TASK

CASES = [*UWS, *TAP, *DATALINK, *OAI, *AUTH, *SEARCHES, *TABLES, *BROKER_CASES]
PLACES = {
    Standard.VOSI: "/tap",
    Standard.AUTH: "/tap",
    Standard.TAP: "/tap",
    Standard.ADQL: "/tap",
    Standard.OBSCORE: "/tap",
    Standard.REGTAP: "/tap",
    Standard.SIA: "/sia/query",
    Standard.SCS: "/scs/query",
    Standard.SODA: "/soda/sync",
    Standard.PLANNER: "/planner/accepts",
    Standard.BROKER: "/broker/requests",
    Standard.UWS: "/jobs",
    Standard.DATALINK: "/links",
    Standard.OAI: "/oai",
}
PROFILE = Profile(
    succeed={"MESSAGE": "hello"},
    fail={"FAIL": "1"},
    completes=True,
    datalink_id=KNOWN,
    soda=SODA,
    cone=CONE,
    task_type=TASK,
    broker=BROKER,
)
CREDENTIALS = Credentials(own="token-of-alice", other="token-of-bob")
LIMITS = Limits(timeout_s=5, per_second=2000)
CHECKS = {check.id: check for check in all_checks()}


async def judged(server, standard: Standard, *only: str) -> Report:
    url = str(server.make_url(PLACES[standard]))
    options = Options(standard=standard, only=only, profile=PROFILE, limits=LIMITS, credentials=CREDENTIALS)
    return await judge(url, options)


@pytest.mark.parametrize("standard", CHECKED)
async def test_a_good_service_passes_every_check(aiohttp_server, standard: Standard) -> None:
    report = await judged(await aiohttp_server(service()), standard, f"{standard}.*")
    assert {one.check.id: one.message for one in report.findings if one.verdict is not Verdict.PASS} == {}
    assert {check.id for check in CHECKS.values() if check.standard is standard} <= {
        one.check.id for one in report.findings
    }
    assert report.passed


@pytest.mark.parametrize(("check", "fault", "says"), CASES, ids=[f"{case[0]}: {case[2]}" for case in CASES])
async def test_a_fault_is_noticed(aiohttp_server, check: str, fault, says: str) -> None:
    report = await judged(await aiohttp_server(service(fault)), CHECKS[check].standard, check)
    finding = next(one for one in report.findings if one.check.id == check)
    assert finding.verdict is (Verdict.FAIL if CHECKS[check].level is Level.MUST else Verdict.WARNING), finding.message
    assert re.search(says, finding.message), finding.message
    assert finding.exchanges


def test_every_check_has_a_fault_that_it_notices() -> None:
    assert {case[0] for case in CASES} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_a_check_cites_its_clause(check) -> None:
    assert re.search(r"\(.*\d.*\)\.$", check.summary), check.summary
    assert check.section


async def test_jobs_are_deleted_afterwards(aiohttp_client) -> None:
    client = await aiohttp_client(service())
    await judged(client.server, Standard.UWS, "uws.create*", "uws.abort", "uws.list*")
    left = await (await client.get("/jobs")).text()
    assert "jobref" not in left
