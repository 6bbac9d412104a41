"""In which order files of tests run where several processes share them (`--dist loadfile --no-loadscope-reorder`).

What takes longest begins first, so that no process has much to do alone at the end.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support.systems import ROOT

RUCIO = "tests/penstock/lake/rucio"
LONGEST = (
    RUCIO,
    "tests/story/test_conformance.py",
    "tests/execplanner/executors/test_jupyterhub.py",
    "tests/penstock/test_cli.py",
    "tests/uws/survival",
    "tests/penstock/test_processes.py",
    "tests/registry/test_commands.py",
    "tests/docs/test_examples.py",
    "tests/execplanner/store/test_interleavings.py",
)


class FileByFile(LoadFileScheduling):
    """Gives each file to one process, and all files that need Rucio to the same, since that is slow to start."""

    def _split_scope(self, nodeid: str) -> str:
        return RUCIO if nodeid.startswith(f"{RUCIO}/") else str(super()._split_scope(nodeid))


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests so that the files that take longest begin; all others stay as they are."""
    items.sort(key=lambda item: _rank(item.path.relative_to(ROOT)))


def _rank(path: Path) -> int:
    return next((rank for rank, long in enumerate(LONGEST) if path.is_relative_to(long)), len(LONGEST))
