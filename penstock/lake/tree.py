"""The files of a directory tree that may be FITS, in the order of their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.lake.names import file_did
from penstock.lake.record import Candidate, Skipped
from penstock.lake.rows import SUFFIXES, UNREAD_SUFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A directory, or a single file, and the collection that it belongs to; `path` is resolved."""

    path: Path
    collection: str

    @property
    def root(self) -> Path:
        """The directory below which files take their names."""
        return self.path if self.path.is_dir() else self.path.parent


def walk(tree: Tree) -> Iterator[Candidate | Skipped]:
    """Yield the files of a tree that are called FITS, and what must be left out.

    Symbolic links to files inside the tree are followed; those that lead out of it, and those to directories, are not.
    """
    for path in _paths(tree.path) if tree.path.is_dir() else iter((tree.path,)):
        if isinstance(path, Skipped):
            yield path
        elif path.name.lower().endswith((*SUFFIXES, *UNREAD_SUFFIXES)) or path == tree.path:
            yield _candidate(tree, path)


def _paths(directory: Path) -> Iterator[Path | Skipped]:
    try:
        with os.scandir(directory) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(path=directory, reason=f"the directory cannot be read: {error.strerror or error}")
        return
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            yield from _paths(Path(entry.path))
        else:
            yield Path(entry.path)


def _candidate(tree: Tree, path: Path) -> Candidate | Skipped:
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(tree.root):
            return Skipped(path=path, reason="it is a symbolic link that leads out of the tree")
        status = path.stat()
        did = file_did(tree.collection, path.relative_to(tree.root))
    except (OSError, RuntimeError) as error:
        return Skipped(path=path, reason=f"it cannot be read: {getattr(error, 'strerror', None) or error}")
    except ValueError as error:
        return Skipped(path=path, reason=str(error))
    if not stat.S_ISREG(status.st_mode):
        return Skipped(path=path, reason="it is not a regular file")
    return Candidate(did=did, path=path, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)
