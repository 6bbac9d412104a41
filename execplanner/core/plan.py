"""What people have, turned into a request to an Execution Broker: a notebook, a repository, a description in codemeta.

The request is of the broker's schema 1.0.7. CodeMeta 3.0 says in words of schema.org what a program needs; whatever of
that cannot be read is told in a note, and nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from execplanner.core.kinds import write_kind
from execplanner.core.quantity import parse_duration, parse_size
from penstock.dali.errors import UsageError
from penstock.lake.port import Did

_GIB = 2**30
_HOSTS = {"github.com": "gh", "gitlab.com": "gl"}
_SSH = re.compile(r"(?:ssh://)?git@([\w.-]+)[:/](\S+)", re.ASCII)
_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}/\S+)", re.ASCII)
_COUNT = re.compile(
    r"(?:>=\s*)?(\d{1,6})(?:\s*(?:x\s*)?(?:cpus?|cores?|processors?|threads?)\b.*)?", re.ASCII | re.IGNORECASE
)
_IMAGE_SCHEMES = ("docker://", "oci://")
_FILES = {".ipynb": "jupyter-notebook", ".py": "python-program"}
"""The kinds of single files, by the end of their names."""
_SINGULARITY_SCHEMES = ("library://", "shub://", "oras://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request, and what could not be put into it."""

    request: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody asks for beside what the software says of itself; None leaves that."""

    cores: int | None = None
    memory: str | None = None
    duration: str | None = None
    name: str | None = None
    data: tuple[str, ...] = ()
    """Data identifiers (``scope:name``), publisher DIDs (``ivo://``) or URLs."""


@dataclass(slots=True)
class _Found:
    """What is gathered for a request."""

    executable: dict[str, Any]
    name: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    storage_bytes: int | None = None
    duration_s: float | None = None
    notes: list[str] = field(default_factory=list)


def plan_location(location: str, wishes: Wishes) -> Plan:
    """Turn the URL of a notebook, of a Python program or of a git repository into a request.

    Raises
    ------
    UsageError
        It is none of them, or a wish is malformed.
    """
    return _plan(_Found(executable=executable_at(location), name=_last_name(location)), wishes)


def plan_codemeta(document: Mapping[str, Any], wishes: Wishes) -> Plan:
    """Turn a description in CodeMeta into a request.

    Raises
    ------
    UsageError
        It does not say where the software is, or a wish is malformed.
    """
    found = _Found(executable=_executable_of(document), name=_text(document.get("name")))
    found.cores = _read(found, document, "processorRequirements", _cores)
    found.memory_bytes = _read(found, document, "memoryRequirements", _size)
    found.storage_bytes = _read(found, document, "storageRequirements", _size)
    found.duration_s = _read(found, document, "timeRequired", lambda text: parse_duration("timeRequired", text))
    needs = [*_texts(document.get("softwareRequirements")), *_texts(document.get("softwareDependencies"))]
    needs = [each for each in needs if not each.startswith((*_IMAGE_SCHEMES, *_SINGULARITY_SCHEMES))]
    if needs:
        found.notes.append(f"What runs it must bring: {', '.join(needs)}.")
    return _plan(found, wishes)


def executable_at(location: str) -> dict[str, Any]:
    """Return the executable that a URL leads to.

    Raises
    ------
    UsageError
        It is neither a notebook nor a program, an image or a repository.
    """
    if location.startswith(_IMAGE_SCHEMES):
        return {"kind": write_kind("executable", "docker-container"), "image": _image(location.partition("://")[2])}
    if location.startswith(_SINGULARITY_SCHEMES) or location.endswith(".sif"):
        return {"kind": write_kind("executable", "singularity-container"), "location": location}
    doi = _DOI.fullmatch(location)
    if doi is not None:
        provider = "zenodo" if "/zenodo." in doi[1] else "doi"
        return _repository(f"https://doi.org/{doi[1]}", provider=provider)
    ssh = _SSH.fullmatch(location)
    parts = urlsplit(f"https://{ssh[1]}/{ssh[2]}" if ssh else location.removeprefix("git+"))
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise UsageError(f"{location[:200]!r} is no http:// or https:// URL.")
    return _at_url(parts)


def _at_url(parts: SplitResult) -> dict[str, Any]:
    scheme, host, path = parts.scheme, parts.netloc, parts.path
    segments = [part for part in unquote(path).split("/") if part]
    marks = [number for number, part in enumerate(segments) if part in ("blob", "tree", "raw") and number >= 2]
    if host in _HOSTS and marks:
        return _in_repository(scheme, host, segments, marks[0])
    if path.endswith(tuple(_FILES)):
        return _file(parts._replace(fragment="").geturl(), path)
    if (host in _HOSTS or path.endswith(".git")) and len(segments) >= 2:
        return _repository(f"{scheme}://{host}{path.rstrip('/')}", provider=_HOSTS.get(host, "git"))
    raise UsageError(
        f"{scheme}://{host}{path[:200]} is no notebook (.ipynb), no Python program (.py) and no repository (.git)."
    )


def _in_repository(scheme: str, host: str, segments: list[str], mark: int) -> dict[str, Any]:
    """Return a notebook or program, or a repository at a branch, from the page that shows it."""
    project = [part for part in segments[:mark] if part != "-"]
    ref, rest = (segments[mark + 1 : mark + 2] or ["HEAD"])[0], segments[mark + 2 :]
    quoted = quote("/".join([ref, *rest]))
    if rest and rest[-1].endswith(tuple(_FILES)):
        if host == "github.com":
            return _file(f"https://raw.githubusercontent.com/{quote('/'.join(project))}/{quoted}", rest[-1])
        return _file(f"{scheme}://{host}/{quote('/'.join(project))}/-/raw/{quoted}", rest[-1])
    return _repository(f"{scheme}://{host}/{'/'.join(project)}", provider=_HOSTS[host], ref=ref)


def _file(location: str, name: str) -> dict[str, Any]:
    return {"kind": write_kind("executable", _FILES[PurePosixPath(name).suffix]), "location": location}


def _repository(location: str, *, provider: str, ref: str | None = None) -> dict[str, Any]:
    known = {"kind": write_kind("executable", "git-repository"), "location": location, "provider": provider}
    return known | ({"ref": ref} if ref else {})


def _image(reference: str) -> dict[str, Any]:
    location, at, digest = reference.partition("@")
    return {"locations": [location], **({"digest": digest} if at else {})}


def _executable_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first executable that a description leads to: an image, a notebook, then the repository."""
    for name in ("runtimePlatform", "softwareRequirements", "downloadUrl", "installUrl", "url", "codeRepository"):
        for text in _texts(document.get(name)):
            schemes = (*_IMAGE_SCHEMES, *_SINGULARITY_SCHEMES)
            if text.startswith(schemes) or urlsplit(text).path.endswith((".ipynb", ".sif")):
                return executable_at(text)
    for text in _texts(document.get("codeRepository")):
        plain = text.removeprefix("git+")
        return executable_at(plain if urlsplit(plain).hostname in _HOSTS or _SSH.fullmatch(plain) else _git(plain))
    raise UsageError("The description names no image, no notebook and no codeRepository: nothing can be run of it.")


def _git(location: str) -> str:
    """Return the URL of what is said to be a repository so that it is known as one."""
    return (
        location
        if location.endswith(".git") or not urlsplit(location).path.strip("/")
        else f"{location.rstrip('/')}.git"
    )


def _plan(found: _Found, wishes: Wishes) -> Plan:
    cores = found.cores if wishes.cores is None else wishes.cores
    memory = found.memory_bytes if wishes.memory is None else parse_size("memory", wishes.memory)
    duration = found.duration_s if wishes.duration is None else parse_duration("duration", wishes.duration)
    name = wishes.name or found.name
    request: dict[str, Any] = {"executable": {**found.executable, **({"meta": {"name": name}} if name else {})}}
    compute: dict[str, Any] = {}
    if cores is not None:
        compute["cores"] = {"min": cores}
    if memory is not None:
        compute["memory"] = {"min": math.ceil(memory / _GIB)}
    data = [_data(text, number) for number, text in enumerate(wishes.data, 1)]
    if data:
        request["data"] = data
        compute["volumes"] = [_volume(one, text) for one, text in zip(data, wishes.data, strict=True)]
    if compute:
        request["compute"] = {"kind": write_kind("compute", "simple-compute-resource"), **compute}
    if found.storage_bytes is not None:
        size = {"min": math.ceil(found.storage_bytes / _GIB)}
        request["storage"] = [{"kind": write_kind("storage", "simple-storage-resource"), "size": size}]
    if duration is not None:
        request["schedule"] = {"requested": {"duration": f"PT{math.ceil(duration)}S"}}
    return Plan(request=request, notes=tuple(found.notes))


def _data(text: str, number: int) -> dict[str, Any]:
    """Return the data resource that an identifier or a URL stands for."""
    meta = {"name": f"data-{number}"}
    if text.startswith("ivo://"):
        return {"kind": write_kind("data", "ivoa-data-resource"), "meta": meta, "ivoa": {"ivoid": text}}
    if "://" in text:
        return {"kind": write_kind("data", "simple-data-resource"), "meta": meta, "location": text}
    did = Did.parse(text)
    rucio = {"scope": did.scope, "object": did.name}
    return {"kind": write_kind("data", "rucio-data-resource"), "meta": meta, "rucio": rucio}


def _volume(data: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return where data are to be seen: ``/data/1/m13.fits``, so that two of one name are apart."""
    name = data["meta"]["name"]
    last = (_last_name(text) if text.startswith("http") else re.split("[/:?#]", text)[-1]) or name
    return {
        "kind": write_kind("volume", "simple-volume-mount"),
        "path": f"/data/{name.removeprefix('data-')}/{last}",
        "mode": "READONLY",
        "resource": name,
    }


def _read(found: _Found, document: Mapping[str, Any], name: str, parse: Any) -> Any:
    """Return what a member asks for, None where it is absent; what is not understood is a note."""
    for text in _texts(document.get(name)):
        try:
            return parse(text)
        except UsageError:
            found.notes.append(f"{name}: {text[:80]!r} is not understood; ask for it by hand.")
    return None


def _cores(text: str) -> int:
    match = _COUNT.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise UsageError("It is no number of cores.")
    return int(match[1])


def _size(text: str) -> int:
    return parse_size("size", text.strip().removeprefix(">=").removesuffix("RAM").strip())


def _text(value: Any) -> str | None:
    return next(_texts(value), None)


def _texts(value: Any) -> Iterator[str]:
    """Yield what a member says: a text, a number, or things with a name or an identifier; or several of those."""
    if isinstance(value, str) and value.strip():
        yield value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        named = [value.get(name) for name in ("@id", "identifier", "name", "value") if value.get(name)]
        version = value.get("version") or value.get("softwareVersion")
        if named:
            yield f"{named[-1] if version else named[0]}{f' {version}' if version else ''}"


def _last_name(location: str) -> str | None:
    return PurePosixPath(unquote(urlsplit(location).path)).name.removesuffix(".git") or None
