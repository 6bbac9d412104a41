"""What can be wrong in a request whose shape is right, wherever it would run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from execplanner.core.messages import Message, Urn, reason
from penstock.outbound import is_public

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VARIABLE = re.compile(r"[^=\0]{1,256}")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}", re.ASCII)
_PROTOCOLS: Final = ("UDP", "TCP", "HTTP", "HTTPS")
_MOST_VARIABLES, _LONGEST_VARIABLE = 1000, 64 * 1024
_FORBIDDEN = ("/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/run")
_SCHEMES: Final = frozenset({"http", "https", "file"})
_IMAGE_SCHEMES: Final = frozenset({"docker", "oras", "library"})
_GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a deployment allows: directories of this host that `file:` URLs may name, and private addresses."""

    file_roots: tuple[str, ...] = ()
    allow_private: bool = False


def check_location(url: str, pointer: str, rules: Rules, *, images: bool = False) -> Iterator[Message]:
    """Yield what is wrong with a URL that is to be fetched; the URL is not repeated, it may hold a secret."""
    try:
        parts = urlsplit(url.strip())
        host, userinfo = parts.hostname, "@" in parts.netloc
    except ValueError:
        yield reason(Urn.INVALID_VALUE, "${path} is no URL.", pointer)
        return
    if userinfo:
        yield reason(Urn.NOT_SUPPORTED, "${path} has a user or password in its URL, which is not allowed.", pointer)
    elif parts.scheme == "file":
        if not _below_roots(parts.path, rules.file_roots):
            yield reason(Urn.NOT_SUPPORTED, "${path} names a file that may not be read here.", pointer)
    elif parts.scheme not in (_SCHEMES | _IMAGE_SCHEMES if images else _SCHEMES):
        text = "${path} has the scheme ${scheme}; http, https and file are understood."
        yield reason(Urn.NOT_SUPPORTED, text, pointer, scheme=parts.scheme[:20] or "none")
    elif not host:
        yield reason(Urn.INVALID_VALUE, "${path} is a URL without a host.", pointer)
    elif not rules.allow_private and parts.scheme in ("http", "https") and _is_private(host):
        yield reason(Urn.NOT_SUPPORTED, "${path} leads to an address that is not public.", pointer)


def _below_roots(path: str, roots: Sequence[str]) -> bool:
    if not path.startswith("/") or ".." in path.split("/") or "%" in path:
        return False
    normal = posixpath.normpath(path)
    return any(normal == root or normal.startswith(root.rstrip("/") + "/") for root in roots)


