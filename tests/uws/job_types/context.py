"""A context of a job that runs in the test itself."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from penstock.auth.principal import ANONYMOUS
from penstock.dali.params import Parameters, Part
from penstock.service import Resources
from tests.support.systems import missing
from uws.core.job import JobParameter
from uws.ports import JobType
from uws.service.parameters import with_defaults


class MemorySink:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


class MemoryContext:
    """A `JobContext` whose results stay in memory: (media type, content) by id."""

    job_id = "0" * 26
    attempt = 1
    owner = ANONYMOUS

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.results: dict[str, tuple[str, bytes]] = {}
        self.said: list[tuple[float | None, str | None]] = []

    async def resources(self) -> Resources:
        raise NotImplementedError

    async def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        self.said.append((fraction, message))

    @asynccontextmanager
    async def result(self, result_id: str, media_type: str) -> AsyncIterator[MemorySink]:
        assert result_id not in self.results
        sink = MemorySink()
        yield sink
        self.results[result_id] = (media_type, sink.data)


def require_sandbox() -> None:
    """Skip the test where there is no bubblewrap, or the system does not let it work."""
    needed = [shutil.which(name) for name in ("bwrap", "prlimit")]
    if not all(needed):
        missing("bubblewrap", "apt install bubblewrap util-linux")
    probe = subprocess.run(
        ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"], capture_output=True
    )
    if probe.returncode:
        missing("bubblewrap", f"it may not make namespaces here: {probe.stderr.decode()}")


async def run(job_type: JobType, *given: tuple[str, str], parts: Sequence[Part] = ()) -> MemoryContext:
    """Run a job type to its end, with its defaults."""
    known = [JobParameter(id=part.name, blob="x") for part in parts]
    complete = with_defaults(job_type, [*known, *(JobParameter(id=name, value=value) for name, value in given)])
    pairs = [(each.id, each.value) for each in complete if each.blob is None]
    context = MemoryContext(Parameters(pairs, parts))
    await job_type.run(context)
    return context


def part(name: str, content: bytes, filename: str = "x") -> Part:
    """Return an uploaded file."""
    return Part(name=name, content=content, size_bytes=len(content), filename=filename)
