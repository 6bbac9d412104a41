"""The command itself, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
import requests

from tests.support.server import environment, serve

COMMAND = [sys.executable, "-m", "penstock"]


def penstock(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=environment(**settings), capture_output=True, text=True, timeout=60
    )


def assert_one_line(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 2
    assert done.stderr.startswith("penstock: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_a_taken_port_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = penstock("serve", "--port", str(other.getsockname()[1]), cwd=tmp_path)
    assert_one_line(done, "choose another with --port")


def test_an_unwritable_directory_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = penstock("serve", "--port", "0", "--data", "file/below", cwd=tmp_path)
    assert_one_line(done, "give another with --data")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"PENSTOCK_AUTHORITY": "a b"}, "setting authority"),
        ({"PENSTOCK_PROT": "80"}, "PENSTOCK_PROT"),
        ({"PENSTOCK_LAKE": "ocean"}, "no plugin 'ocean'"),
        ({"PENSTOCK_EXECUTOR": "nobody"}, "no plugin 'nobody'"),
        ({"PENSTOCK_DATABASE_URL": "mysql://x"}, "database_url"),
        ({"PENSTOCK_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, "u:***@127.0.0.1"),
    ],
)
def test_a_bad_setting_is_one_line_that_says_which(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    assert_one_line(penstock("serve", "--port", "0", cwd=tmp_path, **settings), says)


def test_an_unknown_service_is_one_line_that_lists_the_known(tmp_path: Path) -> None:
    assert_one_line(penstock("serve", "tab", "--port", "0", cwd=tmp_path), "installed: basket, datalink")


def test_an_unknown_service_is_told_before_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = penstock("serve", "tab", "--port", str(other.getsockname()[1]), cwd=tmp_path)
    assert_one_line(done, "no service 'tab'")


def test_a_wrong_host_is_one_line_that_names_it(tmp_path: Path) -> None:
    done = penstock("serve", "--host", "not.a.host.invalid", "--port", "0", cwd=tmp_path)
    assert_one_line(done, "'not.a.host.invalid'")
    assert "--port" not in done.stderr


def test_the_version_is_shown(tmp_path: Path) -> None:
    assert penstock("--version", cwd=tmp_path).stdout == f"penstock {version('penstock')}\n"


SECRET = "hunter2-" * 5
HIDDEN = {
    "PENSTOCK_DATABASE_URL": f"postgresql://u:{SECRET}@h/d",
    "PENSTOCK_TAP__DATABASE_URL": f"postgresql://u:{SECRET}@h/d",
    "PENSTOCK_UWS__WORKER_SECRET": SECRET,
}


def test_settings_are_listed_for_people_with_whole_names_however_narrow(tmp_path: Path) -> None:
    machine = penstock("settings", "--json", cwd=tmp_path).stdout.splitlines()
    listed = penstock("settings", cwd=tmp_path, COLUMNS="40", **HIDDEN)
    assert "PENSTOCK_CONFIG" in listed.stdout
    assert SECRET not in listed.stdout
    assert "PENSTOCK_TAP__DATABASE_URL = ***" in listed.stdout
    for row in map(json.loads, machine):
        assert f"{row['variable']} = " in listed.stdout
        assert f"{row['toml']}: {row['description']}" in listed.stdout


@pytest.mark.parametrize("command", [["ls"], ["sites"], ["remove", "x"]])
def test_a_lake_that_is_not_there_is_not_made_by_asking_for_it(tmp_path: Path, command: list[str]) -> None:
    done = penstock("lake", *command, cwd=tmp_path)
    assert_one_line(done, f"no lake at {tmp_path / 'penstock-data'}: give --data")
    assert list(tmp_path.iterdir()) == []


def test_settings_are_listed_for_machines_without_secrets(tmp_path: Path) -> None:
    done = penstock("settings", "--json", cwd=tmp_path, **HIDDEN)
    rows = {row["toml"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["port"] == {
        "variable": "PENSTOCK_PORT",
        "toml": "port",
        "value": 8080,
        "description": "Port to listen on; 0 takes any free one",
    }
    assert SECRET not in done.stdout
    for name in ("database_url", "tap.database_url", "uws.worker_secret"):
        assert "***" in rows[name]["value"]
    assert any(name.startswith("tap.") for name in rows)


def test_named_services_are_served_alone(tmp_path: Path) -> None:
    with serve(tmp_path, "datalink") as server:
        announced = server.output
        assert requests.get(f"{server.base}/datalink/availability", timeout=10).status_code == 200
        assert requests.get(f"{server.base}/tap/availability", timeout=10).status_code == 404
        front = requests.get(f"{server.base}/", timeout=10).text
        for text in (front, announced):
            assert f"{server.base}/datalink" in text
            assert "/tap" not in text
            assert "/uws" not in text


def test_tap_alone_is_announced_with_what_to_paste(tmp_path: Path) -> None:
    with serve(tmp_path, "tap") as server:
        assert f"serves at {server.base}/ (TAP {server.base}/tap)" in server.output
        assert "/uws/jobs" not in server.output
        assert "Try it" in requests.get(f"{server.base}/", timeout=10).text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_although_a_client_waits(tmp_path: Path, number: signal.Signals) -> None:
    with serve(tmp_path) as server:
        made = requests.post(f"{server.base}/uws/jobs", data={"TYPE": "echo", "MESSAGE": "x"}, timeout=10)
        answers: list[int] = []
        waiter = threading.Thread(
            target=lambda: answers.append(requests.get(f"{made.url}?WAIT=60", timeout=60).status_code)
        )
        waiter.start()
        while 'penstock_requests_in_progress{service="uws"} 1.0' not in requests.get(f"{server.base}/metrics").text:
            assert waiter.is_alive()
        os.kill(server.process.pid, number)
        assert server.process.wait(timeout=30) == 0
        waiter.join(timeout=30)
    assert answers == [200]
    assert "Traceback" not in server.output
