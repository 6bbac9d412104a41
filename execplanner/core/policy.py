"""What a facility's policy says of an executable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from execplanner.core.facility import LINUX, Policy
from execplanner.core.messages import Message, Urn, reason

DOCKER_HUB = "docker.io"


def check_policy(policy: Policy, executable: Mapping[str, Any]) -> Iterator[Message]:
    """Yield the reasons for which a facility does not take an executable of a kind that it knows."""
    if executable.get("kind") == "docker-container":
        yield from _image(policy, executable.get("image", {}))
    elif isinstance(executable.get("location"), str) and not _allowed(policy, executable["location"]):
        yield reason(Urn.NOT_SUPPORTED, "The policy does not allow what ${path} names.", "/executable/location")


def _image(policy: Policy, image: Mapping[str, Any]) -> Iterator[Message]:
    locations: Sequence[str] = image.get("locations", ())
    pointer = "/executable/image/locations"
    if not any(_from_registry(policy, one) for one in locations):
        text = "Images come from ${registries} here."
        yield reason(Urn.NOT_SUPPORTED, text, pointer, registries=", ".join(policy.registries))
    elif not any(_allowed(policy, full_reference(one)) and _from_registry(policy, one) for one in locations):
        yield reason(Urn.NOT_SUPPORTED, "The policy does not allow this image.", pointer)
    digests = [one for one in locations if "@sha256:" in one]
    if policy.digest_required and not image.get("digest") and not digests:
        text = "The image needs its digest here."
        yield reason(Urn.MISSING_REQUIRED_VALUE, text, "/executable/image/digest")
    wanted = image.get("platform", {})
    platform = f"{wanted.get('os', 'linux')}/{wanted.get('architecture', 'amd64')}"
    if platform not in (policy.platforms or (LINUX,)):
        text = "The platform ${platform} is not to be had; there is ${known}."
        known = ", ".join(policy.platforms)
        yield reason(Urn.NOT_SUPPORTED, text, "/executable/image/platform", platform=platform, known=known)


def full_reference(image: str) -> str:
    """Return a reference with its registry: one without comes from Docker's, an official one from its library."""
    host, slash, _ = image.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return image
    return f"{DOCKER_HUB}/{image}" if slash else f"{DOCKER_HUB}/library/{image}"


def _from_registry(policy: Policy, image: str) -> bool:
    return not policy.registries or full_reference(image).partition("/")[0] in policy.registries


def _allowed(policy: Policy, text: str) -> bool:
    if any(fnmatchcase(text, pattern) for pattern in policy.deny):
        return False
    return not policy.allow or any(fnmatchcase(text, pattern) for pattern in policy.allow)
