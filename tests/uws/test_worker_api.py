"""The resources for workers, asked by whoever likes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer

from penstock.db import Database
from penstock.migrations import upgrade
from tests.uws.waiting import eventually
from tests.uws.worker.reports_contract import UPLOAD, MayBeAway, World
from uws.core.job import Phase
from uws.core.phases import Abort, Delete, Revive
from uws.core.results import MOST_RESULTS
from uws.core.tokens import HEADER, attempt_token
from uws.ports import Dispatch
from uws.results import FileResults
from uws.worker_api import WorkerApi

SECRET = b"s" * 32
MOST, MOST_TOGETHER = 1_000_000, 1_500_000


@dataclass
class Worker:
    """Speaks to the service as a worker does, or as one should not."""

    world: World
    client: TestClient[Any, Any]
    dispatch: Dispatch

    async def ask(self, method: str, what: str, **more: Any) -> tuple[int, Any]:
        """Send a request with the token, unless other headers are given; return status and document."""
        job_id, attempt = self.dispatch.job_id, self.dispatch.attempt
        headers = {HEADER: attempt_token(SECRET, job_id, attempt)} | more.pop("headers", {})
        path = more.pop("path", f"/{job_id}/{attempt}/{what}")
        async with self.client.request(method, path, headers=headers, **more) as response:
            if response.status >= 400:
                assert response.content_type == "application/problem+json"
            body = await response.read()
            return response.status, await response.json(content_type=None) if body else None

    async def claim(self) -> None:
        status, answer = await self.ask("POST", "claim", json={"worker": "w"})
        assert (status, answer["job"]["id"]) == (200, self.dispatch.job_id)

    async def send(self, content: bytes, number: object = 1, **more: Any) -> tuple[int, Any]:
        headers = {"Content-Digest": digest_of(content)} | more.pop("headers", {})
        return await self.ask("PUT", f"results/{number}", data=more.pop("data", content), headers=headers)

    def files(self) -> list[str]:
        """Return what lies in the folder of the attempt."""
        folder = self.world.results.path(f"{self.dispatch.job_id}/{self.dispatch.attempt}")
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def named(content: bytes, **other: object) -> dict[str, object]:
    """Return what a worker says of a result that it sent."""
    digest = hashlib.sha256(content).hexdigest()
    return {"id": "a", "number": 1, "media_type": "text/plain", "sha256": digest} | other


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    db = Database(f"sqlite:///{tmp_path}/jobs.db")
    await upgrade(db, {"uws": "uws.migrations"})
    world = World(MayBeAway(db), FileResults(tmp_path / "results"))
    api = WorkerApi(world.reports, world.results, secret=SECRET, max_result_bytes=MOST, max_attempt_bytes=MOST_TOGETHER)
    async with TestClient(TestServer(api.make_app(), handler_cancellation=True)) as client:
        yield Worker(world, client, await world.queued())
    await db.close()


REQUESTS = [
    ("POST", "claim"),
    ("POST", "heartbeat"),
    ("POST", "complete"),
    ("POST", "fail"),
    ("POST", "overrun"),
    ("POST", "ended"),
    ("PUT", "results/1"),
    ("GET", "parameters/2"),
]


@pytest.mark.parametrize(("method", "what"), REQUESTS)
async def test_without_the_token_of_the_attempt_nothing_is_told_or_done(worker: Worker, method: str, what: str) -> None:
    job_id = worker.dispatch.job_id
    other, late = attempt_token(SECRET, job_id[::-1], 1), attempt_token(SECRET, job_id, 2)
    forged = attempt_token(b"t" * 32, job_id, 1)
    for token in ("", "x", other, late, forged, "\xe9" * 64):
        status, _ = await worker.ask(method, what, headers={HEADER: token}, data=b"{}")
        assert status == 403
    for path in (f"/{job_id}/01/{what}", f"/{job_id}/x/{what}", f"/..%2F..%2Fetc/1/{what}", f"/{job_id[1:]}/1/{what}"):
        status, _ = await worker.ask(method, what, path=path, data=b"{}")
        assert status == 403
    assert (await worker.world.job(worker.dispatch)).phase is Phase.QUEUED


async def test_a_job_of_another_secret_gets_the_same_answer_as_none(worker: Worker) -> None:
    answers = [
        await worker.ask("POST", "claim", path=f"/{job_id}/1/claim", headers={HEADER: "0" * 64})
        for job_id in (worker.dispatch.job_id, worker.dispatch.job_id[::-1])
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("claim", b""),
        ("claim", b"null"),
        ("claim", b'{"worker": ""}'),
        ("claim", b"\xff"),
        ("claim", b"[" * 100_000),
        ("heartbeat", b'{"worker": "w", "info": {"progress": 2}}'),
        ("heartbeat", b'{"worker": "w", "info": {"progress": NaN}}'),
        ("heartbeat", b'{"worker": "w", "info": {"message": 1}}'),
        ("fail", b'{"error": {"type": "odd", "message": "x"}}'),
        ("fail", b'{"error": {"type": "fatal", "message": ""}}'),
        ("complete", b'{"results": [{}]}'),
        ("ended", b'{"why": "REPORTED"}'),
    ],
)
async def test_a_report_that_cannot_be_read_is_refused(worker: Worker, what: str, body: bytes) -> None:
    if what != "claim":
        await worker.claim()
    before = await worker.world.job(worker.dispatch)
    assert (await worker.ask("POST", what, data=body))[0] == 400
    assert await worker.world.job(worker.dispatch) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "../a"},
        {"id": ".."},
        {"id": "a\r\nX: y"},
        {"id": "a\0"},
        {"id": "\ud800"},
        {"id": ""},
        {"id": "x" * 300},
        {"media_type": "text/plain\r\nX: y"},
        {"media_type": "text"},
        {"number": 0},
        {"number": "../1"},
        {"sha256": "0" * 63},
        {"sha256": "../" + "0" * 61},
    ],
    ids=repr,
)
async def test_a_result_of_a_harmful_name_is_refused(worker: Worker, wrong: dict[str, object]) -> None:
    await worker.claim()
    assert (await worker.send(b"x"))[0] == 204
    status, _ = await worker.ask("POST", "complete", json={"results": [named(b"x", **wrong)]})
    assert status == 400
    assert (await worker.world.job(worker.dispatch)).phase is Phase.EXECUTING


@pytest.mark.requirement("U-100")
async def test_two_results_of_one_name_are_refused(worker: Worker) -> None:
    """UWS 1.1 s2.2.2.3."""
    await worker.claim()
    assert (await worker.send(b"x"))[0] == 204
    status, problem = await worker.ask("POST", "complete", json={"results": [named(b"x"), named(b"x")]})
    assert (status, "same id" in problem["detail"]) == (400, True)


async def test_text_that_xml_cannot_carry_is_replaced(worker: Worker) -> None:
    await worker.claim()
    info = {"message": "a\x00b", "other": "<x/>"}
    status, _ = await worker.ask("POST", "heartbeat", json={"worker": "w", "info": info})
    assert (status, (await worker.world.job(worker.dispatch)).info) == (200, {"message": "a\ufffdb"})


async def test_only_what_was_received_can_be_published(worker: Worker) -> None:
    await worker.claim()
    assert (await worker.send(b"sent"))[0] == 204
    for claimed in (named(b"other"), named(b"sent", number=2)):
        assert (await worker.ask("POST", "complete", json={"results": [claimed]}))[0] == 404
    assert (await worker.ask("POST", "complete", json={"results": [named(b"sent")]}))[0] == 204
    assert await worker.world.published(worker.dispatch) == {"a": b"sent"}


async def test_content_of_another_digest_is_refused_and_leaves_nothing(worker: Worker) -> None:
    await worker.claim()
    assert (await worker.send(b"x", data=b"y"))[0] == 400
    for header in ("", "md5=:AAAA:", "sha-256=:AAAA:", f"x{digest_of(b'x')}", f"a=1;x{digest_of(b'x')}"):
        assert (await worker.send(b"x", headers={"Content-Digest": header}))[0] == 400
    assert worker.files() == []


@pytest.mark.parametrize("others", ["{}", "md5=:AAAA:, {}", "{}, md5=:AAAA:", "md5=:AAAA:,{};x=1"])
async def test_the_digest_is_found_among_others(worker: Worker, others: str) -> None:
    """RFC 9530 s2."""
    await worker.claim()
    assert (await worker.send(b"x", headers={"Content-Digest": others.format(digest_of(b"x"))}))[0] == 204


async def test_sending_again_changes_nothing(worker: Worker) -> None:
    await worker.claim()
    for _ in range(2):
        assert (await worker.send(b"x"))[0] == 204
        assert worker.files() == [f"1.{hashlib.sha256(b'x').hexdigest()}"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_the_limit_is_refused_and_leaves_nothing(worker: Worker, chunked: bool) -> None:
    await worker.claim()
    content = bytes(MOST + 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    assert (await worker.send(content, data=chunks() if chunked else content))[0] == 413
    assert worker.files() == []


async def test_all_that_is_sent_of_an_attempt_is_limited(worker: Worker) -> None:
    await worker.claim()
    large = bytes(MOST)
    assert (await worker.send(large, 1))[0] == 204
    status, problem = await worker.send(large, 2)
    assert (status, f"{MOST_TOGETHER} bytes together" in problem["detail"]) == (413, True)
    assert (await worker.send(large, 1))[0] == 204  # it has it already
    assert (await worker.send(bytes(MOST_TOGETHER - MOST), 2))[0] == 204
    assert (await worker.send(b"x", 3))[0] == 413
    assert len(worker.files()) == 2


async def test_files_of_one_number_are_limited_however_small(worker: Worker) -> None:
    await worker.claim()
    folder = worker.world.results.path(f"{worker.dispatch.job_id}/{worker.dispatch.attempt}")
    for number in range(MOST_RESULTS + 1):
        (folder / f"1.{number}").touch()
    assert (await worker.send(b"x"))[0] == 413


async def test_a_report_names_no_more_results_than_a_job_may_have(worker: Worker) -> None:
    await worker.claim()
    many = [named(b"x", id=f"r{number}", number=number) for number in range(1, MOST_RESULTS + 2)]
    status, problem = await worker.ask("POST", "heartbeat", json={"worker": "w", "results": many})
    assert (status, str(MOST_RESULTS) in problem["detail"]) == (400, True)
    assert (await worker.send(b"x", MOST_RESULTS))[0] == 204
    assert (await worker.send(b"x", MOST_RESULTS + 1))[0] == 404


async def test_two_results_of_one_number_are_refused(worker: Worker) -> None:
    await worker.claim()
    assert (await worker.send(b"x"))[0] == 204
    status, problem = await worker.ask("POST", "complete", json={"results": [named(b"x"), named(b"x", id="b")]})
    assert (status, "same number" in problem["detail"]) == (400, True)


async def test_results_are_looked_up_while_others_are_served(worker: Worker) -> None:
    await worker.claim()
    assert (await worker.send(b"x"))[0] == 204
    store, threads = worker.world.results, []
    real = store.received
    store.received = lambda *given, **more: threads.append(threading.current_thread()) or real(*given, **more)
    assert (await worker.ask("POST", "heartbeat", json={"worker": "w", "results": [named(b"x")]}))[0] == 200
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_a_job_that_failed_says_why_even_if_its_worker_does_not(worker: Worker) -> None:
    await worker.claim()
    for _ in range(2):
        assert (await worker.ask("POST", "fail", json={"error": {"type": "fatal", "message": " \n "}}))[0] == 204
    error = (await worker.world.job(worker.dispatch)).error
    assert error is not None
    assert "does not say why" in error.message


async def test_a_result_that_breaks_off_leaves_nothing(worker: Worker) -> None:
    await worker.claim()
    begun = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(200_000)
        begun.set()
        await asyncio.sleep(600)

    sending = asyncio.create_task(worker.send(b"x", data=chunks()))
    await begun.wait()
    await eventually(lambda: len(worker.files()) == 1)
    sending.cancel()
    await eventually(lambda: worker.files() == [])


@pytest.mark.parametrize("number", ["0", "-1", "x", "..%2F1", "1%00", "\u0661"])
async def test_what_is_no_number_is_not_found(worker: Worker, number: str) -> None:
    await worker.claim()
    assert (await worker.send(b"x", number))[0] == 404
    assert (await worker.ask("GET", f"parameters/{number}"))[0] == 404


async def test_files_of_parameters_are_given_to_the_one_who_runs_the_job(worker: Worker) -> None:
    assert (await worker.ask("GET", "parameters/2"))[0] == 410
    await worker.claim()
    headers = {HEADER: attempt_token(SECRET, worker.dispatch.job_id, 1)}
    async with worker.client.get(f"/{worker.dispatch.job_id}/1/parameters/2", headers=headers) as response:
        assert await response.read() == UPLOAD
    for number in (1, 3):
        assert (await worker.ask("GET", f"parameters/{number}"))[0] == 404


@pytest.mark.parametrize("event", [Abort(), Delete(), Revive(1)], ids=lambda event: str(event.kind))
async def test_nothing_is_taken_from_an_attempt_that_is_over(worker: Worker, event: Any) -> None:
    await worker.claim()
    assert (await worker.send(b"x"))[0] == 204
    await worker.world.happen(worker.dispatch, event)
    body: dict[str, Any] = {"worker": "w", "results": [named(b"x")], "error": {"type": "fatal", "message": "x"}}
    for method, what in REQUESTS:
        if what == "ended":
            continue  # who says so means well
        status, _ = await (worker.send(b"y", 2) if method == "PUT" else worker.ask(method, what, json=body))
        assert (what, status) == (what, 410)
    assert len(worker.files()) == 1


async def test_who_claims_again_keeps_what_was_sent(worker: Worker) -> None:
    await worker.claim()
    assert (await worker.send(b"x"))[0] == 204
    await worker.claim()
    assert (await worker.ask("POST", "complete", json={"results": [named(b"x")]}))[0] == 204


async def test_a_worker_that_gives_up_lets_another_try_at_once(worker: Worker) -> None:
    await worker.claim()
    assert (await worker.ask("POST", "ended", json={"why": "RELEASED"}))[0] == 204
    job = await worker.world.job(worker.dispatch)
    assert (job.phase, job.attempt) == (Phase.QUEUED, 2)


@pytest.mark.requirement("SS-06")
async def test_no_token_comes_into_the_log(worker: Worker) -> None:
    with structlog.testing.capture_logs() as lines:
        await worker.claim()
        worker.world.store.away = True
        assert (await worker.ask("POST", "heartbeat", json={"worker": "w"}))[0] == 503
        await worker.ask("POST", "heartbeat", json={"worker": "w"}, headers={HEADER: "wrong-token"})
    told = repr(lines)
    assert "service_error" in told
    assert attempt_token(SECRET, worker.dispatch.job_id, 1) not in told
    assert "wrong-token" not in told


async def test_errors_of_the_router_are_problems_too(worker: Worker) -> None:
    assert (await worker.ask("GET", "nothing"))[0] == 404
    assert (await worker.ask("DELETE", "claim"))[0] == 405
