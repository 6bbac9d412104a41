"""Modules that are compiled when Penstock is installed, where there is a C++ compiler (`hatch_build.py`)."""

from __future__ import annotations

import importlib
from typing import Any


def compiled(name: str) -> Any | None:
    """Return a compiled module by its full name; None where it was not built, and another way must do."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
