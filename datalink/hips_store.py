"""Where surveys are: in a directory that this host can read, or in the lake, file by file."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from datalink.core.links import Addresses
from datalink.core.nearest import Hint
from datalink.ports import HipsFile, HipsTree
from datalink.service import Caller, LinkService
from penstock.auth.principal import Principal
from penstock.dali.errors import UsageError
from penstock.edge.files import resolve_within
from penstock.lake.port import Did
from penstock.settings import SettingsError


class FolderTree:
    """A survey below a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def find(self, path: str, *, caller: Principal, now: datetime) -> HipsFile:
        """Return a file (see `datalink.ports.HipsTree`)."""
        return HipsFile(path=await asyncio.to_thread(resolve_within, self._root, path))


class LakeTree:
    """A survey whose files are in the lake: ``scope:prefix/Norder3/Dir0/Npix1.png``.

    Parameters
    ----------
    links
        Finds files, with the rules of who may read them.
    scope, prefix
        What the identifiers of the files begin with.
    """

    def __init__(self, links: LinkService, scope: str, prefix: str) -> None:
        self._links = links
        self._scope = scope
        self._prefix = prefix.rstrip("/")

    async def find(self, path: str, *, caller: Principal, now: datetime) -> HipsFile:
        """Return a file (see `datalink.ports.HipsTree`)."""
        did = Did(self._scope, f"{self._prefix}/{path}" if self._prefix else path)
        asking = Caller(principal=caller, now=now, hint=Hint(), addresses=Addresses(""))
        found = await self._links.find(did, asking)
        here = next((replica for replica in found.replicas if replica.path is not None), found.replicas[0])
        checksum = found.entry.md5 or found.entry.adler32
        return HipsFile(path=here.path, url=here.url, checksum=checksum, public=found.public)


def open_tree(name: str, place: str, links: LinkService) -> HipsTree:
    """Return the survey that a setting names.

    Raises
    ------
    SettingsError
        It is neither an absolute path nor ``scope:prefix``.
    """
    if place.startswith("/"):
        return FolderTree(Path(place))
    try:
        did = Did.parse(f"{place}/" if place.endswith(":") else place)
    except UsageError as error:
        raise SettingsError(f"setting hips.trees.{name}: {place!r} is no absolute path or scope:prefix") from error
    return LakeTree(links, did.scope, did.name)
