from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penstock.lake.cli import SOME_SKIPPED, lake_app
from tests.penstock.lake.builders import write


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(lake_app, [*arguments, "--data", str(tmp_path / "data")])


def test_adding_tells_what_was_done(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits")
    first = run(tmp_path, "add", str(tmp_path / "tree"), "--site", "HERE", "--latitude", "10.5", "--longitude", "-20")
    assert first.exit_code == 0, first.output
    assert "1 added, 0 updated, 0 unchanged, 0 vanished, 0 skipped" in first.stdout
    assert "1 unchanged" in run(tmp_path, "add", str(tmp_path / "tree"), "--site", "HERE").stdout
    (site,) = json.loads(run(tmp_path, "sites", "--json").stdout)
    assert (site["name"], site["latitude_deg"], site["longitude_deg"]) == ("HERE", 10.5, -20)
    (holding,) = json.loads(run(tmp_path, "ls", "--json").stdout)
    assert (holding["collection"], holding["files"], holding["available"]) == ("tree", 1, 1)
    assert "HERE" in run(tmp_path, "sites").stdout
    assert "tree" in run(tmp_path, "ls").stdout


def test_skipped_files_are_named_with_reasons_and_an_exit_code(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits")
    (tmp_path / "tree" / os.fsdecode(b"b\xff[red].fits")).touch()
    plain = run(tmp_path, "add", str(tmp_path / "tree"), "--collection", "c")
    assert plain.exit_code == SOME_SKIPPED
    assert "b%FF[red].fits: it is empty" in plain.stderr
    machine = run(tmp_path, "add", str(tmp_path / "tree"), "--collection", "c", "--json")
    report = json.loads(machine.stdout)
    assert (report["unchanged"], report["skipped"][0]["reason"]) == (1, "it is empty")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "does not exist"),
        (["tree", "--collection", "a b"], "cannot name a collection"),
        (["tree", "--site", "a/b"], "cannot name a site"),
        (["tree", "--latitude", "91"], "less than or equal to 90"),
        (["bad name"], "--collection"),
    ],
)
def test_bad_arguments_are_refused_with_a_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    write(tmp_path / "tree" / "a.fits")
    write(tmp_path / "bad name" / "a.fits")
    result = run(tmp_path, "add", str(tmp_path / arguments[0]), *arguments[1:])
    assert result.exit_code == 2
    assert message in " ".join(re.sub("[│╭╰─╮╯]", " ", result.output).split())


def test_removing_forgets_a_collection(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits")
    run(tmp_path, "add", str(tmp_path / "tree"))
    assert run(tmp_path, "remove", "tree").stdout == "1 files of tree forgotten\n"
    assert run(tmp_path, "remove", "tree").exit_code == 1
