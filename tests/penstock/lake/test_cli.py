from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penstock.lake.cli import SOME_SKIPPED, lake_app
from penstock.lake.sample import COLLECTION
from penstock.settings import SettingsError
from tests.penstock.lake.builders import write


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(lake_app, [*arguments, "--data", str(tmp_path / "data")])


def test_adding_tells_what_was_done(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits")
    first = run(tmp_path, "add", str(tmp_path / "tree"), "--site", "HERE", "--latitude", "10.5", "--longitude", "-20")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("1 added, 0 updated, 0 unchanged, 0 vanished, 0 skipped")
    assert f"data directory {tmp_path / 'data'}\n" in first.stderr
    assert "\n\n" not in first.stderr
    assert "1 unchanged" in run(tmp_path, "add", str(tmp_path / "tree"), "--site", "HERE").stdout
    sites = {site["name"]: site for site in json.loads(run(tmp_path, "sites", "--json").stdout)}
    assert (sites["HERE"]["latitude_deg"], sites["HERE"]["longitude_deg"]) == (10.5, -20)
    holdings = {holding["site"]: holding for holding in json.loads(run(tmp_path, "ls", "--json").stdout)}
    assert [holdings["HERE"][name] for name in ("collection", "files", "available")] == ["tree", 1, 1]
    assert "HERE" in run(tmp_path, "sites").stdout
    assert "tree" in run(tmp_path, "ls").stdout


def test_own_files_join_the_sample_in_a_new_lake_only(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits")
    assert "given the sample" in run(tmp_path, "add", str(tmp_path / "tree")).stderr
    collections = {holding["collection"] for holding in json.loads(run(tmp_path, "ls", "--json").stdout)}
    assert collections == {"tree", COLLECTION}
    run(tmp_path, "remove", COLLECTION)
    assert "given the sample" not in run(tmp_path, "add", str(tmp_path / "tree")).stderr
    assert [holding["collection"] for holding in json.loads(run(tmp_path, "ls", "--json").stdout)] == ["tree"]


def test_a_directory_without_fits_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "notes.txt").touch()
    result = run(tmp_path, "add", str(tmp_path / "tree"))
    assert result.stdout.startswith("0 added")
    assert f"no FITS file at {tmp_path / 'tree'}: none is called *.fits" in result.stderr


def test_a_data_directory_that_cannot_hold_the_sample_is_told(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lake").write_text("in the way")
    assert isinstance(run(tmp_path, "add", str(tmp_path / "tree")).exception, SettingsError)


def test_skipped_files_are_named_with_reasons_and_an_exit_code(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits")
    (tmp_path / "tree" / os.fsdecode(b"b\xff[red].fits")).touch()
    plain = run(tmp_path, "add", str(tmp_path / "tree"), "--collection", "c")
    assert plain.exit_code == SOME_SKIPPED
    assert "b%FF[red].fits: it is empty" in plain.stderr
    machine = run(tmp_path, "add", str(tmp_path / "tree"), "--collection", "c", "--json")
    report = json.loads(machine.stdout)
    assert (report["unchanged"], report["skipped"][0]["reason"]) == (1, "it is empty")


def test_a_file_whose_place_is_none_is_taken_and_named(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.fits", CRVAL1=1e300)
    added = run(tmp_path, "add", str(tmp_path / "tree"), "--json")
    assert added.exit_code == 0, added.output
    (told,) = json.loads(added.stdout)["doubts"]
    assert told["path"].endswith("a.fits")
    assert told["doubt"] == "no place on the sky: CRVAL1 and CRVAL2 say longitude 1e+300°, latitude 20°"
    again = run(tmp_path, "add", str(tmp_path / "tree"), "--verify")
    assert "a.fits: no place on the sky" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "does not exist"),
        (["tree", "--collection", "a b"], "cannot name a collection"),
        (["tree", "--site", "a/b"], "cannot name a site"),
        (["tree", "--latitude", "91"], "less than or equal to 90"),
        (["tree", "--latitude", "9"], "--latitude and --longitude are given together"),
        (["tree", "--longitude", "9"], "--latitude and --longitude are given together"),
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
