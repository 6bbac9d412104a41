"""A real podman with storage of its own and one small image, made from busybox."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.support.systems import missing, require_command

PACKAGES = "apt install --no-install-recommends podman runc slirp4netns busybox-static"
NAME = "localhost/penstock/busybox"
APPLETS = ("sh", "cat", "echo", "env", "httpd", "id", "mkdir", "setsid", "sleep", "test", "touch", "wget")
# podman's own are higher than ours, and root may not raise its own everywhere
LIMITS = tuple(f"--ulimit={name}=1024:1024" for name in ("nofile", "nproc"))


@dataclass(frozen=True, kw_only=True)
class Podman:
    """How to call it, what new containers need here, and its image."""

    command: tuple[str, ...]
    create: tuple[str, ...]
    digest: str

    def containers(self) -> list[str]:
        """Return the names of all containers."""
        done = subprocess.run(
            [*self.command, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
        )
        return done.stdout.split()


@contextmanager
def podman(folder: Path) -> Iterator[Podman]:
    """Give a podman while the block lasts; skip the test where it cannot run containers."""
    for name in ("podman", "runc", "slirp4netns"):
        require_command(name, PACKAGES)
    busybox = shutil.which("busybox")
    if busybox is None:
        missing("busybox", PACKAGES)
    short = tempfile.mkdtemp(prefix="pod-")  # names of sockets, and of what is mounted, may not be long
    command = (
        *("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
        *("--storage-driver", "vfs", "--root", str(folder / "storage"), "--runroot", f"{short}/run"),
        *("--tmpdir", short),
    )
    folder.mkdir(parents=True)
    image = folder / "image.tar"
    _write_image(image, Path(str(busybox)).read_bytes())
    try:
        _run(*command, "import", str(image), f"{NAME}:1")
        digest = _run(*command, "image", "inspect", "--format", "{{.Digest}}", f"{NAME}:1")
        yield Podman(command=command, create=LIMITS, digest=digest)
    finally:
        subprocess.run([*command, "rm", "--all", "--force", "--time", "0"], capture_output=True, check=False)
        for path in (folder, short):
            shutil.rmtree(path, ignore_errors=True)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        missing("A podman that works", f"{' '.join(argv)}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def _write_image(path: Path, busybox: bytes) -> None:
    with tarfile.open(path, "w") as tar:
        for name in ("bin", "tmp", "www"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = len(busybox), 0o755
        tar.addfile(program, BytesIO(busybox))
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
