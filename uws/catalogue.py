"""The types of job that a deployment runs: ``/jobtypes`` and ``/jobtypes/{name}``, as VOTable, JSON or a page.

Everybody sees every type, with the groups for which it is: who may not create its jobs shall learn whom to ask.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson
from aiohttp import web

from penstock.auth.middleware import principal_of
from penstock.dali.errors import NotFound
from penstock.dali.media import NEGOTIATED_BY, Document
from penstock.edge.forms import form_of
from penstock.edge.params import read_parameters
from penstock.edge.urls import Urls
from penstock.openapi import describe
from uws.core.shapes import DIALECT
from uws.openapi import CATALOGUE, PUBLISHED
from uws.ports import JobType
from uws.representations.job_type_json import job_type_to_json
from uws.representations.job_type_page import job_type_page, job_types_page
from uws.representations.job_type_votable import job_types_to_votable
from uws.service.jobs import JobService
from uws.service.limits import limited, may_create

_VOTABLE = "application/x-votable+xml"
_ALIASES = {"votable": "xml", _VOTABLE: "xml"}
_HEADERS = {"Vary": NEGOTIATED_BY}


class Catalogue:
    """The handlers of the catalogue.

    Parameters
    ----------
    service
        The jobs.
    urls
        Makes addresses absolute.
    """

    def __init__(self, service: JobService, urls: Urls) -> None:
        self._service = service
        self._urls = urls

    def add_to(self, app: web.Application) -> None:
        """Add the resources to the application that has the job list at ``/jobs``."""
        for ending in ("", "/"):
            app.router.add_get(f"/jobtypes{ending}", self.show_job_types)
            app.router.add_get(f"/jobtypes/{{name}}{ending}", self.show_job_type)
        app.router.add_get("/schema/{name}.json", self.show_schema)
        describe(app, "", CATALOGUE)

    async def show_job_types(self, request: web.Request) -> web.Response:
        """List the types of job."""
        job_types = [self._service.job_types[name] for name in sorted(self._service.job_types)]
        match await _form(request):
            case "json":
                described = [job_type_to_json(each, limited(self._service.policy, each)) for each in job_types]
                return _json({"jobTypes": described})
            case "html":
                return _for_reader(job_types_page(job_types, f"{self._base(request)}/jobtypes"))
            case form:
                return self._votable(job_types, form)

    async def show_job_type(self, request: web.Request) -> web.Response:
        """Describe a type of job: its parameters, results and limits."""
        name, base = request.match_info["name"], self._base(request)
        job_type = self._service.job_types.get(name)
        if job_type is None:
            known = ", ".join(sorted(self._service.job_types))
            raise NotFound(f"There is no job type {name[:60]!r}; there are: {known}.")
        policy = limited(self._service.policy, job_type)
        match await _form(request):
            case "json":
                links = {"self": f"{base}/jobtypes/{name}", "jobs": f"{base}/jobs"}
                return _json(job_type_to_json(job_type, policy) | {"_links": links})
            case "html":
                allowed = may_create(job_type, principal_of(request))
                url = f"{base}/jobtypes/{name}"
                page = job_type_page(job_type, policy, url, jobs_url=f"{base}/jobs", allowed=allowed)
                return _for_reader(page)
            case form:
                return self._votable([job_type], form)

    async def show_schema(self, request: web.Request) -> web.Response:
        """Show the JSON Schema of a document."""
        name = request.match_info["name"]
        if name not in PUBLISHED:
            raise NotFound(f"There is no schema {name[:60]!r}; there are: {', '.join(PUBLISHED)}.")
        address = f"{self._base(request)}/schema/{name}.json"
        schema = {"$schema": DIALECT, "$id": address, **PUBLISHED[name].schema}
        return web.Response(body=orjson.dumps(schema), content_type="application/schema+json")

    def _votable(self, job_types: Sequence[JobType], form: Document) -> web.Response:
        described = [(each, limited(self._service.policy, each)) for each in job_types]
        media_type = "text/xml" if form == "text-xml" else _VOTABLE
        return web.Response(
            body=job_types_to_votable(described), content_type=media_type, charset="UTF-8", headers=_HEADERS
        )

    def _base(self, request: web.Request) -> str:
        """Return the absolute URL of the application, wherever it is mounted."""
        resource = request.match_info.route.resource
        canonical = resource.canonical if resource else request.path
        return self._urls.absolute(request, re.split("/jobtypes|/schema", canonical)[0])


async def _form(request: web.Request) -> Document:
    asked = (await read_parameters(request)).single("RESPONSEFORMAT")
    return form_of(request, _ALIASES.get((asked or "").strip().lower(), asked))


def _for_reader(page: web.Response) -> web.Response:
    """Keep a page, which says what its reader may do, out of shared caches."""
    page.headers.update({**_HEADERS, "Cache-Control": "no-store"})
    return page


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json", headers=_HEADERS)
