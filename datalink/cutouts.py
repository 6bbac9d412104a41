"""The use-cases of SODA: find a file, have it where it can be read, cut it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from datalink.core.soda import MEDIA_TYPE, Cut
from datalink.courier import Courier
from datalink.ports import Cutter, Order
from datalink.service import Caller, Found, LinkService
from datalink.settings import SodaSettings
from penstock.dali.errors import UsageError
from penstock.ivoid import lake_did, publisher_did
from penstock.lake.port import Entry
from penstock.scratch import scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of the lake that can be read here, and a directory for what is made of it."""

    entry: Entry
    path: Path
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A cut-out, or the whole file where nothing is left out; `tag` changes with its content, None if unknown."""

    path: Path
    media_type: str
    filename: str
    tag: str | None


class Cutouts:
    """Cuts files of the lake for whoever may read them.

    Parameters
    ----------
    links
        Finds files, with the rules of who may read them.
    cutter
        Cuts.
    courier
        Fetches what no site of ours holds.
    settings
        Limits.
    authority
        The naming authority of the deployment's publisher DIDs.
    scratch_root
        Where files are while a request lasts.
    """

    def __init__(
        self,
        links: LinkService,
        cutter: Cutter,
        courier: Courier,
        *,
        settings: SodaSettings,
        authority: str,
        scratch_root: Path,
    ) -> None:
        self._links = links
        self._cutter = cutter
        self._courier = courier
        self._settings = settings
        self._authority = authority
        self._scratch_root = scratch_root

    @asynccontextmanager
    async def source(self, identifier: str, caller: Caller) -> AsyncIterator[Source]:
        """Give a file, which is fetched if there is no other way, while the block lasts.

        Raises
        ------
        UsageError
            There is no such file, or the caller may not read it.
        ServiceUnavailable
            It cannot be had now.
        """
        found = await self._links.find(lake_did(self._authority, identifier), caller)
        with scratch(self._scratch_root) as folder:
            yield Source(entry=found.entry, path=await self._path(found, folder), folder=folder)

    async def _path(self, found: Found, folder: Path) -> Path:
        """Return where the file can be read: at a site of ours, else a copy that is whole and right."""
        here = next((replica.path for replica in found.replicas if replica.path is not None), None)
        if here is not None:
            return here
        limit, size, path = self._settings.max_fetch_bytes, await self._courier.size_of(found), folder / "source"
        if size > limit:
            did = found.entry.did
            raise UsageError(f"{did} would have to be fetched to be cut, and is larger than {limit} bytes.")
        with path.open("wb") as file:
            async with aclosing(self._courier.stream(found, 0, size, size)) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)
        return path

    async def cut(self, source: Source, cut: Cut, *, time_limit_s: float) -> Made | None:
        """Cut a part out of a file; None where the file has nothing there (see `Cutter.cut` for errors)."""
        entry = source.entry
        name = entry.did.name.rpartition("/")[2]
        if cut.whole:
            return Made(path=source.path, media_type=entry.media_type, filename=name, tag=entry.md5 or entry.adler32)
        order = Order(
            source=source.path,
            target=source.folder / "cutout.fits",
            cut=cut,
            did=publisher_did(self._authority, entry.did),
            max_bytes=self._settings.max_output_bytes,
        )
        if not await self._cutter.cut(order, time_limit_s=time_limit_s):
            return None
        stem = name.removesuffix(".gz").removesuffix(".fits")
        return Made(path=order.target, media_type=MEDIA_TYPE, filename=f"{stem}-cutout.fits", tag=_tag(entry, cut))

    async def problem(self) -> str | None:
        """Say what keeps the service from its work, None where nothing does."""
        return await self._links.problem()


def _tag(entry: Entry, cut: Cut) -> str | None:
    """Return what is the same for the same part of the same file: the same bytes are made of it."""
    known = entry.md5 or entry.adler32
    return hashlib.sha256(f"{known} {cut}".encode()).hexdigest()[:32] if known else None
