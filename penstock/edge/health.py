"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson
import structlog
from aiohttp import web

from penstock.dali.errors import ServiceError

Check = Callable[[], Awaitable[str | None]]
"""Looks at one thing that the host needs: None when it is well, else a sentence that says what is not."""

_log = structlog.get_logger(__name__)


class Readiness:
    """Named checks of everything that must work before requests are welcome.

    Parameters
    ----------
    timeout_s
        How long a check may take before it counts as failed.
    """

    def __init__(self, *, timeout_s: float = 2.0) -> None:
        self._checks: dict[str, Check] = {}
        self._timeout_s = timeout_s

    def add(self, name: str, check: Check) -> None:
        """Add a check.

        Raises
        ------
        ValueError
            There is one of that name.
        """
        if name in self._checks:
            raise ValueError(f"there is a readiness check {name!r} already")
        self._checks[name] = check

    async def problems(self) -> dict[str, str | None]:
        """Run all checks at once and return, by name, what is wrong; None where nothing is."""
        results = await asyncio.gather(*(self._run(name, check) for name, check in self._checks.items()))
        return dict(zip(self._checks, results, strict=True))

    async def _run(self, name: str, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await check()
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except ServiceError as error:
            return error.message
        except Exception:  # noqa: BLE001  # the edge: a check that breaks is a check that fails
            _log.exception("readiness_check_failed", check=name)
            return "the check failed"


def add_health(app: web.Application, readiness: Readiness) -> None:
    """Add ``/health``, which answers while the process lives, and ``/ready``, which runs the checks."""

    async def health(request: web.Request) -> web.Response:
        return _json(200, {"status": "ok"})

    async def ready(request: web.Request) -> web.Response:
        problems = await readiness.problems()
        well = not any(problems.values())
        checks = {name: problem or "ok" for name, problem in problems.items()}
        return _json(200 if well else 503, {"status": "ok" if well else "unavailable", "checks": checks})

    app.router.add_get("/health", health)
    app.router.add_get("/ready", ready)


def _json(status: int, document: object) -> web.Response:
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
