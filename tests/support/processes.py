"""Processes that tests start, and what is left of them."""

from __future__ import annotations

import subprocess

import psutil

END_S = 30


def alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def reap(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> int:
    """Wait for the end of a process that is about to end, and return its status."""
    try:
        return process.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
