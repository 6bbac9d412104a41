"""Looking at folders that others write to and delete from meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """Return all files below a folder; one that goes away during the look does no harm, unlike with `Path.rglob`."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]
