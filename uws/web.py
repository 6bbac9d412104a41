"""The resources of UWS over HTTP: the URI tree of UWS 1.1 s2.2.1 below any path of any application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote

import orjson
from aiohttp import web

from penstock.auth.middleware import principal_of
from penstock.dali.errors import Forbidden, NotFound, ServiceError, UsageError
from penstock.dali.media import NEGOTIATED_BY, Document
from penstock.dali.params import Parameters, upper_name
from penstock.dali.values import format_timestamp
from penstock.edge.errors import ErrorRenderer
from penstock.edge.files import ServedFile, serve_file
from penstock.edge.forms import form_of
from penstock.edge.params import ParameterLimits, read_parameters
from penstock.edge.streaming import stream
from penstock.edge.urls import Urls
from uws.core import json, xml
from uws.core.document import JobDocument
from uws.core.filters import parse_filters
from uws.core.job import Job, JobParameter, Phase
from uws.core.wait import parse_wait
from uws.orders import CREATION, Control, Order, parse_destruction, read_order
from uws.ports import JobType
from uws.representations import describe
from uws.representations.event_stream import send_events
from uws.representations.job_list_page import job_list_page, parse_list_form
from uws.representations.job_page import job_page
from uws.representations.list_stream import json_list, xml_list
from uws.representations.secrecy import guard
from uws.service.access import Access
from uws.service.idempotency import HEADER as KEY_HEADER
from uws.service.idempotency import parse_key
from uws.service.jobs import Given, JobService, parse_action
from uws.service.policy import parse_duration

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_XML = {"xml": "application/xml", "text-xml": "text/xml"}
_LIVE = {"Cache-Control": "no-store", "Vary": NEGOTIATED_BY}
_JOB_CONTROL: tuple[Control, ...] = ("PHASE", "DESTRUCTION", "EXECUTIONDURATION", "RUNID", "ACTION")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobListSettings:
    """How a job list is served.

    `job_type` None makes a list of all types. `dali` makes it a DALI-async resource, which takes no parameters at the
    URL of a job (DALI 1.2 s2.1).
    """

    urls: Urls
    render_error: ErrorRenderer
    limits: ParameterLimits
    job_type: str | None = None
    dali: bool = False


class JobListResource:
    """The handlers of one job list.

    Parameters
    ----------
    service
        The use-cases.
    settings
        How the list is served.
    """

    def __init__(self, service: JobService, settings: JobListSettings) -> None:
        self._service = service
        self._settings = settings
        # Validators of DALI services in use warn of any namespace they do not know, that of the checksums too.
        self._tells_checksums = not settings.dali

    def add_to(self, app: web.Application, path: str) -> None:
        """Add the resources below `path`; every one answers with and without a slash at its end."""
        job = f"{path}/{{job_id}}"
        get: dict[str, Handler] = {
            path: self.list_jobs,
            job: self.show_job,
            f"{job}/phase": self.show_phase,
            f"{job}/executionduration": self.show_duration,
            f"{job}/destruction": self.show_destruction,
            f"{job}/error": self.show_error,
            f"{job}/events": self.show_events,
            f"{job}/quote": self.show_quote,
            f"{job}/owner": self.show_owner,
            f"{job}/results": self.show_results,
            f"{job}/results/{{result_id}}": self.show_result,
            f"{job}/parameters": self.show_parameters,
            f"{job}/parameters/{{name}}": self.show_parameter,
        }
        post: dict[str, Handler] = {
            path: self.create,
            job: self.post_to_job,
            f"{job}/phase": self.set_phase,
            f"{job}/executionduration": self.set_duration,
            f"{job}/destruction": self.set_destruction,
            f"{job}/parameters": self.update_parameters,
        }
        app.on_response_prepare.append(guard)
        for ending in ("", "/"):
            for place, handler in get.items():
                app.router.add_get(place + ending, handler)
            for place, handler in post.items():
                app.router.add_post(place + ending, handler)
            app.router.add_delete(job + ending, self.delete_job)
            app.router.add_put(f"{job}/parameters/{{name}}{ending}", self.put_parameter)

    async def list_jobs(self, request: web.Request) -> web.StreamResponse:
        """List the jobs that the caller may see (UWS 1.1 s2.1.1)."""
        params = await read_parameters(request)
        form, url = _form(request, params), self._list_url(request)
        if form == "html":
            return await self._list_page(request, params, url)
        pages = self._service.pages(parse_filters(params), self._access(request))
        if form == "json":
            return await stream(request, json_list(pages, url), content_type="application/json", headers=_LIVE)
        content_type = f"{_XML.get(form, 'application/xml')}; charset=UTF-8"
        return await stream(request, xml_list(pages, url), content_type=content_type, headers=_LIVE)

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a job, one for each Idempotency-Key, and redirect to it (UWS 1.1 s2.2.3.1)."""
        access = self._access(request)
        fixed = self._settings.job_type
        naming: tuple[Control, ...] = () if fixed else ("JOBTYPE",)
        order = await read_order(request, self._settings.limits, (*CREATION, *naming))
        if fixed is None and "JOBTYPE" not in order.control:
            order = _with_type(order)
        new, key = order.new_job(fixed or order.need("JOBTYPE")), parse_key(request.headers.getall(KEY_HEADER, ()))
        if key is None:
            job_id = (await self._service.create(new, access)).id
        else:
            job_id = await self._service.create_once(new, access, key)
        return _see_other(f"{self._list_url(request)}/{job_id}")

    async def show_job(self, request: web.Request) -> web.StreamResponse:
        """Show a job; WAIT blocks until its phase changes (UWS 1.1 s2.2.1.2)."""
        params = await read_parameters(request)
        form, wish, access = _form(request, params), parse_wait(params), self._access(request)
        job_id = request.match_info["job_id"]
        job = await (self._service.get(job_id, access) if wish is None else self._service.wait(job_id, wish, access))
        url = self._job_url(request)
        document = self._document(job, url)
        match form:
            case "json":
                hints = {"_links": describe.links(job, url), "_actions": describe.actions(job.phase)}
                return _json(json.job_to_json(document) | hints)
            case "html":
                job_type = self._type_of(job)
                return _live(job_page(document, url, name=job_type.title if job_type else job.type))
            case _:
                return _xml(xml.job_to_xml(document), form)

    async def post_to_job(self, request: web.Request) -> web.StreamResponse:
        """Delete, control or, outside DALI lists, change a job (UWS 1.1 s2.2.3.2, DALI 1.2 s2.1)."""
        order = await read_order(request, self._settings.limits, _JOB_CONTROL)
        if "ACTION" in order.control:
            if order.control["ACTION"].strip().upper() != "DELETE":
                raise UsageError("The only ACTION is DELETE.")
            return await self.delete_job(request)
        if not order.control and not order.names_parameters:
            raise UsageError("The request asks for nothing: say ACTION=DELETE, PHASE=RUN or PHASE=ABORT.")
        if order.names_parameters:
            if self._settings.dali:
                raise Forbidden("Parameters of the job are posted to its /parameters.")
            await self._service.update_parameters(*self._target(request), order.given, self._access(request))
        await self._control(request, order)
        return _see_other(self._job_url(request))

    async def delete_job(self, request: web.Request) -> web.StreamResponse:
        """Delete a job and redirect to the list (UWS 1.1 s2.2.3.2)."""
        await self._service.delete(*self._target(request), self._access(request))
        return _see_other(self._list_url(request))

    async def show_phase(self, request: web.Request) -> web.StreamResponse:
        """Show the phase."""
        job = await self._job(request)
        return await _atom(request, "phase", job.phase.value)

    async def set_phase(self, request: web.Request) -> web.StreamResponse:
        """Run or abort the job (UWS 1.1 s2.2.3.5, s2.2.3.6)."""
        return await self._post_control(request, "PHASE")

    async def show_duration(self, request: web.Request) -> web.StreamResponse:
        """Show executionDuration."""
        job = await self._job(request)
        return await _atom(request, "executionDuration", job.execution_duration_s)

    async def set_duration(self, request: web.Request) -> web.StreamResponse:
        """Set executionDuration (UWS 1.1 s2.2.3.4)."""
        return await self._post_control(request, "EXECUTIONDURATION")

    async def show_destruction(self, request: web.Request) -> web.StreamResponse:
        """Show the destruction time."""
        time = (await self._job(request)).destruction
        return await _atom(request, "destruction", None if time is None else format_timestamp(time))

    async def set_destruction(self, request: web.Request) -> web.StreamResponse:
        """Set the destruction time (UWS 1.1 s2.2.3.3)."""
        return await self._post_control(request, "DESTRUCTION")

    async def show_quote(self, request: web.Request) -> web.StreamResponse:
        """Show when the job should be done."""
        time = (await self._job(request)).quote
        return await _atom(request, "quote", None if time is None else format_timestamp(time))

    async def show_owner(self, request: web.Request) -> web.StreamResponse:
        """Show whose job it is (UWS 1.1 s2.1.8)."""
        return await _atom(request, "ownerId", (await self._job(request)).owner)

    async def show_error(self, request: web.Request) -> web.StreamResponse:
        """Show why the job failed, with status 200 (DALI 1.2 s5.2, UWS 1.1 s2.2.2.5)."""
        job = await self._job(request)
        if job.error is None:
            raise NotFound(f"The job is {job.phase} and has no error.")
        response = self._settings.render_error(request, JobError(job.error.message), 200)
        response.headers.update(_LIVE)
        return response

    async def show_events(self, request: web.Request) -> web.StreamResponse:
        """Tell of every change of the job as server-sent events, until it is over."""
        url = self._job_url(request)
        async with aclosing(self._service.follow(*self._target(request), self._access(request))) as news:
            return await send_events(request, news, lambda job: self._document(job, url))

    async def show_results(self, request: web.Request) -> web.StreamResponse:
        """List the results (UWS 1.1 s2.2.2.3)."""
        job, form = await self._job(request), _form(request, await read_parameters(request))
        items = describe.result_items(job, self._job_url(request), checksums=self._tells_checksums)
        if form == "json":
            return _json({"results": list(map(json.result_to_json, items))})
        return _xml(xml.results_to_xml(items), form)

    async def show_result(self, request: web.Request) -> web.StreamResponse:
        """Send a result, which nobody can change (UWS 1.1 s2.1.10, DALI 1.2 s5.1)."""
        job, wanted = await self._job(request), request.match_info["result_id"]
        for result in job.results:
            if result.id == wanted:
                return await serve_file(request, describe.result_file(result, self._service.results.path(result.blob)))
        why = f": {job.error.message}" if job.error else "."  # clients in use ask for nothing else
        raise NotFound(f"The job is {job.phase} and has no result {wanted[:60]!r}{why}")

    async def show_parameters(self, request: web.Request) -> web.StreamResponse:
        """List the parameters (UWS 1.1 s2.2.2.4)."""
        job, form = await self._job(request), _form(request, await read_parameters(request))
        items = describe.parameter_items(job, self._job_url(request))
        if form == "json":
            return _json({"parameters": list(map(json.parameter_to_json, items))})
        return _xml(xml.parameters_to_xml(items), form)

    async def update_parameters(self, request: web.Request) -> web.StreamResponse:
        """Change parameters while the job is PENDING (UWS 1.1 s2.1.11)."""
        order = await read_order(request, self._settings.limits, _JOB_CONTROL)
        if misplaced := sorted(order.control.keys() - {"RUNID"}):
            raise UsageError(f"{misplaced[0]} is no parameter of the job; it has a resource of its own.")
        await self._service.update_parameters(*self._target(request), order.given, self._access(request))
        return _see_other(self._job_url(request))

    async def show_parameter(self, request: web.Request) -> web.StreamResponse:
        """Send the value of a parameter; ``item=2`` asks for the second of several."""
        found = _pick(await self._job(request), request)
        if found.blob is None:
            return web.Response(text=found.value, headers=_LIVE)
        path = self._service.results.path(found.blob)
        media_type = found.media_type or "application/octet-stream"
        return await serve_file(request, ServedFile(path=path, media_type=media_type))

    async def put_parameter(self, request: web.Request) -> web.StreamResponse:
        """Set the value of a parameter to the body, as it is (UWS 1.1 s2.1.11)."""
        name = request.match_info["name"]
        try:
            value = (await request.read()).decode()
        except UnicodeDecodeError as error:
            raise UsageError("The value of a parameter is UTF-8 text.") from error
        given = Given(run_id=value) if upper_name(name) == "RUNID" else Given(parameters=((name, value),))
        await self._service.update_parameters(*self._target(request), given, self._access(request))
        return _see_other(self._job_url(request))

    async def _post_control(self, request: web.Request, name: Control) -> web.StreamResponse:
        order = await read_order(request, self._settings.limits, (name,))
        order.need(name)
        await self._control(request, order)
        return _see_other(self._job_url(request))

    async def _control(self, request: web.Request, order: Order) -> None:
        target, access = self._target(request), self._access(request)
        if (duration := order.control.get("EXECUTIONDURATION")) is not None:
            await self._service.set_duration(*target, parse_duration(duration), access)
        if (destruction := order.control.get("DESTRUCTION")) is not None:
            await self._service.set_destruction(*target, parse_destruction(destruction), access)
        if (action := order.control.get("PHASE")) is not None:
            change = self._service.run if parse_action(action) is Phase.QUEUED else self._service.abort
            await change(*target, access)

    async def _list_page(self, request: web.Request, params: Parameters, url: str) -> web.StreamResponse:
        wish, access = parse_list_form(params), self._access(request)
        jobs = await self._service.list_jobs(wish.filters_and_one, access)
        types_url = None if self._settings.job_type else f"{url.rpartition('/')[0]}/jobtypes"
        hidden = access.caller.anonymous and not self._service.policy.lists_anonymous
        return _live(job_list_page(jobs, wish, url, types_url=types_url, hidden=hidden))

    def _access(self, request: web.Request) -> Access:
        return Access(caller=principal_of(request), job_type=self._settings.job_type)

    async def _job(self, request: web.Request) -> Job:
        return await self._service.get(*self._target(request), self._access(request))

    def _target(self, request: web.Request) -> tuple[str]:
        return (request.match_info["job_id"],)

    def _document(self, job: Job, url: str) -> JobDocument:
        return describe.job_document(job, url, self._type_of(job), checksums=self._tells_checksums)

    def _type_of(self, job: Job) -> JobType | None:
        return self._service.job_types.get(job.type)

    def _list_url(self, request: web.Request) -> str:
        """Return the absolute URL of the list, wherever the application is mounted."""
        resource = request.match_info.route.resource
        canonical = resource.canonical if resource else request.path
        return self._settings.urls.absolute(request, canonical.partition("/{")[0].rstrip("/"))

    def _job_url(self, request: web.Request) -> str:
        return f"{self._list_url(request)}/{quote(request.match_info['job_id'], safe='')}"


