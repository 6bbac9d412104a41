"""Find out what is at a URL: from its capabilities, or by looking at what it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from conformance.bench import Bench
from conformance.capabilities import (
    BROKER,
    DATALINK,
    PLANNER,
    REGISTRY,
    SCS,
    SIA,
    SODA,
    SODA_JOBS,
    TAP,
    UWS,
    Capability,
    capabilities,
    of_standard,
)
from conformance.client import Reply
from conformance.documents import parsed, votable
from conformance.model import Standard, Subject, Violation
from conformance.profile import Profile, cone_of


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
        return [Subject(standard=Standard.VOSI, url=url.rstrip("/")), *_tap(url)]
    base = url.removesuffix("/").removesuffix("/capabilities")
    try:
        if standard is not None:
            found = [Subject(standard=standard, url=url, profile=profile)]
        else:
            found = await _described(bench, base) or await _looked_at(bench, url)
        return [await _with_job_types(bench, subject) for subject in found]
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
    subjects = [Subject(standard=one, url=base, profile=bench.profile) for one in (Standard.VOSI, Standard.AUTH)]
    found = capabilities(root)
    for one in found:
        subjects += _of(one, _with_cutout_jobs(found, bench.profile))
    return list({(subject.standard, subject.url): subject for subject in subjects}.values())


def _with_cutout_jobs(found: Sequence[Capability], profile: Profile) -> Profile:
    """Add where the job list of cutouts is, if the capabilities say so."""
    urls = [interface.url for one in of_standard(found, SODA_JOBS) for interface in one.interfaces if interface.url]
    if profile.soda.jobs or not urls:
        return profile
    return replace(profile, soda=replace(profile.soda, jobs=urls[0]))


def _of(one: Capability, profile: Profile) -> list[Subject]:
    urls = [interface.url for interface in one.interfaces if interface.url]
    if not urls:
        return []
    url = urls[0].rstrip("/")
    if one.standard_id == TAP:
        return _tap(url)
    if one.standard_id.startswith(DATALINK):
        tests = [interface.test_query for interface in one.interfaces if interface.test_query]
        found = parse_qs(tests[0]).get("ID", [""])[0] if tests else ""
        profile = replace(profile, datalink_id=profile.datalink_id or found)
        return [Subject(standard=Standard.DATALINK, url=url, profile=profile)]
    if one.standard_id == SCS:
        profile = replace(profile, cone=profile.cone or _test_cone(one))
    if one.standard_id.startswith(SODA_JOBS):
        form = profile.soda.job
        cutouts = replace(profile, succeed=form, fail={}, completes=bool(form))
        return [Subject(standard=Standard.UWS, url=url, profile=cutouts)]
    if standard := _standard(one.standard_id):
        return [Subject(standard=standard, url=url, profile=profile)]
    harvested = [interface.url for interface in one.interfaces if interface.kind == "OAIHTTP" and interface.url]
    if one.standard_id.startswith(REGISTRY) and harvested:
        return [Subject(standard=Standard.OAI, url=harvested[0], profile=profile)]
    return []


def _standard(identifier: str) -> Standard | None:
    """Return the standard of an endpoint that is judged as it is."""
    for prefix, standard in (
        (UWS, Standard.UWS),
        (SODA, Standard.SODA),
        (SIA, Standard.SIA),
        (SCS, Standard.SCS),
    ):
        if identifier.startswith(prefix):
            return standard
    if BROKER in identifier:
        return Standard.BROKER
    return Standard.PLANNER if PLANNER in identifier else None


def _test_cone(one: Capability) -> tuple[float, float, float] | None:
    """Return the cone of the test query of a capability (SimpleDALRegExt 1.1 s3.1)."""
    said = [one.element.findtext(f"{{*}}testQuery/{{*}}{name}") or "" for name in ("ra", "dec", "sr")]
    try:
        return cone_of(" ".join(said)) if all(said) else None
    except ValueError:
        return None


def _tap(url: str) -> list[Subject]:
    base = url.rstrip("/")
    return [
        Subject(standard=Standard.TAP, url=base),
        Subject(standard=Standard.ADQL, url=base),
        Subject(standard=Standard.OBSCORE, url=base),
        Subject(standard=Standard.REGTAP, url=base),
        Subject(standard=Standard.UWS, url=f"{base}/async", profile=Profile.of_tap()),
    ]


async def _with_job_types(bench: Bench, subject: Subject) -> Subject:
    """Add how to make jobs to a job list, where the resource beside it lists job types that are made for that.

    No standard has the resource, and nothing is held against a service without it.
    """
    if subject.standard is not Standard.UWS or subject.profile.succeed:
        return subject
    beside = f"{subject.url.rstrip('/').rpartition('/')[0]}/jobtypes"
    try:
        reply = await bench.get(beside, headers={"Accept": "application/json"})
        names = {one["name"] for one in json.loads(reply.body)["jobTypes"]}
    except (Violation, ValueError, TypeError, KeyError):
        return subject
    if "echo" not in names:
        return subject
    failing = {"JOBTYPE": "fail"} if "fail" in names else {}
    echo = {"JOBTYPE": "echo", "MESSAGE": "conformance"}
    return replace(subject, profile=replace(subject.profile, succeed=echo, fail=failing, completes=True))


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
