"""A notebook next to its data: a served broker with one facility near them and one far away, and its clients."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import requests
from typer.testing import CliRunner

from execplanner.commands import plan_app
from execplanner.joblist import job_id
from tests.support.server import Server, serve
from tests.uws.waiting import PATIENCE_S, eventually

DID = "sample:m13.fits"
NEAR, FAR = "ivo://penstock.example/near", "ivo://penstock.example/far"
_WAIT_S, _MOST_LOOKS = 5, 60
_ENDED = {"COMPLETED", "FAILED", "CANCELLED"}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        pass


@dataclass(frozen=True, kw_only=True)
class Story:
    """A broker, what it serves its clients from, and where others put their files."""

    server: Server
    data: Path
    files: Path
    files_url: str

    @property
    def base(self) -> str:
        """Where the broker is."""
        return f"{self.server.base}/execplanner"

    def plan(self, *arguments: str) -> dict[str, Any]:
        """Ask the broker by the command and return its answer."""
        done = CliRunner().invoke(plan_app, [*arguments, "--send", self.base, "--json"])
        assert done.exit_code == 0, done.output
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the broker and return its answer."""
        answer = requests.post(f"{self.base}/requests", json=request, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def has_room(self, request: Mapping[str, Any]) -> bool:
        """Tell whether the near facility would take a request at once; the offers are given back."""
        window = {"start": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}/PT2M", "duration": "PT5M"}
        answer = self.ask({**request, "schedule": {"requested": window}})
        for offer in answer["offers"]:
            self.set_phase(offer["meta"]["url"], "REJECTED")
        return any(facility_of(offer) == NEAR for offer in answer["offers"])

    def read(self, url: str) -> str:
        """Return what is at a URL."""
        answer = requests.get(url, timeout=PATIENCE_S)
        assert answer.status_code == 200, url
        return answer.text

    def set_phase(self, session: str, value: str) -> dict[str, Any]:
        """Set the phase of a session and return it."""
        update = {"kind": "uri:enum-value-update", "path": "/phase", "value": value}
        answer = requests.post(session, json=update, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def follow(self, session: str, until: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any], list[str]]:
        """Wait until something holds of a session; return it, and the phases in which it was seen."""
        found = requests.get(session, timeout=PATIENCE_S).json()
        seen = [found["phase"]]
        for _ in range(_MOST_LOOKS):
            if until(found):
                return found, seen
            assert found["phase"] not in _ENDED, found
            params = {"WAIT": str(_WAIT_S), "PHASE": found["phase"]}
            found = requests.get(session, params=params, timeout=PATIENCE_S).json()
            if found["phase"] != seen[-1]:
                seen.append(found["phase"])
        raise AssertionError((found, self.server.output))

    def kill_workers(self) -> None:
        """Kill the processes that run jobs, as kill -9 does: what the zygote has forked, which has a keeper above."""
        process = psutil.Process(self.server.process.pid)
        for _ in ("keeper", "zygote"):
            (process,) = (one for one in process.children() if "uws.worker.zygote" in one.cmdline())
        for worker in process.children():
            worker.kill()

    def attempt(self, session: Mapping[str, Any]) -> int:
        """Return how often a worker has begun with a session."""
        url = f"{self.server.base}/uws/jobs/{job_id(session['meta']['uuid'])}"
        job = requests.get(url, headers={"Accept": "application/json"}, timeout=PATIENCE_S).json()
        return int(job["jobInfo"]["attempt"])

    def folder_of(self, session: Mapping[str, Any]) -> Path:
        """Return the directory of a session on this host."""
        return self.data / "sessions" / str(session["meta"]["uuid"])


@contextmanager
def story(folder: Path, near: Mapping[str, Any], far: Mapping[str, Any]) -> Iterator[Story]:
    """Serve a broker of two facilities while the block lasts; each is given what its record says besides."""
    records, files = folder / "facilities", folder / "files"
    records.mkdir()
    files.mkdir()
    common = {"kinds": {"jupyter-notebook": {}, "python-program": {}}}
    capacity = {"cores": 1, "memory": "4Gi", "duration": "1h"}
    here = {"id": NEAR, "title": "Near", "storage_sites": ["Dwingeloo"], "capacity": capacity, **common, **near}
    there = {"id": FAR, "title": "Far", "storage_sites": ["Perth"], "capacity": capacity, "bandwidth": "1K", **common}
    for name, record in (("near", here), ("far", {**there, **far})):
        (records / f"{name}.yaml").write_text(json.dumps(record))  # JSON is YAML
    settings = {
        "PENSTOCK_EXECPLANNER__FACILITY_DIR": str(records),
        "PENSTOCK_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    with (
        _serving_files(files) as files_url,
        serve(folder / "data", "execplanner", "uws", **settings) as server,
    ):
        yield Story(server=server, data=folder / "data", files=files, files_url=files_url)


@contextmanager
def _serving_files(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def wait_until(holds: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    asyncio.run(eventually(holds))


def facility_of(offer: Mapping[str, Any]) -> str:
    """Return the facility of an offer."""
    return str(offer["meta"]["messages"][0]["values"]["facility"])


def metrics_of(offer: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of an offer by their last word."""
    return {one["type"].rpartition(":")[2]: one["min"] for one in offer["metrics"]}


def require_near_first(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """See that the offer next to the data comes first, with the numbers, and return it."""
    first, last = answer["offers"][0], answer["offers"][-1]
    order = [facility_of(offer) for offer in answer["offers"]]
    assert (order[0], order[-1]) == (NEAR, FAR), (order, answer["meta"])
    near, far = metrics_of(first), metrics_of(last)
    assert near["bytes-local"] == far["bytes-to-move"] > 0
    assert near["bytes-to-move"] == near["transfer-time"] == far["bytes-local"] == 0
    assert far["transfer-time"] > 0
    assert first["schedule"]["available"]["start"] < last["schedule"]["available"]["start"]
    offer: Mapping[str, Any] = first
    return offer


def location_of(session: Mapping[str, Any], kind: str) -> str:
    """Return where the connector of a kind leads to."""
    return next(str(one["location"]) for one in session["connectors"] if kind in one["kind"])
