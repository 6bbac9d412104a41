"""Reports for programs: JSON with everything, JUnit for a build server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from lxml import etree

from conformance.model import Exchange, Finding, Verdict
from conformance.reports.text import line
from conformance.runner import Report


def as_json(report: Report) -> bytes:
    """Return the report as JSON."""
    content = {
        "url": report.url,
        "started": report.started.isoformat(),
        "seconds": round(report.seconds, 3),
        "passed": report.passed,
        "trouble": report.trouble,
        "counts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "findings": [_finding(finding) for finding in report.findings],
    }
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check.id,
        "standard": finding.check.standard.cited,
        "section": finding.check.section,
        "level": finding.check.level.value,
        "summary": finding.check.summary,
        "subject": finding.subject.url,
        "verdict": finding.verdict.value,
        "message": finding.message,
        "advice": finding.advice,
        "seconds": round(finding.seconds, 3),
        "exchanges": [_exchange(exchange) for exchange in finding.exchanges],
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "sent": exchange.curl,
        "status": exchange.status,
        "headers": dict(exchange.seen_headers),
        "body": exchange.excerpt,
        "trouble": exchange.trouble,
        "seconds": round(exchange.seconds, 3),
    }


def as_junit(report: Report) -> bytes:
    """Return the report as JUnit XML: an endpoint is a suite, a warning is a case that passes and says so."""
    root = etree.Element("testsuites", name="penstock-conformance", time=f"{report.seconds:.3f}")
    if report.trouble:
        suite = etree.SubElement(root, "testsuite", name=report.url, tests="1", failures="1", skipped="0")
        case = etree.SubElement(suite, "testcase", classname="discovery", name="discovery")
        etree.SubElement(case, "failure", message=printable(report.trouble))
    for subject, group in groupby(report.findings, key=lambda finding: finding.subject):
        findings = list(group)
        suite = etree.SubElement(
            root,
            "testsuite",
            name=f"{subject.standard.cited} {subject.url}",
            tests=str(len(findings)),
            failures=str(_count(findings, Verdict.FAIL)),
            skipped=str(_count(findings, Verdict.SKIPPED)),
            time=f"{sum(finding.seconds for finding in findings):.3f}",
        )
        for finding in findings:
            _case(suite, finding)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _count(findings: Iterable[Finding], verdict: Verdict) -> int:
    return sum(finding.verdict is verdict for finding in findings)


def _case(suite: etree._Element, finding: Finding) -> None:
    case = etree.SubElement(
        suite,
        "testcase",
        classname=finding.check.standard.value,
        name=finding.check.id,
        time=f"{finding.seconds:.3f}",
    )
    evidence = "\n".join(f"{exchange.curl}\n  {exchange.seen}" for exchange in finding.exchanges[-5:])
    match finding.verdict:
        case Verdict.FAIL:
            failure = etree.SubElement(case, "failure", message=printable(finding.message))
            failure.text = printable(f"{finding.check.summary}\n{evidence}")
        case Verdict.SKIPPED:
            etree.SubElement(case, "skipped", message=printable(finding.message))
        case Verdict.WARNING:
            etree.SubElement(case, "system-out").text = printable(f"{line(finding)}\n{evidence}")
        case Verdict.PASS:
            pass


def printable(text: str) -> str:
    """Return a text without the characters that XML cannot carry."""
    return "".join(one if one in "\t\n\r" or (one >= " " and one not in "\ufffe\uffff") else "\ufffd" for one in text)
