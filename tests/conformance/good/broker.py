"""A small Execution Broker that does what its checks ask for: two offers for all that is small, and no work."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import yaml
from aiohttp import web

from conformance.brokering import KINDS
from conformance.profile import Brokering
from tests.conformance.good.jobs import USER

NOTEBOOK = {"kind": f"{KINDS}/executable/jupyter-notebook.yaml", "location": "https://example.org/a.ipynb"}
BROKER = Brokering(request={"executable": NOTEBOOK}, accept=True)
CORES = 8
NEXT = {"OFFERED": ["ACCEPTED", "REJECTED"], "ACCEPTED": ["CANCELLED"]}
YAML_TYPES = ("application/yaml", "text/yaml")
READERS = {"application/json": json.loads, **dict.fromkeys(YAML_TYPES, yaml.safe_load)}
Document = dict[str, Any]


class Broker:
    """Sets of offers, and sessions by their uuid; who asked for them owns them."""

    def __init__(self) -> None:
        self.sets: dict[str, Document] = {}
        self.sessions: dict[str, Document] = {}
        self.owners: dict[str, str] = {}

    async def ask(self, request: web.Request) -> web.Response:
        asked = await _read(request)
        found: Document = {"meta": {"uuid": str(uuid4())}, "result": "NO", "offers": []}
        found["meta"]["url"] = place = f"{request.url.origin()}/broker/offersets/{found['meta']['uuid']}"
        if reason := _refusal(asked):
            found["meta"]["messages"] = [{"kind": "urn:not-supported", "level": "ERROR", "message": reason}]
        else:
            found |= {"result": "YES", "offers": [self._offer(request, asked) for _ in range(2)]}
        self.sets[found["meta"]["uuid"]] = found
        return _sent(request, _shown_set(found), 303, Location=place)

    def _offer(self, request: web.Request, asked: Document) -> Document:
        uuid, now = str(uuid4()), datetime.now(UTC)
        wanted = asked.get("schedule", {}).get("requested", {})
        start = wanted.get("start", f"{now:%Y-%m-%dT%H:%M:%SZ}").partition("/")[0]
        offer = {
            "kind": f"{KINDS}/session/scheduled-execution-session.yaml",
            "meta": {"uuid": uuid, "url": f"{request.url.origin()}/broker/sessions/{uuid}"},
            "phase": "OFFERED",
            "expires": f"{now + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
            "schedule": {"available": {"start": f"{start}/PT0S", "duration": wanted.get("duration", "PT1H")}},
            "executable": asked["executable"],
            "compute": asked["compute"],
        }
        self.sessions[uuid], self.owners[uuid] = offer, request[USER]
        return offer

    async def offers(self, request: web.Request) -> web.Response:
        found = self.sets.get(request.match_info["uuid"])
        if found is None:
            raise web.HTTPNotFound
        return _sent(request, _shown_set(found))

    async def session(self, request: web.Request) -> web.Response:
        return _sent(request, _shown(self._found(request)))

    async def update(self, request: web.Request) -> web.Response:
        one, update = self._found(request), await _read(request)
        if self.owners[one["meta"]["uuid"]] != request[USER]:
            raise web.HTTPForbidden
        if update.get("kind") != "uri:enum-value-update" or update.get("path") != "phase":
            raise web.HTTPBadRequest(text="only the phase can be changed")
        if update["value"] not in NEXT.get(one["phase"], []):
            raise web.HTTPConflict(text=f"it is {one['phase']}")
        one["phase"] = update["value"]
        for other in self._siblings(one) if one["phase"] == "ACCEPTED" else ():
            other["phase"] = "REJECTED"
        return _sent(request, _shown(one))

    def _found(self, request: web.Request) -> Document:
        found = self.sessions.get(request.match_info["uuid"])
        if found is None:
            raise web.HTTPNotFound
        return found

    def _siblings(self, one: Document) -> list[Document]:
        return [
            other
            for found in self.sets.values()
            if one in found["offers"]
            for other in found["offers"]
            if other is not one
        ]

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/broker/requests", self.ask),
            web.get("/broker/offersets/{uuid}", self.offers),
            web.get("/broker/sessions/{uuid}", self.session),
            web.post("/broker/sessions/{uuid}", self.update),
        ]


def _refusal(asked: Document) -> str:
    start = str(asked.get("schedule", {}).get("requested", {}).get("start", "2"))
    if asked.get("executable", {}).get("kind") != NOTEBOOK["kind"]:
        return "only notebooks are run here"
    if asked["compute"]["cores"]["min"] > CORES:
        return "there are not so many cores"
    return "" if re.match(r"\d", start) else "the start is not understood"


def _shown(one: Document) -> Document:
    values = NEXT.get(one["phase"], [])
    options = [{"kind": "uri:enum-value-option", "path": "phase", "values": values}] if values else []
    return {**one, "meta": {**one["meta"], "options": options}}


def _shown_set(found: Document) -> Document:
    return {**found, "offers": [_shown(one) for one in found["offers"]]}


async def _read(request: web.Request) -> Document:
    reader = READERS.get(request.content_type)
    if reader is None:
        raise web.HTTPUnsupportedMediaType
    try:
        return dict(reader(await request.text()))
    except (ValueError, yaml.YAMLError) as error:
        raise web.HTTPBadRequest(text="that cannot be read") from error


def _sent(request: web.Request, found: Document, status: int = 200, **headers: str) -> web.Response:
    media = request.headers.get("Accept", "application/json")
    text = json.dumps(found)
    if media in YAML_TYPES:
        text = yaml.safe_dump(found)
    elif media == "application/xml":
        text = f"<offers-response><result>{found.get('result')}</result></offers-response>"
    else:
        media = "application/json"
    return web.Response(status=status, text=text, content_type=media, headers=headers)
