"""Works as containers of podman, with or without root.

The name of a container tells its session, so whoever starts the same session again finds it. Containers are never
privileged, have no capabilities but those that the operator adds, and no network unless the operator names one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field

from execplanner.executors.commands import Said, demand, run
from execplanner.executors.containers import images
from execplanner.executors.folders import Folder
from execplanner.executors.options import Options
from execplanner.executors.programs import RESULTS, mount_path, text_of, texts_of, variables
from execplanner.ports import Connector, Estimate, State, Step, Stream, Work
from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.service import Resources

_INSIDE_RESULTS = "/results"
_ENVIRONMENT = "environment"
_NAME = "container"
_PROTOCOLS = {"TCP": "tcp", "HTTP": "tcp", "HTTPS": "tcp", "UDP": "udp"}
_CHUNK_BYTES = 65536


class PodmanOptions(Options):
    """Options of the executor.

    `command` begins every call of podman; `create` are more options for new containers; `network` is what
    ``--network`` takes, for containers that ask for ports; ports are published at `address`.
    """

    command: tuple[str, ...] = Field(("podman",), min_length=1)
    create: tuple[str, ...] = ()
    network: str | None = None
    address: str = "127.0.0.1"
    pull: bool = False
    pull_s: float = Field(60.0, ge=0)
    stop_s: int = Field(5, ge=0)
    processes: int = Field(1024, ge=1)
    log_bytes: int = Field(64 * 2**20, ge=1024)


class PodmanExecutor:
    """An `execplanner.ports.Executor` for containers; a handle is the path of the session's folder.

    Parameters
    ----------
    options
        See `PodmanOptions`.
    """

    def __init__(self, options: PodmanOptions) -> None:
        self._options = options

    @classmethod
    async def open(cls, options: Mapping[str, Any], resources: Resources) -> PodmanExecutor:
        """Open the executor."""
        return cls(PodmanOptions.read(options))

    async def probe(self) -> str | None:
        """Return why podman does not work here, None if it does."""
        try:
            await self._demand("info", "--format", "{{.Version.Version}}")
        except ServiceUnavailable as error:
            return error.message
        return None

    async def estimate(self, work: Work, *, earliest: datetime) -> Estimate:
        """Return `earliest`, and how long it may take to pull the image."""
        self._require(work)
        here = await self._image_here(work)
        if here is None and not self._options.pull:
            raise UsageError("The image is not on this host, and none are pulled.")
        return Estimate(start=earliest, preparing_s=0.0 if here else self._options.pull_s)

    async def prepare(self, work: Work) -> None:
        """Pull the image unless it is here."""
        self._require(work)
        if await self._image_here(work) is not None:
            return
        if not self._options.pull:
            raise UsageError("The image is not on this host, and none are pulled.")
        for reference in images(work):
            said = await run([*self._options.command, "pull", "--quiet", reference], timeout_s=3600)
            if said.status == 0:
                return
        raise ServiceUnavailable(f"The image cannot be pulled: {said.last_line}")

    def handle(self, work: Work) -> str:
        """Return the path of the session's folder."""
        return str(work.folder)

    async def start(self, work: Work) -> str:
        """Start the container unless it was started or cancelled; one that was lost begins once more."""
        self._require(work)
        folder = Folder(work.folder)
        async with folder.alone():
            name = folder.note(_NAME, f"penstock-{work.session_id}").read_text()
            found = await self._inspect(name)
            if found is not None and _lost(found) and not folder.cancelled:
                await self._remove(name)
                await folder.anew()
            if (await self._state(folder)).step is Step.WAITING:
                if await self._inspect(name) is None:
                    await self._create(work, folder)
                await self._demand("start", name)
        return self.handle(work)

    def _require(self, work: Work) -> None:
        """Raise `UsageError` where the work is nothing that we run."""
        if work.kind != "docker-container":
            raise UsageError(f"A {work.kind} cannot run here; what can: docker-container.")
        if work.executable.get("privileged"):
            raise UsageError("Containers are never privileged here.")
        if work.gpus and not any("device" in option for option in self._options.create):
            raise UsageError("There are no GPUs here.")
        if [*_ports(work)] and self._options.network is None:
            raise UsageError("Containers have no network here, hence no ports.")

    async def _image_here(self, work: Work) -> str | None:
        """Return the first of the references to the image that podman knows already."""
        for reference in images(work):
            if (await self._run("image", "exists", reference)).status == 0:
                return reference
        return None

    async def _create(self, work: Work, folder: Folder) -> None:
        image = await self._image_here(work)
        if image is None:
            raise UsageError("The image is not on this host.")
        given = {**variables(work.executable), RESULTS: _INSIDE_RESULTS}
        environment = folder.note(_ENVIRONMENT, "".join(f"{name}={value}\n" for name, value in given.items()))
        entrypoint = text_of(work.executable, "entrypoint")
        said = await self._run(
            *("create", "--name", _name(folder), "--label", f"penstock.session={work.session_id}"),
            *("--pull", "never", "--env-file", str(environment)),
            *self._limits(work),
            *self._networking(work),
            *_mounts(work, folder),
            *(("--entrypoint", orjson.dumps([entrypoint]).decode()) if entrypoint else ()),
            *self._options.create,
            *("--", image, *texts_of(work.executable, "command")),
        )
        if said.status and await self._inspect(_name(folder)) is None:
            raise ServiceUnavailable(f"The container cannot be made: {said.last_line}")

    def _limits(self, work: Work) -> Iterator[str]:
        yield from ("--cap-drop", "all", "--security-opt", "no-new-privileges")
        yield from ("--cpus", str(work.cores), "--pids-limit", str(self._options.processes))
        yield from ("--memory", f"{work.memory_bytes}b", "--memory-swap", f"{work.memory_bytes}b")
        yield from ("--timeout", str(max(1, round(work.duration_s))))
        yield from ("--log-driver", "k8s-file", "--log-opt", f"max-size={self._options.log_bytes}")

    def _networking(self, work: Work) -> Iterator[str]:
        ports = [*_ports(work)]
        yield from ("--network", (self._options.network if ports else None) or "none")
        for port, protocol in ports:
            yield from ("--publish", f"{self._options.address}::{port}/{_PROTOCOLS[protocol]}")
            yield from ("--label", f"penstock.port.{port}={protocol}")

    async def poll(self, handle: str) -> State:
        """Return how the container is."""
        return await self._state(Folder(Path(handle)))

    async def _state(self, folder: Folder) -> State:
        found = await self._inspect(_name(folder))
        if found is None:
            return folder.noted_end() or State(step=Step.CANCELLED if folder.cancelled else Step.WAITING)
        state = found["State"]
        match state["Status"]:
            case "created" | "configured" | "initialized":
                return State(step=Step.CANCELLED if folder.cancelled else Step.WAITING)
            case "exited" | "stopped":
                return _ended(folder, state)
            case _ if _lost(found):
                return State(step=Step.FAILED, message="It was killed, and podman does not know how it ended.")
            case _:
                connectors = tuple(_connectors(found, self._options.address))
                return State(step=Step.AVAILABLE if connectors else Step.RUNNING, connectors=connectors)

    async def logs(self, handle: str, stream: Stream, *, offset: int, limit: int) -> bytes:
        """Return part of what the container has printed; when it has printed too much, podman forgets the older."""
        folder = Folder(Path(handle))
        if (folder.path / stream).exists():
            return await folder.read(stream, offset=offset, limit=limit)
        nothing, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        out, err = (pipe, nothing) if stream == "stdout" else (nothing, pipe)
        argv = [*self._options.command, "logs", _name(folder)]
        process = await asyncio.create_subprocess_exec(*argv, stdin=nothing, stdout=out, stderr=err)
        source = process.stdout if stream == "stdout" else process.stderr
        try:
            return await _part(source, offset, limit) if source is not None else b""
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def cancel(self, handle: str) -> None:
        """Stop the container with all its processes, kindly at first."""
        folder = Folder(Path(handle))
        async with folder.alone():
            if not (await self._state(folder)).step.ended:
                folder.cancel()
                if await self._inspect(_name(folder)) is not None:
                    await self._demand("stop", "--time", str(self._options.stop_s), _name(folder))

    async def release(self, handle: str) -> None:
        """Remove the container; what it has printed and its results stay in the folder."""
        await self.cancel(handle)
        folder = Folder(Path(handle))
        async with folder.alone():
            if await self._inspect(_name(folder)) is not None:
                folder.note_end(await self._state(folder))
                await self._keep_logs(folder)
                await self._remove(_name(folder))
            (folder.notes / _ENVIRONMENT).unlink(missing_ok=True)
            await folder.clear()

    async def _remove(self, name: str) -> None:
        await self._demand("stop", "--time", "0", name)  # else one that was lost would not be removed
        await self._demand("rm", "--force", "--volumes", name)

    async def _keep_logs(self, folder: Folder) -> None:
        with (folder.path / "stdout").open("wb") as out, (folder.path / "stderr").open("wb") as err:
            argv = [*self._options.command, "logs", _name(folder)]
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=err
            )
            await process.wait()

    async def _inspect(self, name: str) -> dict[str, Any] | None:
        said = await self._run("container", "inspect", name)
        if said.status == 0:
            found: dict[str, Any] = orjson.loads(said.out)[0]
            return found
        if "no such container" in said.err.lower():
            return None
        raise ServiceUnavailable(f"podman: {said.last_line}")

    async def _run(self, *words: str) -> Said:
        return await run([*self._options.command, *words])

    async def _demand(self, *words: str) -> str:
        return await demand([*self._options.command, *words])


