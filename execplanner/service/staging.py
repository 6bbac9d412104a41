"""Brings the data of a session to where its work can read them.

Data of the lake that are not at the facility are ordered there by a rule of the lake, if the lake can do that; its
replicas that this host can read are mounted as they are. What is at a URL is fetched, from public addresses only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from execplanner.core.checks import Rules
from execplanner.core.facility import Facility
from execplanner.core.kinds import read_kind
from execplanner.core.request import Source, sources_of
from execplanner.keeping import Session
from execplanner.ports import Mount
from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.lake.port import DataLake, Did, Entry, Rule, StagingLake, StagingState
from penstock.outbound import FetchError, Outbound
from uws.ports import JobContext

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 3.0
_MARGIN = timedelta(days=1)


class Stager:
    """Brings data to one facility.

    Parameters
    ----------
    lake
        The lake.
    outbound
        Fetches URLs.
    rules
        Which files of this host may be read.
    max_bytes
        The largest file that is fetched.
    """

    def __init__(
        self,
        lake: DataLake,
        outbound: Outbound,
        facility: Facility,
        context: JobContext,
        *,
        rules: Rules,
        max_bytes: int,
    ) -> None:
        self._lake = lake
        self._outbound = outbound
        self._facility = facility
        self._context = context
        self._rules = rules
        self._max_bytes = max_bytes

    async def stage(self, session: Session, folder: Path) -> list[Mount]:
        """Bring the data, make the storage, and return what is to be mounted.

        Raises
        ------
        UsageError
            Data cannot be had.
        ServiceUnavailable
            They cannot be had now.
        """
        data = session.document.get("data", [])
        named = [{**one, "kind": read_kind(one["kind"], "data")} for one in data]
        sources = list(sources_of(named))
        await self._order(session, [one.did for one in sources if one.did is not None])
        places = {_number(source): await self._bring(source, folder) for source in sources}
        return _mounts(session, places, folder)

    async def _order(self, session: Session, dids: list[Did]) -> None:
        """Have the lake bring data to the facility's first storage site, and wait until they are there."""
        if not isinstance(self._lake, StagingLake) or not dids or not self._facility.storage_sites:
            return
        caller, site = self._context.owner, self._facility.storage_sites[0]
        known = await self._lake.resolve(dids, caller=caller)
        away = [did for did in dids if not _is_near(known.get(did), self._facility)]
        if not away:
            return
        lifetime = timedelta(milliseconds=session.ends - session.prepares) + _MARGIN
        try:
            rule = await self._lake.stage(away, site=site, lifetime=lifetime, caller=caller)
        except UsageError:
            if all([await self._in_lake(did) for did in away]):
                return  # this host reads them where they are
            raise
        try:
            await self._arrive(self._lake, rule)
        except BaseException:
            # A cancelled session comes as a cancellation, and there is a moment left to tell the lake.
            if rule.created:
                await self._lake.unstage(rule.id, caller=caller)
            raise

    async def _arrive(self, lake: StagingLake, rule: Rule) -> None:
        """Return when all that a rule asks for is there."""
        pause_s = _FIRST_PAUSE_S
        while (staging := await lake.staging(rule.id, caller=self._context.owner)).state is not StagingState.OK:
            if staging.state is StagingState.STUCK:
                raise ServiceUnavailable(f"The lake cannot bring the data: {staging.reason or 'a transfer is stuck'}.")
            await self._context.progress(None, f"staging data: {staging.done} of {staging.total} files")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    async def _bring(self, source: Source, folder: Path) -> Path | None:
        """Return where data are on this host; None if the facility has to find them itself."""
        if source.did is not None:
            found = await self._in_lake(source.did)
            if found is not None or source.url is None:
                return found
        if source.url is None:
            return None
        parts = urlsplit(source.url)
        if parts.scheme == "file":
            return self._of_host(Path(unquote(parts.path)))
        name = Path(unquote(parts.path)).name
        place = folder / "data" / _number(source) / (name if name not in ("", "..") else "data")
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(place.name + ".part")
        try:
            with partial.open("wb") as file:
                await self._outbound.save(source.url, file, max_bytes=self._max_bytes)
        except FetchError as error:
            raise UsageError(f"{source.pointer}: {error}.") from error
        partial.replace(place)
        return place

    async def _in_lake(self, did: Did) -> Path | None:
        entry = (await self._lake.resolve([did], caller=self._context.owner)).get(did)
        readable = [one for one in entry.replicas if one.online and one.path is not None] if entry else []
        readable.sort(key=lambda one: one.site not in self._facility.storage_sites)  # those at the facility first
        return readable[0].path if readable else None

    def _of_host(self, path: Path) -> Path:
        """Return a file of this host, wherever links lead, if it may be read."""
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise UsageError("A file that the session needs is not there.") from error
        if not any(real.is_relative_to(Path(root).resolve()) for root in self._rules.file_roots):
            raise UsageError("A file that the session needs may not be read here.")
        return real


def _number(source: Source) -> str:
    """Return which of the session's data it is: two files of one name have different numbers."""
    return source.pointer.split("/")[2]


def _is_near(entry: Entry | None, facility: Facility) -> bool:
    return entry is not None and any(one.online and one.site in facility.storage_sites for one in entry.replicas)


def _mounts(session: Session, places: Mapping[str, Path | None], folder: Path) -> list[Mount]:
    """Return the mounts of a session's volumes: data where they lie, storage in directories of its own."""
    mounts = []
    names = _names(session)
    for volume in session.document.get("compute", {}).get("volumes", ()):
        group, number = names.get(volume.get("resource", ""), ("", ""))
        if group == "storage":
            source: Path | None = folder / "storage" / number
            (folder / "storage" / number).mkdir(parents=True, exist_ok=True)
        else:
            source = places.get(number) if group == "data" else None
        if source is not None:
            writable = volume.get("mode") == "READWRITE" and group == "storage"
            mounts.append(Mount(path=volume["path"], source=source, writable=writable))
    return mounts


def _names(session: Session) -> dict[str, tuple[str, str]]:
    """Return each resource by what volumes call it."""
    found = {}
    for group in ("storage", "data"):
        for number, one in enumerate(session.document.get(group, ())):
            meta = one.get("meta", {})
            for name in (meta.get("name"), meta.get("uuid")):
                if name:
                    found[name] = (group, str(number))
    return found
