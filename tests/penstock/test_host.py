"""What the host itself answers, over all services at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from penstock.host import bind
from penstock.settings import SettingsError
from tests.support.server import Server, serve

SERVICES = ("uws", "tap", "datalink", "execplanner", "registry")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("data")) as running:
        yield running


def get(server: Server, path: str, **headers: str) -> requests.Response:
    return requests.get(server.base + path, headers=headers, timeout=30)


def test_the_front_page_leads_to_every_service(server: Server) -> None:
    page = get(server, "/")
    assert page.headers["Content-Type"].startswith("text/html")
    for name in SERVICES:
        assert f'href="{server.base}/{name}"' in page.text


@pytest.mark.requirement("DA-21", "VO-02")
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("path", ["", "/", "/capabilities", "/availability"])
def test_every_service_answers_at_its_base_and_its_vosi_endpoints(server: Server, name: str, path: str) -> None:
    assert get(server, f"/{name}{path}").status_code == 200


def test_openapi_lists_the_routes_of_every_service(server: Server) -> None:
    document = get(server, "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert {"/tap/sync", "/tap/async", "/uws/jobs", "/datalink/links", "/registry/oai"} <= set(document["paths"])
    assert document["paths"]["/tap/sync"]["get"]["summary"]


def test_metrics_count_requests_by_service(server: Server) -> None:
    get(server, "/tap/availability")
    get(server, "/no/such/thing")
    text = get(server, "/metrics").text
    assert 'penstock_requests_total{method="GET",service="tap",status="200"}' in text
    assert 'service="unknown",status="404"' in text


@pytest.mark.parametrize("path", ["/no/such/thing", "/tap/nosuch", "/uws/nosuch", "/datalink/nosuch"])
def test_what_is_not_there_is_404_and_says_so(server: Server, path: str) -> None:
    answer = get(server, path)
    assert answer.status_code == 404
    assert path in answer.text


def test_a_caller_of_json_gets_a_problem_document(server: Server) -> None:
    answer = get(server, "/no/such/thing", Accept="application/json")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 404


def test_every_answer_names_its_request_and_its_server(server: Server) -> None:
    answer = get(server, "/health", **{"X-Request-ID": "trace-12345"})
    assert answer.headers["X-Request-ID"] == "trace-12345"
    assert answer.headers["Server"].startswith("Penstock/")


def test_a_forged_host_is_not_believed(server: Server) -> None:
    assert "evil.example" not in get(server, "/tap/capabilities", Host="evil.example").text


def test_the_server_says_which_url_and_what_to_paste(server: Server) -> None:
    for word in ("pyvo", "stilts tapquery", "curl"):
        assert word in server.output
    assert server.output.count(f"{server.base}/tap") >= 3
    assert f"TAP {server.base}/tap, jobs {server.base}/uws/jobs, DataLink {server.base}/datalink/links" in server.output


def test_bytes_that_are_no_http_are_refused_and_not_logged(server: Server) -> None:
    address = urlsplit(server.base)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\x01\r\n\r\n")
        assert connection.recv(100).partition(b"\r")[0].endswith(b" 400 Bad Request")
    get(server, "/health", **{"X-Request-ID": "after-nonsense"})
    assert "Traceback" not in server.output
    assert "SECRET" not in server.output


def test_an_address_is_taken_at_once() -> None:
    with bind("127.0.0.1", 0) as first, pytest.raises(SettingsError, match=r"cannot listen on .*--port"):
        bind("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize("host", ["nosuch.invalid", "192.0.2.1", "a..b", "1:2"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=f"'{host}'.*--host"):
        bind(host, 0)
