"""Works for tests of executors."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import orjson

from execplanner.ports import Mount, Work
from penstock.auth.principal import Principal

OWNER = Principal(subject="ada")


def work(folder: Path, kind: str, executable: dict[str, Any], **more: Any) -> Work:
    """Return a work of a new session, with a folder of its own below `folder`."""
    session_id = str(uuid.uuid4())
    own = folder / session_id
    own.mkdir()
    given: dict[str, Any] = {"cores": 1, "memory_bytes": 2**29, "duration_s": 600.0, "owner": OWNER}
    return Work(session_id=session_id, kind=kind, executable=executable, folder=own, **{**given, **more})


def program(folder: Path, text: str, *arguments: str, **more: Any) -> Work:
    """Return a work that is a Python program."""
    source = folder / f"{uuid.uuid4()}.py"
    source.write_text(text)
    mounts = (Mount(path="/code/program.py", source=source), *more.pop("mounts", ()))
    executable = {"location": "/code/program.py", "arguments": list(arguments), **more.pop("executable", {})}
    return work(folder, "python-program", executable, mounts=mounts, **more)


def notebook(folder: Path, code: str = "print(1)", **more: Any) -> Work:
    """Return a work that is a notebook of one cell."""
    source = folder / "sky.ipynb"
    source.write_bytes(notebook_of(code))
    mounts = (Mount(path="/code/sky.ipynb", source=source), *more.pop("mounts", ()))
    return work(folder, "jupyter-notebook", {"location": "/code/sky.ipynb"}, mounts=mounts, **more)


def notebook_of(code: str) -> bytes:
    """Return a notebook of one cell."""
    cell = {"cell_type": "code", "source": code, "metadata": {}, "outputs": [], "execution_count": None, "id": "one"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]}
    return orjson.dumps(content)
