"""What a check is, what it finds, and what was sent and seen while it ran."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from conformance.credentials import Identity
from conformance.profile import Profile

if TYPE_CHECKING:
    from conformance.bench import Bench


class Level(StrEnum):
    """How strongly the standard asks for something."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"

    def reaches(self, other: Level) -> bool:
        """Say whether this level is as strong as another, or stronger."""
        order = list(Level)
        return order.index(self) <= order.index(other)


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105  the word of the reports
    FAIL = "fail"
    WARNING = "warning"
    SKIPPED = "skipped"


class Standard(StrEnum):
    """The standards that checks exist for, and STILTS, which has checks of its own.

    The value is the word of the command line.
    """

    VOSI = "vosi"
    AUTH = "auth"
    UWS = "uws"
    TAP = "tap"
    ADQL = "adql"
    OBSCORE = "obscore"
    REGTAP = "regtap"
    SIA = "sia"
    SCS = "scs"
    DATALINK = "datalink"
    SODA = "soda"
    PLANNER = "planner"
    BROKER = "broker"
    OAI = "oai"
    STILTS = "stilts"

    @property
    def cited(self) -> str:
        """The name and the version, as findings cite them."""
        return _CITED[self]


_CITED = {
    Standard.VOSI: "VOSI 1.1",
    Standard.AUTH: "SSO 3 (draft)",
    Standard.UWS: "UWS 1.1",
    Standard.TAP: "TAP 1.1",
    Standard.ADQL: "ADQL 2.1",
    Standard.OBSCORE: "ObsCore 1.1",
    Standard.REGTAP: "RegTAP 1.2",
    Standard.SIA: "SIA 2.0",
    Standard.SCS: "SCS 1.03",
    Standard.DATALINK: "DataLink 1.1",
    Standard.SODA: "SODA 1.0",
    Standard.PLANNER: "Execution Planner 2022",
    Standard.BROKER: "Execution Broker 1.0.7",
    Standard.OAI: "OAI-PMH 2.0",
    Standard.STILTS: "STILTS",
}


CHECKED: Final = tuple(one for one in Standard if one is not Standard.STILTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An endpoint that is judged by one standard: the base URL, the job list, the links resource."""

    standard: Standard
    url: str
    profile: Profile = field(default_factory=Profile, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule of a standard and the function that tries it."""

    id: str
    standard: Standard
    section: str
    level: Level
    summary: str
    run: Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came back; `trouble` says why nothing did, `identity` whose token was sent."""

    method: str
    url: str
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    content: str = ""
    headers: Mapping[str, str]
    identity: Identity = Identity.NOBODY
    status: int | None = None
    seen_headers: Mapping[str, str]
    excerpt: str = ""
    seconds: float = 0.0
    trouble: str = ""

    @property
    def curl(self) -> str:
        """A command line that sends the same request."""
        words = ["curl", "-sS", "-i"]
        sends = bool(self.form or self.files or self.content)
        if self.method not in {"GET", "POST"} or (self.method == "POST" and not sends):
            words += ["-X", self.method]
        for name, value in self.headers.items():
            words += ["-H", f"{name}: {value}"]
        option = "--form-string" if self.files else "--data-urlencode"
        for name, value in self.form:
            words += [option, f"{name}={value}"]
        for name in self.files:
            words += ["-F", f"{name}=@{name}"]
        if self.content:
            words += ["--data-binary", self.content]
        line = shlex.join([*words, self.url])
        return f'{line} --oauth2-bearer "${self.identity.variable}"' if self.identity.variable else line

    @property
    def seen(self) -> str:
        """One line about the answer."""
        if self.trouble:
            return self.trouble
        media = self.seen_headers.get("Content-Type", "no Content-Type")
        location = self.seen_headers.get("Location")
        return f"{self.status} {media}" + (f", Location: {location}" if location else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict of one check on one endpoint."""

    check: Check
    subject: Subject
    verdict: Verdict
    message: str = ""
    advice: str = ""
    exchanges: tuple[Exchange, ...] = ()
    seconds: float = 0.0


class Violation(Exception):
    """The service does not do what the rule asks; `advice` says what would mend it."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class NotApplicable(Exception):
    """The rule cannot be tried on this service; the message says why."""


def require(condition: object, message: str, advice: str = "") -> None:
    """Raise `Violation` unless the condition holds."""
    if not condition:
        raise Violation(message, advice)
