"""Files that came with a request wait on disk until the request is over."""

from __future__ import annotations

import tempfile
from pathlib import Path

from aiohttp import web

_SPOOLED: web.RequestKey[list[Path]] = web.RequestKey("spooled", list)


def new_spool_file(request: web.Request, directory: Path | None) -> Path:
    """Create an empty file that is removed at the end of the request, unless a service moved it away by then."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix="penstock-upload-", dir=directory, delete=False) as file:
        path = Path(file.name)
    request.setdefault(_SPOOLED, []).append(path)
    return path


def discard_spool(request: web.Request) -> None:
    """Remove what is still there of the files that the request brought."""
    for path in request.get(_SPOOLED, ()):
        path.unlink(missing_ok=True)
