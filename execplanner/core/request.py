"""What a request asks for, read from a document of the first dialect (see `execplanner.core.dialects`).

Whatever makes it impossible to serve is a reason, with a pointer: the answer is then NO, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from execplanner.core.checks import Rules, check_executable, check_links, check_location
from execplanner.core.kinds import ABSTRACT
from execplanner.core.messages import Level, Message, Urn, reason, warning
from execplanner.core.model import COMPUTE, DATA, STORAGE, VOLUME
from execplanner.core.times import parse_iso_duration, parse_window
from penstock.dali.errors import UsageError
from penstock.lake.port import Did

GIB: Final = 2**30
KNOWN_COSTS: Final = ("monetary", "energy", "carbon")
COST_TYPE: Final = "urn:ivoa:calycopis:cost:"
_LONG = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Of everything that can be counted."""

    cores: int = 0
    memory_bytes: int = 0
    gpus: int = 0
    store_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Data that a session reads: in the lake by their `did`, or at a `url`.

    `size_bytes` and `sites` are what the request itself says of them, None where it does not.
    """

    pointer: str
    name: str | None = None
    storage: str | None = None
    did: Did | None = None
    url: str | None = None
    size_bytes: int | None = None
    sites: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that could be read; with `reasons` the answer is NO.

    `need` is the least, `wish` the most that makes sense. The session may start from `earliest` to `latest`.
    """

    document: Mapping[str, Any]
    kind: str
    need: Amounts
    wish: Amounts
    gpu_models: tuple[str, ...]
    duration_s: float
    earliest: datetime
    latest: datetime
    sources: tuple[Source, ...] = ()
    cost_limits: Mapping[str, float] = field(default_factory=dict)
    metric_needs: Mapping[str, float] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()

    @property
    def reasons(self) -> tuple[Message, ...]:
        """What makes it impossible."""
        return tuple(message for message in self.messages if message.level is Level.ERROR)

    @property
    def name(self) -> str | None:
        """What the client calls it."""
        for part in (self.document, self.document.get("executable", {})):
            name = part.get("meta", {}).get("name")
            if name:
                return str(name)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a request gets that says nothing of it: `horizon` is how far ahead a session may start."""

    duration_s: float = 3600.0
    horizon: timedelta = timedelta(days=7)
    rules: Rules = field(default_factory=Rules)


def read_ask(document: Mapping[str, Any], now: datetime, defaults: Defaults) -> Ask:
    """Read a request whose shape is right."""
    found: list[Message] = []
    compute = document.get("compute", {})
    cores = _range(compute, "cores", "/compute/cores", 1, found)
    memory = _range(compute, "memory", "/compute/memory", 1, found)
    gpus = compute.get("gpus", {}) if isinstance(compute.get("gpus", {}), Mapping) else {}
    gpu_range = _range(compute, "gpus", "/compute/gpus", 0, found) if gpus else (0, 0)
    store = _storage(document.get("storage", ()), found)
    duration_s = _duration(document, defaults, found)
    earliest, latest = _start(document, now, defaults, found)
    sources = tuple(_sources(document.get("data", ()), defaults.rules, found))
    executable = document.get("executable") or {}
    found += check_kinds(document)
    if executable and not executable["kind"].startswith(ABSTRACT):
        found += check_executable(executable, defaults.rules)
    found += check_links(document, {source.pointer: source.size_bytes for source in sources})
    return Ask(
        document=document,
        kind=executable.get("kind", ""),
        need=Amounts(cores=cores[0], memory_bytes=memory[0] * GIB, gpus=gpu_range[0], store_bytes=store),
        wish=Amounts(cores=cores[1], memory_bytes=memory[1] * GIB, gpus=gpu_range[1], store_bytes=store),
        gpu_models=tuple(gpus.get("models", ())),
        duration_s=duration_s,
        earliest=earliest,
        latest=latest,
        sources=sources,
        cost_limits=_cost_limits(document.get("costs", ()), found),
        metric_needs={
            one["type"]: one["min"] for one in document.get("metrics", ()) if one.get("type") and "min" in one
        },
        messages=tuple(found),
    )


def check_kinds(document: Mapping[str, Any]) -> Iterator[Message]:
    """Yield what is wrong with the kinds of a request: none of the executable, placeholders, kinds nobody knows."""
    if not document.get("executable"):
        yield reason(Urn.EXECUTABLE_REQUIRED, "An executable is required: say what is to be run.", "/executable")
    places: list[tuple[str, Mapping[str, Any], Mapping[str, Any] | None]] = []
    for name, kinds in (("executable", None), ("compute", COMPUTE.kinds)):
        if document.get(name):
            places.append((f"/{name}", document[name], kinds))
    compute = document.get("compute", {})
    for name, listed, kinds in (
        ("/storage", document.get("storage", ()), STORAGE.kinds),
        ("/data", document.get("data", ()), DATA.kinds),
        ("/compute/volumes", compute.get("volumes", ()), VOLUME.kinds),
    ):
        places += [(f"{name}/{number}", one, kinds) for number, one in enumerate(listed)]
    for pointer, part, known in places:
        kind = part["kind"]
        if kind.startswith(ABSTRACT):
            text = "${path} is a placeholder: put what you mean in its place."
            yield reason(Urn.MISSING_REQUIRED_VALUE, text, f"{pointer}/kind")
        elif known is not None and kind not in known:
            yield reason(Urn.NOT_SUPPORTED, "The kind ${kind} is not known here.", f"{pointer}/kind", kind=kind)


def _range(part: Mapping[str, Any], name: str, pointer: str, least: int, found: list[Message]) -> tuple[int, int]:
    """Return minimum and maximum of a measure, both at least `least`; what is wrong is told and made harmless."""
    given = part.get(name, {})
    given = given if isinstance(given, Mapping) else {}
    for bound in ("min", "max"):
        value = given.get(bound)
        if isinstance(value, int) and (value < least or value > _LONG // GIB):
            text = "${value} is not possible at ${path}: it begins at ${least}."
            found.append(reason(Urn.INVALID_VALUE, text, f"{pointer}/{bound}", value=value, least=least))
            return least, least
    low = given.get("min", min(given.get("max", least), least))
    high = given.get("max", low)
    if low > high:
        text = "The minimum ${min} is more than the maximum ${max} at ${path}."
        found.append(reason(Urn.INVALID_VALUE, text, pointer, min=low, max=high))
        return high, high
    return low, high


def _storage(storages: Sequence[Mapping[str, Any]], found: list[Message]) -> int:
    total = 0
    for number, storage in enumerate(storages):
        if "size" in storage:
            total += _range(storage, "size", f"/storage/{number}/size", 1, found)[0]
    return min(total * GIB, _LONG)


def _duration(document: Mapping[str, Any], defaults: Defaults, found: list[Message]) -> float:
    text = document.get("schedule", {}).get("requested", {}).get("duration")
    if text is None:
        return defaults.duration_s
    try:
        return parse_iso_duration(text)
    except ValueError as error:
        place = "/schedule/requested/duration"
        found.append(reason(Urn.INPUT_SYNTAX_FAIL, "${value} at ${path} ${why}.", place, value=text, why=error))
        return defaults.duration_s


def _start(
    document: Mapping[str, Any], now: datetime, defaults: Defaults, found: list[Message]
) -> tuple[datetime, datetime]:
    place = "/schedule/requested/start"
    text = document.get("schedule", {}).get("requested", {}).get("start")
    if text is None:
        return now, now + defaults.horizon
    try:
        window = parse_window(text)
    except ValueError as error:
        found.append(reason(Urn.INPUT_SYNTAX_FAIL, "${value} at ${path} ${why}.", place, value=text, why=error))
        return now, now
    if window.zoneless:
        found.append(warning(Urn.MISSING_VALUE, "${path} has no time zone; it was taken for UTC.", place))
    if window.end < now:
        found.append(reason(Urn.INVALID_VALUE, "${value} at ${path} is in the past.", place, value=text))
    elif window.start < now:
        found.append(warning(Urn.INVALID_VALUE, "${path} begins in the past; what is left of it counts.", place))
    return max(window.start, now), max(window.end, now)


def sources_of(data: Sequence[Mapping[str, Any]]) -> Iterator[Source]:
    """Yield the data of a request that was found right before."""
    anything = Rules(file_roots=("/",), allow_private=True)
    return _sources(data, anything, [])


def _sources(data: Sequence[Mapping[str, Any]], rules: Rules, found: list[Message]) -> Iterator[Source]:
    for number, one in enumerate(data):
        pointer = f"/data/{number}"
        try:
            match one["kind"]:
                case "rucio-data-resource":
                    source = _in_lake(one.get("rucio", {}), "scope", "object", f"{pointer}/rucio")
                case "skao-data-resource":
                    source = _skao(one.get("skao", {}), f"{pointer}/skao")
                case "ivoa-data-resource":
                    source = _ivoa(one.get("ivoa", {}), f"{pointer}/ivoa")
                case "simple-data-resource":
                    source = Source(pointer=f"{pointer}/location", url=_required(one, "location", pointer))
                case "S3-data-resource":
                    source = _s3(one, pointer)
                case _:
                    continue
        except _Missing as missing:
            found.append(missing.message)
            continue
        if source.url is not None and source.did is None:
            found += check_location(source.url, source.pointer, rules)
        yield replace(source, name=one.get("meta", {}).get("name"), storage=one.get("storage"))


class _Missing(Exception):
    def __init__(self, message: Message) -> None:
        super().__init__(message.text)
        self.message = message


def _required(part: Mapping[str, Any], name: str, pointer: str) -> str:
    value = part.get(name)
    if not value:
        raise _Missing(reason(Urn.MISSING_REQUIRED_VALUE, "${path} is required.", f"{pointer}/{name}"))
    return str(value)


def _in_lake(block: Mapping[str, Any], scope: str, name: str, pointer: str) -> Source:
    text = f"{_required(block, scope, pointer)}:{_required(block, name, pointer)}"
    try:
        return Source(pointer=pointer, did=Did.parse(text))
    except UsageError as error:
        text = "${path} is no data identifier of scope and name."
        raise _Missing(reason(Urn.INVALID_VALUE, text, pointer)) from error


def _skao(block: Mapping[str, Any], pointer: str) -> Source:
    source = _in_lake(block, "namespace", "objectname", pointer)
    size = block.get("datasize")
    if size is not None and size < 0:
        raise _Missing(reason(Urn.INVALID_VALUE, "${path} is below zero.", f"{pointer}/datasize"))
    replicas = tuple(one["rsename"] for one in block.get("replicas", ()) if one.get("rsename"))
    return Source(pointer=pointer, did=source.did, size_bytes=size, sites=replicas or None)


def _ivoa(block: Mapping[str, Any], pointer: str) -> Source:
    """Read what the VO says of a dataset: an identifier of a lake's file, or where to get it."""
    datalink, obscore = block.get("datalink", {}), block.get("obscore", {})
    size = datalink.get("content_length")
    size = size if size is not None and size >= 0 else None
    ivoid = block.get("ivoid") or obscore.get("obs_publisher_did") or datalink.get("ID") or ""
    did = _published(str(ivoid))
    url = datalink.get("access_url") or obscore.get("access_url")
    if did is None and not url:
        raise _Missing(reason(Urn.MISSING_REQUIRED_VALUE, "${path} needs an ivoid or an access_url.", pointer))
    return Source(pointer=pointer, did=did, url=url, size_bytes=size)


def _published(ivoid: str) -> Did | None:
    """Return the DID in a publisher DID of a lake: ``ivo://authority/lake?scope:name``."""
    registry_part, question, text = ivoid.partition("?")
    if not question or not registry_part.endswith("/lake"):
        return None
    try:
        return Did.parse(text)
    except UsageError:
        return None


def _s3(one: Mapping[str, Any], pointer: str) -> Source:
    endpoint, bucket = _required(one, "endpoint", pointer), _required(one, "bucket", pointer)
    url = f"{endpoint.rstrip('/')}/{bucket}/{one.get('object', '')}"
    return Source(pointer=f"{pointer}/endpoint", url=url)


def _cost_limits(costs: Sequence[Mapping[str, Any]], found: list[Message]) -> dict[str, float]:
    limits: dict[str, float] = {}
    for number, one in enumerate(costs):
        name = one.get("type", "").removeprefix(COST_TYPE)
        if name not in KNOWN_COSTS:
            text = "The cost ${type} is not known here and was passed over."
            found.append(warning(Urn.NOT_SUPPORTED, text, f"/costs/{number}/type", type=one.get("type", "")))
        elif "max" in one:
            limits[name] = min(one["max"], limits.get(name, one["max"]))
    return limits
