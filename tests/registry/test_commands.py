"""``penstock registry``: in this process, and in processes of its own beside running servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from penstock.settings import SettingsError, load_settings
from registry.commands import app
from registry.compose import curation_of
from registry.core.curation import read_curation
from registry.settings import RegistrySettings
from tests.registry.builders import a_record
from tests.support.server import environment, serve

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "first.example.org", "second.example.org"


def invoke(*words: str | Path, data: Path | None = None, **settings: str) -> Result:
    """Run a command in this process, which is quicker than a new one."""
    more = ["--data", str(data)] if data else []
    return CliRunner().invoke(app, [*map(str, words), *more], env=settings)


def command(*words: str | Path, data: Path | None = None) -> list[str]:
    return [sys.executable, "-m", "penstock", "registry", *map(str, words), *(["--data", str(data)] if data else [])]


def run(*words: str | Path, data: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words, data=data),
        env=environment(**settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines(done: Result | subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_records_are_added_shown_deprecated_and_deleted(tmp_path: Path) -> None:
    ours = {"PENSTOCK_AUTHORITY": FIRST}
    folder, data = tmp_path / "records", tmp_path / "data"
    folder.mkdir()
    ivoid = f"ivo://{FIRST}/hand"
    (folder / "good.xml").write_bytes(a_record(ivoid))
    (folder / "foreign.xml").write_bytes(a_record("ivo://third.org/x"))
    done = invoke("validate", folder, **ours)
    assert (done.exit_code, f"{folder}/good.xml: valid" in done.stdout) == (1, True)
    assert f"{folder}/foreign.xml:5: error: the authority third.org" in done.stdout
    added = invoke("add", folder, data=data, **ours)
    assert (added.exit_code, added.stdout) == (3, f"added {ivoid}\n")
    assert invoke("add", folder / "foreign.xml", data=data, **ours).exit_code == 1
    assert f"<identifier>{ivoid}</identifier>" in invoke("show", ivoid, data=data, **ours).stdout
    assert invoke("deprecate", ivoid, data=data, **ours).exit_code == 0
    assert lines(invoke("list", "hand", "--json", data=data, **ours))[0]["status"] == "inactive"
    assert invoke("delete", ivoid, data=data, **ours).exit_code == 0
    gone = invoke("delete", ivoid, data=data, **ours)
    assert (gone.exit_code, len(gone.stderr.splitlines())) == (1, 1)
    assert invoke("list", data=data, **ours).stdout == ""
    assert "(deleted)" in invoke("list", "--deleted", data=data, **ours).stdout


def test_a_curation_file_is_written_once_and_read(tmp_path: Path) -> None:
    file = tmp_path / "curation.toml"
    assert invoke("init", file).exit_code == 0
    again = invoke("init", file)
    assert (again.exit_code, "there already" in again.stderr) == (1, True)
    assert invoke("init", "-").stdout == file.read_text()
    assert read_curation(file.read_text()).title == "Example Observatory"


def test_a_wrong_curation_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "curation.toml"
    file.write_text('title = "x"\n[services.tap]\ncolour = 3\n')
    settings = load_settings({"registry": RegistrySettings}, registry={"curation": file})
    with pytest.raises(SettingsError, match=r"curation.toml: line 3: services.tap.colour: there is no such key"):
        curation_of(settings)
    file.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        curation_of(settings)


def test_what_cannot_be_done_is_told_with_what_to_do(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for words in (("list",), ("show", "ivo://a.b.c/x"), ("delete", "ivo://a.b.c/x"), ("quarantine",)):
        done = invoke(*words, data=nowhere)
        assert isinstance(done.exception, SettingsError)
        assert f"no registry at {nowhere}" in str(done.exception)
    for words, code, told in (
        (("add", nowhere), 2, "does not exist"),
        (("init", tmp_path / "none" / "x.toml"), 1, "cannot be written"),
        (("harvest", "--data", tmp_path), 1, "registry.harvest"),
        (("add", tmp_path), 1, "there is no *.xml"),
    ):
        done = invoke(*words)
        assert (done.exit_code, done.stdout) == (code, "")
        assert told in " ".join(done.stderr.split())


def test_two_hosts_harvest_each_other_and_one_that_was_killed_goes_on(tmp_path: Path) -> None:
    folder, first, second = tmp_path / "records", tmp_path / "first", tmp_path / "second"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number}.xml").write_bytes(a_record(f"ivo://{FIRST}/hand/{number:03d}"))
    ours, theirs = {"PENSTOCK_AUTHORITY": FIRST}, {"PENSTOCK_AUTHORITY": SECOND}
    assert invoke("add", folder, data=first, **ours).exit_code == 0
    with (
        serve(first, "registry", "tap", "uws", **ours, PENSTOCK_REGISTRY__PAGE_SIZE="1") as one,
        serve(second, "registry", "tap", "uws", **theirs) as two,
    ):
        url = f"{one.base}/registry/oai"
        _kill_in_the_middle(url, second, theirs)
        (interrupted,) = lines(invoke("sources", "--json", data=second, **theirs))
        assert interrupted["token"]
        report = lines(run("harvest", url, "--allow-private", "--json", data=second, **theirs))[0]
        assert (report["complete"], report["resumed"], report["quarantined"]) == (True, True, 0)
        refused = invoke("harvest", url, data=second, **theirs)
        assert (refused.exit_code, "not a public address" in refused.stderr) == (1, True)
        back = invoke("harvest", f"{two.base}/registry/oai", "--allow-private", "--json", data=first, **ours)
        assert lines(back)[0]["complete"]
        itself = invoke("harvest", url, "--allow-private", "--json", data=first, **ours)
        assert lines(itself)[0]["added"] == 0
        mine = lines(invoke("list", "--json", data=first, **ours))
        copied = lines(invoke("list", "--json", "--origin", url, data=second, **theirs))
    assert {one["ivoid"] for one in copied} == {
        one["ivoid"] for one in mine if str(one["ivoid"]).startswith(f"ivo://{FIRST}")
    }
    assert any(str(one["ivoid"]).startswith(f"ivo://{SECOND}") for one in mine)


def _kill_in_the_middle(url: str, data: Path, settings: dict[str, str]) -> None:
    """Harvest until some pages are written, then kill the process."""
    words = command("harvest", url, "--allow-private", data=data)
    with subprocess.Popen(words, env=environment(**settings), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while time.monotonic() < until and _copied(data) < 5:
            assert process.poll() is None, "it came to its end before it could be killed"
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert 5 <= _copied(data) < 120


def _copied(data: Path) -> int:
    import sqlite3

    with sqlite3.connect(data / "penstock.db", timeout=10) as db:
        return int(db.execute("SELECT COUNT(*) FROM registry__record WHERE NOT managed").fetchone()[0])
