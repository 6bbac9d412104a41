from __future__ import annotations

from pathlib import Path

import pytest

from execplanner.core.facility import Access, Capacity, Facility, Kind
from execplanner.executors.programs import Programs
from execplanner.facilities import RecordReader, this_host
from penstock.settings import SettingsError
from uws.ports import JobContext, JobType

RECORD = """
id: ivo://penstock.example/hub
title: The hub
site: paris
interfaces:
- {servicetype: jupyter-hub, endpoint: "https://hub.example.org/"}
kinds:
  jupyter-notebook: {title: Notebooks, languages: [md, python]}
  sleep: {}
capacity: {cores: 16, memory: 64G, duration: PT8H, startup: 30s}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "facility.yaml"
    path.write_text(text)
    return path


def test_a_record_is_read(tmp_path: Path) -> None:
    assert RecordReader().read_file(written(tmp_path, RECORD)) == Facility(
        id="ivo://penstock.example/hub",
        title="The hub",
        site="paris",
        interfaces=(Access(servicetype="jupyter-hub", endpoint="https://hub.example.org/"),),
        kinds={"jupyter-notebook": Kind(title="Notebooks", languages=("md", "python")), "sleep": Kind()},
        capacity=Capacity(cores=16, memory_bytes=64 * 10**9, duration_s=28_800, startup_s=30),
    )


def test_what_records_share_is_shared_and_what_is_their_own_is_theirs(tmp_path: Path) -> None:
    reader = RecordReader()
    first = reader.read_file(written(tmp_path, RECORD))
    other = RECORD.replace("hub\n", "other\n").replace("site: paris", "coordinates: {latitude: 1, longitude: 2}")
    second, third = (
        reader.read_file(written(tmp_path, text)) for text in (other, other.replace("cores: 16", "cores: 8"))
    )
    assert second == RecordReader().read_file(written(tmp_path, other))
    assert (second.id, second.site, second.latitude_deg) == ("ivo://penstock.example/other", None, 1.0)
    assert second.kinds is first.kinds
    assert (second.capacity.cores, third.capacity.cores) == (16, 8)
    with pytest.raises(SettingsError, match="title"):
        reader.read_file(written(tmp_path, RECORD.replace("title: The hub\n", "")))


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("cores: 16", "cores: -1", "capacity.cores"),
        ("64G", "much", "capacity.memory"),
        ("PT8H", "8", "capacity.duration"),
        ("site:", "sight:", "sight"),
        ("https://hub", "ftp://hub", "interfaces.0.endpoint"),
        ("title: The hub\n", "", "title"),
        ("site: paris", "site: paris\nsite: perth", "twice"),
        ("site: paris", "site: &x paris", "aliases"),
        ("kinds:", "kinds: [", "YAML"),
    ],
)
def test_a_wrong_record_is_one_line_that_says_where(tmp_path: Path, old: str, new: str, where: str) -> None:
    with pytest.raises(SettingsError, match=where) as caught:
        RecordReader().read_file(written(tmp_path, RECORD.replace(old, new)))
    assert "\n" not in str(caught.value)


def test_a_missing_record_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        RecordReader().read_file(tmp_path / "none.yaml")


async def nothing(_context: JobContext) -> None:
    return None


@pytest.mark.parametrize("installed", [False, True])
def test_this_host_offers_notebooks_only_where_it_can_run_them(tmp_path: Path, *, installed: bool) -> None:
    jupyter = tmp_path / "jupyter-execute"
    if installed:
        jupyter.touch()
    facility = this_host("a.b.c", "/uws/jobs", {}, max_duration_s=60, plugins=["process"], jupyter=jupyter)
    assert ("jupyter-notebook" in facility.kinds) == installed
    assert "python-program" in facility.kinds
    options = Programs.model_validate(facility.executors["process"].options)
    assert options.jupyter_execute == (str(jupyter) if installed else None)


def test_this_host_runs_what_is_installed() -> None:
    sleep = JobType(name="sleep", version="1", title="Sleep", description="Sleeps.", run=nothing)
    facility = this_host("a.b.c", "https://x.example/uws/jobs", {"sleep": sleep}, max_duration_s=60)
    assert {name: kind.title for name, kind in facility.kinds.items()} == {"sleep": "Sleep"}
    assert facility.executor_for("sleep") is None
    assert facility.interfaces[0].endpoint == "https://x.example/uws/jobs"
    assert facility.capacity.cores
    assert facility.capacity.duration_s == 60
