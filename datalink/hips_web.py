"""HiPS over HTTP: the files of surveys, their properties with our own address in them, and the list of all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import structlog
from aiohttp import web

from datalink.core.hips import (
    MAX_PROPERTIES_BYTES,
    PROPERTIES,
    TEXT,
    TITLE,
    Survey,
    hips_list,
    media_type,
    read_properties,
    written_properties,
)
from datalink.ports import HipsFile, HipsTree
from datalink.settings import HipsSettings
from penstock.auth.middleware import principal_of
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.dali.errors import NotFound, ServiceError, ServiceUnavailable
from penstock.edge.files import ServedFile, serve_file
from penstock.edge.pages import render_page
from penstock.outbound import FetchError, Outbound
from penstock.service import Resources

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED = frozenset({"list", "capabilities", "availability"})
_log = structlog.get_logger(__name__)


class HipsHandlers:
    """The handlers of one application.

    Parameters
    ----------
    resources
        What the process shares.
    trees
        The surveys by name.
    outbound
        Fetches the properties of surveys that no site of ours holds.
    settings
        How long clients may keep tiles.
    path
        Where the host mounts the service.
    """

    def __init__(
        self,
        resources: Resources,
        trees: Mapping[str, HipsTree],
        outbound: Outbound,
        settings: HipsSettings,
        *,
        path: str,
    ) -> None:
        self._resources = resources
        self._trees = trees
        self._outbound = outbound
        self._settings = settings
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        """Add everything but VOSI; other sites' pages may read all of it, as maps of the sky in browsers do."""
        for root in ("", "/"):
            app.router.add_get(root, self.front_page)
        app.router.add_get("/list", self.show_list)
        for ending in ("", "/"):
            app.router.add_get(f"/{{name}}{ending}", self.survey_page)
        app.router.add_get("/{name}/{file:.+}", self.file)
        app.on_response_prepare.append(_let_everybody_read)

    async def show_list(self, request: web.Request) -> web.Response:
        """List all surveys that are described as they should be (HiPS 1.0 s5.2)."""
        surveys = []
        for name in self._trees:
            survey = await self._survey_or_none(name, principal_of(request))
            if survey is not None and not survey.problems:
                surveys.append((self._url(request, name), survey))
        return web.Response(text=hips_list(surveys), content_type="text/plain", charset="utf-8")

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Send a file of a survey."""
        name, path = request.match_info["name"], request.match_info["file"]
        kind, tree = media_type(path), self._tree(name)
        if path == PROPERTIES:
            survey = await self._survey(name, principal_of(request))
            text = written_properties(survey, self._url(request, name))
            return web.Response(text=text, content_type="text/plain", charset="utf-8", headers=_FRESH)
        found = await tree.find(path, caller=principal_of(request), now=self._resources.clock())
        headers = {"Cache-Control": f"{'public' if found.public else 'private'}, max-age={self._settings.max_age_s}"}
        if found.path is None:
            return web.Response(status=302, headers={"Location": found.url or "", **_FRESH})
        return await serve_file(
            request, ServedFile(path=found.path, media_type=kind, checksum=found.checksum, headers=headers)
        )

    async def survey_page(self, request: web.Request) -> web.Response:
        """Show people what a survey is, and what is wrong with its description."""
        name = request.match_info["name"]
        survey = await self._survey(name, principal_of(request))
        url = self._url(request, name)
        text = " ".join(
            [survey.values.get("obs_description", survey.values.get("obs_title", "")), *survey.problems]
        ).strip()
        endpoints = [
            (f"{url}/", "What Aladin takes as the address of the survey"),
            (f"{url}/{PROPERTIES}", "Its properties"),
            (f"{url}/Moc.fits", "Its coverage"),
        ]
        return render_page("landing.html", title=f"HiPS {name}", text=text, endpoints=endpoints)

    async def front_page(self, request: web.Request) -> web.Response:
        """Show people the surveys."""
        base = self._resources.urls.absolute(request, self._path)
        endpoints = [(f"{base}/list", "The list of all surveys, for programs")]
        endpoints += [(self._url(request, name), f"The survey {name}") for name in self._trees]
        return render_page("landing.html", title=TITLE, text=TEXT, endpoints=endpoints)

    async def problem(self) -> str | None:
        """Say which surveys cannot be served, None where all can."""
        bad = [name for name in self._trees if await self._survey_or_none(name, ANONYMOUS) is None]
        return f"These surveys have no properties that can be read now: {', '.join(bad)}." if bad else None

    def _tree(self, name: str) -> HipsTree:
        tree = self._trees.get(name)
        if tree is None:
            raise NotFound(f"There is no HiPS {name[:80]}; {self._path}/list has all.")
        return tree

    def _url(self, request: web.Request, name: str) -> str:
        return f"{self._resources.urls.absolute(request, self._path)}/{name}"

    async def _survey_or_none(self, name: str, caller: Principal) -> Survey | None:
        try:
            return await self._survey(name, caller)
        except ServiceError as error:
            _log.warning("hips_unreadable", survey=name, reason=error.message)
            return None

    async def _survey(self, name: str, caller: Principal) -> Survey:
        found = await self._tree(name).find(PROPERTIES, caller=caller, now=self._resources.clock())
        return read_properties((await self._content(found)).decode("utf-8", "replace"))

    async def _content(self, found: HipsFile) -> bytes:
        if found.path is not None:
            return await asyncio.to_thread(_head, found.path)
        buffer = BytesIO()
        try:
            await self._outbound.save(found.url or "", buffer, max_bytes=MAX_PROPERTIES_BYTES)
        except FetchError as error:
            raise ServiceUnavailable(f"The properties cannot be fetched: {error}.") from error
        return buffer.getvalue()


_FRESH = {"Cache-Control": "no-cache"}


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_PROPERTIES_BYTES)
    except OSError as error:
        raise NotFound("There is no such file.") from error


async def _let_everybody_read(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "Content-Length, Content-Range, ETag"
