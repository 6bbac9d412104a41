"""The use-cases of DataLink: the links of many IDs in one call, and where the bytes of one file are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from datalink.core.faults import Fault, fault_of
from datalink.core.links import (
    Addresses,
    Link,
    best,
    failed,
    links_of_collection,
    links_of_file,
    may_read,
    why_not,
)
from datalink.core.nearest import Hint, Nearness
from datalink.settings import DataLinkSettings
from penstock.auth.principal import Principal
from penstock.dali.errors import Forbidden, NotFound, ServiceError, ServiceUnavailable, UsageError
from penstock.ivoid import lake_did
from penstock.lake.port import DataLake, Did, DidType, Entry, Replica

RETRY_AFTER_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request's circumstances: who asks, when, from where, and under which addresses."""

    principal: Principal
    now: datetime
    hint: Hint
    addresses: Addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that the caller may read, and its replicas, the best first."""

    entry: Entry
    replicas: tuple[Replica, ...]


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
            raise ServiceUnavailable(
                f"The data lake did not answer within {self._whole_s:g} s.", retry_after_s=RETRY_AFTER_S
            ) from error
        finally:
            self._left_s -= loop.time() - started


class LinkService:
    """Answers for one lake.

    Parameters
    ----------
    lake
        The lake.
    settings
        Limits and deadline.
    authority
        The naming authority of the deployment's publisher DIDs.
    """

    def __init__(self, lake: DataLake, settings: DataLinkSettings, authority: str) -> None:
        self._lake = lake
        self._settings = settings
        self._authority = authority

    def within_limit(self, identifiers: Iterable[str]) -> tuple[tuple[str, ...], bool]:
        """Return each ID once, in order, up to the limit; and whether there were more (DataLink 1.1 s2.1.1)."""
        unique = tuple(dict.fromkeys(identifiers))
        return unique[: self._settings.max_ids], len(unique) > self._settings.max_ids

    async def links(self, identifiers: Sequence[str], caller: Caller) -> AsyncIterator[tuple[Link, ...]]:
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
            nearness = await self._nearness(caller.hint, patience)
            entries = await self._resolve(tuple(wanted), caller.principal, patience)
        except ServiceUnavailable as error:
            for identifier, did in dids.items():
                yield (self._failed(identifier, did if isinstance(did, ServiceError) else error),)
            return
        for identifier, did in dids.items():
            if isinstance(did, ServiceError):
                yield (self._failed(identifier, did),)
            elif (entry := entries.get(did)) is None:
                yield (failed(identifier, Fault.NOT_FOUND, f"the lake knows no {did}"),)
            else:
                yield await self._links_of(identifier, entry, nearness=nearness, caller=caller, patience=patience)

    async def find(self, did: Did, caller: Caller) -> Found:
        """Return a file and its replicas, the best first.

        Raises
        ------
        NotFound
            The lake does not know the file.
        Forbidden
            It is under embargo for this caller.
        ServiceUnavailable
            The lake does not answer in time.
        """
        patience = Patience(self._settings.deadline_s)
        nearness = await self._nearness(caller.hint, patience)
        entry = (await self._resolve([did], caller.principal, patience)).get(did)
        if entry is None:
            raise NotFound(f"The lake knows no {did}.")
        if entry.type is not DidType.FILE:
            raise NotFound(f"{did} is a {entry.type.lower()}, not a file: {caller.addresses.links_of(did)} lists it.")
        if not may_read(entry, caller.principal, caller.now):
            raise Forbidden(f"{did} is under embargo until {entry.public_from:%Y-%m-%dT%H:%M:%SZ}.")
        return Found(entry=entry, replicas=nearness.order(entry.replicas))

    async def best(self, did: Did, caller: Caller) -> tuple[Found, Replica]:
        """Return a file and the replica that serves the caller best (see `find` for more errors).

        Raises
        ------
        NotFound
            No site holds a replica.
        ServiceUnavailable
            No replica can be read over HTTP now.
        """
        found = await self.find(did, caller)
        replica = best(found.replicas)
        if replica is None:
            fault, text = why_not(found.entry)
            sentence = text[0].upper() + text[1:] + "."
            raise NotFound(sentence) if fault is Fault.NOT_FOUND else ServiceUnavailable(sentence)
        return found, replica

    async def replica(self, site: str, did: Did, caller: Caller) -> tuple[Found, Replica]:
        """Return a file and its replica at a site, which this process can read (see `find` for more errors).

        Raises
        ------
        NotFound
            The site holds none that this service hands out.
        ServiceUnavailable
            It cannot be read now.
        """
        found = await self.find(did, caller)
        replica = next((one for one in found.replicas if one.site == site and one.path is not None), None)
        if replica is None:
            raise NotFound(f"There is no replica of {did} to be had here for the site {site[:80]}.")
        if not replica.online:
            raise ServiceUnavailable(f"The replica of {did} at {site} cannot be read now.")
        return found, replica

    async def problem(self) -> str | None:
        """Say what keeps the service from its work, None where nothing does."""
        try:
            async with Patience(self._settings.deadline_s).spent():
                await self._lake.sites()
        except ServiceUnavailable as error:
            return error.message
        return None

    def _read(self, identifier: str) -> Did | UsageError:
        try:
            return lake_did(self._authority, identifier)
        except UsageError as error:
            return error

    @staticmethod
    def _failed(identifier: str, error: ServiceError) -> Link:
        return failed(identifier, fault_of(error), error.message)

    async def _nearness(self, hint: Hint, patience: Patience) -> Nearness:
        if not hint:
            return Nearness(hint)
        async with patience.spent():
            return Nearness(hint, await self._lake.sites())

    async def _resolve(self, dids: Sequence[Did], principal: Principal, patience: Patience) -> Mapping[Did, Entry]:
        if not dids:
            return {}
        async with patience.spent():
            return await self._lake.resolve(dids, caller=principal)

    async def _links_of(
        self, identifier: str, entry: Entry, *, nearness: Nearness, caller: Caller, patience: Patience
    ) -> tuple[Link, ...]:
        if entry.type is DidType.FILE:
            return links_of_file(
                identifier,
                entry,
                addresses=caller.addresses,
                nearness=nearness,
                caller=caller.principal,
                now=caller.now,
            )
        try:
            members, complete = await self._members(entry.did, caller.principal, patience)
        except ServiceError as error:
            return (self._failed(identifier, error),)
        rows = links_of_collection(identifier, entry.did, members, addresses=caller.addresses, complete=complete)
        return tuple(rows)

    async def _members(self, did: Did, principal: Principal, patience: Patience) -> tuple[list[Did], bool]:
        members: list[Did] = []
        async with patience.spent():
            async for member in self._lake.content(did, caller=principal):
                if len(members) == self._settings.max_members:
                    return members, False
                members.append(member.did)
        return members, True
