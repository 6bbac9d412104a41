"""Kinds: URIs that say what a component is, in every spelling that was published.

Four generations of the Execution Broker name the same things by other URIs. A kind of theirs, or of ours, is compared
by its group and its name: ``kinds/executable/jupyter-notebook.yaml``, ``types/executables/jupyter-notebook-1.0`` and
``executable-types/jupyter-notebook`` are all ``jupyter-notebook``. Anybody else's URI stays what it is: it names a kind
that a facility may know by that very text.
"""

from __future__ import annotations

import re
from typing import Final

UPSTREAM: Final = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds"
OWN: Final = "urn:penstock:kind"
_FAMILIES = re.compile(
    r"(?:https?:)?//(?:www\.)?purl\.org/(?:ivoa\.net|esap\.escape\.eu)//*(?P<web>\S+)|urn:penstock:kind:(?P<own>\S+)"
)
_VERSION = re.compile(r"-v?\d+(?:\.\d+)*$")
_PLAIN = re.compile(r"(?:uri:(?://)?)?([A-Za-z][A-Za-z0-9-]*)")
_GROUPS = {
    "executables": "executable",
    "executable-types": "executable",
    "task-type": "executable",
    "computer": "compute",
    "storages": "storage",
    "volumes": "volume",
    "cost": "costs",
    "metric": "metrics",
}
_NAMES = {
    "oci-container": "docker-container",
    "Amazon-S3-data-resource": "S3-data-resource",
    "amazon-s3-data-resource": "S3-data-resource",
    "s3-data-resource": "S3-data-resource",
    "Rucio-data-resource": "rucio-data-resource",
    "simple-compute": "simple-compute-resource",
    "simple-storage": "simple-storage-resource",
    "simple-data": "simple-data-resource",
}
ABSTRACT: Final = "abstract-"
_OURS = {
    "executable": ("git-repository", "python-program", "reana-workflow", "zeppelin-notebook", "dask-cluster"),
    "compute": ("gpu-compute-resource",),
    "connector": ("stdout", "stderr", "results", "interactive"),
}
UWS_CONNECTOR: Final = "ivo://ivoa.net/std/UWS#rest-1.1"


def read_kind(uri: str, group: str) -> str:
    """Return the short name of a kind of a group, or the URI itself where it is none of the families."""
    match = _FAMILIES.fullmatch(uri.strip())
    if match is None:
        plain = _PLAIN.fullmatch(uri.strip())
        return _named(plain[1]) if plain else uri.strip()
    parts = [part for part in re.split(r"[/:]", match["web"] or match["own"]) if part]
    found = parts[-2] if len(parts) > 1 else group
    if _GROUPS.get(found, found) != group:
        return uri.strip()
    return _named(parts[-1])


def _named(text: str) -> str:
    name = _VERSION.sub("", text.removesuffix(".yaml"))
    return _NAMES.get(name, name)


def write_kind(group: str, name: str) -> str:
    """Return the URI of a kind by its short name: upstream's, ours, or the text itself if it is a URI already."""
    if ":" in name:
        return name
    if group in ("option", "update"):
        return f"uri:{name}"
    if name in _OURS.get(group, ()):
        return f"{OWN}:{group}:{name}"
    return f"{UPSTREAM}/{group}/{name}.yaml"
