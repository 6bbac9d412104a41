"""A whole deployment of real processes, and what kills them at random."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import requests

from tests.support.postgres import Postgres, own_postgres
from tests.support.processes import alive, reap
from tests.support.rabbitmq import RabbitMq, running_rabbitmq
from tests.support.redis import Redis, free_port, running_redis
from tests.support.server import environment
from tests.support.systems import ROOT

LEASE_S = 4.0
WORKERS = 2
_MARK = "SOAK"
_READY_S = 60
_BROKERS = {"redis": running_redis, "rabbitmq": running_rabbitmq}


class SoakSite:
    """A database, a broker, a server and workers; every process of ours carries a mark by which it is found."""

    def __init__(self, folder: Path, postgres: Postgres, broker: Redis | RabbitMq) -> None:
        self.postgres = postgres
        self.broker = broker
        self.data = folder / "data"
        self.mark = uuid.uuid4().hex
        self._port = free_port()
        self.base = f"http://127.0.0.1:{self._port}"
        self.output = folder / "output"
        self.server: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def settings(self) -> Mapping[str, str]:
        """Return the environment of its processes."""
        settings = {
            "DATA_DIR": str(self.data),
            "DATABASE_URL": self.postgres.url,
            "BROKER_URL": self.broker.url,
            "EXECUTOR": "celery",
            "LOG_LEVEL": "warning",
            "UWS__LEASE_S": str(LEASE_S),
            "UWS__REDISPATCH_S": "2",
            "UWS__KILL_AFTER_S": "0.5",
            "UWS__DRAIN_S": "0.5",
            "UWS__MAX_ATTEMPTS": "8",
        }
        return {f"PENSTOCK_{name}": value for name, value in settings.items()}

    def start_server(self) -> None:
        """Start the server; it answers a moment later."""
        self.server = self._start("serve", "uws", "--port", str(self._port))

    def start_worker(self) -> None:
        """Start a worker; it works a moment later."""
        self.workers.append(self._start("worker", "--concurrency", "2"))

    def end_worker(self, worker: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """End a worker by a signal and start another."""
        self.workers.remove(worker)
        worker.send_signal(number)
        reap(worker)
        self.start_worker()

    def stop(self) -> None:
        """End everything of ours as an operator does."""
        everybody = [*self.workers, *([self.server] if self.server else [])]
        for process in everybody:
            process.send_signal(signal.SIGTERM)
        for process in everybody:
            reap(process)

    def wait_until_ready(self) -> None:
        """Return when the server answers."""
        for _ in range(_READY_S * 10):
            with suppress(requests.ConnectionError):
                requests.get(f"{self.base}/health", timeout=_READY_S)
                return
            with suppress(subprocess.TimeoutExpired):
                assert self.server
                self.server.wait(0.1)
                raise AssertionError(self.output.read_text())
        raise TimeoutError

    def survivors(self) -> list[psutil.Process]:
        """Return the processes that belong to the site and run."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(_MARK) == self.mark and alive(process.pid):
                    found.append(process)
        return found

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        own = environment(**self.settings(), **{_MARK: self.mark, "TMPDIR": str(self.temporary)})
        with self.output.open("ab") as output:
            command = [sys.executable, "-m", "penstock", *arguments]
            return subprocess.Popen(command, env=own, cwd=ROOT, stdout=output, stderr=output)

    @property
    def temporary(self) -> Path:
        """Where its processes keep what is temporary."""
        path = self.data.parent / "tmp"
        path.mkdir(exist_ok=True)
        return path


@contextmanager
def soak_site(folder: Path, broker: str) -> Iterator[SoakSite]:
    """Run a site while the block lasts."""
    with ExitStack() as stack:
        postgres = stack.enter_context(own_postgres())
        site = SoakSite(folder, postgres, stack.enter_context(_BROKERS[broker](folder / "broker")))
        try:
            site.start_server()
            site.wait_until_ready()
            for _ in range(WORKERS):
                site.start_worker()
            yield site
        finally:
            for process in site.survivors():
                with suppress(psutil.Error):
                    process.kill()


class Chaos:
    """Ends processes at random, and starts them again."""

    def __init__(self, site: SoakSite, dice: random.Random, pause_s: float) -> None:
        self.done: Counter[str] = Counter()
        self._site = site
        self._dice = dice
        self._pause_s = pause_s
        self._kinds = {
            "worker killed": (4, self._kill_worker),
            "worker told to end": (2, self._end_worker),
            "worker frozen": (2, self._freeze_worker),
            "zygote killed": (2, self._kill_zygote),
            "job killed": (3, self._kill_job),
            "server killed": (3, self._kill_server),
            "broker killed": (2, self._kill_broker),
            "database killed": (2, self._kill_database),
        }

    async def reign(self) -> None:
        """Go on until cancelled; what is begun is finished."""
        weights = [weight for weight, _ in self._kinds.values()]
        while True:
            await asyncio.sleep(self._dice.uniform(0.5, 1.5) * self._pause_s)
            [kind] = self._dice.choices(list(self._kinds), weights)
            await asyncio.shield(asyncio.to_thread(self._kinds[kind][1]))
            self.done[kind] += 1

    def _kill_worker(self) -> None:
        self._site.end_worker(self._dice.choice(self._site.workers), signal.SIGKILL)

    def _end_worker(self) -> None:
        self._site.end_worker(self._dice.choice(self._site.workers), signal.SIGTERM)

    def _freeze_worker(self) -> None:
        """Freeze a worker with all its jobs for longer than its leases last."""
        family = _family(self._dice.choice(self._site.workers).pid)
        _signal_all(family, signal.SIGSTOP)
        self._rest(2 * LEASE_S)
        _signal_all(family, signal.SIGCONT)

    def _kill_zygote(self) -> None:
        zygotes = [process for process in self._of_workers() if process.children()]
        self._kill_one(zygotes)

    def _kill_job(self) -> None:
        self._kill_one([process for process in self._of_workers() if not process.children()])

    def _kill_server(self) -> None:
        assert self._site.server
        self._site.server.kill()
        reap(self._site.server)
        self._rest(1)
        self._site.start_server()
        self._site.wait_until_ready()

    def _kill_broker(self) -> None:
        self._site.broker.kill()
        self._rest(1)
        self._site.broker.start()

    def _kill_database(self) -> None:
        self._site.postgres.kill()
        self._rest(1)
        self._site.postgres.start()

    def _of_workers(self) -> list[psutil.Process]:
        found = []
        for worker in self._site.workers:
            with suppress(psutil.Error):
                found += psutil.Process(worker.pid).children(recursive=True)
        return found

    def _kill_one(self, processes: list[psutil.Process]) -> None:
        if processes:
            with suppress(psutil.Error):
                self._dice.choice(processes).kill()

    def _rest(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "infinity"], timeout=seconds * self._dice.random())


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
