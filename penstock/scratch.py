"""Directories that last as long as an attempt, and no longer, however it ends.

Who uses a directory holds a lock beside it, which dies with the process: so what a killed attempt left behind is found
and removed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from penstock.dali.errors import ServiceUnavailable

_LOCK = ".lock"


@contextmanager
def scratch(root: Path | None = None) -> Iterator[Path]:
    """Give an empty directory that nobody else sees.

    Parameters
    ----------
    root
        Where; a directory of ours where the system keeps temporary files (``TMPDIR``), if not given.

    Raises
    ------
    ServiceUnavailable
        There is no room for it.
    """
    try:
        home, lock = _made(root or Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}")
    except OSError as error:
        raise ServiceUnavailable(f"There is no room for the temporary files of the job: {error.strerror}.") from error
    with lock:
        try:
            yield home
        finally:
            _remove(home)


def _made(root: Path) -> tuple[Path, IO[str]]:
    root.mkdir(mode=0o700, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise PermissionError(0, f"{root} is somebody else's")
    with (root / _LOCK).open("w") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)  # so that nobody takes a directory that is being made for one that was left
        for left in root.iterdir():
            if left.is_dir() and _is_left(left):
                _remove(left)
        home = Path(tempfile.mkdtemp(dir=root))
        lock = (home / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return home, lock


def _remove(directory: Path) -> None:
    """Remove a directory, with what a command has made unreadable in it."""
    for folder, names, _ in os.walk(directory):
        for path in (Path(folder, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(directory, ignore_errors=True)


def _is_left(directory: Path) -> bool:
    try:
        with (directory / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
