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
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from execplanner.executors.folders import Folder
from execplanner.executors.http import Api, word
from execplanner.executors.options import Endpoint, Fetching
from execplanner.executors.programs import fetch, mount_path, text_of
from execplanner.ports import Connector, Estimate, State, Step, Stream, Work
from penstock.dali.errors import NotFound, ServiceUnavailable, UsageError
from penstock.service import Resources

_SERVER = "server"
_STEM = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_EVENTS_S = 1.0


class JupyterHubOptions(Endpoint, Fetching):
    """Options of the executor.

    `url` is the hub's, ``/hub/api`` not in it; `public_url` is where browsers reach it; `interface` is the page that
    opens notebooks: ``lab/tree``, ``notebooks``, ``tree``; `anonymous` is the hub user of anonymous owners;
    `user_options` are added to what the spawner gets.
    """

    public_url: str | None = None
    interface: str = "lab/tree"
    anonymous: str | None = None
    start_s: float = 10.0
    user_options: Mapping[str, Any] = {}


class JupyterHubExecutor:
    """An `execplanner.ports.Executor` for notebooks; a handle is the path of the session's folder.

    Parameters
    ----------
    options
        See `JupyterHubOptions`.
    """

    def __init__(self, options: JupyterHubOptions) -> None:
        self._options = options
        self._hub = Api(options, scheme="token")

    @classmethod
    async def open(cls, options: Mapping[str, Any], resources: Resources) -> JupyterHubExecutor:
        """Open the executor."""
        del resources
        return cls(JupyterHubOptions.read(options))

    async def probe(self) -> str | None:
        """Return why the hub does not serve us, None if it does."""
        try:
            await self._hub.get("/hub/api/user")
        except (ServiceUnavailable, UsageError) as error:
            return error.message
        return None

    async def estimate(self, work: Work, *, earliest: datetime) -> Estimate:
        """Return `earliest`, and how long servers take to start here."""
        self._require(work)
        return Estimate(start=earliest, preparing_s=self._options.start_s)

    async def prepare(self, work: Work) -> None:
        """Fetch the notebook, and make the owner known to the hub."""
        user = self._require(work)
        await fetch(work, self._options)
        if not await self._hub.exists(f"/hub/api/users/{word(user)}"):
            try:
                await self._hub.call("POST", f"/hub/api/users/{word(user)}")
            except UsageError:  # somebody else made it known
                await self._hub.get(f"/hub/api/users/{word(user)}")

    async def start(self, work: Work) -> str:
        """Start the server unless it was started or cancelled."""
        user = self._require(work)
        source = await fetch(work, self._options)
        folder = Folder(work.folder)
        async with folder.alone():
            if folder.cancelled or folder.noted(_SERVER) is not None:
                return str(folder.path)
            server = {"user": user, "name": _name(work), "notebook": _notebook(work), "source": str(source)}
            if await self._model(server) is None:
                await self._start(server, work)
            folder.note(_SERVER, orjson.dumps(server).decode())
        return str(folder.path)

    async def _start(self, server: Mapping[str, str], work: Work) -> None:
        mounts = [
            {"path": mount_path(mount.path), "source": str(mount.source), "writable": mount.writable}
            for mount in work.mounts
        ]
        asked = {
            "cores": work.cores,
            "memory_bytes": work.memory_bytes,
            "gpus": work.gpus,
            "duration_s": work.duration_s,
            "mounts": mounts,
            "results": str(Folder(work.folder).results),
        }
        try:
            await self._hub.call("POST", _path(server), json={**self._options.user_options, "penstock": asked})
        except UsageError:
            if await self._model(server) is None:  # else it is pending or ready: another process was quicker
                raise

    def _require(self, work: Work) -> str:
        """Return the owner's hub user; raises `UsageError` where the work is nothing that we run."""
        if work.kind != "jupyter-notebook":
            raise UsageError(f"A {work.kind} cannot run here; what can: jupyter-notebook.")
        _notebook(work)
        user = work.owner.subject or self._options.anonymous
        if user is None:
            raise UsageError("Notebooks run here for those only who say who they are.")
        return user

    async def poll(self, handle: str) -> State:
        """Return how the server is; what is ready gets its notebook."""
        folder = Folder(Path(handle))
        server = _server(folder)
        if server is None:
            return State(step=Step.CANCELLED if folder.cancelled else Step.WAITING)
        model = await self._model(server)
        if folder.cancelled:
            return State(step=Step.CANCELLED)
        if model is None:
            return await self._gone(folder)
        if not model.get("ready"):
            return State(step=Step.PREPARING, message=await self._progress(server))
        await self._put_notebook(folder, server)
        return State(step=Step.AVAILABLE, connectors=(self._connector(server),))

    async def _gone(self, folder: Folder) -> State:
        if folder.noted("ready") is None:
            return State(step=Step.FAILED, message="The server did not start; the log of the hub tells why.")
        return State(step=Step.COMPLETED, message="The server was shut down.")

    async def _model(self, server: Mapping[str, str]) -> dict[str, Any] | None:
        """Return what the hub says of a server, None where it does not run."""
        try:
            user = await self._hub.get(f"/hub/api/users/{word(server['user'])}")
        except NotFound:
            return None
        found: dict[str, Any] | None = user.get("servers", {}).get(server["name"])
        return None if found is None or found.get("stopped") else found

    async def _progress(self, server: Mapping[str, str]) -> str | None:
        """Return the newest of the hub's events about a server that starts."""
        message = None
        try:
            async for event in self._hub.events(f"{_path(server)}/progress", for_s=_EVENTS_S):
                message = str(event.get("message") or message)
                if event.get("ready") or event.get("failed"):
                    break
        except (NotFound, UsageError):
            return None  # it has just become ready, or failed: the next look will tell
        return message

    async def _put_notebook(self, folder: Folder, server: Mapping[str, str]) -> None:
        """Put the notebook into the server once, so that what its owner changes there stays."""
        if folder.noted("ready") is not None:
            return
        path = f"/user/{word(server['user'])}/{word(server['name'])}/api/contents/{word(server['notebook'])}"
        if not await self._hub.exists(f"{path}?content=0"):
            content = orjson.loads(await asyncio.to_thread(Path(server["source"]).read_bytes))
            await self._hub.call("PUT", path, json={"type": "notebook", "format": "json", "content": content})
        folder.note("ready", "")

    def _connector(self, server: Mapping[str, str]) -> Connector:
        base = (self._options.public_url or self._options.url).rstrip("/")
        at = f"{base}/user/{word(server['user'])}/{word(server['name'])}"
        location = f"{at}/{self._options.interface.strip('/')}/{word(server['notebook'])}"
        return Connector(
            kind="jupyter", protocol="HTTPS" if location.startswith("https:") else "HTTP", location=location
        )

    async def logs(self, handle: str, stream: Stream, *, offset: int, limit: int) -> bytes:
        """Return nothing: what servers print is the hub's."""
        del handle, stream, offset, limit
        return b""

    async def cancel(self, handle: str) -> None:
        """Stop the server and forget it, and return when it is stopped."""
        folder = Folder(Path(handle))
        async with folder.alone():
            server = _server(folder)
            if server is None:
                folder.cancel()
            elif await self._model(server) is not None:
                folder.cancel()
                await self._stop(server)

    async def _stop(self, server: Mapping[str, str]) -> None:
        try:
            async with asyncio.timeout(self._options.timeout_s):
                while await self._model(server) is not None:
                    with suppress(UsageError):  # it is just starting or stopping
                        await self._hub.delete(_path(server), json={"remove": True})
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise ServiceUnavailable("The hub does not stop the server.") from error

    async def release(self, handle: str) -> None:
        """Stop and forget the server."""
        await self.cancel(handle)
        folder = Folder(Path(handle))
        server = _server(folder)
        if server is not None:
            await self._hub.delete(_path(server), json={"remove": True})
        await folder.clear()


def _name(work: Work) -> str:
    """Return the name of the session's server: JupyterHub 6 takes 30 small letters and digits, a letter first."""
    return f"s{hashlib.sha256(work.session_id.encode()).hexdigest()[:29]}"


def _notebook(work: Work) -> str:
    """Return the name of the notebook's file: not that of an earlier session, since homes stay."""
    location = text_of(work.executable, "location") or ""
    stem = Path(urlsplit(location).path).stem
    return f"{stem if _STEM.fullmatch(stem) else 'notebook'}-{_name(work)[1:9]}.ipynb"


def _server(folder: Folder) -> dict[str, str] | None:
    noted = folder.noted(_SERVER)
    if noted is None:
        return None
    server: dict[str, str] = orjson.loads(noted)
    return server


def _path(server: Mapping[str, str]) -> str:
    return f"/hub/api/users/{word(server['user'])}/servers/{word(server['name'])}"
