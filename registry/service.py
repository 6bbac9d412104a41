"""The use-cases of the registry: publish what the deployment offers, and answer OAI-PMH."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from penstock.ivoid import resource_ivoid
from penstock.service import Description
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
from registry.core.record import AUTHORITY_TYPE, REGISTRY_TYPE, Curation, Record
from registry.core.token import Position, decode, encode
from registry.core.voresource import resource_element
from registry.ports import Records
from registry.settings import RegistrySettings

NAME = "registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A service: its name, where it is (no slash at the end), and what it says of itself."""

    name: str
    base_url: str
    description: Description


def curation_of(settings: RegistrySettings, authority: str) -> Curation:
    """Return who answers for the records."""
    return Curation(
        title=settings.title,
        publisher=settings.publisher,
        contact_name=settings.contact_name,
        contact_email=settings.contact_email or f"postmaster@{authority}",
    )


def records_of(authority: str, base_url: str, services: Iterable[Described], title: str) -> tuple[Record, ...]:
    """Return the records of a deployment: the authority, then each service.

    A registry must publish the authority that it manages, and itself (RegistryInterface 1.1 s3.1.4).

    Parameters
    ----------
    authority
        The naming authority.
    base_url
        Of the host, where people find a page.
    services
        The services, the registry itself among them.
    title
        The name of the deployment, with which titles begin.
    """
    authority_record = Record(
        ivoid=f"ivo://{authority}",
        type=AUTHORITY_TYPE,
        title=f"{title} naming authority",
        text=f"The naming authority of {title}: identifiers that begin with ivo://{authority}.",
        subjects=("virtual-observatories",),
        reference_url=f"{base_url}/",
    )
    return (authority_record, *(_record_of(authority, service, title) for service in services))


def _record_of(authority: str, service: Described, title: str) -> Record:
    description = service.description
    is_registry = description.resource_type == REGISTRY_TYPE
    return Record(
        ivoid=resource_ivoid(authority, service.name),
        type=description.resource_type,
        title=f"{title} {description.title}",
        short_name=service.name[:16],
        text=description.text,
        subjects=description.subjects,
        reference_url=f"{service.base_url}/",
        content_type="Registry" if is_registry else "Other",
        capabilities=description.capabilities,
        tables=description.tables,
        managed_authorities=(authority,) if is_registry else (),
    )


class RegistryService:
    """One publishing registry.

    Parameters
    ----------
    store
        The records.
    settings
        Curation and limits.
    authority
        The naming authority that the registry manages.
    own_url
        The base URL of the host that the records name.
    """

    def __init__(self, store: Records, settings: RegistrySettings, authority: str, *, own_url: str) -> None:
        self._store = store
        self._own_url = own_url
        self._settings = settings
        self._curation = curation_of(settings, authority)
        self._ivoid = resource_ivoid(authority, NAME)

    async def publish(self, records: Iterable[Record], now: datetime) -> None:
        """Make `records` what the registry publishes."""
        elements = {record.ivoid: resource_element(record, self._curation) for record in records}
        await self._store.publish(elements, format_stamp(now))

    async def answer(self, pairs: Iterable[tuple[str, str]], *, base_url: str, host_url: str, now: datetime) -> bytes:
        """Answer an OAI-PMH request, errors included.

        Parameters
        ----------
        pairs
            The arguments as they came.
        base_url
            The address under which the request came.
        host_url
            Of the host, as the request reached it: records name it in place of its own, as Identify does.
        now
            The present instant.
        """
        envelope = Envelope(base_url, format_stamp(now), moved=(self._own_url, host_url))
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
                return envelope.records(page, selection.prefix, arguments)
            case Verb.LIST_IDENTIFIERS:
                page, _ = await self._page(request, now)
                return envelope.identifiers(page, arguments)
            case _:
                assert_never(request.verb)

    async def _identity(self, now: datetime) -> Identity:
        return Identity(
            name=f"{self._curation.title} registry",
            admin_email=self._curation.contact_email,
            earliest=await self._store.earliest() or format_stamp(now),
            registry=await self._get(self._ivoid),
        )

    async def _get(self, ivoid: str) -> Stored:
        stored = await self._store.get(ivoid)
        if stored is None:
            raise OaiError(ErrorCode.ID_DOES_NOT_EXIST, f"There is no record {ivoid[:200]!r}.")
        return stored

    async def _page(self, request: Request, now: datetime) -> tuple[Page, Selection]:
        token = request.arguments.get("resumptionToken")
        if token is None:
            begun = await self._begin(request, now)
        else:
            begun = decode(token, verb=request.verb, now=format_stamp(now))
        found = await self._store.select(begun.selection, begun.after, self._settings.page_size + 1)
        if not found:
            raise OaiError(ErrorCode.BAD_RESUMPTION_TOKEN, "Nothing is left of the list; begin it again.")
        records = found[: self._settings.page_size]
        more = len(found) > len(records)
        following = replace(
            begun,
            after=(records[-1].updated, records[-1].ivoid),
            cursor=begun.cursor + len(records),
            expires=format_stamp(now + timedelta(seconds=self._settings.token_lifetime_s)),
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
