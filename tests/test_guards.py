"""The house itself: names that resolve to this project, contracts that hold, plugins that load."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from penstock.plugins import Group
from tests.support.systems import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_top_level_name_resolves_to_this_project(name: str) -> None:
    """Other distributions use these names too (uws-client has an import name `uws`)."""
    module = importlib.import_module(name)
    assert module.__file__
    assert Path(module.__file__).resolve().parent == ROOT / name


@pytest.mark.parametrize("group", list(Group))
def test_every_plugin_of_every_group_loads(group: Group) -> None:
    entries = entry_points(group=group)
    assert entries, f"{group} is empty"
    for entry in entries:
        entry.load()


def test_every_group_in_the_project_file_is_listed() -> None:
    groups = set(PROJECT["project"]["entry-points"])
    assert {group for group in groups if group.startswith("penstock.")} == set(Group)


VIOLATIONS = {
    "a service imports another": ("datalink/core/planted.py", "import tap_proxy.core\n"),
    "a service reaches into uws": ("tap_proxy/sources/planted.py", "import uws.store\n"),
    "penstock imports a service": ("penstock/planted.py", "import uws.ports\n"),
    "conformance imports what it judges": ("conformance/planted.py", "import penstock.vosi\n"),
    "xsd imports the project": ("xsd/planted.py", "import penstock.vosi\n"),
    "a core of uws imports its service": ("uws/core/planted.py", "import uws.service\n"),
    "a core of datalink imports its web": ("datalink/core/planted.py", "import datalink.web\n"),
    "a core of execplanner imports its app": ("execplanner/core/planted.py", "import execplanner.app\n"),
    "a core of registry imports its store": ("registry/core/planted.py", "import registry.store\n"),
    "a core does I/O": ("uws/core/planted.py", "import aiohttp\n"),
    "who cuts knows the web": ("datalink/cutting/planted.py", "import datalink.soda_web\n"),
    "adapters know each other": ("tap_proxy/sources/planted.py", "import tap_proxy.web\n"),
}


def test_the_tree_as_it_is_keeps_its_contracts(tmp_path: Path) -> None:
    _copy_tree(tmp_path)
    assert _lint(tmp_path) == 0


@pytest.mark.parametrize(("path", "text"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_planted_violation_is_found(tmp_path: Path, path: str, text: str) -> None:
    _copy_tree(tmp_path)
    (tmp_path / path).write_text(text)
    assert _lint(tmp_path) == 1


def _copy_tree(target: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", target)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))


def _lint(folder: Path) -> int:
    """Return the exit status of import-linter on the tree in `folder`."""
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, check=False
    ).returncode
