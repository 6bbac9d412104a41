"""What several measurements share: load generators, the floor, and what processes spend."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
import requests

from tests.support.redis import free_port
from tests.support.server import Server, environment


def run_tool(module: str, *arguments: object) -> dict[str, float]:
    """Run a load generator and return what it printed."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    outcome: dict[str, float] = json.loads(done.stdout)
    return outcome


@contextmanager
def bare(document: bytes) -> Iterator[int]:
    """Run the bare handler; give its port."""
    port = free_port()
    with tempfile.NamedTemporaryFile() as file:
        file.write(document)
        file.flush()
        process = subprocess.Popen([sys.executable, "-m", "bench.bare", file.name, str(port)])
        try:
            _await(f"http://127.0.0.1:{port}/fixed")
            yield port
        finally:
            process.terminate()
            process.wait()


def _await(url: str) -> None:
    for _ in range(200):
        try:
            requests.get(url, timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise TimeoutError(url)


def port_of(server: Server) -> int:
    """Return the port of a server."""
    return urlsplit(server.base).port or 0


def cpu_s(pid: int) -> float:
    """Return the processor's time that a process has spent, in seconds."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def tree_cpu_s(pid: int) -> float:
    """Return the processor's time that a process and all below it have spent, those that ended too, in seconds."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)
