from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner, Result

from tap_proxy.commands import app
from tests.support.processes import reap
from tests.support.server import environment, serve
from tests.tap_proxy.own.files import as_csv

PUBLISHED = "SELECT table_name FROM tap_schema.tables WHERE schema_name = 'own'"


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(folder / "data")])


def csv_of(base: str, query: str) -> list[str]:
    data = {"LANG": "ADQL", "QUERY": query, "FORMAT": "csv"}
    answer = requests.post(f"{base}/tap/sync", data=data, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text.split()[1:]


def staged(data: Path) -> list[str]:
    with closing(sqlite3.connect(data / "penstock.db")) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'own!_!_%!_!_new' ESCAPE '!'")
        return [name for (name,) in rows]


def test_a_table_is_added_listed_and_removed(tmp_path: Path) -> None:
    added = run(tmp_path, "add", str(as_csv(tmp_path)), "--index", "mag", "--json")
    assert added.exit_code == 0, added.output
    told = json.loads(added.stdout)
    assert (told["table"], told["rows"]) == ("own.stars", 3)
    assert told["indexes"] == [["dec", "ra"], ["mag"]]
    assert "own.stars" in run(tmp_path, "list").stdout
    again = run(tmp_path, "add", str(as_csv(tmp_path)))
    assert (again.exit_code, "--replace" in again.stderr) == (1, True)
    assert "indexed: dec and ra" in run(tmp_path, "add", str(as_csv(tmp_path)), "--replace").stdout
    assert run(tmp_path, "remove", "own.stars").exit_code == 0
    assert json.loads(run(tmp_path, "list", "--json").stdout) == []
    assert run(tmp_path, "remove", "own.stars").exit_code == 1


@pytest.mark.parametrize("schema", ["ivoa", "uws", "tap_schema", "lake", "pg_catalog"])
def test_the_schemas_of_others_are_not_filled(tmp_path: Path, schema: str) -> None:
    refused = run(tmp_path, "add", str(as_csv(tmp_path)), "--schema", schema)
    assert (refused.exit_code, "not for added tables" in refused.stderr) == (1, True)


def test_a_running_server_offers_the_table_at_once_and_a_killed_load_leaves_no_trace(tmp_path: Path) -> None:
    lines = "\n".join(f"{n},{n % 360}" for n in range(2_000_000))
    (tmp_path / "large.csv").write_text(f"n,x\n{lines}\n")
    with serve(tmp_path / "data", "tap") as server:
        command = [sys.executable, "-m", "penstock", "tap", "add", str(tmp_path / "large.csv")]
        process = subprocess.Popen([*command, "--data", str(tmp_path / "data")], env=environment())
        try:
            while not staged(tmp_path / "data"):
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGSTOP)
            assert csv_of(server.base, PUBLISHED) == []
            process.send_signal(signal.SIGKILL)
        finally:
            reap(process)
        assert csv_of(server.base, PUBLISHED) == []
        assert staged(tmp_path / "data") == ["own__large__new"]
        added = run(tmp_path, "add", str(as_csv(tmp_path)), "--table", "large")
        assert added.exit_code == 0, added.output
        assert csv_of(server.base, "SELECT COUNT(*) AS n FROM own.large") == ["3"]
        assert csv_of(server.base, PUBLISHED) == ["own.large"]
    assert staged(tmp_path / "data") == []
