"""Answers queries on tables of other archives, as the plan says (`tap_proxy.service.Elsewhere`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa

from penstock.dali.errors import ServiceUnavailable
from penstock.dali.params import Part as FilePart
from penstock.votable.datatypes import fields_schema
from penstock.votable.document import Document, Serialization
from penstock.votable.model import Field
from penstock.votable.stream import VOTableWriter
from penstock.votable.upload import UploadLimits
from tap_proxy.adql import Catalogue
from tap_proxy.core.federation.batches import ACCESS_URL, relinked, unbounded
from tap_proxy.core.federation.catalogue import OBSCORE, Federation
from tap_proxy.core.federation.mount import Mount
from tap_proxy.core.federation.plan import Gather, Local, PassThrough, Plan
from tap_proxy.core.federation.planning import plan_query
from tap_proxy.core.request import TapQuery
from tap_proxy.core.uploads import upload_schema
from tap_proxy.ports import Gathered, Part, Relayed, Statement, TapSource, UploadedTable
from tap_proxy.service import LINKS_PATH, LONG_QUERY_LENGTH, Compile, Run
from tap_proxy.settings import TapSettings
from tap_proxy.upstream.answers import Rows, checked
from tap_proxy.upstream.asking import ask
from tap_proxy.upstream.client import Request, UpstreamClient
from tap_proxy.upstream.gathering import Bounds, Gathering, archives, parameters, union_columns
from tap_proxy.upstream.shadows import Attempt, Shadows
from tap_proxy.upstream.union import with_union

_CACHED_PLANS = 512
_CACHED_FORMS = 64
_BEGINNINGS = {"fits": b"SIMPLE", "parquet": b"PAR1"}
_NO_LIMIT = 1 << 62


class Federator:
    """Answers queries on tables of other archives.

    Parameters
    ----------
    federation
        The mounts and their tables.
    compile
        The translator to SQL, bound to them.
    clients
        Who asks the upstreams, by name.
    source
        Our own database, which joins what was fetched.
    shadows
        Where it is kept which jobs of the upstreams work for which of ours.
    settings
        How much is fetched, and where access URLs lead.
    """

    def __init__(
        self,
        *,
        federation: Federation,
        compile: Compile,  # noqa: A002  # the word for it
        clients: Mapping[str, UpstreamClient],
        source: TapSource,
        shadows: Shadows,
        settings: TapSettings,
    ) -> None:
        self._federation = federation
        self._compile = compile
        self._clients = clients
        self._source = source
        self._shadows = shadows
        self._links_url = settings.links_url
        self._bounds = Bounds(
            rows=settings.fetch_max_rows,
            bytes=settings.fetch_max_bytes,
            keys=settings.fetch_max_keys,
            archive_time_limit_s=settings.archive_time_limit_s,
        )
        self._plan_cached = lru_cache(maxsize=_CACHED_PLANS)(lambda text: plan_query(text, federation))
        self._form_cached = lru_cache(maxsize=_CACHED_FORMS)(
            lambda archive, wanted: self._mount(archive).metadata.ability.form_of(wanted)
        )

    def plan(self, text: str, uploads: Sequence[UploadedTable] = ()) -> Plan:
        """Return how a query will be answered; nothing is run.

        Raises
        ------
        UsageError
            The query is wrong.
        """
        if not uploads:
            return self._plan_cached(text)
        schema = upload_schema((table.name, table.fields) for table in uploads)
        catalogue: Catalogue = self._federation.catalogue.extended([schema])
        return plan_query(text, self._federation, catalogue)

    @asynccontextmanager
    async def answer(self, query: TapQuery, statement: Statement, run: Run) -> AsyncIterator[Relayed | Gathered]:
        """Begin to answer a query (`tap_proxy.service.Elsewhere`)."""
        deadline = asyncio.get_running_loop().time() + run.time_limit_s
        if len(query.text) <= LONG_QUERY_LENGTH and not statement.uploads:
            plan = self.plan(query.text)
        else:
            plan = await asyncio.to_thread(self.plan, query.text, statement.uploads)
        match plan:
            case PassThrough():
                async with self._passed(plan, query, statement, run, deadline) as answer:
                    yield answer
            case Gather():
                rows = await self._gathered(plan, query, statement, run, deadline)
                async with aclosing(rows.parts):
                    yield rows
            case Local():
                # What is mounted has changed since the query was translated.
                raise ServiceUnavailable("The tables of other archives have just changed; try again.", retry_after_s=1)

    @asynccontextmanager
    async def _passed(
        self, plan: PassThrough, query: TapQuery, statement: Statement, run: Run, deadline: float
    ) -> AsyncIterator[Relayed | Gathered]:
        client, mount = self._clients[plan.archive], self._mount(plan.archive)
        ability = mount.metadata.ability
        relink = bool(mount.dids_to_links) and any(field.name.lower() == ACCESS_URL for field in statement.fields)
        form = None if relink else self._form_cached(plan.archive, query.format)
        asked = form or ability.quickest()
        parts = await asyncio.to_thread(_contents, query, statement.uploads) if query.uploads else []
        params = parameters(plan.text, asked, query.maxrec, ability.version)
        request = _request(params, query, parts, cacheable=run.cacheable)
        here = None if run.job is None else Attempt(self._shadows, run.job.id, run.job.report)
        async with ask(client, request, deadline=deadline, here=here) as response:
            is_votable = form is None or query.format.serialization is not None
            begins = b"" if is_votable else _BEGINNINGS.get(query.format.key, b"")
            chunks = checked(client, client.chunks(response, deadline=deadline), votable=is_votable, begins=begins)
            async with aclosing(chunks):
                if form is not None:
                    yield Relayed(pieces=chunks)
                else:
                    rows = Rows(client, chunks, _limits())
                    await rows.begin()
                    yield self._reread(rows, mount, run, relink=relink)

    def _reread(self, rows: Rows, mount: Mount, run: Run, *, relink: bool) -> Gathered:
        """Return an answer whose rows are written anew, since the form that is wanted is not the upstream's."""
        prefixes = mount.dids_to_links if relink else ()
        fields = tuple(replace(field, id=None) for field in rows.fields)
        return Gathered(
            fields=tuple(map(unbounded, fields)) if relink else fields,
            parts=_parts(rows, prefixes, self._links(run)),
            infos=((f"archive_{mount.name}", mount.url),),
            has_links=relink,
            missing=lambda: f"{mount.name} left rows out." if rows.overflowed else None,
        )

    async def _gathered(
        self, plan: Gather, query: TapQuery, statement: Statement, run: Run, deadline: float
    ) -> Gathered:
        async def keys_here(text: str) -> AsyncGenerator[pa.RecordBatch, None]:
            most = self._bounds.keys + 1
            found = await asyncio.to_thread(self._compile, text, most, statement.uploads)
            return self._rows_here(found.at(run.base_url), most, deadline)

        gathering = Gathering(
            self._federation, self._clients, self._bounds, links_url=self._links(run), keys_here=keys_here
        )
        await gathering.run(plan, maxrows=query.maxrec + 1, deadline=deadline)
        fetched = gathering.tables()
        union = next((table for table in fetched if table.name == archives(*OBSCORE)), None)
        names = (
            [field.name for field in union.fields[:-1]]
            if union
            else [column.name for column in union_columns(self._federation)]
        )
        sql = with_union(statement.sql, self._source.dialect, self._federation.here, names, union)
        whole = replace(statement, sql=sql, uploads=(*statement.uploads, *fetched)).at(run.base_url)
        left_s = max(0.001, deadline - asyncio.get_running_loop().time())
        return Gathered(
            fields=tuple(map(unbounded, statement.fields)),
            parts=self._source.open(whole, maxrows=query.maxrec + 1, time_limit_s=left_s),
            infos=gathering.infos(plan),
            missing=gathering.missing,
        )

    async def _rows_here(
        self, statement: Statement, most: int, deadline: float
    ) -> AsyncGenerator[pa.RecordBatch, None]:
        left_s = max(0.001, deadline - asyncio.get_running_loop().time())
        async with aclosing(self._source.open(statement, maxrows=most, time_limit_s=left_s)) as parts:
            async for part in parts:
                yield part.rows

    def _mount(self, name: str) -> Mount:
        return next(mount for mount in self._federation.mounts if mount.name == name)

    def _links(self, run: Run) -> str:
        return self._links_url or run.base_url + LINKS_PATH


