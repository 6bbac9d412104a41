"""The use-cases of DataLink: the links of many IDs in one call, and where the bytes of one file are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from datalink.core.access import Access
from datalink.core.faults import Fault, fault_of
from datalink.core.known import Known
from datalink.core.links import Addresses, Link, failed
from datalink.core.nearest import Hint, Nearness
from datalink.core.replicas import Delivery, usable, why_not
from datalink.core.rows import Members, RowMaker
from datalink.core.services import Offers
from datalink.facts import Facts
from datalink.settings import DataLinkSettings
from penstock.auth.principal import Principal, refusal
from penstock.dali.errors import Forbidden, NotFound, ServiceError, ServiceUnavailable, TooLarge, UsageError
from penstock.ivoid import lake_did
from penstock.lake.port import Did, DidType, Entry, Medium, Replica
from penstock.votable.document import ServiceDescriptor

T = TypeVar("T")
RETRY_AFTER_S = 10
AT_ONCE = 1000
"""How many IDs are asked about in one question: what becomes of one question spoils no other."""
OWN_CUTOUTS = 50
"""How many files of one answer have a descriptor of cut-outs with their own limits: each takes 2.5 kB."""


NO_OFFERS = Offers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request's circumstances: who asks and when, from where, and under which addresses.

    `network_site` is the site near the network that the request comes from, if the deployment knows; it counts where
    the caller gives no hint. `page` is that of the members of a dataset or container.
    """

    principal: Principal
    now: datetime
    hint: Hint
    addresses: Addresses
    offers: Offers = NO_OFFERS
    network_site: str | None = None
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The rows of one ID, and the descriptors to which they are the first to refer."""

    links: tuple[Link, ...]
    services: tuple[ServiceDescriptor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that the caller may read, and its replicas that can be had now, the best first.

    `public` tells whether everybody may.
    """

    entry: Entry
    replicas: tuple[Replica, ...]
    public: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The files of a dataset or container, and those that cannot be given, with the reason."""

    files: Sequence[Found]
    left_out: Sequence[tuple[Did, str]]


class Patience:
    """How long one request waits for the lake in all; the time that a slow client takes does not count.

    Parameters
    ----------
    seconds
        The whole of it.
    """

    def __init__(self, seconds: float) -> None:
        self._whole_s = seconds
        self._left_s = seconds

    @asynccontextmanager
    async def spent(self) -> AsyncIterator[None]:
        """Wait for the lake within the block.

        Raises
        ------
        ServiceUnavailable
            The time is used up.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                yield
        except TimeoutError as error:
            raise self._used_up() from error
        finally:
            self._left_s -= loop.time() - started

    async def all_of(self, questions: Iterable[Coroutine[Any, Any, T]]) -> list[T | ServiceUnavailable]:
        """Ask all at once; in place of an answer that does not come in time stands the reason."""
        loop = asyncio.get_running_loop()
        started, tasks = loop.time(), [loop.create_task(question) for question in questions]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._left_s)
        finally:
            self._left_s -= loop.time() - started
            for task in tasks:
                task.cancel()
        answers: list[T | ServiceUnavailable] = []
        for answer in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(answer, asyncio.CancelledError):
                answers.append(self._used_up())
            elif isinstance(answer, BaseException) and not isinstance(answer, ServiceUnavailable):
                raise answer
            else:
                answers.append(answer)
        return answers

    def _used_up(self) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"The data lake did not answer within {self._whole_s:g} s.", retry_after_s=RETRY_AFTER_S
        )