def _is_private(host: str) -> bool:
    """Tell whether a host is private by its very name; what a name stands for is judged when it is fetched."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not is_public(host)
    except ValueError:
        return False


def check_executable(executable: Mapping[str, Any], rules: Rules) -> Iterator[Message]:
    """Yield what is wrong with an executable."""
    kind = executable["kind"]
    yield from _environment(executable.get("environment", {}))
    if kind == "docker-container":
        yield from _container(executable)
        return
    if "location" in executable and isinstance(executable["location"], str):
        images = kind == "singularity-container"
        yield from check_location(executable["location"], "/executable/location", rules, images=images)
    elif kind in ("singularity-container", "jupyter-notebook", "git-repository", "zeppelin-notebook", "python-program"):
        yield reason(Urn.MISSING_REQUIRED_VALUE, "${path} is required.", "/executable/location")


def _environment(environment: Any) -> Iterator[Message]:
    if not isinstance(environment, Mapping):
        return
    place = "/executable/environment"
    if len(environment) > _MOST_VARIABLES:
        text = "${path} has more than ${most} variables."
        yield reason(Urn.RESOURCE_LIMIT, text, place, most=_MOST_VARIABLES)
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            yield reason(Urn.INVALID_VALUE, "${path} has a name that no variable can have.", place)
        elif len(str(value)) > _LONGEST_VARIABLE:
            yield reason(Urn.RESOURCE_LIMIT, "A variable in ${path} is too long.", place)


def _container(executable: Mapping[str, Any]) -> Iterator[Message]:
    image = executable.get("image", {})
    locations, digest = image.get("locations", ()), image.get("digest")
    if not locations:
        text = "An image needs a location such as ghcr.io/ivoa/oligia-webtop:ubuntu-2022.01.13."
        yield reason(Urn.MISSING_REQUIRED_VALUE, text, "/executable/image/locations")
    for number, location in enumerate(locations):
        if not _IMAGE.fullmatch(location):
            yield reason(Urn.INVALID_VALUE, "${path} is no name of an image.", f"/executable/image/locations/{number}")
        elif "@" in location and digest and not location.endswith(f"@{digest}"):
            text = "The digests of ${path} and of the image differ."
            yield reason(Urn.IMAGE_DIGEST_MISMATCH, text, f"/executable/image/locations/{number}")
    if digest is not None and not _DIGEST.fullmatch(digest):
        text = "A digest is sha256: and 64 hexadecimal digits."
        yield reason(Urn.INVALID_VALUE, text, "/executable/image/digest")
    if executable.get("privileged"):
        yield reason(Urn.NOT_SUPPORTED, "Privileged containers are not run here.", "/executable/privileged")
    for number, port in enumerate(executable.get("network", {}).get("ports", ())):
        yield from _port(port, f"/executable/network/ports/{number}")


def _port(port: Mapping[str, Any], pointer: str) -> Iterator[Message]:
    number = port.get("internal", {}).get("port")
    if number is None:
        yield reason(Urn.MISSING_REQUIRED_VALUE, "${path} is required.", f"{pointer}/internal/port")
    elif not 1 <= number <= 65_535:
        yield reason(Urn.INVALID_VALUE, "${path} is not from 1 to 65535.", f"{pointer}/internal/port")
    if "external" in port:
        text = "${path} is for the service to say."
        yield reason(Urn.NOT_SUPPORTED, text, f"{pointer}/external")
    if port.get("protocol", "TCP") not in _PROTOCOLS:
        text = "${path} is not one of UDP, TCP, HTTP and HTTPS."
        yield reason(Urn.INVALID_VALUE, text, f"{pointer}/protocol")


def check_links(document: Mapping[str, Any], sizes: Mapping[str, int | None]) -> Iterator[Message]:
    """Yield what is wrong in how resources name each other; `sizes` are those of data, in bytes, by their pointer."""
    storages, data = document.get("storage", ()), document.get("data", ())
    places = [(f"/storage/{number}", one) for number, one in enumerate(storages)]
    places += [(f"/data/{number}", one) for number, one in enumerate(data)]
    owners: dict[str, str] = {}
    for pointer, one in places:
        meta = one.get("meta", {})
        for name in dict.fromkeys(value for value in (meta.get("name"), meta.get("uuid")) if value):
            if owners.setdefault(name, pointer) != pointer:
                text = "The name ${name} of ${path} is another resource's."
                yield reason(Urn.DUPLICATE_RESOURCE, text, f"{pointer}/meta", name=name)
    held: dict[str, int] = {}
    for number, one in enumerate(data):
        target = owners.get(one.get("storage", ""), "") if one.get("storage") else ""
        if one.get("storage") and not target.startswith("/storage"):
            text = "There is no storage ${name}, which ${path} names."
            yield reason(Urn.RESOURCE_NOT_FOUND, text, f"/data/{number}/storage", name=one["storage"])
        size = next((size for place, size in sizes.items() if place.startswith(f"/data/{number}/")), None)
        held[target] = held.get(target, 0) + (size or 0)
    yield from _named_data(storages, owners)
    yield from _full_storages(storages, held)
    yield from _volumes(document.get("compute", {}).get("volumes", ()), owners)


def _named_data(storages: Sequence[Mapping[str, Any]], owners: Mapping[str, str]) -> Iterator[Message]:
    for number, storage in enumerate(storages):
        for place, name in enumerate(storage.get("data", ())):
            if not owners.get(name, "").startswith("/data"):
                text = "There are no data ${name}, which ${path} names."
                yield reason(Urn.RESOURCE_NOT_FOUND, text, f"/storage/{number}/data/{place}", name=name)


def _full_storages(storages: Sequence[Mapping[str, Any]], held: Mapping[str, int]) -> Iterator[Message]:
    for number, storage in enumerate(storages):
        size = storage.get("size", {})
        size = size if isinstance(size, Mapping) else {}
        most = size.get("max", size.get("min"))
        needed = held.get(f"/storage/{number}", 0)
        if most is not None and most > 0 and needed > most * _GIB:
            text = "The data of ${path} need ${needed} bytes, more than its ${most} GiB."
            yield reason(Urn.RESOURCE_LIMIT, text, f"/storage/{number}/size", needed=needed, most=most)


def _volumes(volumes: Sequence[Mapping[str, Any]], owners: Mapping[str, str]) -> Iterator[Message]:
    taken: set[str] = set()
    for number, volume in enumerate(volumes):
        pointer = f"/compute/volumes/{number}"
        path = volume.get("path")
        if volume["kind"] != "simple-volume-mount":
            continue
        if not path or not _is_mount_path(path):
            text = "${path} is no path that can be mounted: it is absolute, without .., and not of the system."
            yield reason(Urn.INVALID_VALUE, text, f"{pointer}/path")
        elif posixpath.normpath(path) in taken:
            text = "Two volumes have the path of ${path}."
            yield reason(Urn.DUPLICATE_RESOURCE, text, f"{pointer}/path")
        else:
            taken.add(posixpath.normpath(path))
        if not volume.get("resource"):
            yield reason(Urn.MISSING_REQUIRED_VALUE, "${path} is required.", f"{pointer}/resource")
        elif volume["resource"] not in owners:
            text = "There is no resource ${name}, which ${path} names."
            yield reason(Urn.RESOURCE_NOT_FOUND, text, f"{pointer}/resource", name=volume["resource"])


def _is_mount_path(path: str) -> bool:
    if not path.startswith("/") or ".." in path.split("/") or not path.isprintable():
        return False
    normal = "/" + posixpath.normpath(path).lstrip("/")
    return normal != "/" and not any(normal == one or normal.startswith(f"{one}/") for one in _FORBIDDEN)
