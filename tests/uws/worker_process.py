"""Workers in processes of their own: the real command, or one that knows the job types of tests.

``python -m tests.uws.worker_process`` is the latter.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psutil
from celery import Celery

from penstock.settings import Settings
from tests.support.processes import reap
from tests.support.server import environment
from tests.support.systems import ROOT
from tests.uws.hosting import PRELOAD, SETTINGS
from uws.celery_app import make_app, run_worker
from uws.settings import UwsSettings
from uws.worker.local import LocalExecutor

OWN_COMMAND = ("-m", "tests.uws.worker_process")
COMMAND = ("-m", "penstock", "worker")


class WorkerProcess:
    """A worker that is ready; `stop`, `kill` and signals end it."""

    def __init__(self, settings: dict[str, str], command: tuple[str, ...] = OWN_COMMAND) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command], env=environment(**settings), stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self.process.stdout
        assert "is ready" in self.process.stdout.readline()

    def family(self) -> list[int]:
        """Return the processes of the worker."""
        own = psutil.Process(self.process.pid)
        return [own.pid, *(child.pid for child in own.children(recursive=True))]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        reap(self.process)

    def stop(self) -> int:
        """End it as an operator does, and return its status."""
        self.process.terminate()
        return reap(self.process)


@contextmanager
def worker(settings: dict[str, str], command: tuple[str, ...] = OWN_COMMAND) -> Iterator[WorkerProcess]:
    """Run a worker while the block lasts."""
    started = WorkerProcess(settings, command)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.stop()


def make_own_app(settings: Settings) -> Celery:
    """Return the application of a worker that runs the job types of tests."""
    app = make_app(settings, open_executor=partial(LocalExecutor.open_with, preload=PRELOAD))
    if "--visibility-timeout" in sys.argv:
        app.conf.broker_transport_options["visibility_timeout"] = int(sys.argv[-1])
    return app


def own_settings() -> Settings:
    """Return the settings of this process."""
    settings = SETTINGS()
    if "--api" not in sys.argv:
        return settings
    own = settings.section(UwsSettings).model_copy(update={"api_url": sys.argv[-1]})
    return settings.model_copy(update={"uws": own})


if __name__ == "__main__":
    sys.exit(run_worker(own_settings(), make_own_app))
