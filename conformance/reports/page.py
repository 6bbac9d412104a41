"""A report as one page of HTML that needs nothing else."""

from __future__ import annotations

from itertools import groupby
from typing import cast

from lxml import etree
from lxml.html import builder as E  # noqa: N812  the customary name
from lxml.html import tostring

from conformance.model import Exchange, Finding, Verdict
from conformance.reports.machine import printable
from conformance.reports.text import summary
from conformance.runner import Report

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem }
tr { border-top: 1px solid #ddd }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .5rem }
.pass { color: #186a3b } .fail { color: #b3261e; font-weight: bold }
.warning { color: #8a5a00 } .skipped { color: #666 }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd } pre { background: #262626 } tr { border-color: #444 }
  .pass { color: #7ddc9c } .fail { color: #ff8a80 } .warning { color: #ffc966 } .skipped { color: #aaa }
}
"""


def page(report: Report) -> bytes:
    """Return the report as HTML."""
    body = E.BODY(
        E.H1("Conformance report"),
        E.P(printable(f"{report.url}, {report.started:%Y-%m-%d %H:%M:%S} UTC")),
        E.P(summary(report)),
    )
    if report.trouble:
        body.append(E.P(printable(f"Nothing could be judged: {report.trouble}"), E.CLASS("fail")))
        body.extend([_exchange(exchange) for exchange in report.exchanges])
    for subject, group in groupby(report.findings, key=lambda finding: finding.subject):
        body.append(E.H2(printable(f"{subject.standard.cited} at {subject.url}")))
        head = E.TR(*(E.TH(name) for name in ("Verdict", "Level", "Rule", "Section")))
        body.append(E.TABLE(E.THEAD(head), E.TBODY(*(_row(finding) for finding in group))))
    head = E.HEAD(E.META(charset="utf-8"), E.TITLE("Conformance report"), E.STYLE(STYLE))
    viewport = E.META(name="viewport", content="width=device-width, initial-scale=1")
    head.append(viewport)
    return cast("bytes", tostring(E.HTML(head, body, lang="en"), doctype="<!DOCTYPE html>", encoding="utf-8"))


def _row(finding: Finding) -> etree._Element:
    rule = E.TD(E.STRONG(finding.check.id), E.BR(), finding.check.summary, id=_anchor(finding))
    if finding.message:
        rule.append(E.P(printable(finding.message), E.CLASS(finding.verdict.value)))
    if finding.advice:
        rule.append(E.P(printable(finding.advice)))
    if finding.exchanges and finding.verdict in {Verdict.FAIL, Verdict.WARNING}:
        rule.append(E.DETAILS(E.SUMMARY("What was sent and seen"), *map(_exchange, finding.exchanges[-5:])))
    verdict = E.TD(finding.verdict.value, E.CLASS(finding.verdict.value))
    return cast("etree._Element", E.TR(verdict, E.TD(finding.check.level.value), rule, E.TD(finding.check.section)))


def _anchor(finding: Finding) -> str:
    return f"{finding.check.id}@{finding.subject.url}"


def _exchange(exchange: Exchange) -> etree._Element:
    said = f"{exchange.curl}\n\n{exchange.seen}\n\n{exchange.excerpt}"
    return cast("etree._Element", E.PRE(printable(said)))
