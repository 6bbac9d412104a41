"""The Execution Broker over HTTP: requests, sets of offers, sessions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from execplanner.core.answer import write
from execplanner.core.columns import read_ranking
from execplanner.core.dialects import DialectName
from execplanner.core.documents import read_given, write_document
from execplanner.core.kinds import write_kind
from execplanner.core.messages import Message, items
from execplanner.core.offers import Shown, session_document
from execplanner.core.phases import OFFERS, OfferExpired, Phase, TransitionRefused
from execplanner.core.reading import YAML_TYPES
from execplanner.core.request import GIB
from execplanner.core.times import from_ms, parse_instant, to_ms
from execplanner.keeping import Listing, OfferSet, Session
from execplanner.service.broker import Asked, Broker
from execplanner.service.federation import Federation
from execplanner.service.planning import Wish
from execplanner.service.running import IN_JOB
from execplanner.settings import ExecPlannerSettings
from execplanner.web.forms import LISTS, answer, form_of, media_type_of, query_of
from penstock.auth.middleware import principal_of
from penstock.auth.principal import Principal
from penstock.dali.errors import PreconditionFailed, UsageError
from penstock.dali.formats import Format
from penstock.dali.params import Parameters
from penstock.dali.values import format_timestamp
from penstock.edge.params import read_body
from penstock.edge.urls import Urls

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_KEY = re.compile(r"[!-~ ]{1,255}")
_NOT_ACCEPTED = OFFERS | {Phase.REJECTED, Phase.EXPIRED}
_DEFAULT_TYPE = min(YAML_TYPES)  # a body that does not say what it is; JSON is YAML too
_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the service is mounted, and where jobs are; `job_id` gives the id of a session's job."""

    urls: Urls
    path: str
    jobs_path: str
    job_id: Any


