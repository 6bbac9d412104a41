"""A real Redis on a port of its own, which can be killed and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import reap
from tests.support.systems import require_command

START_S = 30


def free_port() -> int:
    """Return a port on the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Redis:
    """A server; what it held is gone when it is killed, as without persistence."""

    name = "redis"

    def __init__(self, folder: Path) -> None:
        self._command = require_command("redis-server", "apt install redis-server")
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it and return when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        options += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        self._process = subprocess.Popen([self._command, *options], stdout=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while self._ask("PING") != b"+PONG\r\n":
            assert time.monotonic() < end
            assert self._process.poll() is None
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            reap(self._process)
            self._process = None

    def flush(self) -> None:
        """Forget everything."""
        assert self._ask("FLUSHALL") == b"+OK\r\n"

    def _ask(self, command: str) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(100)
        except OSError:
            return b""


@contextmanager
def running_redis(folder: Path) -> Iterator[Redis]:
    """Run a server while the block lasts."""
    server = Redis(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
