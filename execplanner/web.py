"""The Execution Planner over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from execplanner.core.answer import FORMATS, answer_document, facility_document, write
from execplanner.core.facility import Facility
from execplanner.core.matching import judge
from execplanner.core.question import MEMBERS, Question, Tree, read_question, tree_of
from execplanner.core.reading import ACCEPTED, YAML_TYPES, is_document, read_document, read_object
from penstock.dali.errors import NotAcceptable, ServiceError, TooLarge, UsageError
from penstock.dali.formats import Format
from penstock.dali.media import MediaRange, parse_accept
from penstock.dali.params import Parameters, Part
from penstock.edge.errors import problem_error
from penstock.edge.pages import render_page
from penstock.edge.params import ParameterLimits, read_parameters
from penstock.service import Resources

DEFAULT_TYPE = min(YAML_TYPES)  # a body that does not say what it is; JSON is YAML too


def render_error(request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render an error as problem+json; with 415 goes what would be read (RFC 9110 s15.5.16)."""
    response = problem_error(request, error, status)
    if status == 415:
        response.headers["Accept-Post"] = ACCEPTED
    return response


class PlannerHandlers:
    """The handlers of one application.

    Parameters
    ----------
    resources
        What the process shares.
    facility
        Gives the facility for the base URL of the host.
    path
        Where the host mounts the service.
    max_document_bytes
        The largest document that is read.
    """

    def __init__(
        self, resources: Resources, facility: Callable[[str], Facility], path: str, max_document_bytes: int
    ) -> None:
        self._resources = resources
        self._facility = facility
        self._path = path
        self._max_document_bytes = max_document_bytes
        self._limits = ParameterLimits(
            max_form_bytes=max_document_bytes, max_file_bytes=max_document_bytes, max_body_bytes=4 * max_document_bytes
        )

    def add_routes(self, app: web.Application) -> None:
        """Add everything but VOSI; the note spells the path both ways."""
        for root in ("", "/"):
            app.router.add_get(root, self.front_page)
        for path in ("/accepts", "/accept"):
            app.router.add_get(path, self.accepts)
            app.router.add_post(path, self.accepts)
        app.router.add_get("/facilities", self.facilities)

    async def accepts(self, request: web.Request) -> web.Response:
        """Say whether the facility takes a task, and how to hand it over (note s2)."""
        form, question = await self._read(request)
        facility = self._facility(self._resources.urls.base(request))
        document = answer_document(judge(question, facility), facility)
        return web.Response(body=write(document, form.key), headers={"Content-Type": form.media_type, "Vary": "Accept"})

    async def facilities(self, request: web.Request) -> web.Response:
        """List the facilities that are known here; this resource is our own."""
        facility = self._facility(self._resources.urls.base(request))
        document = {"facilities": [facility_document(facility)]}
        return web.Response(body=write(document, "json"), content_type="application/json")

    async def front_page(self, request: web.Request) -> web.Response:
        """Show people where things are."""
        base = self._resources.urls.absolute(request, self._path)
        kinds = self._facility(self._resources.urls.base(request)).kinds
        example = next(iter(sorted(kinds)), "KIND")
        endpoints = (
            (f"{base}/accepts?tasktype={example}", "Whether a kind of task can run here, and how to hand it over"),
            (f"{base}/facilities", "The facilities that are known here"),
            (f"{base}/capabilities", "VOSI capabilities"),
            (f"{base}/availability", "VOSI availability"),
        )
        text = "Where can I run this? Ask before you bring your work."
        return render_page("landing.html", title="Execution Planner", text=text, endpoints=endpoints)

    async def _read(self, request: web.Request) -> tuple[Format, Question]:
        """Return the form of the answer and the question, from a document or from parameters (note s8.1)."""
        media_type = _media_type(request)
        if request.body_exists and (media_type is None or is_document(media_type)):
            form = _form(request, Parameters(request.query.items()))
            return form, read_question(read_object(await self._body(request), media_type or DEFAULT_TYPE))
        params = await read_parameters(request, self._limits)
        pairs: list[tuple[str, Tree]] = [(_spelt(name), value) for name, value in params.items() if _is_ours(name)]
        pairs += [(_spelt(part.name), _part(part)) for part in params.parts if _is_ours(part.name)]
        return _form(request, params), read_question(tree_of(pairs))

    async def _body(self, request: web.Request) -> bytes:
        body = b""
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self._max_document_bytes:
                raise TooLarge(f"The document is larger than {self._max_document_bytes} bytes.")
        return body


def _media_type(request: web.Request) -> str | None:
    header = request.headers.get("Content-Type")
    return None if header is None else header.partition(";")[0].strip().lower()


def _is_ours(name: str) -> bool:
    return name.partition(".")[0].lower() in MEMBERS


def _spelt(name: str) -> str:
    """Return the name with its first part in lower case: parameters have no case (DALI 1.2 s4.1)."""
    first, dot, rest = name.partition(".")
    return first.lower() + dot + rest


def _part(part: Part) -> Tree:
    """Return what a part holds: a document by its type, else text (note s8.1)."""
    content = part.read()
    if part.media_type is not None and is_document(part.media_type):
        return read_document(content, part.media_type)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"The part {part.name[:80]!r} is neither JSON nor YAML nor text.") from error


def _form(request: web.Request, params: Parameters) -> Format:
    """Return the form of the answer: by RESPONSEFORMAT, else by Accept (note s8.2).

    Raises
    ------
    NotAcceptable
        Accept names nothing that is offered.
    """
    if "RESPONSEFORMAT" in params or "FORMAT" in params:
        return FORMATS.choose(params)
    ranges = parse_accept(request.headers.get("Accept"))
    if not ranges:
        return FORMATS.default
    weights = [(_weight(row.format.media_type, row.media_types, ranges), row.format) for row in FORMATS]
    best = max(weight for weight, _ in weights)
    if best == 0:
        raise NotAcceptable("The answer can be had as application/json, application/yaml or application/xml.")
    return next(form for weight, form in weights if weight == best)


def _weight(media_type: str, others: tuple[str, ...], ranges: tuple[MediaRange, ...]) -> float:
    """Return with which weight a type is accepted, by the most specific range that covers it (RFC 9110 s12.5.1)."""
    names = {media_type, *others}
    for covered in (names, {f"{name.partition('/')[0]}/*" for name in names}, {"*/*"}):
        found = [one.q for one in ranges if one.essence in covered]
        if found:
            return max(found)
    return 0.0
