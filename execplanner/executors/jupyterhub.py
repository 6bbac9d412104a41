"""Notebooks in named servers of a JupyterHub (its REST API, versions 5 and 6), with a service's token.

A session is a named server of the owner's hub user. The notebook is put into it when it is ready, and the connector
leads to it; who follows it logs in to the hub as ever, so no token is in it. The token needs the scopes
``admin:users``, ``admin:servers`` and ``access:servers``. Cores, memory, time and mounts go to the spawner as
``user_options["penstock"]``.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from execplanner.executors.folders import Folder
from execplanner.executors.http import word
from execplanner.executors.options import Fetching
from execplanner.executors.programs import fetch, mount_path, text_of
from execplanner.executors.remote import Remote, RemoteExecutor, RemoteOptions, page
from execplanner.ports import Connector, State, Step, Work
from penstock.dali.errors import NotFound, ServiceUnavailable, UsageError

_READY = "ready"
_STEM = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_EVENTS_S = 1.0
_LOOK_EVERY_S = 0.1


class JupyterHubOptions(RemoteOptions, Fetching):
    """Options of the executor.

    `url` is the hub's, ``/hub/api`` not in it; `public_url` is where browsers reach it; `interface` is the page that
    opens notebooks: ``lab/tree``, ``notebooks``, ``tree``; `anonymous` is the hub user of anonymous owners;
    `user_options` are added to what the spawner gets.
    """

    public_url: str | None = None
    interface: str = "lab/tree"
    anonymous: str | None = None
    user_options: Mapping[str, Any] = {}


class JupyterHubExecutor(RemoteExecutor[JupyterHubOptions]):
    """An executor for notebooks that people use."""

    kinds = ("jupyter-notebook",)
    reads = JupyterHubOptions
    health = "/hub/api/user"
    scheme = "token"
    mounts = True

    def require(self, work: Work) -> None:
        """Demand an owner whom the hub can know."""
        super().require(work)
        self._user(work)

    def _user(self, work: Work) -> str:
        user = work.owner.subject or self.options.anonymous
        if user is None:
            raise UsageError("Notebooks run here for those only who say who they are.")
        return user

    async def prepare(self, work: Work) -> None:
        """Fetch the notebook, and make the owner known to the hub."""
        self.require(work)
        await fetch(work, self.options)
        user = f"/hub/api/users/{word(self._user(work))}"
        if not await self.api.exists(user):
            try:
                await self.api.call("POST", user)
            except UsageError:  # somebody else made it known
                await self.api.get(user)

    def meant(self, work: Work) -> Remote:
        """Return the user and the name of the session's server."""
        return {"user": self._user(work), "name": _name(work), "notebook": _notebook(work)}

    async def find(self, meant: Remote) -> Remote | None:
        """Look whether the server runs."""
        return None if await self._model(meant) is None else meant

    async def submit(self, work: Work) -> Remote:
        """Start the server."""
        server = self.meant(work)
        try:
            await self.api.call("POST", _path(server), json={**self.options.user_options, "penstock": _asked(work)})
        except UsageError:
            if await self._model(server) is None:  # else another process was quicker
                raise
        return server

    async def begin(self, remote: Remote, work: Work) -> Remote:
        """Note where the notebook is that the server gets when it is ready."""
        return {**remote, "source": str(await fetch(work, self.options))}

    async def look(self, remote: Remote, folder: Folder) -> State:
        """Ask for the server; one that is ready gets its notebook."""
        model = await self._model(remote)
        if model is None and folder.noted(_READY) is None:
            return State(step=Step.FAILED, message="The server did not start; the log of the hub tells why.")
        if model is None:
            return State(step=Step.COMPLETED, message="The server was shut down.")
        if not model.get("ready"):
            return State(step=Step.PREPARING, message=await self._progress(remote))
        await self._put_notebook(folder, remote)
        return State(step=Step.AVAILABLE, connectors=(self._connector(remote),))

    async def _model(self, server: Remote) -> dict[str, Any] | None:
        """Return what the hub says of a server, None where it does not run."""
        try:
            user = await self.api.get(f"/hub/api/users/{word(server['user'])}")
        except NotFound:
            return None
        found: dict[str, Any] | None = user.get("servers", {}).get(server["name"])
        return None if found is None or found.get("stopped") else found

    async def _progress(self, server: Remote) -> str | None:
        """Return the newest of the hub's events about a server that starts."""
        try:
            path = f"{_path(server)}/progress"
            events = await self.api.events(path, for_s=_EVENTS_S, last=lambda event: bool(event.get("ready")))
        except (NotFound, UsageError):
            return None  # it has just become ready, or failed: the next look will tell
        return str(events[-1].get("message") or "") if events else None

    async def _put_notebook(self, folder: Folder, server: Remote) -> None:
        """Put the notebook into the server once, so that what its owner changes there stays."""
        if folder.noted(_READY) is not None:
            return
        path = f"/user/{word(server['user'])}/{word(server['name'])}/api/contents/{word(server['notebook'])}"
        if not await self.api.exists(f"{path}?content=0"):
            content = orjson.loads(await asyncio.to_thread(Path(server["source"]).read_bytes))
            await self.api.call("PUT", path, json={"type": "notebook", "format": "json", "content": content})
        folder.note(_READY, "")

    def _connector(self, server: Remote) -> Connector:
        base = (self.options.public_url or self.options.url).rstrip("/")
        at = f"{base}/user/{word(server['user'])}/{word(server['name'])}"
        location = f"{at}/{self.options.interface.strip('/')}/{word(server['notebook'])}"
        return page("jupyter", location)

    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Stop the server and forget it, and return when it is stopped."""
        try:
            async with asyncio.timeout(self.options.timeout_s):
                while await self._model(remote) is not None:
                    with suppress(UsageError):  # it is just starting or stopping
                        await self.forget(remote, folder)
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise ServiceUnavailable("The hub does not stop the server.") from error

    async def forget(self, remote: Remote, folder: Folder) -> None:
        """Stop and forget the server."""
        await self.api.delete(_path(remote), json={"remove": True})


def _asked(work: Work) -> dict[str, Any]:
    """Return what the spawner is told."""
    mounts = [
        {"path": mount_path(mount.path), "source": str(mount.source), "writable": mount.writable}
        for mount in work.mounts
    ]
    return {
        "cores": work.cores,
        "memory_bytes": work.memory_bytes,
        "gpus": work.gpus,
        "duration_s": work.duration_s,
        "mounts": mounts,
        "results": str(Folder(work.folder).results),
    }


def _name(work: Work) -> str:
    """Return the name of the session's server: JupyterHub 6 takes 30 small letters and digits, a letter first."""
    return f"s{hashlib.sha256(work.session_id.encode()).hexdigest()[:29]}"


def _notebook(work: Work) -> str:
    """Return the name of the notebook's file: not that of an earlier session, since homes stay."""
    location = text_of(work.executable, "location") or ""
    stem = Path(urlsplit(location).path).stem
    return f"{stem if _STEM.fullmatch(stem) else 'notebook'}-{_name(work)[1:9]}.ipynb"


def _path(server: Remote) -> str:
    return f"/hub/api/users/{word(server['user'])}/servers/{word(server['name'])}"
