"""Records over HTTP: for people and programs to find, and for operators to write.

``/records`` lists and searches, ``/records/authority/path`` is the record ``ivo://authority/path``. Changes are for
callers with the admin role; ETag and If-Match keep two of them from undoing each other's work (RFC 9110 s13.1.1).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web
from lxml import etree

from penstock.auth.middleware import principal_of
from penstock.auth.principal import refusal
from penstock.dali.errors import Forbidden, NotFound, ServiceError, UnsupportedMediaType
from penstock.dali.media import NEGOTIATED_BY
from penstock.dali.values import parse_int
from penstock.edge.errors import problem_error
from penstock.edge.forms import form_of
from penstock.edge.pages import render_page
from penstock.edge.params import read_body
from penstock.service import Resources
from registry.core.envelope import Stored
from registry.core.identifier import identifier_key
from registry.core.reading import facts_of, text_of, type_of, words_of
from registry.core.voresource import parse, rebase
from registry.ports import Filter, Records, Summary
from registry.service.editing import Editor, Expectation, InvalidRecord

PER_PAGE = 50
MOST = 1000
_SHOWN_TABLES = 200
_XML = ("application/xml", "text/xml")


class RecordHandlers:
    """The handlers of one application.

    Parameters
    ----------
    resources
        What the process shares.
    store
        The records.
    editor
        Changes them.
    path
        Where the host mounts the service.
    max_bytes
        The largest record that is read.
    """

    def __init__(self, resources: Resources, store: Records, editor: Editor, *, path: str, max_bytes: int) -> None:
        self._resources = resources
        self._store = store
        self._editor = editor
        self._path = path
        self._max_bytes = max_bytes

    def add_routes(self, app: web.Application) -> None:
        """Add the list and the records."""
        for root in ("/records", "/records/"):
            app.router.add_get(root, self.search)
            app.router.add_post(root, self.create)
        app.router.add_get("/records/{ivoid:.+}", self.show)
        app.router.add_put("/records/{ivoid:.+}", self.put)
        app.router.add_delete("/records/{ivoid:.+}", self.delete)

    async def search(self, request: web.Request) -> web.Response:
        """Find records by words of their titles and identifiers (`q`), by `type` and `origin`."""
        query = request.query
        limit = parse_int("limit", query.get("limit", str(PER_PAGE)), minimum=1, maximum=MOST)
        wanted = Filter(
            words=tuple(query.get("q", "").split()[:10]),
            type=query.get("type") or None,
            origin=query.get("origin") or None,
        )
        found = await self._store.search(wanted, query.get("after", ""), limit + 1)
        shown, after = found[:limit], None
        if len(found) > limit:
            after = identifier_key(shown[-1].ivoid)
        following = f"?{request.rel_url.update_query(after=after).raw_query_string}" if after else None
        root = self._resources.urls.absolute(request, self._path)
        if _form(request) == "html":
            return _vary(
                render_page(
                    "registry_records.html",
                    title="Records",
                    records=[(_url(root, one.ivoid), one) for one in shown],
                    query=query,
                    following=following,
                    root=root,
                )
            )
        return _vary(_json({"records": [_summary(root, one) for one in shown], "after": after}))

    async def show(self, request: web.Request) -> web.Response:
        """Show a record: as a page, as JSON that says what it is, or as the VOResource document itself."""
        stored = await self._get(request)
        form = _form(request)
        tag = _etag(stored)
        if request.if_none_match and any(one.value in {tag, "*"} for one in request.if_none_match):
            return _vary(web.Response(status=304, headers={"ETag": f'"{tag}"'}))
        resource = parse(stored.xml)
        rebase(resource, self._resources.urls.base(request))
        match form:
            case "html":
                response = self._page(stored, resource, self._resources.urls.absolute(request, self._path))
            case "json":
                response = _json(asdict(facts_of(resource)) | {"updated": stored.updated, "origin": stored.origin})
            case _:
                response = web.Response(
                    body=etree.tostring(resource, xml_declaration=True, encoding="UTF-8"),
                    content_type="text/xml" if form == "text-xml" else "application/xml",
                    charset="utf-8",
                )
        response.headers["ETag"] = f'"{tag}"'
        return _vary(response)

    @staticmethod
    def _page(stored: Stored, resource: etree._Element, root: str) -> web.Response:
        return render_page(
            "registry_record.html",
            title=text_of(resource, "title") or stored.ivoid,
            facts=_facts(stored, resource),
            description=text_of(resource, "content/description"),
            capabilities=[_capability(one) for one in resource.iterfind("capability")],
            tables=[text_of(one, "name") for one in resource.iterfind("tableset/schema/table")][:_SHOWN_TABLES],
            xml=etree.tostring(resource, encoding="unicode", pretty_print=True)[:200_000],
            root=root,
        )

    async def _get(self, request: web.Request) -> Stored:
        ivoid = _ivoid(request)
        stored = await self._store.get(ivoid)
        if stored is None:
            raise NotFound(f"There is no record {ivoid[:200]}.")
        if stored.deleted:
            raise NotFound(f"The record {stored.ivoid} was deleted at {stored.updated}.")
        return stored

    async def create(self, request: web.Request) -> web.Response:
        """Write a new record (admin)."""
        self._require_admin(request)
        stored = await self._editor.create(await self._document(request))
        location = _url(self._resources.urls.absolute(request, self._path), stored.ivoid)
        return _written(stored, status=201, location=location)

    async def put(self, request: web.Request) -> web.Response:
        """Write a record, new or in place of one (admin); If-Match and ``If-None-Match: *`` are heeded."""
        self._require_admin(request)
        document = await self._document(request)
        stored, new = await self._editor.put(document, ivoid=_ivoid(request), expected=_expectation(request))
        return _written(stored, status=201 if new else 200)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a record (admin); If-Match is heeded."""
        self._require_admin(request)
        await self._editor.delete(_ivoid(request), expected=_expectation(request))
        return web.Response(status=204)

    def _require_admin(self, request: web.Request) -> None:
        caller = principal_of(request)
        if caller.admin:
            return
        if caller.anonymous and not self._resources.authenticator.challenges:
            raise Forbidden("Nobody can sign in here; use `penstock registry` on the host.")
        raise refusal(caller, "Records are changed by administrators only.")

    async def _document(self, request: web.Request) -> bytes:
        if request.content_type not in _XML and not request.content_type.endswith("+xml"):
            raise UnsupportedMediaType("A record is sent as application/xml.")
        return await read_body(request, self._max_bytes, "record")


