from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from execplanner.commands import plan_app

NOTEBOOK = "https://example.org/sky.ipynb"
OFFER = {
    "meta": {"url": "https://vo.example.org/sessions/1"},
    "expires": "2026-01-01T00:05:00Z",
    "schedule": {"available": {"start": "2026-01-01T00:00:00Z/PT0S", "duration": "PT1H"}},
    "compute": {"cores": {"min": 4, "max": 4}, "memory": {"min": 8, "max": 8}},
}


class StubBroker(BaseHTTPRequestHandler):
    """Answers every request with what the test says."""

    answer: tuple[int, Any] = (200, {"result": "YES", "offers": [OFFER]})
    received: list[tuple[str, Any, str | None]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.path, body, self.headers.get("Authorization")))
        self._reply(*self.answer)

    def do_GET(self) -> None:
        self._reply(200, {"name": "sky", "codeRepository": "https://github.com/sky/maps"})

    def _reply(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        pass


@pytest.fixture
def broker() -> Iterator[tuple[str, type[StubBroker]]]:
    handler = type("Handler", (StubBroker,), {"received": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/execplanner", handler
        server.shutdown()
        thread.join()


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(plan_app, list(arguments))


def test_the_request_is_printed_as_yaml_or_json() -> None:
    written = plan(NOTEBOOK, "--cores", "2")
    assert written.exit_code == 0
    assert yaml.safe_load(written.stdout)["compute"]["cores"] == {"min": 2}
    assert json.loads(plan(NOTEBOOK, "--cores", "2", "--json").stdout) == yaml.safe_load(written.stdout)


def test_codemeta_comes_from_a_file_or_from_a_url(tmp_path: Path, broker: tuple[str, type[StubBroker]]) -> None:
    path = tmp_path / "codemeta.json"
    path.write_text(json.dumps({"codeRepository": "https://github.com/sky/maps", "memoryRequirements": "much"}))
    read = plan(str(path))
    assert yaml.safe_load(read.stdout)["executable"]["location"] == "https://github.com/sky/maps"
    assert "note: memoryRequirements" in read.stderr
    fetched = plan(f"{broker[0]}/codemeta.json", "--json")
    assert json.loads(fetched.stdout)["executable"]["meta"] == {"name": "sky"}


def test_offers_are_listed_and_the_token_is_sent(tmp_path: Path, broker: tuple[str, type[StubBroker]]) -> None:
    url, handler = broker
    token = tmp_path / "token"
    token.write_text("abc")
    done = plan(NOTEBOOK, "--send", url, "--token-file", str(token))
    assert done.exit_code == 0, done.output
    for text in ("2026-01-01T00:00:00Z", "PT1H", "https://vo.example.org/sessions/1"):
        assert text in done.stdout
    path, body, authorization = handler.received[0]
    assert (path, authorization) == ("/execplanner/requests", "Bearer abc")
    assert body["executable"]["location"] == NOTEBOOK
    assert json.loads(plan(NOTEBOOK, "--send", url, "--json").stdout)["offers"] == [OFFER]


def test_a_no_says_why_and_is_an_exit_status(broker: tuple[str, type[StubBroker]]) -> None:
    url, handler = broker
    handler.answer = (200, {"result": "NO", "meta": {"messages": [{"level": "WARN", "message": "Too large."}]}})
    done = plan(NOTEBOOK, "--send", url)
    assert done.exit_code == 1
    assert "No offers." in done.stdout
    assert "WARN: Too large." in done.stdout


@pytest.mark.parametrize("answer", [(503, {}), (401, {}), (500, {}), (200, [])])
def test_a_broker_that_does_not_answer_as_one_is_one_line(
    broker: tuple[str, type[StubBroker]], answer: tuple[int, Any]
) -> None:
    url, handler = broker
    handler.answer = answer
    done = plan(NOTEBOOK, "--send", url)
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith("penstock plan: ")
    assert "Traceback" not in done.output


@pytest.mark.parametrize("source", ["nosuch.json", "nosuch", "https://example.org/", "{}"])
def test_what_cannot_be_planned_is_one_line(source: str) -> None:
    done = plan(source)
    assert done.exit_code == 2
    assert done.stderr.startswith("penstock plan: ")
