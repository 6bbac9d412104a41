"""A real TOPCAT on a screen of its own, which is told what to do by SAMP."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyvo.samp import SAMPHubServer, SAMPIntegratedClient

from tests.support.processes import reap
from tests.support.systems import require_command

PATIENCE_S = 120


class Topcat:
    """A running TOPCAT, as another client of its hub sees it."""

    def __init__(self, client: SAMPIntegratedClient) -> None:
        self._client = client

    @property
    def is_there(self) -> bool:
        """Whether it takes tables by now."""
        return bool(self._client.get_subscribed_clients("table.load.votable"))

    def ask(self, mtype: str, **params: str) -> str:
        """Send a message, and return the status of the response or its error."""
        (name,) = self._client.get_subscribed_clients("table.load.votable")
        message = {"samp.mtype": mtype, "samp.params": {key.replace("_", "-"): text for key, text in params.items()}}
        response: Mapping[str, Any] = self._client.call_and_wait(name, message, str(PATIENCE_S))
        error = response.get("samp.error", {}).get("samp.errortxt")
        return str(error or response["samp.status"])


@contextmanager
def running_topcat(home: Path) -> Iterator[Topcat]:
    """Run a hub, a screen without hardware, and TOPCAT, until the block ends."""
    topcat = require_command("topcat", "apt install topcat")
    hub = SAMPHubServer(addr="127.0.0.1", lockfile=str(home / "samp"), web_profile=False)
    hub.start()
    client = SAMPIntegratedClient(name="tests", addr="127.0.0.1")
    try:
        client.connect(hub=hub)
        with _screen() as display:
            environment = os.environ | {"DISPLAY": display, "SAMP_HUB": f"std-lockurl:{(home / 'samp').as_uri()}"}
            with _process([topcat, f"-Duser.home={home}", "-samp"], env=environment):
                running = Topcat(client)
                wait_until(lambda: running.is_there)
                yield running
    finally:
        if client.is_connected:
            client.disconnect()
        hub.stop()


@contextmanager
def _screen() -> Iterator[str]:
    """Run an X server on a display that it finds itself, and give the display's name."""
    xvfb = require_command("Xvfb", "apt install xvfb")
    arguments = [xvfb, "-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with _process(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield f":{process.stdout.readline().decode().strip()}"


@contextmanager
def _process(arguments: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    options = {"stdout": subprocess.DEVNULL, **options}
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            reap(process)


def wait_until(holds: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "TOPCAT does not get there"
        time.sleep(0.1)
