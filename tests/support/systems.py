"""Real systems that tests need: missing ones skip loudly, or fail where REQUIRE_TEST_SYSTEMS is set."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from penstock.compiled import compiled

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def missing(what: str, how: str) -> None:
    """Skip the running test because a system is not installed; fail instead where all systems are demanded."""
    message = f"{what} is not installed: {how}"
    if os.environ.get("REQUIRE_TEST_SYSTEMS"):
        pytest.fail(message)
    pytest.skip(message)


def require_compiled(name: str) -> Any:
    """Return a compiled module of Penstock."""
    module = compiled(name)
    if module is None:
        missing(f"The compiled module {name}", "install Penstock again where there is a C++ compiler")
    return module


def require_stilts() -> str:
    """Return the path of the stilts command."""
    found = shutil.which("stilts")
    if found is None:
        missing("STILTS", "apt install stilts")
    assert found
    return found


def require_command(name: str, how: str) -> str:
    """Return the path of a command."""
    found = shutil.which(name)
    if found is None:
        missing(name, how)
    assert found
    return found


def require_shared(*parts: str) -> Path:
    """Return a file of the official material that stands beside a checkout; skip where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path.name}: the official schemas do not stand beside this checkout")
    return path
