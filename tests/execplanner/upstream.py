"""Judges documents by the upstream schema (openapi 1.0.7), where it stands beside the checkout; `kind` chooses."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.support.systems import require_shared

BASE = "urn:upstream"


@cache
def _openapi() -> dict[str, Any]:
    path = require_shared("execution-broker", "openapi-1.0.7.yaml")
    found: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return found


@cache
def _registry() -> Any:
    return Registry().with_resource(BASE, Resource.from_contents(_openapi(), default_specification=DRAFT202012))


def findings(document: Any, schema: str) -> list[str]:
    """Return what is wrong in a document, and in every part whose kind upstream knows."""
    reference = {"$ref": f"{BASE}#/components/schemas/{schema}"}
    validator = Draft202012Validator(reference, registry=_registry())
    found = [f"{list(one.absolute_path)}: {one.message}" for one in validator.iter_errors(document)]
    return found + [each for part in _parts(document) for each in _by_kind(part)]


def _parts(value: Any) -> list[dict[str, Any]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [one for each in inner for one in _parts(each)]
    return [value, *below] if isinstance(value, dict) and "kind" in value else below


@cache
def _kinds() -> dict[str, str]:
    mapped: dict[str, str] = {}
    for schema in _openapi()["components"]["schemas"].values():
        mapped |= schema.get("discriminator", {}).get("mapping", {})
    return mapped


def _by_kind(part: dict[str, Any]) -> list[str]:
    reference = _kinds().get(part["kind"])
    if reference is None:
        return []
    validator = Draft202012Validator({"$ref": BASE + reference}, registry=_registry())
    return [f"{part['kind']}: {one.message}" for one in validator.iter_errors(part)]
