"""Installations with and without a C++ compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.systems import ROOT, require_command

TREE = ("penstock", "tap_proxy", "uws", "execplanner", "registry", "datalink", "xsd", "conformance")


def wheel(folder: Path, **environment: str) -> tuple[str, set[str]]:
    """Build a wheel from a copy of the tree; return its name and the suffixes of compiled modules in it."""
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__")  # modules that were compiled before stay: they may be stale
    for name in TREE:
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py"):
        shutil.copy(ROOT / name, tree / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=tree, env=os.environ | environment, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return built.name, {Path(name).name.split(".")[0] for name in archive.namelist() if name.endswith(".so")}


def test_a_wheel_has_the_compiled_modules(tmp_path: Path) -> None:
    require_command("c++", "your system's C++ compiler")
    name, compiled = wheel(tmp_path)
    assert not name.endswith("-none-any.whl")
    assert compiled == {"_numbers", "_rows", "_copied_rows"}


@pytest.mark.skipif(sys.platform == "win32", reason="compilers are found in another way there")
def test_without_a_compiler_the_wheel_is_of_pure_python(tmp_path: Path) -> None:
    name, compiled = wheel(tmp_path, CC="/nonexistent/cc", CXX="/nonexistent/c++")
    assert name.endswith("-none-any.whl")
    assert compiled == set()