async def _parts(rows: Rows, prefixes: Sequence[str], links_url: str) -> AsyncGenerator[Part, None]:
    """Yield the rows of an answer, the last part marked as such."""
    waiting: pa.RecordBatch | None = None
    names = [field.name for field in rows.fields]
    async with aclosing(rows.batches()) as batches:
        async for batch in batches:
            if waiting is not None:
                yield Part(waiting, last=False)
            waiting = relinked(batch, names, prefixes, links_url)
    yield Part(_none(rows.fields) if waiting is None else waiting, last=True)


def _none(fields: Sequence[Field]) -> pa.RecordBatch:
    schema = fields_schema(tuple(fields))
    return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)


def _limits() -> UploadLimits:
    """Return limits for rows that are passed on and not kept: of one value only."""
    return UploadLimits(max_bytes=_NO_LIMIT, max_rows=_NO_LIMIT, max_columns=5000)


def _request(params: Mapping[str, str], query: TapQuery, parts: Sequence[FilePart], *, cacheable: bool) -> Request:
    more: dict[str, str] = {}
    if query.runid is not None:
        more["RUNID"] = query.runid
    if parts:
        more["UPLOAD"] = ";".join(f"{part.name},param:{part.name}" for part in parts)
    return Request(params={**params, **more}, parts=parts, cacheable=cacheable)


def _contents(query: TapQuery, uploads: Sequence[UploadedTable]) -> list[FilePart]:
    """Return the tables that came with a query, to be sent along: as they came, or, from a URL, as they were read."""
    parts = []
    for order, table in zip(query.uploads, uploads, strict=True):
        if isinstance(order.source, FilePart):
            parts.append(replace(order.source, name=order.name))
        else:
            content = _document(table)
            parts.append(FilePart(name=order.name, content=content, size_bytes=len(content)))
    return parts


def _document(table: UploadedTable) -> bytes:
    writer = VOTableWriter(Document(fields=table.fields), Serialization.BINARY2)
    return b"".join([writer.begin(), *map(writer.rows, table.batches), writer.end()])