class JobError(ServiceError):
    """The error of a job, whose message has its label already."""

    def labelled(self) -> str:
        """Return the message as it is."""
        return self.message


def _with_type(order: Order) -> Order:
    """Take TYPE for the type of the job where JOBTYPE is not given."""
    named = [value for name, value in order.parameters if upper_name(name) == "TYPE"]
    if len(named) != 1:
        raise UsageError("Say once with JOBTYPE which type of job to create; /uws/jobtypes lists them.")
    rest = tuple((name, value) for name, value in order.parameters if upper_name(name) != "TYPE")
    return Order(control={**order.control, "JOBTYPE": named[0]}, parameters=rest, parts=order.parts)


def _form(request: web.Request, params: Parameters, *, atom: bool = False) -> Document:
    return form_of(request, params.single("RESPONSEFORMAT"), atom=atom)


def _pick(job: Job, request: web.Request) -> JobParameter:
    name = request.match_info["name"]
    found = [parameter for parameter in job.parameters if upper_name(parameter.id) == upper_name(name)]
    item = request.query.get("item", "1")
    if not (item.isascii() and item.isdigit()) or not 0 < int(item[:9]) <= len(found):
        raise NotFound(f"The job has no parameter {name[:60]!r}.")
    return found[int(item) - 1]


async def _atom(request: web.Request, name: str, value: str | int | None) -> web.Response:
    if _form(request, await read_parameters(request), atom=True) == "json":
        return _json({name: value})
    return web.Response(text="" if value is None else str(value), headers=_LIVE)


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json", headers=_LIVE)


def _xml(document: bytes, form: Document) -> web.Response:
    media_type = _XML.get(form, "application/xml")
    return web.Response(body=document, content_type=media_type, charset="UTF-8", headers=_LIVE)


def _live(page: web.Response) -> web.Response:
    page.headers.update(_LIVE)
    return page


def _see_other(location: str) -> web.Response:
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})
