"""The lake that Rucio keeps, behind the port.

Replicas come from Rucio, whatever their number in calls of `CHUNK` DIDs. What a file is, which metadata it has and when
it becomes public comes from the catalogue where it was harvested, which costs nothing; Rucio is asked about the rest,
which it answers several times slower than about replicas.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from weakref import WeakValueDictionary

import orjson

from penstock.auth.principal import Principal
from penstock.clock import utc_now
from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.lake.mapping import MappingError, ObsCoreMapping, load_mapping
from penstock.lake.port import DataLake, Did, DidType, Entry, Member, Quota, Rule, Site, Staging
from penstock.lake.rucio.cache import EntryCache, View
from penstock.lake.rucio.client import CHUNK, Refusal, RucioClient, UnknownCaller, open_client
from penstock.lake.rucio.rows import (
    JsonRow,
    ReplicaReader,
    did_of,
    did_path,
    file_entry,
    json_did,
    member_of,
    plain,
    site_of,
    user_metadata,
)
from penstock.lake.rucio.settings import RucioSettings
from penstock.lake.rucio.staging import RuleDesk
from penstock.lake.store import LakeStore
from penstock.settings import Settings, SettingsError

_EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """With which eyes Rucio is seen: a caller's own `token`, or None for the service's; and which scopes."""

    account: str
    token: str | None = None
    view: View = None
    scopes: tuple[str, ...] = _EVERYTHING


class RucioLake:
    """The `DataLake` and `StagingLake` of a Rucio server.

    Parameters
    ----------
    client
        Speaks with Rucio.
    settings
        What is shown, to whom, and for how long answers are believed.
    store
        The catalogue, for what was harvested.
    mapping
        Tells when a file that was not becomes public.
    monotonic
        A clock that only goes forward, in seconds.
    """

    def __init__(
        self,
        client: RucioClient,
        settings: RucioSettings,
        store: LakeStore,
        mapping: ObsCoreMapping,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._settings = settings
        self._store = store
        self._mapping = mapping
        self._cache = EntryCache(settings.cache_s, settings.cache_entries, monotonic)
        self._sites = Remembered(settings.sites_cache_s, monotonic)
        self._accounts = Remembered(settings.cache_s, monotonic)
        self._desk = RuleDesk(client, settings)

    @classmethod
    async def open(cls, settings: Settings, db: Database, stack: AsyncExitStack) -> DataLake:
        """Return the lake of a deployment; Rucio need not answer yet.

        Raises
        ------
        SettingsError
            It is not said where Rucio is, or who we are.
        """
        own = rucio_settings(settings)
        store = LakeStore(db, settings.authority)
        await store.publish_under(settings.authority)
        return cls(await open_client(own, utc_now, stack), own, store, mapping_of(own.mapping))

    async def resolve(self, dids: Sequence[Did], *, caller: Principal) -> Mapping[Did, Entry]:
        """Return what is known of each DID: a few calls for each thousand, all thousands at once."""
        sight = await self._sight(caller)
        wanted = [did for did in dict.fromkeys(dids) if self._shows(sight, did)]
        entries, missing = self._cache.find(sight.view, wanted)
        if missing:
            sites = {site.name: site for site in await self.sites()}
            reader = ReplicaReader(self._settings.schemes, self._settings.paths, sites)
            chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
            try:
                answers = await asyncio.gather(*(self._ask(chunk, sight.token, reader) for chunk in chunks))
            except Refusal as refused:  # one of them has gone meanwhile, or is not what Rucio takes for an identifier
                raise ServiceUnavailable(f"The data lake refused to answer ({refused.kind}).") from refused
            for found in answers:
                self._cache.keep(sight.view, found)
                entries |= found
        return entries

    def _shows(self, sight: Sight, did: Did) -> bool:
        """Tell whether a DID may be there, and be seen."""
        shown = sight.scopes == _EVERYTHING or any(fnmatchcase(did.scope, pattern) for pattern in sight.scopes)
        return shown and self._settings.takes(did)

    async def _ask(self, dids: Sequence[Did], token: str | None, reader: ReplicaReader) -> dict[Did, Entry]:
        harvested = await self._store.metadata([str(did) for did in dids])
        known = {did: row for did in dids if (row := harvested.get(str(did))) is not None}
        others = await self._described([did for did in dids if did not in known], token)
        collections = {did: row for did, row in others.items() if row["did_type"] != DidType.FILE}
        files = [*known, *(did for did in others if did not in collections)]
        rows = await self._replicas(files, token)
        # A file without replicas has no row, and neither has one that has gone since it was harvested.
        gone = set(known).difference(rows)
        there = await self._described(list(gone), token) if gone else {}
        entries: dict[Did, Entry] = {}
        for did in files:
            told = rows.get(did) or there.get(did) or others.get(did)
            if told is not None:
                metadata, public_from = self._told(did, known.get(did), others.get(did, {}))
                entries[did] = file_entry(told, reader.replicas(told), metadata, public_from)
        found = await asyncio.gather(*(self._collection(did, row, token) for did, row in collections.items()))
        return entries | {entry.did: entry for entry in found}

    def _told(self, did: Did, harvested: JsonRow | None, row: JsonRow) -> tuple[JsonRow, datetime | None]:
        """Return what users said of a file, and when it becomes public: of the catalogue, else of Rucio's row."""
        if harvested is None:
            metadata = user_metadata(row)
            return metadata, self._mapping.released(did, metadata)
        kept = orjson.loads(harvested["metadata"]) if harvested["metadata"] else {}
        public_from = harvested["public_from"] and datetime.fromisoformat(harvested["public_from"])
        released = public_from and public_from.replace(tzinfo=UTC)
        return kept | {"media_type": harvested["media_type"]}, released

    async def _replicas(self, dids: Sequence[Did], token: str | None) -> dict[Did, JsonRow]:
        """Return Rucio's rows; it says nothing of what it does not know."""
        if not dids:
            return {}
        body = {
            "dids": [json_did(did) for did in dids],
            "sort": "random",  # we sort ourselves; Rucio would look up where every URL's host is
            "schemes": list(self._settings.schemes),  # unset, it tells only the best of each site
            "all_states": True,
        }
        rows = self._client.rows("POST", "/replicas/list", body, token=token)
        return {did_of(row): row async for row in rows}

    async def _described(self, dids: Sequence[Did], token: str | None) -> dict[Did, JsonRow]:
        """Return columns and metadata of the DIDs that Rucio knows."""
        if not dids:
            return {}
        body = {"dids": [json_did(did) for did in dids], "plugin": "ALL"}
        return {did_of(row): row async for row in self._client.rows("POST", "/dids/bulkmeta", body, token=token)}

    async def _collection(self, did: Did, row: JsonRow, token: str | None) -> Entry:
        told = await self._client.get(f"/dids/{did_path(did)}", params={"dynamic_depth": "FILE"}, token=token)
        metadata = plain(user_metadata(row)) | {"files": str(told.get("length") or 0)}
        size = int(told.get("bytes") or 0)
        return Entry(did=did, type=DidType(row["did_type"]), size_bytes=size, metadata=metadata)

    async def sites(self) -> Sequence[Site]:
        """Return all storage sites, by name; Rucio is asked now and then."""
        found: Sequence[Site] = await self._sites.get("sites", self._ask_sites)
        return found

    async def _ask_sites(self) -> Sequence[Site]:
        rows = [row async for row in self._client.rows("GET", "/rses/") if not row.get("deleted")]
        attributes = await asyncio.gather(*(self._client.get(f"/rses/{row['rse']}/attr/") for row in rows))
        sites = [site_of(row, told or {}) for row, told in zip(rows, attributes, strict=True)]
        return sorted(sites, key=lambda site: site.name)

    async def distances(self, site: str) -> Mapping[str, int]:
        """Return Rucio's distances of the other sites from one; Rucio is asked now and then."""
        names = [other.name for other in await self.sites()]
        if site not in names:
            return {}
        others = [name for name in names if name != site]
        found: Mapping[str, int] = await self._sites.get(("distances", site), lambda: self._ask_distances(site, others))
        return found

    async def _ask_distances(self, site: str, others: Sequence[str]) -> Mapping[str, int]:
        answers = await asyncio.gather(*(self._client.get(f"/rses/{site}/distances/{other}") for other in others))
        return {
            other: int(rows[0]["distance"])
            for other, rows in zip(others, answers, strict=True)
            if rows and rows[0].get("distance") is not None
        }

    async def content(self, did: Did, *, caller: Principal) -> AsyncIterator[Member]:
        """Yield the members of a dataset, container or archive, in Rucio's order."""
        sight = await self._sight(caller)
        if not self._shows(sight, did):
            return
        try:
            empty = True
            async for row in self._client.rows("GET", f"/dids/{did_path(did)}/dids", token=sight.token):
                empty = False
                yield member_of(row)
            if empty and await self._is_archive(did, sight.token):
                async for row in self._client.rows("GET", f"/archives/{did_path(did)}/files", token=sight.token):
                    yield member_of(row)
        except Refusal:  # there is no such DID, or the server does not tell of archives
            return

    async def _is_archive(self, did: Did, token: str | None) -> bool:
        return bool((await self._described([did], token)).get(did, {}).get("is_archive"))

    async def stage(self, dids: Sequence[Did], *, site: str, lifetime: timedelta | None, caller: Principal) -> Rule:
        """Make a rule; several DIDs are put into a dataset of their own first."""
        sight = await self._sight(caller)
        self._desk.check(caller, sites=await self.sites(), site=site)
        entries = await self.resolve(dids, caller=caller)
        self._desk.check_known(dids, entries)
        rule = await self._desk.stage(
            [entries[did] for did in dict.fromkeys(dids)],
            site=site,
            lifetime=lifetime,
            account=sight.account,
            token=sight.token,
        )
        self._cache.forget(dids)
        return rule

    async def staging(self, rule: str, *, caller: Principal) -> Staging:
        """Return how far a rule is."""
        sight = await self._sight(caller)
        return await self._desk.staging(rule, account=sight.account, admin=caller.admin)

    async def unstage(self, rule: str, *, caller: Principal) -> None:
        """End a rule; Rucio removes its replicas when it likes."""
        sight = await self._sight(caller)
        await self._desk.unstage(rule, account=sight.account, admin=caller.admin)

    async def quotas(self, caller: Principal) -> Sequence[Quota]:
        """Return the limits of the caller's account, else those of the service's."""
        sight = await self._sight(caller)
        return await self._desk.quotas(sight.account, sight.token)

    async def _sight(self, caller: Principal) -> Sight:
        """Return how a caller sees Rucio: with a token of their own if Rucio knows them by it."""
        own = self._settings
        if caller.token is not None:
            token = caller.token
            key = hashlib.sha256(token.encode()).digest()
            account = await self._accounts.get(key, lambda: self._account_of(token))
            if account is not None:
                return Sight(account=account, token=token, view=caller.subject)
        if caller.admin:
            return Sight(account=own.account)
        scopes = own.public_scopes if caller.anonymous else (*own.public_scopes, *own.member_scopes)
        return Sight(account=own.account, scopes=scopes)

    async def _account_of(self, token: str) -> str | None:
        try:
            return await self._client.account(token=token)
        except UnknownCaller:
            return None


