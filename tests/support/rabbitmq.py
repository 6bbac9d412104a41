"""A real RabbitMQ on ports and in a folder of its own, which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amqp import Connection

from tests.support.processes import reap
from tests.support.redis import free_port
from tests.support.systems import require_command

START_S = 90


class RabbitMq:
    """A server with its own Erlang port mapper; queues survive its death, messages that are transient do not."""

    name = "rabbitmq"

    def __init__(self, folder: Path) -> None:
        self._server = require_command("/usr/lib/rabbitmq/bin/rabbitmq-server", "apt install rabbitmq-server")
        self._folder = folder
        self._epmd = require_command("epmd", "apt install erlang-base")
        self._port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"
        self._environment = (
            os.environ
            | {
                "HOME": str(folder),  # of the cookie
                "RABBITMQ_NODENAME": f"penstock-{uuid.uuid4().hex[:8]}@localhost",
                "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODE_PORT": str(self._port),
                "RABBITMQ_DIST_PORT": str(free_port()),
                "RABBITMQ_MNESIA_BASE": str(folder / "data"),
                "RABBITMQ_LOG_BASE": str(folder / "log"),
                "RABBITMQ_CONFIG_FILE": str(folder / "none"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "no-plugins"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "ERL_EPMD_PORT": str(free_port()),
            }
        )

    def start(self) -> None:
        """Start it and return when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "output").open("ab") as output:
            # The port mapper goes first: one that the server has to start is a daemon, which nobody would end.
            for command in (self._epmd, self._server):
                process = subprocess.Popen(
                    [command],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                self._processes.append(process)
        end = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < end, (self._folder / "output").read_text()
            assert self._processes[-1].poll() is None, (self._folder / "output").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a power cut does, with its port mapper."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            reap(process)
        self._processes.clear()

    def flush(self) -> None:
        """Forget every message that waits."""
        with self._connection() as connection:
            connection.channel().queue_purge("penstock")

    def _connection(self) -> Connection:
        connection = Connection(f"127.0.0.1:{self._port}", connect_timeout=5)
        connection.connect()
        return connection

    def _answers(self) -> bool:
        try:
            self._connection().close()
        except (OSError, ConnectionError):
            return False
        return True


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[RabbitMq]:
    """Run a server while the block lasts."""
    server = RabbitMq(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
