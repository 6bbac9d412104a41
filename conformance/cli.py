"""The command `penstock-conformance`: judge a service and write a report."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from conformance import official
from conformance.client import Limits
from conformance.credentials import BadToken, Credentials, read_token
from conformance.model import CHECKED, Finding, Level, Standard
from conformance.profile import BadProfile, Profile
from conformance.reports.machine import as_json, as_junit
from conformance.reports.page import page
from conformance.reports.text import line, text
from conformance.runner import Options, Report, judge

WRITERS: dict[str, Callable[[Report], bytes]] = {"json": as_json, "junit": as_junit, "html": page}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a service; return 0 without failures, 1 with some or where nothing could be judged, 2 on bad usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["schemas"]:
        return official.main(words[1:])
    parser = _parser()
    given = parser.parse_args(words)
    try:
        profile = Profile.read(given.profile) if given.profile else Profile()
        credentials = Credentials(own=_token(given.auth), other=_token(given.auth_other))
    except (BadProfile, BadToken) as error:
        parser.error(str(error))
    options = Options(
        standard=given.standard,
        level=given.level,
        only=_patterns(given.only),
        skip=_patterns(given.skip),
        profile=profile,
        limits=Limits(timeout_s=given.timeout, per_second=given.rate),
        credentials=credentials,
        with_stilts=given.with_stilts,
    )
    try:
        report = asyncio.run(judge(given.url, options, _nothing if given.quiet else _progress))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    sys.stdout.write(text(report))
    for name, write in WRITERS.items():
        file: Path | None = getattr(given, name)
        try:
            if file is not None:
                file.write_bytes(write(report))
        except OSError as error:
            sys.stderr.write(f"the report cannot be written: {error}\n")
            return 2
    return 0 if report.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="penstock-conformance",
        description="Judge a service of the Virtual Observatory and cite the clause for every finding. "
        "It makes jobs of its own and deletes them; it touches nothing else.",
        epilog="penstock-conformance schemas fetch: fetch the official schemas, to judge documents by them too.",
    )
    parser.add_argument("url", help="where the service is: what /capabilities hangs on, a job list, a links resource")
    parser.add_argument("--standard", type=Standard, choices=CHECKED, help="what is at the URL, if it cannot tell")
    parser.add_argument(
        "--level", type=Level, choices=list(Level), default=Level.MAY, help="the weakest rules to check"
    )
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="checks to run, such as 'uws.*'")
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN", help="checks to leave out")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="TOML: how to make jobs, which identifiers exist")
    parser.add_argument(
        "--auth", metavar="PLACE", help="where a bearer token is, env:NAME or file:PATH; it goes to the URL's host only"
    )
    parser.add_argument(
        "--auth-other", metavar="PLACE", help="where the token of somebody else is, who must not reach our jobs"
    )
    parser.add_argument("--timeout", type=_positive, default=20.0, metavar="SECONDS", help="for one answer (20)")
    parser.add_argument("--rate", type=_positive, default=20.0, metavar="N", help="requests in a second, at most (20)")
    parser.add_argument("--with-stilts", action="store_true", help="ask taplint and datalinklint of STILTS too")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    for name in WRITERS:
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write the report as {name} too")
    return parser


def _token(place: str | None) -> str:
    return read_token(place) if place else ""


def _positive(text_: str) -> float:
    value = float(text_)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be a number above 0")
    return value


def _patterns(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(pattern for one in given for pattern in one.replace(",", " ").split())


def _progress(finding: Finding) -> None:
    sys.stderr.write(line(finding) + "\n")
    sys.stderr.flush()


def _nothing(finding: Finding) -> None:
    """Show no progress."""
