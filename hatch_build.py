"""Builds the compiled modules (`*.pyx`) into the wheel, and in place for an editable installation.

Where there is no C++ compiler the installation goes on without them: everything works, long results take longer.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULES = ("penstock.votable._numbers", "penstock.votable._rows", "tap_proxy.sources._copied_rows")


class CompiledModules(BuildHookInterface[Any]):
    """Compiles the modules and has the wheel take along those that could be."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build; `build_data` tells hatchling what came of it."""
        with TemporaryDirectory() as folder:
            built = [name for name in _compile(Path(folder)) if self._put_in_place(Path(folder), name)]
        if built:
            build_data["artifacts"] += built
            build_data["pure_python"], build_data["infer_tag"] = False, True

    def _put_in_place(self, folder: Path, name: str) -> bool:
        """Move a module into the tree; what an earlier version of it left there goes in any case."""
        here = Path(self.root, name)
        here.unlink(missing_ok=True)
        if not (folder / name).exists():
            return False
        shutil.move(folder / name, here)
        return True


def _compile(folder: Path) -> list[str]:
    """Compile into a folder, and return the paths in it at which the modules are, where they could be compiled."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    flags = [] if sys.platform == "win32" else ["-O3", "-g0"]
    sources = {name: [f"{name.replace('.', '/')}.pyx"] for name in MODULES}
    extensions = [Extension(*each, extra_compile_args=[*flags]) for each in sources.items()]
    made = cythonize(extensions, build_dir=str(folder), quiet=True)
    for extension in made:
        extension.optional = True  # one that cannot be compiled is told of and left out
        if extension.language == "c++" and sys.platform != "win32":
            extension.extra_compile_args.append("-std=c++17")
    command = build_ext(Distribution({"name": "penstock", "ext_modules": made}))
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    return [command.get_ext_filename(name) for name in MODULES]
