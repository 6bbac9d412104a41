"""Ask an Execution Broker for offers, read what it answers, and take back what it offered.

The rules are those of two texts: of the working draft of 2025, cited as WD 2025, which says in words what a broker must
do, and of the OpenAPI document 1.0.7, whose operations and types are cited by their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

from conformance.bench import Bench
from conformance.client import Reply, Request, Unreachable
from conformance.credentials import Identity, origin
from conformance.documents import instant, succeeded
from conformance.model import NotApplicable, Violation, require

KINDS: Final = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds"
JSON: Final = "application/json"
YAML: Final = "application/yaml"
YAML_TYPES: Final = frozenset({YAML, "application/x-yaml", "application/yml", "text/yaml"})
# what may follow OFFERED where a client accepts
ACCEPTED: Final = frozenset({"ACCEPTED", "WAITING", "PREPARING", "AVAILABLE", "RUNNING", "RELEASING", "COMPLETED"})
_SMALL: Final[Mapping[str, Any]] = {
    "executable": {"kind": f"{KINDS}/executable/jupyter-notebook.yaml", "location": "https://example.org/a.ipynb"},
    "schedule": {"requested": {"duration": "PT1M"}},
}
_DURATION: Final = re.compile(
    r"P(?=[\dT])(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """A set of offers: where it is and what it says."""

    url: str
    document: dict[str, Any]

    @property
    def result(self) -> object:
        """YES or NO, if the broker keeps to that."""
        return self.document.get("result")

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The offers."""
        return _objects(self.document.get("offers"))


def base(bench: Bench) -> str:
    """Return what comes before `/requests`, where offers are asked for."""
    return bench.url.rstrip("/").removesuffix("/requests")


def wanted(bench: Bench, **parts: Any) -> dict[str, Any]:
    """Return the request of the profile, or a small one; without a word about cores and memory it asks for one of each.

    `parts` are put in the place of its own.
    """
    compute = {"kind": f"{KINDS}/compute/simple-compute-resource.yaml", "cores": {"min": 1}, "memory": {"min": 1}}
    return {"compute": compute, **(bench.profile.broker.request or _SMALL), **parts}


def posted(url: str, document: Mapping[str, Any] | str, *, media: str = JSON, accept: str = JSON) -> Request:
    """Return the request that sends a document; a text is sent as it is."""
    write = _as_yaml if media in YAML_TYPES else json.dumps
    content = document if isinstance(document, str) else write(document)
    return Request(method="POST", url=url, content=content, headers={"Content-Type": media, "Accept": accept})


def _as_yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


async def ask(bench: Bench, request: Mapping[str, Any], *, media: str = JSON) -> Offers:
    """Ask for offers and return the set."""
    return await answered(bench, await bench.send(posted(f"{base(bench)}/requests", request, media=media)))


async def first(bench: Bench) -> Offers:
    """Return the set that all checks look at which change nothing; it may have no offers."""
    return await answered(bench, await bench.once(posted(f"{base(bench)}/requests", wanted(bench))))


async def standing(bench: Bench) -> Offers:
    """Return the same set; the check is skipped where it has no offers."""
    found = await first(bench)
    _need_offers(found)
    return found


@asynccontextmanager
async def offered(bench: Bench, **parts: Any) -> AsyncIterator[Offers]:
    """Ask for offers and take them back afterwards; the check is skipped where there are none."""
    offers = await ask(bench, wanted(bench, **parts))
    _need_offers(offers)
    try:
        yield offers
    finally:
        with suppress(Unreachable):
            for place in {url_of(bench, session) for session in offers.sessions}:
                reply = await bench.shared.client.send(bench.shared.undo[place], lambda exchange: None)
                if reply.status < 500:
                    del bench.shared.undo[place]


async def answered(bench: Bench, reply: Reply) -> Offers:
    """Read the set of offers to which an answer leads, or which it is; what is offered is taken back in the end."""
    place = reply.location if reply.status == 303 else ""
    if reply.status == 303:
        require(place, "the 303 has no Location")
        reply = await bench.once(Request(method="GET", url=place, headers={"Accept": JSON}, follow=True))
    found = document(succeeded(reply))
    offers = Offers(url=place or f"{base(bench)}/offersets/{meta(found, 'uuid')}", document=found)
    for session in offers.sessions:
        place = url_of(bench, session)
        bench.shared.undo[place] = phase_update(place, "REJECTED")
    return offers


def _need_offers(offers: Offers) -> None:
    if not offers.sessions:
        raise NotApplicable("the broker offers nothing for the request: give another in the profile, [broker.request]")


def phase_update(url: str, phase: str, path: str = "phase") -> Request:
    """Return the request that sets the phase of a session."""
    return posted(url, {"kind": "uri:enum-value-update", "path": path, "value": phase})


