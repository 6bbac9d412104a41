"""Run the checks that apply, one after the other, and always come to an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from conformance.bench import Bench, Shared
from conformance.client import Client, Limits, Request, Unreachable, open_session
from conformance.discovery import NothingFound, discover
from conformance.model import Check, Exchange, Finding, Level, NotApplicable, Standard, Subject, Verdict, Violation
from conformance.profile import Profile
from conformance.registry import all_checks

CHECK_S: Final = 180.0
GIVE_UP_AFTER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run and at what cost. `only` and `skip` are patterns of check identifiers."""

    standard: Standard | None = None
    level: Level = Level.MAY
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    profile: Profile = field(default_factory=Profile)
    limits: Limits = field(default_factory=Limits)

    def want(self, check: Check) -> bool:
        """Say whether a check is to be run."""
        wanted = not self.only or any(fnmatchcase(check.id, pattern) for pattern in self.only)
        refused = any(fnmatchcase(check.id, pattern) for pattern in self.skip)
        return wanted and not refused and check.level.reaches(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found. `trouble` says why nothing could be judged."""

    url: str
    started: datetime
    seconds: float
    findings: tuple[Finding, ...] = ()
    trouble: str = ""
    exchanges: tuple[Exchange, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """Return how many findings have a verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether something was judged and nothing failed."""
        return not self.trouble and bool(self.findings) and not self.count(Verdict.FAIL)


@dataclass(slots=True)
class _Patience:
    """How many checks in a row got no answer."""

    lost: int = 0

    def saw(self, *, answered: bool) -> None:
        self.lost = 0 if answered else self.lost + 1

    @property
    def over(self) -> bool:
        return self.lost >= GIVE_UP_AFTER


Progress = Callable[[Finding], None]


async def judge(url: str, options: Options, progress: Progress = lambda finding: None) -> Report:
    """Judge what is at a URL; `progress` is told each finding as it is made."""
    started, clock = datetime.now(UTC), time.monotonic()
    async with open_session() as session:
        shared = Shared(client=Client(session, options.limits))
        seeker = Bench(subject=Subject(standard=Standard.VOSI, url=url, profile=options.profile), shared=shared)
        findings: list[Finding] = []
        trouble = ""
        try:
            subjects = await discover(seeker, options.standard)
            findings = await _run(subjects, shared, options, progress)
        except NothingFound as error:
            trouble = str(error)
        finally:
            await _clean_up(shared)
    return Report(
        url=url,
        started=started,
        seconds=time.monotonic() - clock,
        findings=tuple(findings),
        trouble=trouble or ("" if findings else "no check was left to run"),
        exchanges=tuple(seeker.exchanges),
    )


async def _run(subjects: Sequence[Subject], shared: Shared, options: Options, progress: Progress) -> list[Finding]:
    findings, patience = [], _Patience()
    for subject in subjects:
        for check in all_checks():
            if check.standard is subject.standard and options.want(check):
                bench = Bench(subject=subject, shared=shared)
                finding = await _try(check, bench, patience)
                findings.append(finding)
                progress(finding)
    return findings


async def _try(check: Check, bench: Bench, patience: _Patience) -> Finding:
    started = time.monotonic()
    verdict, message, advice = Verdict.PASS, "", ""
    if patience.over:
        return Finding(
            check=check, subject=bench.subject, verdict=Verdict.SKIPPED, message="the service stopped answering"
        )
    try:
        async with asyncio.timeout(CHECK_S):
            await check.run(bench)
        patience.saw(answered=True)
    except Unreachable as error:
        patience.saw(answered=False)
        verdict, message, advice = _violated(check), error.message, error.advice
    except Violation as error:
        patience.saw(answered=True)
        verdict, message, advice = _violated(check), error.message, error.advice
    except NotApplicable as error:
        verdict, message = Verdict.SKIPPED, str(error)
    except TimeoutError:
        patience.saw(answered=False)
        verdict, message = _violated(check), f"the check did not come to an end within {CHECK_S:g} s"
    except Exception as error:  # noqa: BLE001  a check that a strange answer breaks must not end the run
        verdict, message = Verdict.FAIL, f"the answer is such that the check broke: {type(error).__name__}: {error}"
    return Finding(
        check=check,
        subject=bench.subject,
        verdict=verdict,
        message=message,
        advice=advice,
        exchanges=tuple(bench.exchanges),
        seconds=time.monotonic() - started,
    )


def _violated(check: Check) -> Verdict:
    return Verdict.FAIL if check.level is Level.MUST else Verdict.WARNING


async def _clean_up(shared: Shared) -> None:
    """Delete the jobs that are left, as long as the service answers."""
    with suppress(Unreachable):
        for url in sorted(shared.jobs):
            await shared.client.send(Request(method="DELETE", url=url), lambda exchange: None)
