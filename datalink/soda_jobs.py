"""SODA as a job: every combination of values is a result with a file of its own (SODA 1.0 s6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from datalink.core.links import Addresses
from datalink.core.nearest import Hint
from datalink.core.soda import MEDIA_TYPE, STOKES, Cut, CutRequest, read_request
from datalink.core.soda_description import FILTERS
from datalink.cutouts import Cutouts, Made, Source
from datalink.service import Caller
from datalink.settings import SodaSettings
from penstock.basket.app import open_baskets
from penstock.basket.model import MAX_LABEL, Kind, NewItem
from penstock.basket.service import Baskets
from penstock.dali.errors import ServiceError, UsageError
from penstock.service import Resources
from penstock.votable.document import Param
from uws.ports import JobContext, JobType, ParameterSpec, ParameterType, ResultSpec

NAME = "soda.cutout"
RESULT = "cutout"
_CHUNK_BYTES = 2**20
_TEXT = "text/plain; charset=UTF-8"

OpenCutouts = Callable[[Resources], AbstractAsyncContextManager[Cutouts]]
"""Gives the use-cases of SODA while a job lasts."""


def _filter(param: Param) -> ParameterSpec:
    """Return a filter as jobs take it: as often as there are cut-outs, with no limits of one file."""
    return ParameterSpec(
        name=param.name,
        type=_TYPES.get(param.xtype, "string"),
        description=param.description or "",
        multiple=True,
        options=tuple(STOKES) if param.name == "POL" else (),
        unit=param.unit,
        ucd=param.ucd,
    )


_TYPES: Mapping[str | None, ParameterType] = {"circle": "circle", "polygon": "polygon", "interval": "interval"}
_PARAMETERS = (
    ParameterSpec(
        name="ID",
        description="scope:name or publisher DID of a file; basket:NAME stands for all files in a basket",
        required=True,
        multiple=True,
        ucd="meta.ref.url;meta.curation",
    ),
    *map(_filter, FILTERS),
    ParameterSpec(name="BASKET", description="Name of a basket into which the results are put, too"),
    ParameterSpec(name="RESPONSEFORMAT", description=f"{MEDIA_TYPE}, the only form of cut-outs"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A job, and what it works with."""

    context: JobContext
    cutouts: Cutouts
    settings: SodaSettings
    caller: Caller


def soda_job(open_cutouts: OpenCutouts, *, path: str, links_path: str) -> JobType:
    """Return the job type of cut-outs; `path` is where the host mounts SODA, `links_path` the links of DataLink."""

    async def run(context: JobContext) -> None:
        # Parameters are checked here and not before: the error document is then SODA's own (SODA 1.0 s5.2).
        resources = await context.resources()
        settings = resources.settings.section(SodaSettings)
        baskets = open_baskets(resources.settings, resources.db, resources.clock)
        request = await _request(context, resources, baskets, most=settings.max_cutouts)
        basket = await baskets.for_results(context.owner, context.parameters)
        base = resources.settings.own_url
        async with open_cutouts(resources) as cutouts:
            caller = Caller(
                principal=context.owner,
                now=resources.clock(),
                hint=Hint(),
                addresses=Addresses(f"{base}{links_path}"),
            )
            made = await _run(_Task(context=context, cutouts=cutouts, settings=settings, caller=caller), request)
        if basket is not None and made:
            results = f"{base}{path}/async/{context.job_id}/results"
            await baskets.add(context.owner, basket, [_item(context, f"{results}/{name}", one) for name, one in made])

    return JobType(
        name=NAME,
        version="1.0",
        title="SODA cut-outs",
        description="Cuts parts out of images and cubes; every combination of values is a result (SODA 1.0).",
        run=run,
        parameters=_PARAMETERS,
        results=(
            ResultSpec(
                id=RESULT,
                media_types=(MEDIA_TYPE, _TEXT),
                description="A cut-out, or a text that says why there is none",
                multiple=True,
            ),
        ),
        validate_at_creation=False,
    )


async def _request(context: JobContext, resources: Resources, baskets: Baskets, *, most: int) -> CutRequest:
    request = read_request(context.parameters, most=most)
    ids = await baskets.expand(context.owner, request.ids, base_url=resources.settings.own_url)
    if len(ids) * len(request.cuts) > most:
        raise UsageError(f"The baskets hold {len(ids)} files: at most {most} cut-outs are made at once.")
    return CutRequest(ids=tuple(ids), cuts=request.cuts)


async def _run(task: _Task, request: CutRequest) -> list[tuple[str, Made]]:
    """Make every cut-out; return those that could be made, with their ids.

    Raises
    ------
    ServiceError
        Nothing but errors came of it: the first of them.
    """
    total, number = len(request.ids) * len(request.cuts), 0
    made: list[tuple[str, Made]] = []
    errors: list[ServiceError] = []
    async with aclosing(_outcomes(task, request)) as outcomes:
        async for identifier, cut, outcome in outcomes:
            number += 1
            result_id = f"{RESULT}-{number}"
            match outcome:
                case Made():
                    await _copy(task.context, result_id, outcome)
                    made.append((result_id, outcome))
                case ServiceError():
                    errors.append(outcome)
                    await _tell(task.context, result_id, outcome)
                case None:
                    await _tell(task.context, result_id, UsageError(f"{identifier} has no pixel in {cut}."))
            await task.context.progress(number / total, f"{number} of {total} cut-outs")
    if len(errors) == total:
        raise errors[0]
    return made


async def _outcomes(task: _Task, request: CutRequest) -> AsyncGenerator[tuple[str, Cut, Made | ServiceError | None]]:
    """Yield what comes of each combination; a file is found, and fetched where it must be, once."""
    for identifier in request.ids:
        told = 0
        try:
            async with task.cutouts.source(identifier, task.caller) as source:
                for cut in request.cuts:
                    outcome = await _outcome(task, source, cut)
                    told += 1
                    yield identifier, cut, outcome
        except ServiceError as error:
            for cut in request.cuts[told:]:
                yield identifier, cut, error


async def _outcome(task: _Task, source: Source, cut: Cut) -> Made | ServiceError | None:
    try:
        return await task.cutouts.cut(source, cut, time_limit_s=task.settings.job_time_limit_s)
    except ServiceError as error:
        return error


async def _copy(context: JobContext, result_id: str, made: Made) -> None:
    async with context.result(result_id, made.media_type) as result:
        with made.path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                await result.write(chunk)


async def _tell(context: JobContext, result_id: str, error: ServiceError) -> None:
    async with context.result(result_id, _TEXT) as result:
        await result.write(f"{error.labelled()}\n".encode())


def _item(context: JobContext, url: str, made: Made) -> NewItem:
    label = made.filename[:MAX_LABEL]
    return NewItem(reference=url, kind=Kind.RESULT, label=label, media_type=made.media_type, job=context.job_id)