class Remembered:
    """Answers that are believed for some seconds; who asks meanwhile waits for the one who fetches the same.

    Parameters
    ----------
    seconds
        How long.
    now
        A clock that only goes forward, in seconds.
    """

    _MOST = 10_000

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._now = now
        self._kept: dict[object, tuple[float, Any]] = {}
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: object, fetch: Callable[[], Awaitable[Any]]) -> Any:
        """Return what is remembered under a key, or fetch it."""
        held = self._kept.get(key)
        if held is not None and held[0] > self._now():
            return held[1]
        async with self._locks.setdefault(key, asyncio.Lock()):
            held = self._kept.get(key)
            if held is None or held[0] <= self._now():
                held = (self._now() + self._seconds, await fetch())
                self._kept[key] = held
                if len(self._kept) > self._MOST:
                    del self._kept[next(iter(self._kept))]
            return held[1]


def mapping_of(name: str) -> ObsCoreMapping:
    """Return a mapping by its name or path.

    Raises
    ------
    SettingsError
        It cannot be used.
    """
    try:
        return load_mapping(name)
    except MappingError as error:
        raise SettingsError(str(error)) from error


def rucio_settings(settings: Settings) -> RucioSettings:
    """Return the section of Rucio, in which what is needed is set.

    Raises
    ------
    SettingsError
        Something is missing.
    """
    own = settings.section(RucioSettings)
    if not own.url or not own.account:
        raise SettingsError("the lake rucio needs rucio.url and rucio.account (PENSTOCK_RUCIO__URL, ..._ACCOUNT)")
    if own.token_file is None and not (own.username and own.password.get_secret_value()):
        raise SettingsError("the lake rucio needs rucio.username and rucio.password, or rucio.token_file")
    return own