def render_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render the error as problem+json, with all findings where a record is refused (RFC 9457)."""
    response = problem_error(request, error, status)
    if isinstance(error, InvalidRecord):
        problem = orjson.loads(response.text or "{}") | {"findings": [asdict(one) for one in error.findings]}
        response.body = orjson.dumps(problem)
    return response


def _ivoid(request: web.Request) -> str:
    return f"ivo://{request.match_info['ivoid']}"


def _form(request: web.Request) -> str:
    return form_of(request, request.query.get("RESPONSEFORMAT"))


def _vary(response: web.Response) -> web.Response:
    response.headers["Vary"] = NEGOTIATED_BY
    return response


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")


def _summary(root: str, one: Summary) -> dict[str, Any]:
    return asdict(one) | {"url": _url(root, one.ivoid)}


def _url(root: str, ivoid: str) -> str:
    return f"{root}/records/{quote(ivoid.removeprefix('ivo://'))}"


def _etag(stored: Stored) -> str:
    return f"{stored.digest[:32]}-{stored.updated.translate(str.maketrans('', '', ':-'))}"


def _written(stored: Stored, *, status: int, location: str | None = None) -> web.Response:
    response = _json({"ivoid": stored.ivoid, "updated": stored.updated})
    response.set_status(status)
    response.headers["ETag"] = f'"{_etag(stored)}"'
    if location:
        response.headers["Location"] = location
    return response


def _expectation(request: web.Request) -> Expectation:
    """Return what the request's preconditions say of the record that is there."""
    matching, fresh = request.if_match, request.if_none_match

    def holds(known: Stored | None) -> bool:
        there = known if known is not None and not known.deleted else None
        if matching is not None:
            return there is not None and any(one.value in {"*", _etag(there)} for one in matching)
        return not fresh or there is None

    return holds


def _facts(stored: Stored, resource: etree._Element) -> list[tuple[str, str, str | None]]:
    """Return (name, text, link) of what a page tells first; only web addresses become links."""
    reference = text_of(resource, "content/referenceURL")
    rows: list[tuple[str, str, str | None]] = [
        ("Identifier", stored.ivoid, None),
        ("Type", type_of(resource), None),
        ("Status", resource.get("status", ""), None),
        ("Updated", stored.updated, None),
        ("From", stored.origin, _link(stored.origin)),
        ("Publisher", text_of(resource, "curation/publisher"), None),
        ("Creators", _all(resource, "curation/creator/name"), None),
        ("Contact", _all(resource, "curation/contact/name"), None),
        ("Email", _all(resource, "curation/contact/email"), None),
        ("Subjects", _all(resource, "content/subject"), None),
        ("Rights", _all(resource, "rights"), None),
        ("Facility", _all(resource, "facility"), None),
        ("Instrument", _all(resource, "instrument"), None),
        ("Waveband", _all(resource, "coverage/waveband"), None),
        ("More", reference, _link(reference)),
    ]
    return [row for row in rows if row[1]]


def _all(resource: etree._Element, path: str) -> str:
    return ", ".join(map(words_of, resource.iterfind(path)))


def _capability(capability: etree._Element) -> dict[str, Any]:
    urls = [(text_of(one, "accessURL"), type_of(one)) for one in capability.iterfind("interface")]
    return {
        "standard": capability.get("standardID", ""),
        "type": type_of(capability),
        "description": text_of(capability, "description"),
        "interfaces": [(url, _link(url), kind) for url, kind in urls if url],
    }


def _link(text: str) -> str | None:
    return text if text.startswith(("http://", "https://")) else None
