"""Freed memory is there for the next piece."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from penstock.memory import keep_freed_memory
keep_freed_memory()
pieces = 50
for piece in range(pieces):
    if piece == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * (4 << 20)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (pieces - 5))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_pages_of_a_piece_are_used_again() -> None:
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 100  # of the 1024 pages of a piece
