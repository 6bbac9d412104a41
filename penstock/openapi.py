"""An OpenAPI 3.1 description of whatever is mounted, read off the routes themselves."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from typing import Any

from aiohttp import web

_VARIABLE = re.compile(r"{(\w+)(?::[^{}]*(?:{[^{}]*}[^{}]*)*)?}")


def describe_routes(app: web.Application, base_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of every route of `app` and its sub-applications."""
    paths: dict[str, dict[str, Any]] = {}
    for route in _routes(app):
        if route.method in ("*", "HEAD", "OPTIONS"):
            continue
        canonical = route.resource.canonical if route.resource else ""
        names = _VARIABLE.findall(canonical)
        operations = paths.setdefault(_VARIABLE.sub(r"{\1}", canonical) or "/", {})
        operations[route.method.lower()] = _operation(route, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Penstock", "version": version("penstock")},
        "servers": [{"url": base_url}],
        "paths": dict(sorted(paths.items())),
    }


def _routes(app: web.Application) -> list[web.AbstractRoute]:
    routes: list[web.AbstractRoute] = []
    for resource in app.router.resources():
        routes.extend(resource)
    return routes


def _operation(route: web.AbstractRoute, names: list[str]) -> dict[str, Any]:
    summary = (inspect.getdoc(route.handler) or "").partition("\n")[0]
    operation: dict[str, Any] = {"responses": {"default": {"description": "See the standard that the service follows"}}}
    if summary:
        operation["summary"] = summary
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    return operation
