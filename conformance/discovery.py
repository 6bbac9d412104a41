"""Find out what is at a URL: from its capabilities, or by looking at what it answers."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from conformance.bench import Bench
from conformance.capabilities import DATALINK, REGISTRY, TAP, UWS, Capability, capabilities
from conformance.client import Reply
from conformance.documents import parsed, votable
from conformance.model import Standard, Subject, Violation
from conformance.profile import Profile


class NothingFound(Exception):
    """There is nothing at the URL that can be judged; the message says why."""


async def discover(bench: Bench, standard: Standard | None) -> list[Subject]:
    """Return the endpoints that can be judged at the URL of the bench.

    Without a standard, the capabilities say what is there; where there are none, the answer to a plain request does.

    Raises
    ------
    NothingFound
        If the service does not answer, or is not one of the VO.
    """
    url, profile = bench.url, bench.profile
    if not is_http(url):
        raise NothingFound(f"{url!r} is not an http or https URL")
    if standard is Standard.TAP:
        return _tap(url)
    if standard is not None:
        return [Subject(standard=standard, url=url, profile=profile)]
    base = url.removesuffix("/").removesuffix("/capabilities")
    try:
        described = await _described(bench, base)
        return described or await _looked_at(bench, url)
    except Violation as error:
        raise NothingFound(error.message) from error


def is_http(url: str) -> bool:
    """Say whether a URL names a host that can be asked."""
    try:
        return urlsplit(url).scheme in {"http", "https"} and bool(urlsplit(url).hostname)
    except ValueError:
        return False


async def _described(bench: Bench, base: str) -> list[Subject]:
    reply = await bench.known(f"{base}/capabilities")
    if reply.status != 200:
        return []
    try:
        root = parsed(reply, "capabilities")
    except Violation:
        return []
    subjects = [Subject(standard=Standard.VOSI, url=base, profile=bench.profile)]
    for one in capabilities(root):
        subjects += _of(one, bench.profile)
    return list({(subject.standard, subject.url): subject for subject in subjects}.values())


def _of(one: Capability, profile: Profile) -> list[Subject]:
    urls = [interface.url for interface in one.interfaces if interface.url]
    if not urls:
        return []
    url = urls[0].rstrip("/")
    if one.standard_id == TAP:
        return _tap(url)[1:]
    if one.standard_id.startswith(DATALINK):
        tests = [interface.test_query for interface in one.interfaces if interface.test_query]
        found = parse_qs(tests[0]).get("ID", [""])[0] if tests else ""
        profile = replace(profile, datalink_id=profile.datalink_id or found)
        return [Subject(standard=Standard.DATALINK, url=url, profile=profile)]
    if one.standard_id == UWS:
        return [Subject(standard=Standard.UWS, url=url, profile=profile)]
    harvested = [interface.url for interface in one.interfaces if interface.kind == "OAIHTTP" and interface.url]
    if one.standard_id.startswith(REGISTRY) and harvested:
        return [Subject(standard=Standard.OAI, url=harvested[0], profile=profile)]
    return []


def _tap(url: str) -> list[Subject]:
    base = url.rstrip("/")
    return [
        Subject(standard=Standard.VOSI, url=base),
        Subject(standard=Standard.TAP, url=base),
        Subject(standard=Standard.OBSCORE, url=base),
        Subject(standard=Standard.UWS, url=f"{base}/async", profile=Profile.of_tap()),
    ]


async def _looked_at(bench: Bench, url: str) -> list[Subject]:
    """Tell a job list, a links resource and a registry by what they answer."""
    reply = await bench.get(url)
    name = _root_name(reply)
    if name == "jobs":
        return [Subject(standard=Standard.UWS, url=url, profile=bench.profile)]
    if name == "VOTABLE" and any("DataLink" in info.value for info in votable(reply, any_status=True).infos):
        return [Subject(standard=Standard.DATALINK, url=url, profile=bench.profile)]
    identify = await bench.get(url, {"verb": "Identify"})
    if _root_name(identify) == "OAI-PMH":
        return [Subject(standard=Standard.OAI, url=url, profile=bench.profile)]
    told = reply.headers.get("Content-Type", "no Content-Type")
    raise NothingFound(
        f"{url} is not known as a service of the VO: it has no capabilities, and answers {reply.status} {told}. "
        "If it is one, say which with --standard."
    )


def _root_name(reply: Reply) -> str:
    try:
        return str(etree.QName(parsed(reply)).localname)
    except Violation:
        return ""
