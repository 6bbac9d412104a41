"""The types of job that a deployment runs, over HTTP: ``/jobtypes`` and ``/jobtypes/{name}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from penstock.dali.errors import NotFound
from uws.ports import JobType, ParameterSpec


def add_catalogue(app: web.Application, job_types: Mapping[str, JobType]) -> None:
    """Add the resources to an application."""

    async def show_job_types(_request: web.Request) -> web.Response:
        """List the types of job."""
        return _json({"jobTypes": [describe_job_type(job_types[name]) for name in sorted(job_types)]})

    async def show_job_type(request: web.Request) -> web.Response:
        """Describe a type of job: its parameters and results."""
        name = request.match_info["name"]
        if name not in job_types:
            raise NotFound(f"There is no job type {name[:60]!r}; there are: {', '.join(sorted(job_types))}.")
        return _json(describe_job_type(job_types[name]))

    for ending in ("", "/"):
        app.router.add_get(f"/jobtypes{ending}", show_job_types)
        app.router.add_get(f"/jobtypes/{{name}}{ending}", show_job_type)


def describe_job_type(job_type: JobType) -> dict[str, Any]:
    """Return the JSON form of a job type."""
    return {
        "name": job_type.name,
        "version": job_type.version,
        "title": job_type.title,
        "description": job_type.description,
        "validatedAtCreation": job_type.validate_at_creation,
        "parameters": [_parameter(spec) for spec in job_type.parameters],
        "results": [
            {"id": result.id, "mimeType": result.media_type, "description": result.description}
            for result in job_type.results
        ],
    }


def _parameter(spec: ParameterSpec) -> dict[str, Any]:
    members = {
        "name": spec.name,
        "type": spec.type,
        "description": spec.description,
        "required": spec.required,
        "multiple": spec.multiple,
        "default": spec.default,
        "options": list(spec.options) or None,
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "unit": spec.unit,
        "ucd": spec.ucd,
    }
    return {name: value for name, value in members.items() if value is not None}


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
