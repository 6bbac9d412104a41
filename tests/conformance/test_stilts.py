"""The validators of STILTS and what becomes of their reports."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from conformance.model import Level, Standard, Subject, Verdict
from conformance.profile import Profile
from conformance.reports.machine import as_json, as_junit
from conformance.reports.page import page
from conformance.reports.text import text
from conformance.runner import Options, judge
from conformance.stilts import findings
from tests.conformance.faults import Fault, replaced, service
from tests.conformance.good.links import KNOWN
from tests.support.systems import require_stilts

TAP = Subject(standard=Standard.TAP, url="http://vo.example.org/tap")
REPORT = {
    "announce": ["This is STILTS taplint"],
    "sections": [
        {
            "code": "CAP",
            "title": "Check the capabilities",
            "reports": [
                {"level": "ERROR", "code": "MUPM", "text": "missing", "error": {"class": "x", "errmsg": "because"}},
                {"level": "WARNING", "code": "WARN", "text": "odd"},
                {"level": "FAILURE", "code": "FAIL", "text": "not tried"},
                {"level": "INFO", "code": "INFO", "text": "of no interest"},
            ],
        }
    ],
}


@pytest.fixture
def stilts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a command stilts on the path that prints what it is told, after keeping its words."""

    def install(output: str, seconds: float = 0) -> Path:
        words = tmp_path / "words"
        script = tmp_path / "stilts"
        script.write_text(
            f"#!{sys.executable}\nimport sys, time\nopen({str(words)!r}, 'w').write(' '.join(sys.argv[1:]))\n"
            f"time.sleep({seconds})\nsys.stdout.write({output!r})\nsys.stderr.write('a complaint')\n"
        )
        script.chmod(0o700)
        return words

    monkeypatch.setenv("PATH", str(tmp_path))
    return install


async def test_reports_become_findings_with_code_level_and_text(stilts) -> None:
    words = stilts(json.dumps(REPORT))
    error, warning, failure = await findings([TAP, Subject(standard=Standard.UWS, url="http://vo.example.org/uws")])
    assert words.read_text().startswith("taplint tapurl=http://vo.example.org/tap format=json")
    assert (error.check.id, error.check.level, error.verdict) == ("stilts.taplint.CAP-MUPM", Level.MUST, Verdict.FAIL)
    assert error.message == "missing because"
    assert error.check.summary == "Check the capabilities"
    assert error.subject.standard is Standard.STILTS
    assert (warning.check.level, warning.verdict) == (Level.SHOULD, Verdict.WARNING)
    assert failure.verdict is Verdict.SKIPPED


async def test_nothing_to_report_is_a_pass(stilts) -> None:
    stilts(json.dumps({"sections": []}))
    (finding,) = await findings([TAP])
    assert finding.verdict is Verdict.PASS


@pytest.mark.parametrize(
    "output", ["", "not JSON", "[]", "{}", '{"sections": 1}', '{"sections": [{"reports": [1]}]}', "null"]
)
async def test_output_that_is_no_report_is_said(stilts, output: str) -> None:
    stilts(output)
    (finding,) = await findings([TAP])
    assert finding.verdict is Verdict.SKIPPED
    assert "a complaint" in finding.message


async def test_a_validator_that_does_not_end_is_ended(stilts) -> None:
    stilts("", seconds=60)
    (finding,) = await findings([TAP], timeout_s=0.5)
    assert "did not come to an end within 0.5 s" in finding.message


async def test_it_is_said_that_stilts_is_not_installed(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = await findings([TAP])
    assert finding.verdict is Verdict.SKIPPED
    assert "not installed" in finding.message


@pytest.mark.parametrize("identifier", ["ivo://a?b", "x|", "touch /tmp/x |", "<touch x", "a b&c=d|"])
async def test_no_identifier_is_a_command_for_stilts(stilts, identifier: str) -> None:
    words = stilts(json.dumps(REPORT))
    links = Subject(standard=Standard.DATALINK, url="http://a.example/links", profile=Profile(datalink_id=identifier))
    await findings([links])
    table = words.read_text().split(" ")[1]
    assert table.startswith("votable=http://a.example/links?ID=")
    assert not set("|<> ") & set(table)


async def test_the_findings_of_stilts_are_in_every_report(aiohttp_server) -> None:
    require_stilts()
    fault = Fault("/links.*", replaced('ucd="meta.ref.url"', 'ucd="meta.ref"'))
    url = str((await aiohttp_server(service(fault))).make_url("/links"))
    options = Options(
        standard=Standard.DATALINK,
        only=("datalink.valid",),
        with_stilts=True,
        profile=Profile(datalink_id=KNOWN),
    )
    report = await judge(url, options)
    found = [one for one in report.findings if one.check.id.startswith("stilts.datalinklint.")]
    assert found, [one.message for one in report.findings]
    for write in (as_json, as_junit, page):
        assert found[0].check.id.encode() in write(report)
    assert found[0].check.id in text(report)
