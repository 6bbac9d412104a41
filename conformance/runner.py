"""Run the checks that apply, one after the other, and always come to an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from conformance import stilts
from conformance.bench import Bench, Shared
from conformance.client import Client, Limits, Unreachable, open_session
from conformance.credentials import Credentials, is_safe
from conformance.discovery import NothingFound, discover, is_http
from conformance.model import Check, Exchange, Finding, Level, NotApplicable, Standard, Subject, Verdict, Violation
from conformance.profile import Profile
from conformance.registry import all_checks

CHECK_S: Final = 180.0
GIVE_UP_AFTER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run and at what cost. `only` and `skip` are patterns of check identifiers.

    `with_stilts` asks the validators of STILTS too, whatever the patterns say.
    """

    standard: Standard | None = None
    level: Level = Level.MAY
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    profile: Profile = field(default_factory=Profile)
    limits: Limits = field(default_factory=Limits)
    credentials: Credentials = field(default_factory=Credentials)
    with_stilts: bool = False

    def want(self, check: Check) -> bool:
        """Say whether a check is to be run."""
        wanted = not self.only or any(fnmatchcase(check.id, pattern) for pattern in self.only)
        refused = any(fnmatchcase(check.id, pattern) for pattern in self.skip)
        return wanted and not refused and check.level.reaches(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found. `trouble` says why nothing could be judged, `given_up` that the service stopped answering."""

    url: str
    started: datetime
    seconds: float
    findings: tuple[Finding, ...] = ()
    trouble: str = ""
    exchanges: tuple[Exchange, ...] = ()
    given_up: bool = False

    def count(self, verdict: Verdict) -> int:
        """Return how many findings have a verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether something was judged to the end and nothing failed."""
        return not self.trouble and not self.given_up and bool(self.findings) and not self.count(Verdict.FAIL)


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


@dataclass(slots=True, kw_only=True)
class Trial:
    """What there is to judge at a URL, and the checks that apply to it.

    `trouble` says why there is nothing, and `exchanges` what was sent and seen to find that out.
    """

    url: str
    options: Options
    shared: Shared
    subjects: tuple[Subject, ...] = ()
    trouble: str = ""
    exchanges: tuple[Exchange, ...] = ()
    _patience: _Patience = field(default_factory=_Patience)

    @property
    def given_up(self) -> bool:
        """Whether the service stopped answering, so that nothing more is asked."""
        return self._patience.over

    @property
    def plan(self) -> tuple[tuple[Check, Subject], ...]:
        """The checks to run and what each is to judge, in an order that makes sense."""
        wanted = [check for check in all_checks() if self.options.want(check)]
        return tuple(
            (check, subject) for subject in self.subjects for check in wanted if check.standard is subject.standard
        )

    async def run(self, check: Check, subject: Subject) -> Finding:
        """Run one check."""
        return await _try(check, Bench(subject=subject, shared=self.shared), self._patience)


@asynccontextmanager
async def open_trial(url: str, options: Options) -> AsyncIterator[Trial]:
    """Find out what is at a URL; afterwards take back what the checks left behind."""
    async with open_session() as session:
        client = Client(session, options.limits, home=url, credentials=options.credentials)
        trial = Trial(url=url, options=options, shared=Shared(client=client))
        seeker = Bench(subject=Subject(standard=Standard.VOSI, url=url, profile=options.profile), shared=trial.shared)
        try:
            trial.subjects = tuple(await _subjects(seeker, options))
        except NothingFound as error:
            trial.trouble = str(error)
        trial.exchanges = tuple(seeker.exchanges)
        try:
            yield trial
        finally:
            await _clean_up(trial.shared)


async def _subjects(seeker: Bench, options: Options) -> list[Subject]:
    if options.credentials.own and is_http(seeker.url) and not is_safe(seeker.url):
        raise NothingFound("a token is sent over https only, and the URL is not one")
    return await discover(seeker, options.standard)


async def judge(url: str, options: Options, progress: Progress = lambda finding: None) -> Report:
    """Judge what is at a URL; `progress` is told each finding as it is made."""
    started, clock = datetime.now(UTC), time.monotonic()
    findings: list[Finding] = []
    async with open_trial(url, options) as trial:
        for check, subject in trial.plan:
            findings.append(await trial.run(check, subject))
            progress(findings[-1])
        for finding in await stilts.findings(trial.subjects) if options.with_stilts else ():
            findings.append(finding)
            progress(finding)
    return Report(
        url=url,
        started=started,
        seconds=time.monotonic() - clock,
        findings=tuple(findings),
        trouble=trial.trouble or ("" if findings else "no check was left to run"),
        exchanges=trial.exchanges,
        given_up=trial.given_up,
    )


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
    """Take back what is left, as long as the service answers."""
    with suppress(Unreachable):
        for _, request in sorted(shared.undo.items()):
            await shared.client.send(request, lambda exchange: None)
