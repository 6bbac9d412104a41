"""A query as a UWS job: the same service, its result written to a file (TAP 1.1 s2.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pyarrow

from penstock.basket.app import open_baskets
from penstock.basket.model import MAX_LABEL, Kind, NewItem
from penstock.service import Resources
from tap_proxy.adql import parse
from tap_proxy.core.formats import TAP_FORMATS
from tap_proxy.core.request import LANGUAGES, TapQuery, read_query
from tap_proxy.service import OfJob, Run, TapService
from uws.app import longest_duration_s
from uws.ports import JobContext, JobType, ParameterSpec, ResultSpec

Engine = Callable[[Resources], Awaitable[TapService]]
"""Gives the process's one `TapService`."""

RESULT_ID = "result"
LONGEST_QUERY_S = 20 * 86400.0  # about what databases can count; executionDuration ends a job before

_PARAMETERS = (
    ParameterSpec(name="LANG", description="Language of the query", required=True, options=LANGUAGES),
    ParameterSpec(name="QUERY", description="The query", required=True),
    ParameterSpec(name="RESPONSEFORMAT", description="Form of the result, by its short name or media type"),
    ParameterSpec(name="FORMAT", description="Another name of RESPONSEFORMAT"),
    ParameterSpec(name="MAXREC", type="integer", description="Most rows of the result", minimum=0),
    ParameterSpec(
        name="UPLOAD",
        description="Tables that come with the query, as name,URI; basket:NAME is a table of what is in a basket",
        multiple=True,
    ),
    ParameterSpec(name="BASKET", description="Name of a basket into which the result is put, too"),
    ParameterSpec(name="RUNID", description="A word of the caller's, kept with the job"),
)


def query_job(engine: Engine, *, path: str) -> JobType:
    """Return the job type of a TAP query; `path` is where the host mounts TAP."""

    async def warm_up(resources: Resources) -> None:
        await (await engine(resources)).source.rest()

    async def run(context: JobContext) -> None:
        # Parameters are checked here and not before (TAP 1.1 s2.7).
        resources = await context.resources()
        service = await engine(resources)
        await service.look_again()  # the engine may be that of an earlier job
        query = read_query(context.parameters, formats=TAP_FORMATS, limits=service.limits)
        baskets = open_baskets(resources.settings, resources.db, resources.clock)
        basket = await baskets.for_results(context.owner, context.parameters)
        limits = Run(
            now=resources.clock(),
            base_url=resources.settings.own_url,
            time_limit_s=min(longest_duration_s(resources.settings) or LONGEST_QUERY_S, LONGEST_QUERY_S),
            caller=context.owner,
            tell_failure=False,
            job=OfJob(id=context.job_id, report=lambda text: context.progress(message=text)),
        )
        async with aclosing(service.answer(query, limits)) as pieces:
            # The result is opened when the query is known to be right.
            first = await anext(pieces)
            async with context.result(RESULT_ID, query.format.media_type) as result:
                await result.write(first)
                async for piece in pieces:
                    await result.write(piece)
        if basket is not None:
            url = f"{resources.settings.own_url}{path}/async/{context.job_id}/results/{RESULT_ID}"
            await baskets.add(context.owner, basket, [_item(context, url, query)])

    return JobType(
        name="query.tap",
        version="1.1",
        title="TAP query",
        description="An ADQL query on the tables of the TAP service (TAP 1.1).",
        run=run,
        parameters=_PARAMETERS,
        results=(ResultSpec(id=RESULT_ID, description="The rows"),),
        validate_at_creation=False,
        prepare=_prepare,
        warm_up=warm_up,
    )


def _prepare() -> None:
    parse("SELECT 1 AS one FROM any_table")  # the first query builds the parser
    pyarrow.enable_signal_handlers(False)  # theirs would leave a pipe open after the first large result


def _item(context: JobContext, url: str, query: TapQuery) -> NewItem:
    label = " ".join(query.text.split())[:MAX_LABEL]
    return NewItem(reference=url, kind=Kind.TAP, label=label, media_type=query.format.media_type, job=context.job_id)