async def set_phase(bench: Bench, session: Mapping[str, Any], phase: str, identity: Identity = Identity.OWN) -> Reply:
    """Set the phase of a session by the option that announces it, and remember what there is to take back."""
    url = url_of(bench, session)
    path = next((str(one["path"]) for one in options(session) if phase in one.get("values", ())), "phase")
    sent = phase_update(url, phase, path)
    if phase == "ACCEPTED":
        bench.shared.undo[url] = phase_update(url, "CANCELLED")
    return await bench.send(replace(sent, identity=identity))


async def session_of(bench: Bench, url: str) -> dict[str, Any]:
    """Read a session."""
    return document(succeeded(await bench.get(url, headers={"Accept": JSON})))


def document(reply: Reply) -> dict[str, Any]:
    """Read an answer as a JSON object, whatever its status."""
    told = reply.media_type
    require(told == JSON, f"{reply.url} is sent as {told or 'nothing'} instead of {JSON}")
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise Violation(f"{reply.url} is no JSON: {error}") from error
    require(isinstance(found, dict), f"{reply.url} is no JSON object")
    return dict(found)


def yaml_document(reply: Reply) -> dict[str, Any]:
    """Read an answer as a YAML mapping, all scalars as text: no tag is resolved, no merge key is followed."""
    told = reply.media_type
    require(told in YAML_TYPES, f"{reply.url} is sent as {told or 'nothing'} instead of {YAML}")
    try:
        found = yaml.load(reply.body, yaml.CBaseLoader)  # noqa: S506  makes nothing but text, lists and mappings
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Violation(f"{reply.url} is no YAML: {str(error)[:200]}") from error
    require(isinstance(found, dict), f"{reply.url} is no YAML mapping")
    return dict(found)


def valid(found: Mapping[str, Any], name: str) -> None:
    """Judge a document by the schema, by its definition of that name."""
    errors = sorted(_validator(name).iter_errors(found), key=lambda one: one.json_path)
    shown = "; ".join(f"{one.json_path}: {one.message[:200]}" for one in errors[:3])
    require(not errors, f"the document is not valid: {shown}")


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads(files("conformance").joinpath("schemas", "broker.json").read_text(encoding="utf-8"))
    return Draft202012Validator({**schema, "$ref": f"#/$defs/{name}"})


def meta(found: Mapping[str, Any], name: str) -> str:
    """Return a text of the metadata; empty without one."""
    said = found.get("meta")
    value = said.get(name, "") if isinstance(said, dict) else ""
    return value if isinstance(value, str) else ""


def url_of(bench: Bench, session: Mapping[str, Any]) -> str:
    """Return where a session is: where it says, unless that is another host, which is not ours to touch."""
    said = meta(session, "url")
    with suppress(ValueError):
        if said and origin(said) == origin(bench.url):
            return said
    return f"{base(bench)}/sessions/{meta(session, 'uuid')}"


def options(session: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the options that a session announces."""
    said = session.get("meta")
    return _objects(said.get("options")) if isinstance(said, dict) else []


def choices(session: Mapping[str, Any]) -> set[str]:
    """Return the phases to which a client may set a session, as its options say."""
    return {
        str(value)
        for one in options(session)
        if str(one.get("path", "")).lstrip("/") in {"phase", "state", "status"}
        for value in one.get("values") or ()
    }


def messages(found: Mapping[str, Any]) -> list[str]:
    """Return the sentences of a document."""
    said = found.get("meta")
    listed = _objects(said.get("messages")) if isinstance(said, dict) else []
    return [str(one.get("message") or one.get("template") or "") for one in listed]


def amounts(compute: object) -> Iterator[tuple[str, int, int | None]]:
    """Yield name, least and most of the cores and the memory of a compute resource; no least is none."""
    for name in ("cores", "memory"):
        part = compute.get(name) if isinstance(compute, dict) else None
        if isinstance(part, dict):
            yield name, int(part.get("min") or 0), None if part.get("max") is None else int(part["max"])


def duration(text: str) -> timedelta:
    """Read an ISO 8601 duration in weeks, days, hours, minutes and seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise Violation(f"{text!r} is not an ISO 8601 duration in weeks, days, hours, minutes and seconds")
    weeks, days, hours, minutes, seconds = (float(one or 0) for one in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def interval(text: str) -> tuple[datetime, datetime]:
    """Read `start/end` or `start/duration`; a time alone is an interval without length (WD 2025 s3.3)."""
    first, _, second = text.strip().partition("/")
    start = instant(first)
    if not second:
        return start, start
    return start, start + duration(second) if second.startswith("P") else instant(second)


def soon() -> tuple[datetime, datetime]:
    """Return six hours that begin in ten minutes, in which a session may be asked to start."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=10)
    return start, start + timedelta(hours=6)


def _objects(found: object) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, Sequence) else []
