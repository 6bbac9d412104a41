"""Jobs through Celery while everything is killed at random, and what must hold at the end (failure group 20)."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from penstock.clock import utc_now
from penstock.db import Database
from tests.uws.survival.soak_site import Chaos, SoakSite, soak_site
from uws.events import Hub
from uws.results import FileResults
from uws.service.changes import Changes
from uws.service.policy import Policy
from uws.service.upkeep import Upkeep
from uws.store import SqlStore

CLIENTS = 16
PATIENCE_S = 300
_KINDS = {"echo": 60, "sleep": 20, "fail": 10, "abort": 10}
_TERMINAL = ("COMPLETED", "ERROR", "ABORTED")
_GOES_ON = ("PENDING", "QUEUED", "EXECUTING")
_AUDIT = """
    CREATE TABLE soak_audit (job_id text, attempt int, was text, became text);
    CREATE FUNCTION soak_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO soak_audit VALUES (NEW.id, NEW.attempt, OLD.phase, NEW.phase); RETURN NULL; END $$;
    CREATE TRIGGER soak AFTER UPDATE OF phase ON uws.job FOR EACH ROW WHEN (OLD.phase <> NEW.phase)
        EXECUTE FUNCTION soak_note();
"""


@dataclass(slots=True, kw_only=True)
class Figures:
    """How a soak went."""

    seconds: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    most_attempts: int = 0


async def soak(folder: Path, *, jobs: int, broker: str = "redis", seed: int = 1, pause_s: float = 2.0) -> Figures:
    """Run jobs while processes are killed; raise where something is not as it must be at the end."""
    figures, begun = Figures(), time.monotonic()
    with soak_site(folder, broker) as site:
        await _execute(site.postgres.url, _AUDIT)
        chaos = Chaos(site, random.Random(seed), pause_s)
        reign = asyncio.create_task(chaos.reign())
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            clients = _Clients(site.base, session, figures, random.Random(seed + 1))
            await clients.run(jobs)
        reign.cancel()
        await asyncio.wait({reign})
        figures.killed, figures.seconds = chaos.done, time.monotonic() - begun
        await asyncio.to_thread(site.stop)
        await _check_jobs(site, figures, clients.expected)
        await _check_files(site)
        assert site.survivors() == []
        assert not list(site.temporary.glob("penstock-*"))
    return figures


class _Clients:
    """Clients that create jobs, perhaps abort them, and wait for their ends, whatever fails meanwhile."""

    def __init__(self, base: str, session: aiohttp.ClientSession, figures: Figures, dice: random.Random) -> None:
        self._jobs = f"{base}/uws/jobs"
        self._session = session
        self._figures = figures
        self._dice = dice
        self.expected: dict[str, str] = {}

    async def run(self, jobs: int) -> None:
        left = iter(range(jobs))

        async def one_client() -> None:
            for _ in left:
                await self._one()

        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(one_client())

    async def _one(self) -> None:
        [kind] = self._dice.choices(list(_KINDS), list(_KINDS.values()))
        fields = {"JOBTYPE": "sleep" if kind == "abort" else kind, "PHASE": "RUN"}
        if kind == "echo":
            fields["MESSAGE"] = uuid.uuid4().hex
        elif kind != "fail":
            fields["DURATION"] = f"{60 if kind == 'abort' else self._dice.uniform(0, 2):.1f}"
        created = await self._insist("POST", self._jobs, fields, {"Idempotency-Key": uuid.uuid4().hex})
        url = self._jobs + created["location"].partition("/uws/jobs")[2]
        self.expected[url.rpartition("/")[2]] = fields.get("MESSAGE", "") if kind == "echo" else kind
        if kind == "abort":
            await asyncio.sleep(self._dice.uniform(0, 3))
            await self._insist("POST", f"{url}/phase", {"PHASE": "ABORT"})
        async with asyncio.timeout(PATIENCE_S):
            while (await self._insist("GET", f"{url}?RESPONSEFORMAT=json&WAIT=20"))["phase"] in _GOES_ON:
                pass

    async def _insist(
        self, method: str, url: str, data: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a request until it is answered; only that the service is not there may go wrong."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.request(
                    method, url, data=data, headers=headers, allow_redirects=False
                ) as response:
                    self._figures.answers[str(response.status)] += 1
                    if response.status == 200:
                        return dict(await response.json())
                    if response.status == 303:
                        return {"location": response.headers["Location"]}
                    if response.status == 403:  # it was over before it could be aborted
                        return {}
                    assert response.status == 503, await response.text()
            self._figures.answers["tried again"] += 1
            await asyncio.sleep(0.3)


async def _check_jobs(site: SoakSite, figures: Figures, expected: dict[str, str]) -> None:
    jobs = {row["id"]: row for row in await _execute(site.postgres.url, "SELECT * FROM uws.job")}
    audit = await _execute(site.postgres.url, "SELECT * FROM soak_audit")
    assert jobs.keys() == expected.keys()
    assert {job["phase"] for job in jobs.values()} <= set(_TERMINAL)
    assert not await _execute(site.postgres.url, "SELECT * FROM uws.outbox WHERE kind = 'RUN'")
    assert not [change for change in audit if change["was"] in _TERMINAL]
    completions = Counter(change["job_id"] for change in audit if change["became"] == "COMPLETED")
    starts = Counter((change["job_id"], change["attempt"]) for change in audit if change["became"] == "EXECUTING")
    assert not completions or max(completions.values()) == 1
    assert max(starts.values()) == 1
    figures.phases.update(job["phase"] for job in jobs.values())
    figures.starts, figures.most_attempts = len(starts), max(job["attempt"] for job in jobs.values())
    for row in await _execute(site.postgres.url, "SELECT job_id, blob FROM uws.job_result WHERE id = 'echo'"):
        assert (site.data / "results" / row["blob"]).read_text() == expected[row["job_id"]]
    for job_id, kind in expected.items():
        assert jobs[job_id]["phase"] != "COMPLETED" or kind not in {"abort", "fail"}


async def _check_files(site: SoakSite) -> None:
    """See that every file belongs to a job once the service has looked for others, which it does an hour later."""
    db, results = Database(site.postgres.url), FileResults(site.data / "results")
    store = SqlStore(db)
    later = Changes(store, Hub(), lambda: utc_now() + timedelta(hours=2))
    await Upkeep(later, results, None, Policy()).sweep()  # type: ignore[arg-type]  # nothing is stopped
    await db.close()
    rows = await _execute(site.postgres.url, "SELECT id, attempt, phase FROM uws.job")
    folders = {row["id"]: {str(row["attempt"])} for row in rows}
    blobs = {row["blob"] for row in await _execute(site.postgres.url, "SELECT blob FROM uws.job_result")}
    for folder in (site.data / "results").iterdir():
        if folder.name != "spool":
            assert {attempt.name for attempt in folder.iterdir()} <= folders[folder.name]
    missing = [blob for blob in blobs if not (site.data / "results" / blob).is_file()]
    assert not missing


async def _execute(url: str, sql: str) -> list[asyncpg.Record]:
    for _ in range(100):
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError):  # it is still recovering
            await asyncio.sleep(0.2)
            continue
        try:
            if sql.lstrip().startswith("SELECT"):
                return list(await connection.fetch(sql))
            await connection.execute(sql)
            return []
        finally:
            await connection.close()
    raise TimeoutError(url)