def _name(folder: Folder) -> str:
    return folder.noted(_NAME) or "penstock-not-started"


def _ports(work: Work) -> Iterator[tuple[int, str]]:
    """Yield the number and the protocol of each port that is to be reached."""
    try:
        ports = (work.executable.get("network") or {}).get("ports") or ()
        for port in (port for port in ports if port.get("access")):
            number, protocol = port["internal"]["port"], str(port.get("protocol") or "TCP").upper()
            if not 0 < number < 65536 or protocol not in _PROTOCOLS:
                raise UsageError(f"{number} and {protocol[:20]!r} are no port and protocol.")
            yield int(number), protocol
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError("network.ports is not a list of ports.") from error


def _mounts(work: Work, folder: Folder) -> Iterator[str]:
    yield from _mount(folder.results, _INSIDE_RESULTS, writable=True)
    for mount in work.mounts:
        yield from _mount(mount.source, mount_path(mount.path), writable=mount.writable)


def _mount(source: Path, target: str, *, writable: bool) -> Iterator[str]:
    if any(character in f"{source}{target}" for character in ',"\n'):
        raise UsageError("Paths with commas or quotes cannot be mounted.")
    yield from ("--mount", f"type=bind,source={source},target={target}{'' if writable else ',readonly'}")


def _connectors(found: Mapping[str, Any], address: str) -> Iterator[Connector]:
    """Yield where the published ports are, as HTTP where the work said so."""
    labels = found["Config"].get("Labels") or {}
    for inside, published in (found["NetworkSettings"].get("Ports") or {}).items():
        protocol = labels.get(f"penstock.port.{inside.partition('/')[0]}", "TCP")
        for one in published or ():
            scheme = protocol.lower()
            where = f"{scheme}://{one.get('HostIp') or address}:{one['HostPort']}"
            yield Connector(kind="port", protocol=protocol if protocol != "UDP" else "TCP", location=where)


def _ended(folder: Folder, state: Mapping[str, Any]) -> State:
    status = int(state["ExitCode"])
    if folder.cancelled:
        return State(step=Step.CANCELLED)
    if status == 0:
        return State(step=Step.COMPLETED, exit_code=0)
    reason = "it ran out of memory" if state.get("OOMKilled") else f"its exit status is {status}"
    return State(
        step=Step.FAILED, exit_code=status, message=f"The container failed: {reason}. {state.get('Error', '')}".strip()
    )


def _lost(found: Mapping[str, Any]) -> bool:
    """Tell whether nobody looks after a container any more that podman takes for running.

    Its monitor alone learns how a container ends; when it is killed, podman goes on to say "running" for ever.
    """
    if found["State"]["Status"] != "running":
        return False
    try:
        return found["Id"].encode() not in Path(f"/proc/{found['State']['ConmonPid']}/cmdline").read_bytes()
    except OSError:
        return True


async def _part(source: asyncio.StreamReader, offset: int, limit: int) -> bytes:
    found = b""
    while len(found) < limit and (chunk := await source.read(_CHUNK_BYTES)):
        found += chunk[offset:]
        offset = max(0, offset - len(chunk))
    return found[:limit]
