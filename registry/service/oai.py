"""The publishing registry: what the deployment offers, and answers to OAI-PMH."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from penstock.ivoid import resource_ivoid
from registry.core.envelope import Envelope, Identity, Page, Stored
from registry.core.oai import (
    SET,
    ErrorCode,
    OaiError,
    Request,
    Selection,
    Verb,
    format_stamp,
    read_prefix,
    read_request,
    read_selection,
)
from registry.core.record import Record
from registry.core.token import Position, decode, encode
from registry.core.voresource import resource_element
from registry.ports import Origin, Records

NAME = "registry"
PAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What a publishing registry is: its names, and the limits of its answers.

    `fixed_url` is the base URL of the host where it is configured, empty where every request says it anew.
    """

    authority: str
    title: str
    admin_email: str
    fixed_url: str = ""
    page_size: int = 100
    token_lifetime_s: int = 86_400


class PublishingRegistry:
    """One publishing registry.

    Parameters
    ----------
    store
        The records.
    repository
        What it is.
    """

    def __init__(self, store: Records, repository: Repository) -> None:
        self._store = store
        self._about = repository
        self._ivoid = resource_ivoid(repository.authority, NAME)

    async def publish(self, origin: Origin, records: Iterable[Record], now: datetime) -> None:
        """Make `records` what the registry publishes of an origin.

        Hosts that share a database and know no fixed URL of their own write the same records, whatever port they
        listen on: paths stand in them instead of URLs.
        """
        elements = {record.ivoid: resource_element(record) for record in records}
        await self._store.publish(origin, elements, format_stamp(now), base_url=self._about.fixed_url)

    async def answer(self, pairs: Iterable[tuple[str, str]], *, base_url: str, host_url: str, now: datetime) -> bytes:
        """Answer an OAI-PMH request, errors included.

        Parameters
        ----------
        pairs
            The arguments as they came.
        base_url
            The address under which the request came.
        host_url
            Of the host, as the request reached it: it is put before paths in records.
        now
            The present instant.
        """
        envelope = Envelope(base_url, format_stamp(now), host_url=host_url)
        echo: Mapping[str, str] = {}
        try:
            request = read_request(pairs)
            echo = {"verb": request.verb, **request.arguments}
            return await self._perform(request, envelope, now)
        except OaiError as error:
            return envelope.error(error, {} if error.code is ErrorCode.BAD_ARGUMENT else echo)

    async def _perform(self, request: Request, envelope: Envelope, now: datetime) -> bytes:
        arguments = request.arguments
        match request.verb:
            case Verb.IDENTIFY:
                return envelope.identify(await self._identity(now))
            case Verb.LIST_METADATA_FORMATS:
                if "identifier" in arguments:
                    await self._get(arguments["identifier"])
                return envelope.formats(arguments)
            case Verb.LIST_SETS:
                if "resumptionToken" in arguments:
                    raise OaiError(ErrorCode.BAD_RESUMPTION_TOKEN, "The list of sets comes whole, without tokens.")
                return envelope.sets()
            case Verb.GET_RECORD:
                prefix = read_prefix(arguments["metadataPrefix"])
                return envelope.record(await self._get(arguments["identifier"]), prefix, arguments)
            case Verb.LIST_RECORDS:
                page, selection = await self._page(request, now)
                # A page of large records takes long enough to write that others would wait for it.
                return await asyncio.to_thread(envelope.records, page, selection.prefix, arguments)
            case Verb.LIST_IDENTIFIERS:
                page, _ = await self._page(request, now)
                return envelope.identifiers(page, arguments)
            case _:
                assert_never(request.verb)

    async def _identity(self, now: datetime) -> Identity:
        return Identity(
            name=f"{self._about.title} registry",
            admin_email=self._about.admin_email,
            earliest=await self._store.earliest() or format_stamp(now),
            registry=await self._get(self._ivoid),
        )

    async def _get(self, ivoid: str) -> Stored:
        stored = await self._store.get(ivoid)
        if stored is None or stored.origin not in set(Origin):
            raise OaiError(ErrorCode.ID_DOES_NOT_EXIST, f"There is no record {ivoid[:200]!r}.")
        return stored

    async def _page(self, request: Request, now: datetime) -> tuple[Page, Selection]:
        token = request.arguments.get("resumptionToken")
        if token is None:
            begun = await self._begin(request, now)
        else:
            begun = decode(token, verb=request.verb, now=format_stamp(now))
        found = await self._store.select(begun.selection, begun.after, self._about.page_size + 1)
        if not found:
            raise OaiError(ErrorCode.BAD_RESUMPTION_TOKEN, "Nothing is left of the list; begin it again.")
        records = _fitting(found[: self._about.page_size])
        more = len(found) > len(records)
        following = replace(
            begun,
            after=(records[-1].updated, records[-1].ivoid),
            cursor=begun.cursor + len(records),
            expires=format_stamp(now + timedelta(seconds=self._about.token_lifetime_s)),
        )
        page = Page(
            records=records,
            cursor=begun.cursor,
            size=begun.size,
            token=encode(following) if more else None if token is None else "",
            expires=following.expires if more else None,
        )
        return page, begun.selection

    async def _begin(self, request: Request, now: datetime) -> Position:
        """Return where a list begins that was asked for without a token."""
        selection = read_selection(request.arguments)
        size = await self._store.count(selection) if selection.set in {None, SET} else 0
        if size == 0:
            raise OaiError(ErrorCode.NO_RECORDS_MATCH, "No record is of that set and those dates.")
        return Position(
            verb=request.verb, selection=selection, after=None, cursor=0, size=size, expires=format_stamp(now)
        )


def _fitting(records: tuple[Stored, ...]) -> tuple[Stored, ...]:
    """Return as many records, at least one, as an answer may hold."""
    left = PAGE_BYTES
    for number, record in enumerate(records):
        left -= len(record.xml)
        if left < 0 and number:
            return records[:number]
    return records
