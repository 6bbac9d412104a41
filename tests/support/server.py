"""A running Penstock: the real command in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

START_S = 180


class Server:
    """A ``penstock serve`` process and where it listens."""

    def __init__(self, process: subprocess.Popen[str], base: str, lines: list[str]) -> None:
        self.process = process
        self.base = base
        self.lines = lines

    @property
    def output(self) -> str:
        """Everything that the process printed so far."""
        return "".join(self.lines)


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without its own PENSTOCK_ settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return kept | extra


@contextmanager
def serve(data: Path, *names: str, **settings: str) -> Iterator[Server]:
    """Start the command on a free port, wait until it is ready, and stop it with Ctrl-C at the end."""
    command = [sys.executable, "-m", "penstock", "serve", *names, "--port", "0", "--data", str(data)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(**settings)
    )
    lines: list[str] = []
    announced = threading.Event()
    reader = threading.Thread(target=_read, args=(process, lines, announced), daemon=True)
    reader.start()
    try:
        assert announced.wait(START_S), "".join(lines)
        found = re.search(r"serves at (http://\S+?)/ ", "".join(lines))
        assert found, "".join(lines)
        assert requests.get(f"{found[1]}/ready", timeout=START_S).status_code == 200
        yield Server(process, found[1], lines)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        reader.join(timeout=5)


def _read(process: subprocess.Popen[str], lines: list[str], announced: threading.Event) -> None:
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if "serves at" in line:
            announced.set()
    announced.set()
