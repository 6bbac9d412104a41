"""``penstock serve``: from the settings to processes that answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console

from penstock.host import bind, chosen_services, serve
from penstock.log import configure_logging
from penstock.memory import keep_freed_memory
from penstock.processes import serve_in_processes
from penstock.settings import Settings

_ENTRANCES = {  # where a client of a service begins, if not at its path
    "/tap": ("TAP", ""),
    "/uws": ("jobs", "/jobs"),
    "/datalink": ("DataLink", "/links"),
    "/registry": ("registry", "/oai"),
}


def run_server(settings: Settings, names: Sequence[str], telling: Callable[[], AbstractContextManager[None]]) -> int:
    """Serve until SIGINT or SIGTERM and return the exit status.

    Parameters
    ----------
    names
        The services to start; all, if none.
    telling
        Surrounds what a process of its own does, and tells what is wrong with the settings.

    Raises
    ------
    SettingsError
        A setting does not fit the world.
    """
    configure_logging(settings)
    chosen_services(names)  # a misspelt name is told before a port is taken
    listener = bind(settings.host, settings.port)
    if settings.processes == 1:
        _run(serve(settings, names, listener=listener, announce=_announce))
        return 0

    def serve_one(serving: Callable[[], None], first: bool) -> None:  # noqa: FBT001  # of `Serve`
        def announce(base: str, paths: Sequence[str]) -> None:
            if first:
                _announce(base, paths)
            serving()

        with telling():
            _run(serve(settings, names, listener=listener, announce=announce))

    return serve_in_processes(settings.processes, serve_one)


def _announce(base: str, paths: Sequence[str]) -> None:
    out = Console(highlight=False, soft_wrap=True)
    known = [path for path in _ENTRANCES if path in paths]
    entrances = [(path, *_ENTRANCES[path]) for path in known]
    entrances += [(path, path.strip("/"), "") for path in paths if path not in _ENTRANCES]
    shown = ", ".join(f"{name} {base}{path}{rest}" for path, name, rest in entrances)
    out.print(f"Penstock serves at {base}/ ({shown})", markup=False)
    if "/tap" in paths:
        _print_queries(out, base)
    sys.stdout.flush()


def _print_queries(out: Console, base: str) -> None:
    out.print("Try:", style="bold")
    query = "SELECT TOP 5 target_name, s_ra, s_dec FROM ivoa.obscore"
    out.print(f'  python -c \'import pyvo; print(pyvo.dal.TAPService("{base}/tap").search("{query}"))\'', markup=False)
    out.print(f"  stilts tapquery tapurl={base}/tap adql='{query}'", markup=False)
    out.print(f"  curl '{base}/tap/sync' -d LANG=ADQL -d FORMAT=csv -d 'QUERY={query}'", markup=False)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end in the fastest loop that there is."""
    keep_freed_memory()
    try:
        import uvloop
    except ImportError:  # not on every platform
        asyncio.run(coroutine)
    else:
        uvloop.run(coroutine)