class SessionHandlers:
    """The handlers of the broker.

    Parameters
    ----------
    broker
        The use-cases.
    federation
        The other brokers, None where there are none.
    place
        Where everything is.
    settings
        Limits and defaults.
    """

    def __init__(
        self, broker: Broker, federation: Federation | None, place: Place, settings: ExecPlannerSettings
    ) -> None:
        self._broker = broker
        self._federation = federation
        self._place = place
        self._settings = settings

    def add_routes(self, app: web.Application) -> None:
        """Add the resources, by the names of all generations."""
        router = app.router
        for path in ("/requests", "/request", "/offersets"):
            router.add_post(path, self.request)
        for path in ("/direct", "/sessions"):
            router.add_post(path, self.direct)
        router.add_get("/offersets", self.list_offersets)
        router.add_get("/sessions", self.list_sessions)
        for path in ("/offersets/{uuid}", "/offers/{uuid}"):
            router.add_get(path, self.offerset)
        router.add_get("/sessions/{uuid}", self.session)
        for path in ("/sessions/{uuid}", "/offers/{uuid}"):
            router.add_post(path, self.update)
        router.add_delete("/sessions/{uuid}", self.delete)

    async def request(self, request: web.Request) -> web.Response:
        """Ask for offers (openapi 1.0.7, ExecutionRequest)."""
        form, params = self._form(request)
        asked, caller = await self._asked(request, params), principal_of(request)
        timeout_s = _timeout(params, self._settings.peer_timeout_s)
        further = None if self._federation is None else self._federation.asks(request.headers, timeout_s)
        offerset, sessions = await self._broker.request(asked, caller, further)
        body = self._offerset_body(request, offerset, sessions, form)
        return self._created(request, f"/offersets/{offerset.id}", body, form)

    async def direct(self, request: web.Request) -> web.Response:
        """Run something without choosing among offers (openapi 1.0.7, DirectExecution)."""
        form, params = self._form(request)
        asked, caller = await self._asked(request, params), principal_of(request)
        found = await self._broker.direct(asked, caller)
        if isinstance(found, Session):
            body = self._session_body(request, found, form)
            return self._created(request, f"/sessions/{found.id}", body, form)
        document = _refused(found, asked, self._broker)
        return answer(write_document(document, "execution", form.key, _dialect(asked.wish.dialect)), form, status=400)

    async def offerset(self, request: web.Request) -> web.Response:
        """Show a set of offers (openapi 1.0.7, OfferSetSelect)."""
        form, _ = self._form(request)
        offerset, sessions = await self._broker.offerset(request.match_info["uuid"], principal_of(request))
        return answer(self._offerset_body(request, offerset, sessions, form), form)

    async def session(self, request: web.Request) -> web.Response:
        """Show a session, with WAIT when its phase has changed (openapi 1.0.7, SessionSelect)."""
        form, params = self._form(request)
        session_id, caller = request.match_info["uuid"], principal_of(request)
        wait = params.single("WAIT")
        if wait is None:
            session = await self._broker.session(session_id, caller)
        else:
            timeout_s = _wait(wait, self._settings.max_wait_s)
            session = await self._broker.wait(session_id, params.single("PHASE"), timeout_s, caller)
        tag = _etag(session, form)
        if _names(request.headers.get("If-None-Match"), tag):
            return web.Response(status=304, headers={"ETag": tag, "Vary": "Accept"})
        return answer(self._session_body(request, session, form), form, ETag=tag)

    async def update(self, request: web.Request) -> web.Response:
        """Change a session as its options allow (openapi 1.0.7, SessionUpdate)."""
        form, _ = self._form(request)
        session_id, caller = request.match_info["uuid"], principal_of(request)
        given = read_given(await self._body(request), media_type_of(request) or _DEFAULT_TYPE, "update")
        if "path" not in given.document:
            raise UsageError("/path: say which option is meant; meta.options of the session lists them.")
        version = await self._expected(request, session_id, caller)
        try:
            session = await self._broker.update(session_id, given.document, caller, version)
        except (TransitionRefused, OfferExpired) as error:
            current = await self._broker.session(session_id, caller)
            error.document = {"session": self._session(request, current)}  # type: ignore[union-attr]  # shown by the edge
            raise
        return answer(self._session_body(request, session, form), form, ETag=_etag(session, form))

    async def delete(self, request: web.Request) -> web.Response:
        """Cancel a session and forget it."""
        session_id, caller = request.match_info["uuid"], principal_of(request)
        await self._expected(request, session_id, caller)
        await self._broker.delete(session_id, caller)
        return web.Response(status=204)

    async def list_sessions(self, request: web.Request) -> web.Response:
        """List the caller's sessions, newest first."""
        form, params, values = self._listing(request)
        phases = frozenset(_phase(text) for value in params.all("PHASE") for text in value.split(","))
        listing = Listing(**{**values, "phases": phases})
        sessions = await self._broker.sessions(listing, principal_of(request))
        base = self._base(request)
        entries = [
            {
                "uuid": one.id,
                "url": f"{base}/sessions/{one.id}",
                "phase": str(one.phase),
                "name": one.name,
                "facility": one.facility,
                "kind": one.document["executable"]["kind"],
                "created": format_timestamp(from_ms(one.created)),
            }
            for one in sessions
        ]
        return self._list(request, "sessions", entries, listing, form)

    async def list_offersets(self, request: web.Request) -> web.Response:
        """List the caller's sets of offers, newest first."""
        form, _, values = self._listing(request)
        listing = Listing(**values)
        found = await self._broker.offersets(listing, principal_of(request))
        base = self._base(request)
        entries = [
            {
                "uuid": one.id,
                "url": f"{base}/offersets/{one.id}",
                "result": one.result,
                "name": one.name,
                "created": format_timestamp(from_ms(one.created)),
            }
            for one in found
        ]
        return self._list(request, "offersets", entries, listing, form)

    def _list(
        self, request: web.Request, name: str, entries: Sequence[Mapping[str, Any]], listing: Listing, form: Format
    ) -> web.Response:
        document: dict[str, Any] = {name: list(entries)}
        if len(entries) == listing.last:
            query = request.rel_url.update_query(BEFORE=entries[-1]["uuid"]).raw_query_string
            document["next"] = f"{self._base(request)}/{name}?{query}"
        return answer(write(document, form.key), form)

    def _listing(self, request: web.Request) -> tuple[Format, Parameters, dict[str, Any]]:
        params = query_of(request)
        after = params.single("AFTER")
        values = {
            "owner": None,
            "after": None if after is None else _instant(after),
            "before": params.single("BEFORE"),
            "last": _number(params, "LAST", 100, _MOST_LISTED),
            "now": self._broker.now(),
        }
        return form_of(request, params, LISTS), params, values

    def _form(self, request: web.Request) -> tuple[Format, Parameters]:
        params = query_of(request)
        if request.path.endswith("/request") and not request.headers.get("Accept", "*/*").strip(" */"):
            return form_of(request, Parameters([*request.query.items(), ("RESPONSEFORMAT", "yaml")])), params
        return form_of(request, params), params

    async def _asked(self, request: web.Request, params: Parameters) -> Asked:
        body = await self._body(request)
        given = read_given(body, media_type_of(request) or _DEFAULT_TYPE, "offers-request")
        key = request.headers.get("Idempotency-Key")
        if key is not None and not _KEY.fullmatch(key):
            raise UsageError("Idempotency-Key: up to 255 printable characters are expected.")
        wish = Wish(
            most=_number(params, "MAXOFFERS", self._settings.max_offers, self._settings.max_offers),
            ranking=read_ranking(params.single("RANK")),
            dialect=str(_dialect(params.single("DIALECT") or given.dialect)),
            valid_s=self._settings.offer_valid_s,
        )
        return Asked(document=given.document, warnings=given.warnings, wish=wish, key=key)

    async def _body(self, request: web.Request) -> bytes:
        return await read_body(request, self._settings.max_document_bytes, "document")

    async def _expected(self, request: web.Request, session_id: str, caller: Principal) -> int | None:
        """Return the version that If-Match demands, None if it demands none (RFC 9110 s13.1.1)."""
        header = request.headers.get("If-Match")
        if header is None or header.strip() == "*":
            return None
        session = await self._broker.session(session_id, caller)
        known = {tag.partition("-")[0] for tag in _TAG.findall(header)}
        if _revision(session) not in known:
            raise PreconditionFailed("The session has changed since you read it.")
        return session.version

    def _created(self, request: web.Request, path: str, body: bytes, form: Format) -> web.Response:
        """Answer 303, or 200 to who prefers it (RFC 7240 s4.2)."""
        url = self._base(request) + path
        if "return=representation" in request.headers.get("Prefer", "").replace(" ", ""):
            return answer(body, form, Content_Location=url, Preference_Applied="return=representation")
        return answer(body, form, status=303, Location=url)

    def _base(self, request: web.Request) -> str:
        return self._place.urls.absolute(request, self._place.path)

    def _offerset_body(
        self, request: web.Request, offerset: OfferSet, sessions: Sequence[Session], form: Format
    ) -> bytes:
        meta: dict[str, Any] = {"uuid": offerset.id, "url": f"{self._base(request)}/offersets/{offerset.id}"}
        if offerset.name:
            meta["name"] = offerset.name
        meta["created"] = format_timestamp(from_ms(offerset.created))
        if offerset.messages:
            meta["messages"] = list(offerset.messages)
        document = {
            "kind": write_kind("offerset", "execution-offerset"),
            "meta": meta,
            "result": offerset.result,
            "offers": [self._session(request, session) for session in sessions],
        }
        dialect = _dialect(query_of(request).single("DIALECT") or offerset.dialect)
        return write_document(document, "offers-response", form.key, dialect)

    def _session_body(self, request: web.Request, session: Session, form: Format) -> bytes:
        dialect = _dialect(query_of(request).single("DIALECT") or session.dialect)
        return write_document(self._session(request, session), "execution", form.key, dialect)

    def _session(self, request: web.Request, session: Session) -> dict[str, Any]:
        job_url = None
        if session.phase not in _NOT_ACCEPTED and session.peer is None:
            job_url = self._place.urls.absolute(request, f"{self._place.jobs_path}/{self._place.job_id(session.id)}")
        facility = self._broker.facility_of(session)
        limits = None if facility is None or session.peer is not None else facility.limits
        shown = Shown(
            id=session.id,
            url=f"{self._base(request)}/sessions/{session.id}",
            phase=session.phase,
            created=from_ms(session.created),
            modified=from_ms(session.modified or session.created),
            prepares=from_ms(session.prepares),
            begins=from_ms(session.begins),
            ends=from_ms(session.ends),
            name=session.name,
            expires=None if session.expires is None else from_ms(session.expires),
            messages=session.messages,
            connectors=[_located(one, job_url) for one in session.connectors],
            job_url=job_url,
            limits=None
            if limits is None
            else (limits.cores, None if limits.memory_bytes is None else limits.memory_bytes // GIB),
        )
        return session_document(session.document, shown)


def _located(connector: Mapping[str, Any], job_url: str | None) -> Mapping[str, Any]:
    """Return a connector with its URL, if it is a part of the job."""
    location = connector.get("location", "")
    if not location.startswith(IN_JOB) or job_url is None:
        return connector
    protocol = "HTTPS" if job_url.startswith("https:") else "HTTP"
    return {**connector, "protocol": protocol, "location": job_url + location.removeprefix(IN_JOB)}


def _refused(messages: Sequence[Message], asked: Asked, broker: Broker) -> dict[str, Any]:
    """Return the session that a direct request did not become."""
    now = broker.clock()
    meta: dict[str, Any] = {"created": format_timestamp(now), "messages": items(messages, now)}
    return {"kind": write_kind("session", "scheduled-execution-session"), "meta": meta, "phase": str(Phase.FAILED)}


def _revision(session: Session) -> str:
    """Return what is another whenever something of a session is: one expires without being written."""
    return f"{session.version}{'x' if session.phase is Phase.EXPIRED else ''}"


def _etag(session: Session, form: Format) -> str:
    return f'"{_revision(session)}-{form.key}"'


def _names(header: str | None, tag: str) -> bool:
    return header is not None and (header.strip() == "*" or tag.strip('"') in _TAG.findall(header))


def _dialect(text: str) -> DialectName:
    try:
        return DialectName(text.strip().upper())
    except ValueError as error:
        raise UsageError(f"DIALECT={text[:20]!r} is not spoken; there are {', '.join(DialectName)}.") from error


def _phase(text: str) -> Phase:
    try:
        return Phase(text.strip().upper())
    except ValueError as error:
        raise UsageError(f"PHASE={text[:40]!r} is none; there are {', '.join(Phase)}.") from error


def _instant(text: str) -> int:
    try:
        return to_ms(parse_instant(text)[0])
    except ValueError as error:
        raise UsageError(f"AFTER={text[:40]!r} {error}.") from error


def _number(params: Parameters, name: str, default: int, most: int) -> int:
    text = params.single(name)
    if text is None:
        return default
    if not re.fullmatch(r"[1-9]\d{0,8}", text.strip(), re.ASCII):
        raise UsageError(f"{name}={text[:40]!r} is not a whole number above zero.")
    return min(int(text), most)


def _wait(text: str, most: float) -> float:
    if not re.fullmatch(r"-1|\d{1,9}", text.strip(), re.ASCII):
        raise UsageError(f"WAIT={text[:40]!r} is not a number of seconds, or -1 for as long as is possible.")
    return most if text.strip() == "-1" else min(float(text), most)


def _timeout(params: Parameters, most: float) -> float:
    text = params.single("TIMEOUT")
    if text is None:
        return most
    if not re.fullmatch(r"\d{1,6}(?:\.\d{1,6})?", text.strip(), re.ASCII):
        raise UsageError(f"TIMEOUT={text[:40]!r} is not a number of seconds.")
    return min(float(text), most)
