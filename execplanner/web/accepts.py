"""The Execution Planner of 2022 over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from execplanner.core.answer import answer_document, write
from execplanner.core.columns import FacilityTable
from execplanner.core.matching import judge
from execplanner.core.question import MEMBERS, Question, Tree, read_question, tree_of
from execplanner.core.reading import YAML_TYPES, is_document, read_document, read_object
from execplanner.core.stages import may_use
from execplanner.web.forms import answer, form_of, media_type_of, query_of
from penstock.auth.middleware import principal_of
from penstock.dali.errors import UsageError
from penstock.dali.formats import Format
from penstock.dali.params import Part
from penstock.edge.params import ParameterLimits, read_body, read_parameters
from penstock.service import Resources

DEFAULT_TYPE = min(YAML_TYPES)  # a body that does not say what it is; JSON is YAML too


class AcceptsHandlers:
    """The handlers of the note of 2022.

    Parameters
    ----------
    resources
        What the process shares.
    table
        Gives the facilities.
    path
        Where the host mounts the service.
    max_document_bytes
        The largest document that is read.
    """

    def __init__(
        self, resources: Resources, table: Callable[[], FacilityTable], path: str, max_document_bytes: int
    ) -> None:
        self._resources = resources
        self._table = table
        self._path = path
        self._max_document_bytes = max_document_bytes
        self._limits = ParameterLimits(
            max_form_bytes=max_document_bytes, max_file_bytes=max_document_bytes, max_body_bytes=4 * max_document_bytes
        )

    def add_routes(self, app: web.Application) -> None:
        """Add the resource; the note spells its path both ways."""
        for path in ("/accepts", "/accept"):
            app.router.add_get(path, self.accepts)
            app.router.add_post(path, self.accepts)

    async def accepts(self, request: web.Request) -> web.Response:
        """Say whether any facility takes a task, and how to hand it over (note s2)."""
        form, question = await self._read(request)
        base, caller = self._resources.urls.base(request), principal_of(request)
        verdicts = [
            (facility, judge(question, facility))
            for facility in self._table().facilities
            if may_use(facility, caller) or caller.anonymous
        ]
        document = answer_document(verdicts, base_url=base, broker_url=f"{base}{self._path}/requests")
        return answer(write(document, form.key), form)

    async def _read(self, request: web.Request) -> tuple[Format, Question]:
        """Return the form of the answer and the question, from a document or from parameters (note s8.1)."""
        media_type = media_type_of(request)
        if request.body_exists and (media_type is None or is_document(media_type)):
            form = form_of(request, query_of(request))
            return form, read_question(
                read_object(await read_body(request, self._max_document_bytes, "document"), media_type or DEFAULT_TYPE)
            )
        params = await read_parameters(request, self._limits)
        pairs: list[tuple[str, Tree]] = [(_spelt(name), value) for name, value in params.items() if _is_ours(name)]
        pairs += [(_spelt(part.name), _part(part)) for part in params.parts if _is_ours(part.name)]
        return form_of(request, params), read_question(tree_of(pairs))


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
