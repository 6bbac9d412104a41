"""A report for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from textwrap import wrap

from conformance.model import Finding, Verdict
from conformance.runner import Report


def line(finding: Finding) -> str:
    """Return one line about a finding."""
    said = f": {finding.message}" if finding.message else ""
    return f"{finding.verdict.upper():8}{finding.check.id}{said}"


def text(report: Report) -> str:
    """Return the report as text: what is wrong in full, then the sums."""
    return "\n".join(_lines(report)) + "\n"


def summary(report: Report) -> str:
    """Return the sums in one line."""
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict)
    return f"{counts} in {report.seconds:.1f} s"


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.url}, {report.started:%Y-%m-%dT%H:%M:%SZ}"
    if report.trouble:
        yield f"NOTHING JUDGED: {report.trouble}"
        yield from (f"    {exchange.curl}\n        {exchange.seen}" for exchange in report.exchanges)
        return
    for subject, group in groupby(report.findings, key=lambda finding: finding.subject):
        yield ""
        yield f"{subject.standard.cited} at {subject.url}"
        findings = list(group)
        for finding in findings:
            yield from _finding(finding)
        yield from _skipped(findings)
    yield ""
    yield summary(report)


def _finding(finding: Finding) -> Iterator[str]:
    if finding.verdict not in {Verdict.FAIL, Verdict.WARNING}:
        return
    yield f"  {line(finding)}"
    yield f"      {finding.check.level}: {finding.check.summary}"
    if finding.advice:
        yield f"      {finding.advice}"
    if finding.exchanges:
        last = finding.exchanges[-1]
        yield f"      {last.curl}"
        yield f"      {last.seen}"


def _skipped(findings: Iterable[Finding]) -> Iterator[str]:
    """Name the checks that were skipped once for each reason: one missing thing can stop many."""
    reasons: dict[str, list[str]] = {}
    for finding in findings:
        if finding.verdict is Verdict.SKIPPED:
            reasons.setdefault(finding.message, []).append(finding.check.id)
    for reason, names in reasons.items():
        yield f"  SKIPPED {reason}"
        yield from wrap(", ".join(names), 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
