"""The examples in README and tour run as they stand, against a server on another port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, serve
from tests.support.systems import ROOT, require_stilts

DEFAULT = "http://127.0.0.1:8080"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NOT_TO_RUN = ("make ", "pip ", "penstock lake add /data", "penstock serve", "-m pytest")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("data")) as running:
        yield running


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of one language on a page, in order."""
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


NAMES = ("datalink", "lake", "tour", "registry", "conformance", "soda", "basket", "execution-planner")
PAGES = ("README.md", *(f"docs/{name}.md" for name in NAMES))
SHELL = [text for name in ("tour", "datalink", "execution-planner") for text in blocks(ROOT / f"docs/{name}.md", "sh")]


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_run(page: str, server: Server) -> None:
    code = "\n".join(blocks(ROOT / page, "python")).replace(DEFAULT, server.base)
    namespace: dict[str, object] = {}
    exec(compile(code, page, "exec"), namespace)


@pytest.mark.parametrize("text", SHELL)
def test_shell_examples_run(text: str, server: Server) -> None:
    if any(word in text for word in NOT_TO_RUN):
        pytest.skip("changes the machine, or is run by another test")
    if "stilts" in text:
        require_stilts()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", text.replace(DEFAULT, server.base)]
    done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.strip()
