"""Commands of a facility: exec arrays, no shell, with a time limit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock.dali.errors import ServiceUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """What it complained about at the end."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1][:300] if lines else f"exit status {self.status}"


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    timeout_s: float = 120.0,
) -> Said:
    """Run a command to its end.

    Parameters
    ----------
    environment
        What is added to our own.

    Raises
    ------
    ServiceUnavailable
        There is no such command, or it does not end in time.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise ServiceUnavailable(f"The command {argv[0]} cannot be run here: {error.strerror}.") from error
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise ServiceUnavailable(f"The command {argv[0]} does not end within {timeout_s:g} s.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Said(status=process.returncode or 0, out=out.decode(errors="replace"), err=err.decode(errors="replace"))


async def demand(argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str:
    """Return what a command prints; raises `ServiceUnavailable` where it fails."""
    said = await run(argv, environment=environment)
    if said.status:
        raise ServiceUnavailable(f"{argv[0]}: {said.last_line}")
    return said.out