class LinkService:
    """Answers for one lake.

    Parameters
    ----------
    facts
        What the lake and ObsCore know.
    settings
        Limits and deadline.
    authority
        The naming authority of the deployment's publisher DIDs.
    sign_in
        Whether an anonymous caller could say who they are.
    """

    def __init__(self, facts: Facts, settings: DataLinkSettings, authority: str, *, sign_in: bool = False) -> None:
        self._facts = facts
        self._settings = settings
        self._authority = authority
        self._sign_in = sign_in

    def within_limit(self, identifiers: Iterable[str]) -> tuple[tuple[str, ...], bool]:
        """Return each ID once, in order, up to the limit; and whether there were more (DataLink 1.1 s2.1.1)."""
        unique = tuple(dict.fromkeys(identifiers))
        return unique[: self._settings.max_ids], len(unique) > self._settings.max_ids

    async def links(self, identifiers: Sequence[str], caller: Caller) -> AsyncIterator[Answered]:
        """Yield all rows of each ID, in the order of the IDs; an ID that fails has a row that says why.

        Raises
        ------
        UsageError
            The hint names an unknown site.
        """
        dids = {identifier: self._read(identifier) for identifier in identifiers}
        wanted = dict.fromkeys(did for did in dids.values() if isinstance(did, Did))
        patience = Patience(self._settings.deadline_s)
        try:
            maker = await self._maker(caller, patience)
        except ServiceUnavailable as error:
            for identifier, did in dids.items():
                yield _failed(identifier, did if isinstance(did, ServiceError) else error)
            return
        found = await self._resolve_many(tuple(wanted), caller.principal, patience)
        for identifier, did in dids.items():
            known = did if isinstance(did, ServiceError) else found.get(did)
            if known is None:
                yield _failed(identifier, NotFound(f"the lake knows no {did}"))
            elif isinstance(known, ServiceError):
                yield _failed(identifier, known)
            elif known.entry.type is DidType.FILE:
                yield Answered(links=maker.of_file(identifier, known), services=maker.new_services())
            else:
                yield await self._of_collection(identifier, known, maker=maker, caller=caller, patience=patience)

    async def find(self, did: Did, caller: Caller) -> Found:
        """Return a file and its replicas that can be had now, the best first.

        Raises
        ------
        NotFound
            The lake does not know the file, or no site holds a replica.
        Forbidden, AuthenticationRequired
            It is under embargo for this caller.
        ServiceUnavailable
            The lake does not answer in time, or no replica can be read over HTTP now.
        """
        known, replicas = await self._file(did, caller)
        found = usable(replicas, self._settings.delivery)
        if not found:
            fault, text = why_not(known.entry)
            raise NotFound(f"{text}.") if fault is Fault.NOT_FOUND else ServiceUnavailable(f"{text}.")
        return Found(entry=known.entry, replicas=found, public=not self._access(caller).embargoed(known))

    async def replica(self, site: str, did: Did, caller: Caller) -> tuple[Entry, Replica]:
        """Return a file and its replica at a site, which this process can read (see `find` for more errors).

        Raises
        ------
        NotFound
            The site holds none that this service hands out.
        ServiceUnavailable
            It cannot be read now.
        """
        known, replicas = await self._file(did, caller)
        replica = next((one for one in replicas if one.site == site and one.path is not None), None)
        if replica is None:
            raise NotFound(f"There is no replica of {did} to be had here for the site {site[:80]}.")
        if not replica.online:
            raise ServiceUnavailable(f"The replica of {did} at {site} cannot be read now.")
        return known.entry, replica

    async def collection(self, did: Did, caller: Caller) -> Collected:
        """Return all files below a dataset or container, each once, though containers may hold each other.

        Raises
        ------
        NotFound
            The lake does not know it, or it is a file.
        TooLarge
            It has more files than go into one package.
        ServiceUnavailable
            The lake does not answer in time.
        """
        patience = Patience(self._settings.deadline_s)
        nearness = await self._nearness(caller, patience)
        first = (await self._resolve([did], caller.principal, patience)).get(did)
        if first is None or first.entry.type is DidType.FILE:
            raise NotFound(f"{did} is no dataset or container of this lake.")
        files: list[Found] = []
        left_out: list[tuple[Did, str]] = []
        seen, waiting = {did}, deque([did])
        while waiting:
            members = await self._all_members(waiting.popleft(), caller, patience)
            new = [member for member in dict.fromkeys(members) if member not in seen]
            seen.update(new)
            if len(seen) > self._settings.max_package_files:
                raise TooLarge(f"{did} has more than {self._settings.max_package_files} members.")
            found = await self._resolve(new, caller.principal, patience)
            for member in new:
                known = found.get(member)
                if known is not None and known.entry.type is not DidType.FILE:
                    waiting.append(member)
                elif reason := self._why_left_out(known, caller):
                    left_out.append((member, reason))
                elif known is not None:
                    replicas = usable(nearness.order(known.entry.replicas), Delivery.PROXY)
                    files.append(Found(entry=known.entry, replicas=replicas))
        return Collected(files=files, left_out=left_out)

    async def problem(self) -> str | None:
        """Say what keeps the service from its work, None where nothing does."""
        try:
            async with Patience(self._settings.deadline_s).spent():
                await self._facts.sites()
        except ServiceUnavailable as error:
            return error.message
        return None

    def _access(self, caller: Caller) -> Access:
        return Access(caller=caller.principal, now=caller.now, early=self._settings.early_access)

    def _read(self, identifier: str) -> Did | UsageError:
        try:
            return lake_did(self._authority, identifier)
        except UsageError as error:
            return error

    async def _maker(self, caller: Caller, patience: Patience) -> RowMaker:
        nearness = await self._nearness(caller, patience)
        offers = caller.offers
        if offers.jobs is not None:
            async with patience.spent():
                sites = await self._facts.sites()
            offers = replace(offers, sites=tuple(site.name for site in sites if site.medium is Medium.DISK))
        return RowMaker(
            addresses=caller.addresses,
            nearness=nearness,
            access=self._access(caller),
            offers=offers,
            delivery=self._settings.delivery,
            own_cutouts=OWN_CUTOUTS,
        )

    async def _nearness(self, caller: Caller, patience: Patience) -> Nearness:
        if not caller.hint and caller.network_site is None:
            return Nearness(caller.hint)
        async with patience.spent():
            sites = await self._facts.sites()
            hint, names = caller.hint, {site.name for site in sites}
            if not hint and caller.network_site in names:
                hint = Hint(site=caller.network_site)
            ranks = await self._facts.distances(hint.site) if hint.site in names else {}
        return Nearness(hint, sites, ranks)

    async def _resolve(self, dids: Sequence[Did], principal: Principal, patience: Patience) -> Mapping[Did, Known]:
        if not dids:
            return {}
        async with patience.spent():
            return await self._facts.resolve(dids, principal)

    async def _resolve_many(
        self, dids: Sequence[Did], principal: Principal, patience: Patience
    ) -> Mapping[Did, Known | ServiceUnavailable]:
        """Return what is known of each DID, or why nobody can say now; those that the lake does not know are absent."""
        parts = [dids[start : start + AT_ONCE] for start in range(0, len(dids), AT_ONCE)]
        found: dict[Did, Known | ServiceUnavailable] = {}
        answers = await patience.all_of(self._facts.resolve(part, principal) for part in parts)
        for part, answer in zip(parts, answers, strict=True):
            found |= dict.fromkeys(part, answer) if isinstance(answer, ServiceUnavailable) else answer
        return found

    async def _file(self, did: Did, caller: Caller) -> tuple[Known, tuple[Replica, ...]]:
        patience = Patience(self._settings.deadline_s)
        nearness = await self._nearness(caller, patience)
        known = (await self._resolve([did], caller.principal, patience)).get(did)
        if known is None:
            raise NotFound(f"The lake knows no {did}.")
        if known.entry.type is not DidType.FILE:
            kind = known.entry.type.lower()
            raise NotFound(f"{did} is a {kind}, not a file: {caller.addresses.links_of(did)} lists it.")
        if not self._access(caller).may_read(known):
            message = f"{did} is under embargo until {known.public_from:%Y-%m-%dT%H:%M:%SZ}."
            raise refusal(caller.principal, message) if self._sign_in else Forbidden(message)
        return known, nearness.order(known.entry.replicas)

    def _why_left_out(self, known: Known | None, caller: Caller) -> str | None:
        """Say why a file does not go into a package, None where it does."""
        if known is None:
            return "the lake does not know it"
        if not self._access(caller).may_read(known):
            return "it is under embargo"
        if not usable(known.entry.replicas, Delivery.PROXY):
            return why_not(known.entry)[1]
        return None if known.entry.size_bytes is not None else "its size is not known"

    async def _of_collection(
        self, identifier: str, known: Known, *, maker: RowMaker, caller: Caller, patience: Patience
    ) -> Answered:
        try:
            members = await self._page(known.entry.did, caller, patience)
        except ServiceError as error:
            return _failed(identifier, error)
        links = maker.of_collection(identifier, known, members)
        return Answered(links=links, services=maker.new_services())

    async def _page(self, did: Did, caller: Caller, patience: Patience) -> Members:
        start = (caller.page - 1) * self._settings.max_members
        stop = start + self._settings.max_members
        dids: list[Did] = []
        number = 0
        async with patience.spent():
            async for member in self._facts.content(did, caller=caller.principal):
                if number == stop:
                    return Members(dids=dids, page=caller.page, last=False)
                if number >= start:
                    dids.append(member.did)
                number += 1
        return Members(dids=dids, page=caller.page)

    async def _all_members(self, did: Did, caller: Caller, patience: Patience) -> list[Did]:
        members: list[Did] = []
        async with patience.spent():
            async for member in self._facts.content(did, caller=caller.principal):
                members.append(member.did)
                if len(members) > self._settings.max_package_files:
                    raise TooLarge(f"{did} has more than {self._settings.max_package_files} members.")
        return members


def _failed(identifier: str, error: ServiceError) -> Answered:
    return Answered(links=(failed(identifier, fault_of(error), error.message),))
