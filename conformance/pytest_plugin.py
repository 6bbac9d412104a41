"""The plugin of pytest: every check is an item.

`pytest --vo-url URL` adds an item for each check that applies to the service at the URL, and a test that takes
`vo_check` is run once for each check, against the URL that it passes on. pytest loads this module whenever it starts,
so what the checks need is imported when it is used.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from conformance.model import Check, Finding, Standard, Subject
    from conformance.profile import Profile
    from conformance.runner import Options, Trial

OPTIONS: Final = {
    "url": "where the service is",
    "profile": "a TOML file: how to make jobs, which identifiers exist",
    "auth": "where a bearer token is, env:NAME or file:PATH",
    "level": "the weakest rules to check: must, should or may",
    "only": "checks to run, patterns such as uws.*",
    "skip": "checks to leave out, patterns",
    "rate": "requests in a second, at most",
}
MARKER: Final = "vo(*patterns): the checks that vo_check stands for; without patterns, all of them"


class VOWarning(UserWarning):
    """A service does not do what a rule recommends."""


class Failed(Exception):
    """A service does not do what a rule asks."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding

    def __str__(self) -> str:
        """Say what is wrong, which rule that is, and how to see it again."""
        check, lines = self.finding.check, [self.finding.message]
        lines.append(f"{check.id}, {check.level}: {check.summary}")
        lines += [self.finding.advice] if self.finding.advice else []
        for exchange in self.finding.exchanges[-5:]:
            lines += [f"  {exchange.curl}", f"      {exchange.seen}"]
        return "\n".join(lines)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and their forms in the file of settings."""
    group = parser.getgroup("vo", "services of the Virtual Observatory")
    for name, text in OPTIONS.items():
        group.addoption(f"--vo-{name}", metavar=name.upper(), help=text)
        parser.addini(f"vo_{name}", text, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Tell what the marker means."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `vo_check` once for each check."""
    if "vo_check" not in metafunc.fixturenames:
        return
    from conformance.registry import all_checks

    marker = metafunc.definition.get_closest_marker("vo")
    options = _options(metafunc.config)
    options = replace(options, only=marker.args if marker and marker.args else options.only)
    chosen = [check for check in all_checks() if options.want(check)]
    metafunc.parametrize("vo_check", [VOCheck(check, options) for check in chosen], ids=[one.id for one in chosen])


@pytest.fixture
def vo_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of `--vo-url`; a project overrides this to start its own service."""
    url = _told(request.config, "url")
    return url or pytest.skip("there is no --vo-url")


@dataclass(frozen=True, slots=True)
class VOCheck:
    """A check, to be called with the URL of a service."""

    check: Check
    options: Options

    async def __call__(self, url: str, *, standard: str | None = None, profile: Profile | None = None) -> None:
        """Judge the service at a URL.

        Parameters
        ----------
        url
            Where the service is.
        standard
            What is there, if it cannot tell.
        profile
            How to make jobs and which identifiers exist.

        Raises
        ------
        Failed
            If the service does not do what the rule asks.
        """
        from conformance.runner import judge

        options = replace(
            self.options,
            only=(self.check.id,),
            standard=_standard(standard),
            profile=profile or self.options.profile,
        )
        report = await judge(url, options)
        if not report.findings:
            pytest.skip(report.trouble)
        for finding in report.findings:
            _report(finding)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks that apply to the service of `--vo-url`, before others choose among the items."""
    url = _told(config, "url")
    if not url:
        return
    visit = _Visit(url, _options(config))
    config.add_cleanup(visit.close)
    if visit.trial.trouble:
        raise pytest.UsageError(f"nothing can be judged at {url}: {visit.trial.trouble}")
    for subject in visit.trial.subjects:
        items.extend(_Endpoint.from_parent(session, name=subject.url, visit=visit, subject=subject).collect())


class _Visit:
    """A trial that lasts as long as the session, in an event loop of its own."""

    def __init__(self, url: str, options: Options) -> None:
        from conformance.runner import open_trial

        self._loop = asyncio.Runner()
        self._open: AbstractAsyncContextManager[Trial] = open_trial(url, options)
        self.trial = self._loop.run(self._open.__aenter__())

    def run(self, check: Check, subject: Subject) -> Finding:
        return self._loop.run(self.trial.run(check, subject))

    def close(self) -> None:
        self._loop.run(self._open.__aexit__(None, None, None))
        self._loop.close()


class _Endpoint(pytest.Collector):
    """An endpoint and the checks that apply to it."""

    def __init__(self, *, visit: _Visit, subject: Subject, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.visit, self.subject = visit, subject

    def collect(self) -> Iterable[_Item]:
        for check, subject in self.visit.trial.plan:
            if subject is self.subject:
                run = partial(self.visit.run, check, subject)
                yield _Item.from_parent(self, name=check.id, check=check, run=run)


class _Item(pytest.Item):
    """A check of an endpoint."""

    def __init__(self, *, check: Check, run: Callable[[], Finding], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check, self.run = check, run

    def runtest(self) -> None:
        _report(self.run())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, Failed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.check.standard.cited}: {self.check.id}"


def _report(finding: Finding) -> None:
    """Turn a finding into what pytest knows."""
    from conformance.model import Verdict

    match finding.verdict:
        case Verdict.FAIL:
            raise Failed(finding)
        case Verdict.WARNING:
            warnings.warn(VOWarning(str(Failed(finding))), stacklevel=2)
        case Verdict.SKIPPED:
            pytest.skip(finding.message)
        case Verdict.PASS:
            pass


def _told(config: pytest.Config, name: str) -> str:
    return str(config.getoption(f"vo_{name}") or config.getini(f"vo_{name}"))


def _options(config: pytest.Config) -> Options:
    from conformance.client import Limits
    from conformance.credentials import Credentials, read_token
    from conformance.model import Level
    from conformance.profile import Profile
    from conformance.runner import Options

    told = {name: _told(config, name) for name in OPTIONS}
    try:
        return Options(
            level=Level(told["level"] or Level.MAY),
            only=tuple(told["only"].replace(",", " ").split()),
            skip=tuple(told["skip"].replace(",", " ").split()),
            profile=Profile.read(Path(told["profile"])) if told["profile"] else Profile(),
            limits=Limits(per_second=float(told["rate"] or Limits().per_second)),
            credentials=Credentials(own=read_token(told["auth"]) if told["auth"] else ""),
        )
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _standard(name: str | None) -> Standard | None:
    from conformance.model import Standard

    return None if name is None else Standard(name)
