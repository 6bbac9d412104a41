"""Git repositories as running notebooks, by a BinderHub.

BinderHub builds an image of the repository and starts a server while somebody listens to its stream of events, so
polling is listening for a while. What it says of the build is the state's message. Listening again goes on with the
build; the server starts when somebody listens at the end of it.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote, urlsplit

from execplanner.executors.folders import Folder
from execplanner.executors.http import Api, Event, word
from execplanner.executors.options import Endpoint
from execplanner.executors.programs import text_of
from execplanner.executors.remote import Remote, RemoteExecutor, RemoteOptions, page
from execplanner.ports import Connector, State, Step, Work
from penstock.dali.errors import NotFound, UsageError

_HOSTS = {"github.com": "gh", "gitlab.com": "gl"}
_READY = "ready"


class BinderHubOptions(RemoteOptions):
    """Options of the executor.

    `listen_s` is how long one poll listens; `token_in_location` puts the server's token into the connector's location,
    without which nobody gets into servers of a BinderHub that has no users.
    """

    start_s: float = 120.0
    listen_s: float = 10.0
    interface: str = "lab/tree"
    token_in_location: bool = False


class BinderHubExecutor(RemoteExecutor[BinderHubOptions]):
    """An executor for git repositories."""

    kinds = ("git-repository",)
    reads = BinderHubOptions
    health = "/versions"

    def require(self, work: Work) -> None:
        """Demand a repository that BinderHub can find."""
        super().require(work)
        _spec(work)

    async def submit(self, work: Work) -> Remote:
        """Note what is to be built: BinderHub begins when it is listened to."""
        return {"spec": _spec(work), "path": text_of(work.executable, "path") or ""}

    async def look(self, remote: Remote, folder: Folder) -> State:
        """Listen to the build; of a server that runs, see whether it still does."""
        ready = folder.noted(_READY)
        if ready is None:
            return await self._listen(remote, folder)
        url, token = ready.split("\n")
        try:
            await self._server(url).read("GET", "/api/status", headers=_authorized(token))
        except NotFound:
            return State(step=Step.COMPLETED, message="The server was shut down.")
        return State(step=Step.AVAILABLE, connectors=(self._connector(remote, url, token),))

    async def _listen(self, remote: Remote, folder: Folder) -> State:
        path = f"/build/{remote['spec']}"
        events = await self.api.events(path, for_s=self.options.listen_s, last=_is_last)
        event = events[-1] if events else {}
        message = str(event.get("message") or event.get("phase") or "").strip()[:500]
        match event.get("phase"):
            case "failed":
                return State(step=Step.FAILED, message=message)
            case "ready":
                url, token = str(event["url"]).rstrip("/"), str(event.get("token") or "")
                folder.note(_READY, f"{url}\n{token}")
                return State(step=Step.AVAILABLE, connectors=(self._connector(remote, url, token),))
            case _:
                return State(step=Step.PREPARING, message=message or None)

    def _connector(self, remote: Remote, url: str, token: str) -> Connector:
        path = f"/{self.options.interface.strip('/')}/{quote(remote['path'])}" if remote["path"] else ""
        secret = f"?token={quote(token)}" if token and self.options.token_in_location else ""
        return page("jupyter", f"{url}{path}{secret}")

    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Shut the server down; what is being built is not started, since nobody listens."""
        ready = folder.noted(_READY)
        if ready is not None:
            url, token = ready.split("\n")
            with suppress(NotFound):
                await self._server(url).read("POST", "/api/shutdown", headers=_authorized(token))

    def _server(self, url: str) -> Api:
        return Api(Endpoint(url=url, timeout_s=self.options.timeout_s))


def _is_last(event: Event) -> bool:
    return event.get("phase") in ("failed", "ready")


def _authorized(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"} if token else {}


def _spec(work: Work) -> str:
    """Return the part of the build's path that names provider, repository and reference.

    Raises
    ------
    UsageError
        The work names no repository that BinderHub knows how to find.
    """
    location, ref = text_of(work.executable, "location") or "", text_of(work.executable, "ref") or "HEAD"
    parts = urlsplit(location)
    provider = text_of(work.executable, "provider") or _HOSTS.get(parts.hostname or "", "git")
    path = parts.path.strip("/").removesuffix(".git")
    if provider in ("zenodo", "doi") and path:
        return f"{provider}/{quote(path)}"
    if provider in ("gh", "gl", "git") and parts.scheme in ("http", "https") and "@" not in parts.netloc and path:
        names = {"gh": quote(path), "gl": word(path), "git": word(location)}
        return f"{provider}/{names[provider]}/{word(ref)}"
    raise UsageError(f"{location[:200]!r} is no repository that BinderHub can find.")
