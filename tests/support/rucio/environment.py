"""The virtual environment of Rucio: made once on a machine, kept by its requirements and its Python."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.systems import missing

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_INSTALL_S = 900


def require_rucio() -> Path:
    """Return the folder of the environment's commands."""
    try:
        return install()
    except subprocess.CalledProcessError as error:
        missing("Rucio", f"python -m tests.support.rucio install\n{(error.stderr or b'').decode()[-2000:]}")
        raise


def install() -> Path:
    """Make the environment if it is missing, and return the folder of its commands; two processes may call it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-tests"
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache / f"rucio-{key}"
    with (cache / f"rucio-{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
            pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
            _run(*pip, "-r", str(REQUIREMENTS))
            (folder / "complete").touch()
    return folder / "bin"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_S)
