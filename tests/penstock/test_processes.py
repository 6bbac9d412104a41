"""Several processes serve one port, are replaced when they die, and end together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from tests.support.server import environment, serve

PATIENCE_S = 120


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def servers(keeper: psutil.Process, data: Path) -> set[int]:
    """Return the processes that have begun to serve: each listens for news of jobs on a socket with its number."""
    listening = {int(path.name.partition("-")[0]) for path in (data / "notify").glob("*.sock")}
    return listening & {child.pid for child in keeper.children()}


def answered(base: str) -> bool:
    return requests.get(f"{base}/uws/jobs", timeout=PATIENCE_S).status_code == 200


def test_processes_share_a_port_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    with serve(tmp_path, "uws", PENSTOCK_PROCESSES="2") as server:
        keeper = psutil.Process(server.process.pid)
        eventually(lambda: len(servers(keeper, tmp_path)) == 2)
        killed = min(servers(keeper, tmp_path))
        psutil.Process(killed).kill()
        eventually(lambda: len(servers(keeper, tmp_path) - {killed}) == 2)
        assert answered(server.base)
        assert server.output.count("serves at") == 1
        children = keeper.children(recursive=True)
    assert server.process.wait(PATIENCE_S) == 0
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not alive


def test_nothing_is_left_when_the_keeper_is_killed(tmp_path: Path) -> None:
    with serve(tmp_path, "uws", PENSTOCK_PROCESSES="2") as server:
        keeper = psutil.Process(server.process.pid)
        eventually(lambda: len(servers(keeper, tmp_path)) == 2)
        children = keeper.children(recursive=True)
        server.process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
        assert not alive


@pytest.mark.parametrize("settings", [{"PENSTOCK_LAKE": "ocean"}, {"PENSTOCK_PROCESSES": "0"}])
def test_what_is_wrong_is_told_once_in_one_line(tmp_path: Path, settings: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "serve", "--port", "0", "--data", str(tmp_path)],
        env=environment(**{"PENSTOCK_PROCESSES": "2"} | settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("penstock: ")
    assert done.stderr.count("\n") == 1
