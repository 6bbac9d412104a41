"""Run the validators of STILTS, and make their reports findings of ours.

`taplint` judges a TAP service and `datalinklint` a table of links. Both write JSON: sections with reports, each with
a level, a code and a text. STILTS decides what its levels mean; an error fails, as a MUST of ours does.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from conformance.bench import Bench, with_query
from conformance.model import Check, Finding, Level, Standard, Subject, Verdict

TASK_S: Final = 900.0
# level of STILTS: ours, and how it ends; a failure is a test that STILTS could not make
LEVELS: Final = {
    "ERROR": (Level.MUST, Verdict.FAIL),
    "WARNING": (Level.SHOULD, Verdict.WARNING),
    "FAILURE": (Level.MAY, Verdict.SKIPPED),
}
COMMON: Final = ("format=json", "report=EWF", "maxrepeat=4")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A report of STILTS."""

    code: str
    title: str
    level: str
    text: str


async def findings(subjects: Iterable[Subject], *, timeout_s: float = TASK_S) -> list[Finding]:
    """Judge the endpoints that STILTS has a validator for."""
    found: list[Finding] = []
    for subject in subjects:
        task = _task(subject)
        if task:
            found += await _judged(subject, task, timeout_s)
    return found


def _task(subject: Subject) -> tuple[str, ...]:
    """Return the words of the command; none where STILTS has no validator."""
    match subject.standard:
        case Standard.TAP:
            return ("taplint", f"tapurl={subject.url}", *COMMON)
        case Standard.DATALINK if subject.profile.datalink_id:
            # STILTS would run what stands before a bar at the end; in a query every bar is encoded
            return ("datalinklint", f"votable={with_query(subject.url, {'ID': subject.profile.datalink_id})}", *COMMON)
        case _:
            return ()


async def _judged(subject: Subject, task: Sequence[str], timeout_s: float) -> list[Finding]:
    name = f"stilts.{task[0]}"
    command = shutil.which("stilts")
    if command is None:
        return [_finding(subject, name, Verdict.SKIPPED, "the command stilts is not installed")]
    process = await asyncio.create_subprocess_exec(
        command, *task, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
        reports = list(_reports(json.loads(out)))
    except TimeoutError:
        return [_finding(subject, name, Verdict.SKIPPED, f"STILTS did not come to an end within {timeout_s:g} s")]
    except (ValueError, TypeError, AttributeError, KeyError):
        said = err.decode("utf-8", "replace").strip() or "nothing"
        return [_finding(subject, name, Verdict.SKIPPED, f"STILTS gave no report; it said: {said[-500:]}")]
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    clean = _finding(subject, name, Verdict.PASS, "nothing to report")
    return [_from_report(subject, name, one) for one in reports] or [clean]


def _reports(document: Mapping[str, Any]) -> Iterable[_Line]:
    """Give each report that is of a known level; datalinklint puts reports where taplint puts sections."""
    for section in document["sections"]:
        for report in section.get("reports", [section]):
            if report["level"] in LEVELS:
                codes = [report["code"]] if report is section else [section["code"], report["code"]]
                cause = (report.get("error") or {}).get("errmsg") or ""
                yield _Line(
                    code="-".join(codes),
                    title=str(section.get("title", "The links are those of DataLink")),
                    level=report["level"],
                    text=f"{report['text']} {cause}".strip(),
                )


def _from_report(subject: Subject, name: str, line: _Line) -> Finding:
    level, verdict = LEVELS[line.level]
    finding = _finding(subject, f"{name}.{line.code}", verdict, line.text)
    return replace(finding, check=replace(finding.check, level=level, summary=line.title, section=line.code))


def _finding(subject: Subject, name: str, verdict: Verdict, message: str) -> Finding:
    check = Check(
        id=name,
        standard=Standard.STILTS,
        section="",
        level=Level.MAY,
        summary="What the validators of STILTS report",
        run=_elsewhere,
    )
    where = Subject(standard=Standard.STILTS, url=subject.url)
    return Finding(check=check, subject=where, verdict=verdict, message=message)


async def _elsewhere(bench: Bench) -> None:
    """Stand for what STILTS tries itself."""
